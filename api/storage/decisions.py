"""The decision log: appended to, read, searched; never changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select

from api.storage.exposures import ExposureRow, insert_exposures
from api.storage.suppressions import is_suppressed
from api.storage.tables import decision_bodies, decision_subjects, decisions


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision as it is handed to the log.

    Attributes:
        decision_id: random id.
        minute: when, in whole minutes since the epoch.
        placement: name of the placement.
        basis: word of the basis.
        outcome: word of the outcome.
        policy: version of the policy.
        model: version of the model; ``None`` without one.
        header: canonical bytes without personal data.
        body: the personal part.
        subject_key: whom it was for; ``None`` for nobody.
        exposure: what was shown; ``None`` for nothing, or nothing that may be remembered.
        suppression_key: under which it is remembered if they were erased; ``None`` for nobody.
        visit_suppression_key: the same for the visit; ``None`` without one.
    """

    decision_id: str
    minute: int
    placement: str
    basis: str
    outcome: str
    policy: str
    model: str | None
    header: bytes
    body: bytes
    subject_key: bytes | None
    exposure: ExposureRow | None
    suppression_key: bytes | None = None
    visit_suppression_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class DecisionSummary:
    """A decision as it is found; attributes as in ``StoredDecision``.

    Attributes:
        seq: position in the log; where the next page goes on.
    """

    seq: int
    decision_id: str
    minute: int
    placement: str
    basis: str
    outcome: str
    policy: str
    model: str | None


_BODIES_FETCHED = 500
"""How many bodies, of some kilobytes each, are in memory at a time."""

_SUMMARY = tuple(decisions.c[name] for name in DecisionSummary.__dataclass_fields__)
_HEADER = ("decision_id", "minute", "placement", "basis", "outcome", "policy", "model", "header")


def append_decisions(conn: Connection, batch: Sequence[StoredDecision]) -> None:
    """Store decisions in the order given, each with its body, whom it was for and what was shown.

    Of a decision for somebody who was erased, be it while it was made, the header alone is stored; what
    was shown in a visit that was erased is not remembered for the visit.
    """
    if not batch:
        return
    conn.execute(insert(decisions), [{name: getattr(each, name) for name in _HEADER} for each in batch])
    keys = {key for each in batch for key in (each.suppression_key, each.visit_suppression_key) if key}
    erased = is_suppressed(conn, keys)
    kept = [each for each in batch if each.suppression_key not in erased]
    if kept:
        conn.execute(
            insert(decision_bodies), [{"decision_id": each.decision_id, "body": each.body} for each in kept]
        )
    subjects = [
        {"subject_key": each.subject_key, "decision_id": each.decision_id}
        for each in kept
        if each.subject_key is not None
    ]
    if subjects:
        conn.execute(insert(decision_subjects), subjects)
    shown = {each.decision_id: _to_remember(each, erased) for each in kept}
    insert_exposures(conn, [(each, exposure) for each, exposure in shown.items() if exposure is not None])


def _to_remember(decision: StoredDecision, erased: set[bytes]) -> ExposureRow | None:
    """Return what may be remembered of what was shown."""
    exposure = decision.exposure
    if exposure is None or decision.visit_suppression_key not in erased:
        return exposure
    return None if exposure.customer_no is None else replace(exposure, session_key=None)


def read_decision(conn: Connection, decision_id: str) -> tuple[bytes, bytes | None] | None:
    """Return header and body, ``None`` in place of a body that was erased; ``None`` for no decision."""
    row = conn.execute(
        select(decisions.c.header, decision_bodies.c.body)
        .join(decision_bodies, decision_bodies.c.decision_id == decisions.c.decision_id, isouter=True)
        .where(decisions.c.decision_id == decision_id)
    ).first()
    return None if row is None else (row.header, row.body)


def decision_subject(conn: Connection, decision_id: str) -> bytes | None:
    """Return whom a decision was for; ``None`` for nobody, for somebody erased, and for no decision."""
    found: bytes | None = conn.execute(
        select(decision_subjects.c.subject_key).where(decision_subjects.c.decision_id == decision_id)
    ).scalar()
    return found


def search_decisions(
    conn: Connection,
    *,
    limit: int,
    after_seq: int | None = None,
    placement: str | None = None,
    basis: str | None = None,
    outcome: str | None = None,
    model: str | None = None,
    policy: str | None = None,
    minute_from: int | None = None,
    minute_to: int | None = None,
    subject_key: bytes | None = None,
) -> list[DecisionSummary]:
    """Return decisions that meet every condition given, newest first.

    Args:
        conn: a connection.
        limit: most decisions to return.
        after_seq: go on behind this one: the ``seq`` of the last decision of the page before.
        placement: name of the placement.
        basis: word of the basis.
        outcome: word of the outcome.
        model: version of the model.
        policy: version of the policy.
        minute_from: first minute since the epoch.
        minute_to: first minute no longer wanted.
        subject_key: whom they were for.
    """
    equal = {"placement": placement, "basis": basis, "outcome": outcome, "model": model, "policy": policy}
    query: Select[Any] = select(*_SUMMARY).order_by(decisions.c.seq.desc()).limit(limit)
    for name, value in equal.items():
        if value is not None:
            query = query.where(decisions.c[name] == value)
    if after_seq is not None:
        query = query.where(decisions.c.seq < after_seq)
    if minute_from is not None:
        query = query.where(decisions.c.minute >= minute_from)
    if minute_to is not None:
        query = query.where(decisions.c.minute < minute_to)
    if subject_key is not None:
        query = query.join(
            decision_subjects, decision_subjects.c.decision_id == decisions.c.decision_id
        ).where(decision_subjects.c.subject_key == subject_key)
    return [DecisionSummary(**row) for row in conn.execute(query).mappings()]


def count_bodies(conn: Connection, minute_from: int, minute_to: int) -> int:
    """Return about how many decisions of a stretch of minutes there are; of some the body was erased."""
    between = (decisions.c.minute >= minute_from) & (decisions.c.minute < minute_to)
    return int(conn.execute(select(func.count()).select_from(decisions).where(between)).scalar_one())


def read_bodies(conn: Connection, minute_from: int, minute_to: int) -> Iterator[tuple[int, bytes]]:
    """Yield minute and body of every decision that still has one, oldest first, a run at a time.

    Args:
        conn: a connection.
        minute_from: first minute since the epoch.
        minute_to: first minute no longer wanted.
    """
    query = (
        select(decisions.c.minute, decision_bodies.c.body)
        .join(decision_bodies, decision_bodies.c.decision_id == decisions.c.decision_id)
        .where(decisions.c.minute >= minute_from, decisions.c.minute < minute_to)
        .order_by(decisions.c.minute, decisions.c.seq)
        .execution_options(yield_per=_BODIES_FETCHED)
    )
    for row in conn.execute(query):
        yield row.minute, row.body
