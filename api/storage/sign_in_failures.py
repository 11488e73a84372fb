"""Attempts to sign in, counted before it is known what becomes of them, whichever process they reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, select, update

from api.storage.statements import insert_new
from api.storage.tables import sign_in_failures
from engine.interactions import DAY_MS

FORGOTTEN_AFTER_MS = DAY_MS
"""So long after the last attempt nothing counts that was counted under a key."""

_columns = sign_in_failures.c


@dataclass(frozen=True, slots=True)
class Failures:
    """What was counted under a key.

    Attributes:
        n: attempts since the last that led in.
        last_at_ms: when the last of them was, milliseconds since the epoch.
    """

    n: int
    last_at_ms: int


def hold_failures(conn: Connection, keys: Sequence[bytes], now_ms: int) -> list[Failures]:
    """Return what was counted under keys; nobody else counts under them until the transaction ends.

    Args:
        conn: a connection that writes.
        keys: under which attempts are counted, as ``Subjects.attempt`` returns them.
        now_ms: the clock, milliseconds since the epoch.
    """
    ordered = sorted(set(keys))  # everybody takes them in the same order, so that nobody waits in a circle
    rows = [{"attempt_key": key, "n": 0, "last_at_ms": now_ms} for key in ordered]
    conn.execute(insert_new(conn, sign_in_failures), rows)
    held = (
        select(sign_in_failures)
        .where(_columns.attempt_key.in_(ordered))
        .order_by(_columns.attempt_key)
        .with_for_update()
    )
    found = {bytes(row.attempt_key): Failures(row.n, row.last_at_ms) for row in conn.execute(held)}
    return [found[key] for key in keys]


def count_attempt(conn: Connection, keys: Sequence[bytes], now_ms: int) -> None:
    """Count one more under each key."""
    conn.execute(
        update(sign_in_failures)
        .where(_columns.attempt_key.in_(keys))
        .values(n=_columns.n + 1, last_at_ms=now_ms)
    )


def uncount_attempt(conn: Connection, key: bytes) -> None:
    """Count one less under a key."""
    conn.execute(
        update(sign_in_failures).where(_columns.attempt_key == key, _columns.n > 0).values(n=_columns.n - 1)
    )


def forget_failures(conn: Connection, key: bytes) -> None:
    """Begin again at nothing under a key."""
    conn.execute(delete(sign_in_failures).where(_columns.attempt_key == key))


def count_no_more(now_ms: int) -> ColumnElement[bool]:
    """Return the condition that what was counted under a key does not count any more."""
    return _columns.last_at_ms < now_ms - FORGOTTEN_AFTER_MS


def remove_failures(conn: Connection, now_ms: int) -> None:
    """Remove what does not count any more; where nobody tries again, the purge does that."""
    conn.execute(delete(sign_in_failures).where(count_no_more(now_ms)))
