"""How many requests keys have taken of a day."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from api.storage.tables import key_days


def are_over(today: int) -> ColumnElement[bool]:
    """Return the condition that days are over, also by the clock of a host that is somewhat behind.

    Nothing reads them any more; the purge removes them.

    Args:
        today: a day of UTC, as a number since the epoch.
    """
    return key_days.c.day < today - 1


def take_of_day(conn: Connection, key_id: str, day: int, n_wanted: int, n_most: int) -> tuple[int, int]:
    """Take requests out of a key's day, as far as there are any left.

    Args:
        conn: a connection that writes.
        key_id: names the key.
        day: a day of UTC, as a number since the epoch.
        n_wanted: how many.
        n_most: how many there are on the day.

    Returns:
        How many had been taken before, and how many were taken now.
    """
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    conn.execute(dialect.insert(key_days).values(key_id=key_id, day=day, n_taken=0).on_conflict_do_nothing())
    the_day = (key_days.c.key_id == key_id) & (key_days.c.day == day)
    n_before: int = conn.execute(select(key_days.c.n_taken).where(the_day).with_for_update()).scalar_one()
    n_taken = max(0, min(n_wanted, n_most - n_before))
    if n_taken:
        conn.execute(key_days.update().where(the_day).values(n_taken=n_before + n_taken))
    return n_before, n_taken
