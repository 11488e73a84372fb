"""Exposures: what was shown to whom, as far as the customer permits to remember it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Text, bindparam, cast, delete, func, select

from api.storage.feedback import ACTED_ON, DISMISSED
from api.storage.prepared import Prepared, Rows, Wanted
from api.storage.statements import chunks, insert_rows
from api.storage.tables import exposures, feedback
from engine.catalogue import NO_CODE, Catalogue
from engine.vocabulary import Intent
from guardrails.exposures import NONE_SHOWN, Exposures

_SAID = (
    select(func.aggregate_strings(cast(feedback.c.item_no, Text) + " " + feedback.c.kind, ","))
    .where(feedback.c.decision_id == exposures.c.decision_id)
    .scalar_subquery()
)
"""What was said of the suggestions of a slate, or done with them, as in ``17 clicked,23 dismissed``."""

_SHOWN = select(*exposures.c, _SAID.label("said")).where(exposures.c.at_ms >= bindparam("since_ms"))
_TO_CUSTOMERS = _SHOWN.where(exposures.c.customer_no.in_(bindparam("customer_nos", expanding=True)))
_OF_CUSTOMERS = Prepared(_TO_CUSTOMERS)
_MESSAGES_TO_CUSTOMERS = Prepared(_TO_CUSTOMERS.where(exposures.c.outbound))
_OF_SESSION = Prepared(_SHOWN.where(exposures.c.session_key == bindparam("session_key")))


class _Slate(NamedTuple):
    """A row of the exposures with what was said of it; as in ``tables``."""

    decision_id: str
    customer_no: int | None
    session_key: bytes | None
    at_ms: int
    placement: str
    interruptive: bool
    outbound: bool
    suggestions: str
    said: str | None


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
    insert_rows(conn, exposures, _NAMES, [_values(decision_id, row) for decision_id, row in shown])


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


def exposures_of_each(wanted: Sequence[Shown], catalogue: Catalogue) -> Wanted[list[tuple[Exposures, int]]]:
    """Return what to ask for what was shown and how often that was read, of each of many in their order.

    It comes oldest first. What customers were shown since the same time is read with one statement.

    Args:
        wanted: which of what was shown.
        catalogue: suggestions of items it does not hold are left out.
    """
    groups = list(_together(wanted).items())
    visits = [(place, each) for place, each in enumerate(wanted) if each.session_key is not None]
    questions = [
        (_MESSAGES_TO_CUSTOMERS if messages_only else _OF_CUSTOMERS).asking(
            customer_nos=list(places), since_ms=since_ms
        )
        for (messages_only, since_ms), places in groups
    ]
    questions += [
        _OF_SESSION.asking(session_key=each.session_key, since_ms=each.since_ms) for _, each in visits
    ]

    def found(rows: Sequence[Rows]) -> list[tuple[Exposures, int]]:
        slates: list[dict[str, _Slate]] = [{} for _ in wanted]
        for (_, places), of_group in zip(groups, rows[: len(groups)], strict=True):
            for slate in map(_Slate._make, of_group):
                for place in places[slate.customer_no]:
                    slates[place][slate.decision_id] = slate
        for (place, _), of_visit in zip(visits, rows[len(groups) :], strict=True):
            slates[place].update((slate.decision_id, slate) for slate in map(_Slate._make, of_visit))
        return [
            (
                _exposures(sorted(shown.values(), key=_by_time), each.visit, catalogue),
                (each.customer_no is not None) + (each.session_key is not None),
            )
            for each, shown in zip(wanted, slates, strict=True)
        ]

    return Wanted(questions, found)


def _together(wanted: Sequence[Shown]) -> dict[tuple[bool, int], dict[int | None, list[int]]]:
    """Return the places in ``wanted`` of each customer, by what they have in common with others."""
    together: dict[tuple[bool, int], dict[int | None, list[int]]] = {}
    for place, each in enumerate(wanted):
        if each.customer_no is not None:
            group = together.setdefault((each.messages_only, each.since_ms), {})
            group.setdefault(each.customer_no, []).append(place)
    return together


def _by_time(slate: _Slate) -> tuple[int, str]:
    return slate.at_ms, slate.decision_id


def _exposures(slates: Sequence[_Slate], visit: bytes | None, catalogue: Catalogue) -> Exposures:
    if not slates:
        return NONE_SHOWN
    lists = orjson.loads(f"[{','.join(slate.suggestions for slate in slates)}]")
    slate_of = np.repeat(np.arange(len(slates)), [len(each) for each in lists])
    numbers = np.fromiter(chain.from_iterable(chain.from_iterable(lists)), np.int64)
    item_no, intent = numbers[::2], numbers[1::2]
    item_idx = catalogue.idx_of_no(item_no)
    in_visit = [visit is not None and slate.session_key == visit for slate in slates]
    shown = Exposures(
        item_idx=item_idx,
        at_ms=np.array([slate.at_ms for slate in slates], np.int64)[slate_of],
        intent=intent.astype(np.int8),
        same_session=np.array(in_visit, np.bool_)[slate_of],
        acted_on=_said(slates, ACTED_ON, slate_of, item_no),
        decision=slate_of,
        interruptive=np.array([slate.interruptive for slate in slates], np.bool_)[slate_of],
        outbound=np.array([slate.outbound for slate in slates], np.bool_)[slate_of],
        dismissed=_said(slates, DISMISSED, slate_of, item_no),
    )
    return shown.where(item_idx != NO_CODE)


def _said(
    slates: Sequence[_Slate], kinds: Collection[str], slate_of: NDArray[np.int64], item_no: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether one of these was said of each suggestion; shape like its slate's number and its item's key."""
    said = {
        (number, int(item))
        for number, slate in enumerate(slates)
        if slate.said is not None
        for item, _, kind in (each.partition(" ") for each in slate.said.split(","))
        if kind in kinds
    }
    if not said:
        return np.zeros(item_no.size, np.bool_)
    shown = zip(slate_of.tolist(), item_no.tolist(), strict=True)
    return np.fromiter((each in said for each in shown), np.bool_, item_no.size)


def _suggestions(row: Row[Any]) -> Iterable[tuple[int, Intent]]:
    return ((item_no, Intent(intent)) for item_no, intent in orjson.loads(row.suggestions))


_NAMES = (
    *("decision_id", "customer_no", "session_key", "at_ms"),
    *("placement", "interruptive", "outbound", "suggestions"),
)


def _values(decision_id: str, row: ExposureRow) -> tuple[object, ...]:
    suggestions = orjson.dumps([[item_no, int(intent)] for item_no, intent in row.suggestions]).decode()
    return (
        *(decision_id, row.customer_no, row.session_key, row.at_ms),
        *(row.placement, row.interruptive, row.outbound, suggestions),
    )
