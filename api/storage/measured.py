"""What is measured (P7): what was shown to whom and what came of it, for a while, and sums, for good.

A row a suggestion that was shown to somebody who agreed to be measured, and one for an answer without any,
with a bit for each thing that came of it: so nothing counts twice, and a purchase finds the suggestion it is
owed to. It tells whose it is, and goes when they object, are erased, or after a while. The sums beside it
tell of nobody, and stay.

Sums are of the day of the decision, whenever something came of it, so no share is ever above one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, select, update

from api.storage.statements import chunks, insert_or_add, insert_unless_there
from api.storage.tables import decision_kinds, measured_suggestions, measurements
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Intent

OF_DECISION = -1
"""Stands for the intent in what is counted of whole decisions."""

NO_ITEM = 0
"""Stands for the item in the row of a decision that showed nothing: who got nothing counts as well."""


class Measure(StrEnum):
    """What is counted."""

    DECISION = "decision"
    """An answer, be it an empty one."""
    SLATE = "slate"
    """An answer with suggestions."""
    SUGGESTED = "suggested"
    SHOWN = "shown"
    """Seen by the customer, as the shop's page says, or as follows from what they did with it."""
    CLICKED = "clicked"
    ADDED_TO_CART = "added_to_cart"
    PURCHASED = "purchased"
    TOO_PERSONAL = "too_personal"


OUTCOMES: Mapping[Measure, int] = {
    Measure.SHOWN: 1,
    Measure.CLICKED: 2,
    Measure.ADDED_TO_CART: 4,
    Measure.PURCHASED: 8,
    Measure.TOO_PERSONAL: 16,
}
"""What can come of a suggestion, and its bit. Bits are stored: never renumber."""


@dataclass(frozen=True, slots=True)
class MeasuredDecision:
    """What is measured of a decision.

    Attributes:
        at_ms: when, milliseconds since the epoch.
        channel: where.
        arm: which of two is compared; empty where nothing is.
        suggestions: storage key and intent of each item that was shown.
    """

    at_ms: int
    channel: Channel
    arm: str
    suggestions: tuple[tuple[int, Intent], ...]


class Placed(NamedTuple):
    """A measured decision as it is stored: with its id, its kind and whose it is."""

    decision_id: str
    kind_no: int
    subject_key: bytes
    measured: MeasuredDecision


class Cell(NamedTuple):
    """What one sum is of; attributes as in the table."""

    day: int
    kind_no: int
    channel: int
    intent: int
    arm: str
    measure: Measure


class Touch(NamedTuple):
    """A suggestion that something came of."""

    decision_id: str
    item_no: int


class Sum(NamedTuple):
    """One sum as it is read.

    Attributes:
        day: days since the epoch.
        placement: where it was shown.
        basis: word of the basis.
        policy: version of the policy.
        model: version of the model; empty without one.
        channel: the channel's number.
        intent: the intent's number; ``OF_DECISION`` for whole decisions.
        arm: which of two; empty where nothing was compared.
        measure: what was counted.
        n: how often.
    """

    day: int
    placement: str
    basis: str
    policy: str
    model: str
    channel: int
    intent: int
    arm: str
    measure: Measure
    n: int


class Shown(NamedTuple):
    """One measured suggestion as it is read; attributes as in the table."""

    decision_id: str
    item_no: int
    subject_key: bytes
    arm: str
    outcomes: int


_SUGGESTION = ("decision_id", "item_no", "subject_key", "at_ms", "kind_no", "channel", "intent", "arm")


def insert_measured(conn: Connection, placed: Sequence[Placed]) -> None:
    """Store what was shown to who agreed to be measured, and count it."""
    counted: Counter[Cell] = Counter()
    rows: list[tuple[object, ...]] = []
    for decision_id, kind_no, subject_key, measured in placed:
        day, channel = measured.at_ms // DAY_MS, int(measured.channel)
        of_decision = Cell(day, kind_no, channel, OF_DECISION, measured.arm, Measure.DECISION)
        counted[of_decision] += 1
        counted[of_decision._replace(measure=Measure.SLATE)] += bool(measured.suggestions)
        for _, intent in measured.suggestions:
            counted[of_decision._replace(intent=int(intent), measure=Measure.SUGGESTED)] += 1
        shown = [(item_no, int(intent)) for item_no, intent in measured.suggestions]
        for item_no, intent_no in shown or [(NO_ITEM, OF_DECISION)]:
            of_item = (kind_no, channel, intent_no, measured.arm)
            rows.append((decision_id, item_no, subject_key, measured.at_ms, *of_item))
    insert_unless_there(conn, measured_suggestions, _SUGGESTION, rows)
    _count(conn, counted)


def measures_anything(conn: Connection) -> bool:
    """Tell whether anything is measured of anybody."""
    return conn.scalar(select(measured_suggestions.c.decision_id).limit(1)) is not None


def measured_channel(conn: Connection, decision_id: str) -> Channel | None:
    """Return where a decision was shown; ``None`` for one of which nothing is measured."""
    mine = measured_suggestions.c.decision_id == decision_id
    found = conn.scalar(select(measured_suggestions.c.channel).where(mine).limit(1))
    return None if found is None else Channel(found)


def note_outcomes(conn: Connection, touched: Collection[tuple[Touch, Measure]]) -> int:
    """Note what came of suggestions; return how many of these were new, and so were counted.

    What something came of was seen. Suggestions that are not measured are passed over.

    Args:
        conn: a writing connection.
        touched: suggestions, each with one of ``OUTCOMES``.
    """
    counted: Counter[Cell] = Counter()
    n_new = 0
    for touch, measure in sorted(set(touched)):  # one order, so no two can deadlock
        row = _row(conn, touch)
        if row is None:
            continue
        for each in dict.fromkeys((Measure.SHOWN, measure)):
            if not _set_bit(conn, touch, OUTCOMES[each]):
                continue
            counted[Cell(row.at_ms // DAY_MS, row.kind_no, row.channel, row.intent, row.arm, each)] += 1
            n_new += each is measure
    _count(conn, counted)
    return n_new


def last_touch(
    conn: Connection, subject_keys: Collection[bytes], item_no: int, from_ms: int, to_ms: int
) -> Touch | None:
    """Return the suggestion of an item that somebody saw last in a time; ``None`` where they saw none.

    Args:
        conn: a connection.
        subject_keys: who: the account, the device and the visit, as far as they are known.
        item_no: storage key of the item.
        from_ms: the first millisecond of it, since the epoch.
        to_ms: the last.
    """
    table = measured_suggestions
    query = (
        select(table.c.decision_id)
        .where(
            table.c.subject_key.in_(sorted(subject_keys)),
            table.c.item_no == item_no,
            table.c.at_ms.between(from_ms, to_ms),
            table.c.outcomes.bitwise_and(OUTCOMES[Measure.SHOWN]) != 0,
        )
        .order_by(table.c.at_ms.desc(), table.c.decision_id)
        .limit(1)
    )
    decision_id = conn.scalar(query)
    return None if decision_id is None else Touch(decision_id, item_no)


def forget_measured(conn: Connection, subject_keys: Collection[bytes]) -> None:
    """Remove what was shown to subjects and what came of it; the sums tell of nobody, and stay."""
    for some in chunks(sorted(subject_keys)):
        conn.execute(delete(measured_suggestions).where(measured_suggestions.c.subject_key.in_(some)))


def read_sums(conn: Connection, day_from: int, day_to: int) -> list[Sum]:
    """Return the sums of some days, each with what its decisions have in common.

    Args:
        conn: a connection.
        day_from: first day since the epoch.
        day_to: first day no longer wanted.
    """
    kinds = decision_kinds
    query = (
        select(
            *(measurements.c.day, kinds.c.placement, kinds.c.basis, kinds.c.policy, kinds.c.model),
            *(measurements.c.channel, measurements.c.intent, measurements.c.arm, measurements.c.measure),
            func.sum(measurements.c.n).label("n"),
        )
        .join(kinds, kinds.c.kind_no == measurements.c.kind_no)
        .where(measurements.c.day >= day_from, measurements.c.day < day_to)
    )
    columns = query.selected_columns[:-1]
    rows = conn.execute(query.group_by(*columns).order_by(*columns))
    return [Sum(**{**row._asdict(), "measure": Measure(row.measure), "n": int(row.n)}) for row in rows]


def read_measured(conn: Connection, from_ms: int, to_ms: int) -> Iterator[Shown]:
    """Yield measured suggestions of decisions in a time, by decision and item.

    Args:
        conn: a connection.
        from_ms: first millisecond since the epoch.
        to_ms: first millisecond no longer wanted.
    """
    table = measured_suggestions
    query = (
        select(*(table.c[name] for name in Shown._fields))
        .where(table.c.at_ms >= from_ms, table.c.at_ms < to_ms)
        .order_by(table.c.decision_id, table.c.item_no)
    )
    for row in conn.execute(query.execution_options(yield_per=1_000)):
        yield Shown(row.decision_id, row.item_no, bytes(row.subject_key), row.arm, row.outcomes)


def _row(conn: Connection, touch: Touch) -> Row[Any] | None:
    return conn.execute(select(measured_suggestions).where(_is(touch))).first()


def _set_bit(conn: Connection, touch: Touch, bit: int) -> bool:
    """Set one bit of what came of a suggestion, and tell whether it was not set before."""
    outcomes = measured_suggestions.c.outcomes
    unset = and_(_is(touch), outcomes.bitwise_and(bit) == 0)
    changed = update(measured_suggestions).where(unset).values(outcomes=outcomes.bitwise_or(bit))
    return conn.execute(changed).rowcount == 1


def _is(touch: Touch) -> ColumnElement[bool]:
    table = measured_suggestions
    return and_(table.c.decision_id == touch.decision_id, table.c.item_no == touch.item_no)


def _count(conn: Connection, counted: Counter[Cell]) -> None:
    """Add to the sums, in one order, so no two can deadlock."""
    rows = [(*cell[:-1], cell.measure.value, n) for cell, n in sorted(counted.items()) if n]
    insert_or_add(conn, measurements, Cell._fields, ("n",), rows)
