"""Decisions that are retained: read to rehearse a draft on them, never to serve."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from api.storage.statements import chunks
from api.storage.tables import decision_bodies, decision_subjects, decisions, feedback, items


class RetainedDecision(NamedTuple):
    """A decision of the log.

    Attributes:
        seq: position in the log.
        decision_id: its id.
        has_body: its personal part is still there.
    """

    seq: int
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
    query = (
        select(decisions.c.seq, decisions.c.decision_id, decision_bodies.c.decision_id.is_not(None))
        .join(decision_bodies, decision_bodies.c.decision_id == decisions.c.decision_id, isouter=True)
        .order_by(decisions.c.seq)
    )
    return [
        RetainedDecision(seq, decision_id, bool(has_body))
        for seq, decision_id, has_body in conn.execute(query)
    ]


def read_policies_used(conn: Connection) -> set[str]:
    """Return the versions of all policies that retained decisions were made under."""
    return set(conn.execute(select(decisions.c.policy).distinct()).scalars())


def read_bodies_between(conn: Connection, first_seq: int, last_seq: int) -> list[RetainedBody]:
    """Return the bodies of decisions from one position in the log to another, oldest first."""
    query = (
        select(decisions.c.decision_id, decisions.c.minute, decisions.c.policy, decision_bodies.c.body)
        .join(decision_bodies, decision_bodies.c.decision_id == decisions.c.decision_id)
        .where(decisions.c.seq >= first_seq, decisions.c.seq <= last_seq)
        .order_by(decisions.c.seq)
    )
    return [RetainedBody(*row) for row in conn.execute(query)]


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
    query = select(decision_subjects.c.decision_id, decision_subjects.c.subject_key)
    for decision_id, subject_key in conn.execute(query):
        if decision_id in rehearsed:
            of_rehearsed.add(subject_key)
        if decision_id in touched:
            of_touched.add(subject_key)
    return len(of_rehearsed), len(of_touched)
