"""Small stores beside the database: what must not come back when the database is restored."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, MetaData, text

from api.storage.connection import create_file, open_url, reading, writing

_CREATION_LOCK = 0x6170617274  # "apart"; any number that every process agrees on


class Apart:
    """A store of its own, made when it is first used.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.
        metadata: its tables.
    """

    def __init__(self, url: str, metadata: MetaData) -> None:
        self._engine: Engine = open_url(url)
        self._metadata = metadata
        self._making = threading.Lock()
        self._is_made = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees one state of the store.

        Raises:
            StoreUnavailableError: the store cannot be used now.
        """
        self._make()
        with reading(self._engine) as conn:
            yield conn

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection that commits when left and rolls back when left by an error.

        Raises:
            StoreUnavailableError: the store cannot be used now; nothing was stored.
        """
        self._make()
        with writing(self._engine) as conn:
            yield conn

    @property
    def engine(self) -> Engine:
        """The engine, of a store that is there."""
        self._make()
        return self._engine

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def _make(self) -> None:
        with self._making:
            if self._is_made:
                return
            create_file(self._engine.url)
            with writing(self._engine) as conn:
                if conn.dialect.name == "postgresql":
                    conn.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _CREATION_LOCK})
                self._metadata.create_all(conn)
            self._is_made = True
