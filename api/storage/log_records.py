"""Reading the log at length: places in it, what stands beside its entries, and many records in a row."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, func, select

from api.storage.bodies import OF_BODY, SealedBody, with_bodies
from api.storage.statements import chunks
from api.storage.tables import (
    decision_bodies,
    decision_kinds,
    decision_subjects,
    decisions,
    log_entries,
    log_tiles,
)

PAGE = 256
"""So many records, of some kilobytes each, are in memory at a time."""


class Beside(NamedTuple):
    """An entry with all that the store says of it outside the tree.

    Attributes:
        log_index: its place.
        entry: its bytes.
        type: what the store takes it for.
        minute: when, as the store has it.
        decision_id: under which id it is found; ``None`` where it is found under none.
        decision_minute: at which minute it is found.
        sealed: the encrypted body; ``None`` where there is none.
    """

    log_index: int
    entry: bytes
    type: str
    minute: int
    decision_id: str | None
    decision_minute: int | None
    sealed: bytes | None


class Sealed(NamedTuple):
    """A decision whose body has not been opened yet.

    Attributes:
        log_index: its place.
        decision_id: its id.
        body: the body, and what it takes to open it.
    """

    log_index: int
    decision_id: str
    body: SealedBody


@dataclass(frozen=True, slots=True)
class Which:
    """Which decisions are meant: those that meet every condition.

    Attributes:
        first: first place in the log.
        end: one past the last place.
        decision_ids: only these; empty for any.
        subject_key: only those for this subject; ``None`` for anybody.
    """

    first: int
    end: int
    decision_ids: Collection[str] = ()
    subject_key: bytes | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """What a query asks for, joined by AND; the ids are left to ``places``."""
        at = decisions.c.log_index
        found = [at >= self.first, at < self.end]
        if self.subject_key is not None:
            theirs = select(decision_subjects.c.log_index).where(
                decision_subjects.c.subject_key == self.subject_key
            )
            found.append(at.in_(theirs))
        return found


def span_of_minutes(
    conn: Connection, minute_from: int | None, minute_to: int | None, min_index: int, size: int
) -> tuple[int, int]:
    """Return first place and end of the entries between two minutes; ``(n, n)`` where there is none.

    Entries of neighbouring minutes may have changed places, so some of others may lie between.

    Args:
        conn: a connection.
        minute_from: first minute since the epoch; ``None`` for the beginning.
        minute_to: first minute no longer wanted; ``None`` for the end.
        min_index: entries before it were pruned.
        size: entries from it on are not looked at.
    """
    if minute_from is None and minute_to is None:
        return min_index, size
    at, minute = log_entries.c.log_index, log_entries.c.minute
    query = select(func.min(at), func.max(at)).where(at >= min_index, at < size)
    if minute_from is not None:
        query = query.where(minute >= minute_from)
    if minute_to is not None:
        query = query.where(minute < minute_to)
    first, last = conn.execute(query).one()
    return (size, size) if first is None else (first, last + 1)


def versions_between(conn: Connection, first: int, end: int) -> tuple[list[str], list[str]]:
    """Return the versions of policies and of models that decisions between two places name, in order."""
    at = decisions.c.log_index
    numbers = select(decisions.c.kind_no).where(at >= first, at < end).distinct()
    query = select(decision_kinds.c.policy, decision_kinds.c.model)
    rows = conn.execute(query.where(decision_kinds.c.kind_no.in_(numbers))).all()
    return sorted({row.policy for row in rows}), sorted({row.model for row in rows} - {""})


def entries_end(conn: Connection) -> int:
    """Return one past the last place that has an entry, or that a decision is said to be at."""
    last = [
        conn.execute(select(func.max(each))).scalar()
        for each in (log_entries.c.log_index, decisions.c.log_index)
    ]
    return max((-1 if each is None else each) for each in last) + 1


def beside(conn: Connection, first: int, end: int) -> list[Beside]:
    """Return the entries between two places with what is said of them outside the tree, in their order."""
    at = log_entries.c.log_index
    query = (
        select(
            at,
            log_entries.c.entry,
            log_entries.c.type,
            log_entries.c.minute,
            decisions.c.decision_id,
            decisions.c.minute.label("decision_minute"),
            decision_bodies.c.sealed,
        )
        .select_from(log_entries)
        .join(decisions, decisions.c.log_index == at, isouter=True)
        .join(decision_bodies, decision_bodies.c.log_index == at, isouter=True)
        .where(at >= first, at < end)
        .order_by(at)
    )
    found = (Beside(*row) for row in conn.execute(query))
    return [
        row._replace(entry=as_bytes(row.entry), sealed=None if row.sealed is None else as_bytes(row.sealed))
        for row in found
    ]


def stored_tile(conn: Connection, level: int, number: int) -> bytes:
    """Return the hashes of a tile as far as they are stored, whatever somebody has made of them."""
    query = select(log_tiles.c.hashes).where(log_tiles.c.level == level, log_tiles.c.tile == number)
    found = conn.execute(query).scalar()
    return b"" if found is None else as_bytes(found)


def as_bytes(stored: object) -> bytes:
    """Return what is stored as bytes; somebody may have put something else in their place."""
    return bytes(stored) if isinstance(stored, (bytes, memoryview)) else str(stored).encode()


def places(conn: Connection, which: Which) -> list[int]:
    """Return where the decisions meant are, in order."""
    query = select(decisions.c.log_index).where(*which.conditions)
    if not which.decision_ids:
        return list(conn.scalars(query.order_by(decisions.c.log_index)))
    found: list[int] = []
    for some in chunks(sorted(which.decision_ids)):
        found.extend(conn.scalars(query.where(decisions.c.decision_id.in_(some))))
    return sorted(found)


def records_at(conn: Connection, where: Collection[int]) -> Iterator[list[Sealed]]:
    """Yield decisions by their places, a page at a time, each page in order."""
    columns = (decisions.c.log_index, decisions.c.decision_id, *OF_BODY)
    query: Select[Any] = with_bodies(select(*columns), also_without=True)
    ordered = sorted(where)
    for start in range(0, len(ordered), PAGE):
        some = query.where(decisions.c.log_index.in_(ordered[start : start + PAGE]))
        rows = conn.execute(some.order_by(decisions.c.log_index))
        yield [Sealed(index, decision_id, SealedBody(*rest)) for index, decision_id, *rest in rows]
