"""Sums over all decisions of the log: how much was shown and withheld, by day.

They are added to in the transaction that appends the decisions, under the log's lock, so they are exactly
what the log holds, whenever a process dies, and no two writers wait for each other here. Erasing somebody
takes nothing from them: they tell of nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from api.storage.statements import insert_or_add
from api.storage.tables import decisions, tallies
from guardrails.log.tallies import Part, Tally

DAY_MINUTES = 1_440


class DaySum(NamedTuple):
    """One sum of one day.

    Attributes:
        day: days since the epoch.
        part: what it is by.
        name: of which placement, basis, intent, rule, outcome or reason.
        n_decisions: decisions.
        n_shown: suggestions.
        n_withheld: what would have been suggested but for a rule.
    """

    day: int
    part: Part
    name: str
    n_decisions: int
    n_shown: int
    n_withheld: int


_WORDS = {part: part.value for part in Part}  # to ask an enumeration each time takes longer than to add
_KEY = ("day", "part", "name")
_COUNTS = ("n_decisions", "n_shown", "n_withheld")


def add_tallies(conn: Connection, counted: Sequence[tuple[int, Sequence[Tally]]]) -> None:
    """Add decisions to the sums of their days.

    Args:
        conn: a writing connection, which holds the log's lock.
        counted: minute since the epoch of each decision, and what it adds.
    """
    added: dict[tuple[int, str, str], list[int]] = {}
    for minute, of_decision in counted:
        for part, name, *counts in of_decision:
            sums = added.setdefault((minute // DAY_MINUTES, _WORDS[part], name), [0, 0, 0])
            for at, n in enumerate(counts):
                sums[at] += n
    rows = [(*key, *sums) for key, sums in sorted(added.items())]
    insert_or_add(conn, tallies, _KEY, _COUNTS, rows)


def read_tallies(conn: Connection, day_from: int, day_to: int) -> list[DaySum]:
    """Return the sums of some days, by day, part and name.

    Args:
        conn: a connection.
        day_from: first day since the epoch.
        day_to: first day no longer wanted.
    """
    query = (
        select(*(tallies.c[name] for name in DaySum._fields))
        .where(tallies.c.day >= day_from, tallies.c.day < day_to)
        .order_by(tallies.c.day, tallies.c.part, tallies.c.name)
    )
    return [DaySum(day, Part(part), *rest) for day, part, *rest in conn.execute(query)]


def tallied_from(conn: Connection) -> int | None:
    """Return the first day of which anything was counted; ``None`` where nothing was yet."""
    found: int | None = conn.execute(select(func.min(tallies.c.day))).scalar()
    return found


def recorded_from(conn: Connection) -> int | None:
    """Return the first day of which the log has a decision; ``None`` for an empty log."""
    minute = conn.execute(select(func.min(decisions.c.minute))).scalar()
    return None if minute is None else int(minute) // DAY_MINUTES
