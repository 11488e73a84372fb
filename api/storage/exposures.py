"""Exposures: what was shown to whom, as far as the customer permits to remember it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Connection, Row, bindparam, delete, insert, select

from api.storage.feedback import ACTED_ON, DISMISSED
from api.storage.statements import chunks
from api.storage.tables import exposures, feedback
from engine.catalogue import NO_CODE, Catalogue
from engine.vocabulary import Intent
from guardrails.request import Exposure

_Said = defaultdict[tuple[str, int], set[str]]
"""Kinds of feedback by decision and storage key of the item."""

_OF_CUSTOMER = select(exposures).where(
    exposures.c.customer_no == bindparam("customer_no"), exposures.c.at_ms >= bindparam("since_ms")
)
_MESSAGES_TO_CUSTOMER = _OF_CUSTOMER.where(exposures.c.outbound)
_OF_SESSION = select(exposures).where(
    exposures.c.session_key == bindparam("session_key"), exposures.c.at_ms >= bindparam("since_ms")
)


@dataclass(frozen=True, slots=True)
class ExposureRow:
    """One slate that was shown.

    Attributes:
        customer_no: whom it was shown to; ``None`` when that may not be remembered.
        session_key: in which visit; ``None`` when that may not be remembered.
        at_ms: when, milliseconds since the epoch.
        placement: name of the placement.
        interruptive: it stopped the customer.
        outbound: the shop spoke first.
        suggestions: storage key of each item, and what it was shown for, in the order shown.
    """

    customer_no: int | None
    session_key: bytes | None
    at_ms: int
    placement: str
    interruptive: bool
    outbound: bool
    suggestions: tuple[tuple[int, Intent], ...]


def delete_exposures(conn: Connection, decision_ids: Sequence[str]) -> None:
    """Forget what decisions have shown."""
    for some in chunks(decision_ids):
        conn.execute(delete(exposures).where(exposures.c.decision_id.in_(some)))


def insert_exposures(conn: Connection, shown: Sequence[tuple[str, ExposureRow]]) -> None:
    """Store what was shown, each under the id of its decision."""
    if shown:
        conn.execute(insert(exposures), [_values(decision_id, row) for decision_id, row in shown])


def read_exposure(conn: Connection, decision_id: str) -> ExposureRow | None:
    """Return what a decision showed; ``None`` when that was nothing or may not be remembered."""
    row = conn.execute(select(exposures).where(exposures.c.decision_id == decision_id)).first()
    if row is None:
        return None
    return ExposureRow(
        customer_no=row.customer_no,
        session_key=row.session_key,
        at_ms=row.at_ms,
        placement=row.placement,
        interruptive=row.interruptive,
        outbound=row.outbound,
        suggestions=tuple(_suggestions(row)),
    )


def read_exposures(
    conn: Connection,
    *,
    customer_no: int | None,
    messages_only: bool,
    session_key: bytes | None,
    visit: bytes | None,
    since_ms: int,
    catalogue: Catalogue,
) -> tuple[tuple[Exposure, ...], int]:
    """Return what was shown from ``since_ms`` on, oldest first, and how many times was read.

    Args:
        conn: a connection.
        customer_no: read what was shown to this customer; ``None`` not to.
        messages_only: of what the customer was shown, read only where the shop spoke first.
        session_key: read what was shown in this visit; ``None`` not to.
        visit: the visit that is going on.
        since_ms: milliseconds since the epoch.
        catalogue: suggestions of items it does not hold are left out.
    """
    slates: dict[str, Row[Any]] = {}
    n_reads = 0
    if customer_no is not None:
        n_reads += 1
        to_customer = _MESSAGES_TO_CUSTOMER if messages_only else _OF_CUSTOMER
        rows = conn.execute(to_customer, {"customer_no": customer_no, "since_ms": since_ms})
        slates.update((row.decision_id, row) for row in rows)
    if session_key is not None:
        n_reads += 1
        rows = conn.execute(_OF_SESSION, {"session_key": session_key, "since_ms": since_ms})
        slates.update((row.decision_id, row) for row in rows)
    in_order = sorted(slates.values(), key=lambda row: (row.at_ms, row.decision_id))
    return _exposures(in_order, visit, _said(conn, slates), catalogue), n_reads


def _exposures(
    slates: Sequence[Row[Any]], visit: bytes | None, said: _Said, catalogue: Catalogue
) -> tuple[Exposure, ...]:
    shown = [
        (number, row, item_no, intent)
        for number, row in enumerate(slates)
        for item_no, intent in _suggestions(row)
    ]
    item_idx = catalogue.idx_of_no(np.array([item_no for _, _, item_no, _ in shown], np.int64))
    return tuple(
        Exposure(
            item_idx=idx,
            at_ms=row.at_ms,
            placement=row.placement,
            intent=intent,
            same_session=visit is not None and row.session_key == visit,
            acted_on=not said[row.decision_id, item_no].isdisjoint(ACTED_ON),
            decision=number,
            interruptive=row.interruptive,
            outbound=row.outbound,
            dismissed=not said[row.decision_id, item_no].isdisjoint(DISMISSED),
        )
        for idx, (number, row, item_no, intent) in zip(item_idx.tolist(), shown, strict=True)
        if idx != NO_CODE
    )


def _said(conn: Connection, decision_ids: Iterable[str]) -> _Said:
    """Return what was said of the suggestions of some decisions, or done with them."""
    said: _Said = defaultdict(set)
    for some in chunks(sorted(decision_ids)):
        found = select(feedback.c.decision_id, feedback.c.item_no, feedback.c.kind)
        for row in conn.execute(found.where(feedback.c.decision_id.in_(some))):
            said[row.decision_id, row.item_no].add(row.kind)
    return said


def _suggestions(row: Row[Any]) -> Iterable[tuple[int, Intent]]:
    return ((item_no, Intent(intent)) for item_no, intent in orjson.loads(row.suggestions))


def _values(decision_id: str, row: ExposureRow) -> dict[str, Any]:
    return {
        "decision_id": decision_id,
        "customer_no": row.customer_no,
        "session_key": row.session_key,
        "at_ms": row.at_ms,
        "placement": row.placement,
        "interruptive": row.interruptive,
        "outbound": row.outbound,
        "suggestions": orjson.dumps([[item_no, int(intent)] for item_no, intent in row.suggestions]).decode(),
    }
