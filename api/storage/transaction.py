"""One read transaction for all that a request reads: begun when it is needed, ended before anything waits.

Whoever is let in by what a transaction has read (a key, a customer's token) is answered from the same
state of the database. What the request writes itself is not in it: end it first, and the next reading
begins another one, which sees what was written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Self

from sqlalchemy import Connection, Engine

from api.errors import StoreRefusedError, StoreUnavailableError
from api.storage.connection import reading


class ReadTransaction:
    """Yields the same connection as often as it is asked to, until it is ended or something fails.

    It belongs to one thread. Whoever makes it sees to it that it is ended; leaving it ends it.

    Args:
        engine: the database; nothing is asked of it yet.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._open: tuple[AbstractContextManager[Connection], Connection] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    @property
    def is_open(self) -> bool:
        """Whether a connection is held."""
        return self._open is not None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection as ``api.storage.connection.reading`` does, which stays open afterwards.

        Raises:
            StoreUnavailableError: the database cannot be used now; the transaction is over.
            StoreRefusedError: the database does not accept the query; the transaction is over.
        """
        if self._open is None:
            begun = reading(self._engine)
            self._open = begun, begun.__enter__()
        opened, conn = self._open
        try:
            yield conn
        except BaseException:
            self._open = None
            opened.__exit__(*sys.exc_info())  # raises what the driver's error is replaced by
            raise

    def end(self) -> None:
        """Let the connection go; what is read afterwards is read in another transaction."""
        if self._open is None:
            return
        with suppress(StoreUnavailableError, StoreRefusedError), self.reading() as conn:
            conn.commit()  # of nothing: psycopg forgets what it has prepared when it rolls back
        if self._open is not None:
            (opened, _), self._open = self._open, None
            opened.__exit__(None, None, None)
