"""Places in the log that are in each of several lists, newest first, found along the shortest of them.

A list is a stretch of an index: the places of a term, of a subject, of a kind of decision. How lists are
joined is left to no query planner. It knows neither that rare things often come together nor that a page
ends after a few rows, and guesses wrong by seconds. What is done instead:

1. Every list is asked for its first and last place; nothing is looked for outside of any of them.
2. Every list is counted between these, up to a bound.
3. The shortest is gone along, newest first, and each of its places is looked up in the others, until the
   page is full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, exists, func, select

_COUNTED = 100_000
"""How far lists are counted: some milliseconds. Of two that are longer, either is gone along."""


class Span(NamedTuple):
    """A stretch of the log.

    Attributes:
        first: its first place.
        last: its last place; before ``first`` where there is none.
    """

    first: int
    last: int

    def within(self, other: Span) -> Span:
        """Return what is in both."""
        return Span(max(self.first, other.first), min(self.last, other.last))

    def has(self, place: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that a place is in it."""
        return place.between(self.first, self.last)


EVERYWHERE = Span(0, 2**62)

Also = Callable[[ColumnElement[int]], Sequence[ColumnElement[bool]]]
"""Returns what else has to hold of a place."""


class Branch(NamedTuple):
    """The places of one value of a list.

    Attributes:
        value: the value.
        span: from the first of them to the last.
    """

    value: Any
    span: Span


@dataclass(frozen=True, slots=True)
class Postings:
    """A list of places in the log: those of all rows of a table that have one of some values.

    Attributes:
        table: has an index of ``key`` and ``log_index``, in this order.
        key: name of the column that has the values.
        values: selects them, each once, in a column ``value``.
    """

    table: Table
    key: str
    values: Select[Any]

    @property
    def _key(self) -> Column[Any]:
        return self.table.c[self.key]

    @property
    def _at(self) -> Column[int]:
        return self.table.c.log_index

    def branches(self, conn: Connection, span: Span) -> list[Branch]:
        """Return its values that occur in a stretch of the log; two looks at the index for each."""
        values = self.values.subquery()
        first, last = (
            select(end(self._at)).where(self._key == values.c.value, span.has(self._at)).scalar_subquery()
            for end in (func.min, func.max)
        )
        rows = conn.execute(select(values.c.value, first, last))
        return [Branch(value, Span(*ends)) for value, *ends in rows if ends[0] is not None]

    def count(self, conn: Connection, span: Span) -> int:
        """Return how many places of it are in a stretch of the log, or ``_COUNTED`` for at least so many."""
        some = select(self._at).where(self._key.in_(self.values), span.has(self._at)).limit(_COUNTED)
        return int(conn.execute(select(func.count()).select_from(some.subquery())).scalar_one())

    def contains(self, place: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that a place is in the list."""
        mine = self.table.alias()
        return exists().where(mine.c.log_index == place, mine.c[self.key].in_(self.values))

    def newest(
        self, conn: Connection, branches: Sequence[Branch], span: Span, also: Also, limit: int
    ) -> list[int]:
        """Return places of it of which something else holds, newest first.

        Its values are gone along one after the other, the one with the newest place first, until the
        newest place of the next one is older than a full page.
        """
        places: list[int] = []
        for branch in sorted(branches, key=lambda each: each.span.last, reverse=True):
            left = branch.span.within(span)
            if len(places) == limit:
                left = left.within(Span(places[-1] + 1, left.last))
            if left.first > left.last:
                continue
            query = select(self._at).where(self._key == branch.value, left.has(self._at), *also(self._at))
            found = conn.scalars(query.order_by(self._at.desc()).limit(limit))
            places = sorted([*places, *found], reverse=True)[:limit]
        return places


def newest_in_all(
    conn: Connection, lists: Sequence[Postings], span: Span, also: Also, limit: int
) -> list[int]:
    """Return places that are in every list and of which something else holds, newest first.

    Args:
        conn: a connection.
        lists: at least one.
        span: where in the log to look.
        also: what else has to hold.
        limit: most places to return, at least one.
    """
    branches = []
    for each in lists:
        branches.append(each.branches(conn, span))
        ends = [branch.span for branch in branches[-1]]
        if not ends:
            return []
        span = span.within(Span(min(end.first for end in ends), max(end.last for end in ends)))
    counts = [each.count(conn, span) for each in lists] if len(lists) > 1 else [0]
    shortest = counts.index(min(counts))
    others = [each for number, each in enumerate(lists) if number != shortest]

    def holds(place: ColumnElement[int]) -> Sequence[ColumnElement[bool]]:
        return [*(each.contains(place) for each in others), *also(place)]

    return lists[shortest].newest(conn, branches[shortest], span, holds, limit)
