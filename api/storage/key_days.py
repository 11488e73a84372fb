"""How many requests keys have taken of a day."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from api.storage.tables import key_days

KEPT_DAYS = 31
"""So many days are kept to look at, before the one that is counted."""


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
    begun = conn.execute(
        dialect.insert(key_days).values(key_id=key_id, day=day, n_taken=0).on_conflict_do_nothing()
    )
    if begun.rowcount:
        conn.execute(delete(key_days).where(key_days.c.key_id == key_id, key_days.c.day < day - KEPT_DAYS))
    the_day = (key_days.c.key_id == key_id) & (key_days.c.day == day)
    n_before: int = conn.execute(select(key_days.c.n_taken).where(the_day).with_for_update()).scalar_one()
    n_taken = max(0, min(n_wanted, n_most - n_before))
    if n_taken:
        conn.execute(key_days.update().where(the_day).values(n_taken=n_before + n_taken))
    return n_before, n_taken
