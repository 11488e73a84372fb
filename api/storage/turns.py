"""Whose turn it is to write to a SQLite file: whoever came first, thread or process; and emptying its log.

SQLite lets whoever waits sleep for longer and longer, up to a tenth of a second at a time, and whoever
asks just when the lock is free gets it. Of two processes that write all the time one would go on and on,
and the other wait for a second. Here the next one stands at the door and looks every fraction of a
millisecond; nobody who comes later, be it the one who has just written, gets past.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOK_AGAIN_S = 0.0005
_TRY_AGAIN_S = 0.005


def begin_in_turn(driver: sqlite3.Connection, file: Path, patience_s: float) -> None:
    """Begin a transaction that writes, when it is its turn.

    Args:
        driver: a connection of the driver, in no transaction.
        file: the database; the door is a file beside it, which is empty.
        patience_s: how long to wait at most.

    Raises:
        sqlite3.OperationalError: somebody else wrote for that long, or the database cannot be written to.
    """
    deadline = time.monotonic() + patience_s
    with _next_in_line(file, deadline), _without_sleep(driver, patience_s):
        while not _has_begun(driver, is_last=time.monotonic() > deadline):
            time.sleep(_LOOK_AGAIN_S)


def empty_log(driver: sqlite3.Connection, patience_s: float) -> bool:
    """Bring all of a file's log into the file and cut the log off; tell whether that could be done.

    SQLite itself would keep everybody from writing while it waits for whoever reads, and not wait at all
    for whoever does the same.

    Args:
        driver: a connection of the driver, in no transaction.
        patience_s: how long to wait at most, for who writes or reads from before.
    """
    deadline = time.monotonic() + patience_s
    with _without_sleep(driver, patience_s):
        while not _is_emptied(driver):
            if time.monotonic() > deadline:
                return False
            time.sleep(_TRY_AGAIN_S)
    return True


def _is_emptied(driver: sqlite3.Connection) -> bool:
    ((is_busy, _, _),) = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return not is_busy


@contextmanager
def _next_in_line(file: Path, deadline: float) -> Iterator[None]:
    """Stand at the door, alone; where there can be none, or patience ends, in no line at all."""
    try:
        door = os.open(file.with_name(f"{file.name}-turn"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        _wait_until(lambda: _is_locked(door), deadline)
        yield
    finally:
        os.close(door)  # which unlocks it


def _is_locked(door: int) -> bool:
    """Lock the door, unless somebody else has; each opening of a file counts, also in one process."""
    try:
        fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _wait_until(holds: Callable[[], bool], deadline: float) -> None:
    while not holds() and time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN_S)


@contextmanager
def _without_sleep(driver: sqlite3.Connection, patience_s: float) -> Iterator[None]:
    """Let SQLite tell at once that somebody else writes."""
    driver.execute("PRAGMA busy_timeout = 0").close()
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout = {int(patience_s * 1000)}").close()


def _has_begun(driver: sqlite3.Connection, *, is_last: bool) -> bool:
    try:
        driver.execute("BEGIN IMMEDIATE").close()
    except sqlite3.OperationalError as error:
        if is_last or not error.sqlite_errorname.startswith("SQLITE_BUSY"):
            raise
        return False
    return True
