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

_OF_CUSTOMERS = select(exposures).where(
    exposures.c.customer_no.in_(bindparam("customer_nos", expanding=True)),
    exposures.c.at_ms >= bindparam("since_ms"),
)
_MESSAGES_TO_CUSTOMERS = _OF_CUSTOMERS.where(exposures.c.outbound)
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


@dataclass(frozen=True, slots=True)
class Shown:
    """Which of what was shown is to be read.

    Attributes:
        since_ms: from when on, milliseconds since the epoch.
        customer_no: to this customer; ``None`` not to read that.
        messages_only: of what the customer was shown, only where the shop spoke first.
        session_key: in this visit; ``None`` not to read that.
        visit: the visit that is going on.
    """

    since_ms: int
    customer_no: int | None
    messages_only: bool = False
    session_key: bytes | None = None
    visit: bytes | None = None


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
    shown = Shown(since_ms, customer_no, messages_only, session_key, visit)
    (found,) = read_exposures_of_each(conn, [shown], catalogue)
    return found


def read_exposures_of_each(
    conn: Connection, wanted: Sequence[Shown], catalogue: Catalogue
) -> list[tuple[tuple[Exposure, ...], int]]:
    """Return what ``read_exposures`` does for each of many, in their order.

    What customers were shown since the same time is read with one statement.
    """
    slates: list[dict[str, Row[Any]]] = [{} for _ in wanted]
    for (messages_only, since_ms), places in _together(wanted).items():
        statement = _MESSAGES_TO_CUSTOMERS if messages_only else _OF_CUSTOMERS
        for some in chunks(sorted(places)):
            for row in conn.execute(statement, {"customer_nos": some, "since_ms": since_ms}):
                for place in places[row.customer_no]:
                    slates[place][row.decision_id] = row
    for place, each in enumerate(wanted):
        if each.session_key is not None:
            rows = conn.execute(_OF_SESSION, {"session_key": each.session_key, "since_ms": each.since_ms})
            slates[place].update((row.decision_id, row) for row in rows)
    said = _said(conn, {decision_id for found in slates for decision_id in found})
    return [
        (
            _exposures(sorted(found.values(), key=_by_time), each.visit, said, catalogue),
            (each.customer_no is not None) + (each.session_key is not None),
        )
        for each, found in zip(wanted, slates, strict=True)
    ]


def _together(wanted: Sequence[Shown]) -> dict[tuple[bool, int], dict[int, list[int]]]:
    """Return the places in ``wanted`` of each customer, by what they have in common with others."""
    together: dict[tuple[bool, int], dict[int, list[int]]] = {}
    for place, each in enumerate(wanted):
        if each.customer_no is not None:
            group = together.setdefault((each.messages_only, each.since_ms), {})
            group.setdefault(each.customer_no, []).append(place)
    return together


def _by_time(row: Row[Any]) -> tuple[int, str]:
    return row.at_ms, row.decision_id


def _exposures(
    slates: Sequence[Row[Any]], visit: bytes | None, said: _Said, catalogue: Catalogue
) -> tuple[Exposure, ...]:
    if not slates:
        return ()
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
