"""What the witness has seen: one SQLite file, for each log the last tree it has signed.

Whoever loses this file loses the witness's memory: it would sign any tree again. Start over with a
new key then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from api.errors import WitnessError

_TABLES = """
CREATE TABLE IF NOT EXISTS seen (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contradictions (
    origin TEXT, size INTEGER, root BLOB, seen TEXT NOT NULL, shown TEXT NOT NULL,
    PRIMARY KEY (origin, size, root)
) WITHOUT ROWID;
"""
_PATIENCE_S = 10.0
"""How long to wait for somebody else who is writing, in seconds."""


class Seen(NamedTuple):
    """The last tree of a log that was signed.

    Attributes:
        size: number of leaves.
        root: its root.
        note: its checkpoint with the log's signatures and the witness's.
    """

    size: int
    root: bytes
    note: str


class SeenTrees:
    """The file.

    Args:
        file: made when it is missing.

    Raises:
        WitnessError: the file cannot be used.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with self._connected() as conn:
            conn.executescript(_TABLES)

    @contextmanager
    def writing(self) -> Iterator[Looking]:
        """Yield what is known, which nobody else changes meanwhile; changes are on the disk when left.

        Raises:
            WitnessError: the file cannot be used; nothing was stored.
        """
        with self._connected() as conn, conn:
            conn.execute("BEGIN IMMEDIATE")
            yield Looking(conn)

    def last(self, origin: str) -> Seen | None:
        """Return the last tree of a log; ``None`` before the first.

        Raises:
            WitnessError: the file cannot be used.
        """
        with self._connected() as conn:
            return Looking(conn).last(origin)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._file, timeout=_PATIENCE_S, isolation_level=None)) as conn:
                conn.execute("PRAGMA synchronous = EXTRA")
                yield conn
        except sqlite3.Error:
            raise WitnessError("what the witness has seen cannot be looked up now") from None


class Looking:
    """The file, within one transaction."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def last(self, origin: str) -> Seen | None:
        """Return the last tree of a log; ``None`` before the first."""
        query = "SELECT size, root, note FROM seen WHERE origin = ?"
        row = self._conn.execute(query, [origin]).fetchone()
        return None if row is None else Seen(*row)

    def remember(self, origin: str, seen: Seen) -> None:
        """Put a tree in the place of the last one."""
        self._conn.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", [origin, *seen])

    def keep_contradiction(self, origin: str, last: Seen, shown: Seen) -> None:
        """Keep two checkpoints of one size that the log has signed and that cannot both be true."""
        row = [origin, shown.size, shown.root, last.note, shown.note]
        self._conn.execute("INSERT OR IGNORE INTO contradictions VALUES (?, ?, ?, ?, ?)", row)
