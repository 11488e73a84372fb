"""Decisions that are retained: read to rehearse a draft on them, never to serve."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from api.storage.bodies import OF_BODY, SealedBody, open_those_that_open, with_bodies
from api.storage.keyring import Keyring
from api.storage.statements import chunks
from api.storage.tables import (
    decision_bodies,
    decision_kinds,
    decision_subjects,
    decisions,
    feedback,
    items,
)


class RetainedDecision(NamedTuple):
    """A decision of the log.

    Attributes:
        log_index: position in the log.
        decision_id: its id.
        has_body: its personal part is still there.
    """

    log_index: int
    decision_id: str
    has_body: bool


class RetainedBody(NamedTuple):
    """The personal part of a decision.

    Attributes:
        decision_id: its id.
        minute: when, in whole minutes since the epoch.
        policy: version of the policy it was made under.
        body: the bytes.
    """

    decision_id: str
    minute: int
    policy: str
    body: bytes


def read_retained(conn: Connection) -> list[RetainedDecision]:
    """Return every decision of the log, oldest first."""
    at = decisions.c.log_index
    query = (
        select(at, decisions.c.decision_id, decision_bodies.c.log_index.is_not(None))
        .join(decision_bodies, decision_bodies.c.log_index == at, isouter=True)
        .order_by(at)
    )
    return [
        RetainedDecision(log_index, decision_id, bool(has_body))
        for log_index, decision_id, has_body in conn.execute(query)
    ]


def read_policies_used(conn: Connection) -> set[str]:
    """Return the versions of all policies that retained decisions were made under."""
    return set(conn.execute(select(decision_kinds.c.policy).distinct()).scalars())


def read_bodies_between(
    conn: Connection, keyring: Keyring, first_index: int, last_index: int
) -> list[RetainedBody]:
    """Return the bodies of decisions from one position in the log to another, oldest first.

    One that cannot be opened, because its key was destroyed or it was changed, is empty.
    """
    query = (
        with_bodies(select(decisions.c.decision_id, decision_kinds.c.policy, *OF_BODY))
        .where(decisions.c.log_index >= first_index, decisions.c.log_index <= last_index)
        .order_by(decisions.c.log_index)
    )
    rows = conn.execute(query).all()
    sealed = [SealedBody(row.entry, row.sealed, row.subject_key, row.minute) for row in rows]
    bodies = open_those_that_open(keyring, sealed)
    return [
        RetainedBody(row.decision_id, row.minute, row.policy, body or b"")
        for row, body in zip(rows, bodies, strict=True)
    ]


def read_feedback(conn: Connection, decision_ids: Sequence[str]) -> dict[tuple[str, str], set[str]]:
    """Return what came of suggestions, by decision and item id: words of what was said and done."""
    found: dict[tuple[str, str], set[str]] = {}
    for some in chunks(decision_ids):
        query = (
            select(feedback.c.decision_id, items.c.item_id, feedback.c.kind)
            .join(items, items.c.item_no == feedback.c.item_no)
            .where(feedback.c.decision_id.in_(some))
        )
        for decision_id, item_id, kind in conn.execute(query):
            found.setdefault((decision_id, item_id), set()).add(kind)
    return found


def count_customers(
    conn: Connection, rehearsed: Collection[str], touched: Collection[str]
) -> tuple[int, int]:
    """Return how many customers decisions were for: those that were rehearsed, and those that are touched."""
    of_rehearsed, of_touched = set[bytes](), set[bytes]()
    query = select(decisions.c.decision_id, decision_subjects.c.subject_key).join(
        decision_subjects, decision_subjects.c.log_index == decisions.c.log_index
    )
    for decision_id, subject_key in conn.execute(query):
        if decision_id in rehearsed:
            of_rehearsed.add(subject_key)
        if decision_id in touched:
            of_touched.add(subject_key)
    return len(of_rehearsed), len(of_touched)
