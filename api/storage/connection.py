"""The way to the database: opening it, reading from it, writing to it, bringing it up to date.

Whatever the driver raises is replaced here by ``StoreUnavailableError`` or ``StoreRefusedError``:
driver messages repeat the values they choke on, and those are somebody's data.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

import migrations
from api.errors import EdgeError, StoreRefusedError, StoreUnavailableError
from api.settings import Settings
from api.storage.placements import seed_placements
from guardrails.messages import Phrase
from guardrails.placements import DEFAULT_PLACEMENTS

PATIENCE_S = 5
"""How long anything waits for a lock, a free connection or an answer to connecting, in seconds."""

_WRITES = "tactful_writes"
_MIGRATION_LOCK = 0x7461637466756C  # "tactful"; any number that every process agrees on
_SQLITE_SETUP = (
    f"PRAGMA busy_timeout = {PATIENCE_S * 1000}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a commit is on the disk when it returns
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # what is deleted is overwritten with zeros, not just let go of
    "PRAGMA cache_size = -32768",  # KiB
    "PRAGMA mmap_size = 1073741824",
    "PRAGMA journal_size_limit = 67108864",
)
_POSTGRESQL_SETUP = {
    "connect_timeout": PATIENCE_S,
    "tcp_user_timeout": PATIENCE_S * 1000,  # a server that vanished is noticed
    "options": f"-c lock_timeout={PATIENCE_S}s -c synchronous_commit=on",
}


def open_engine(settings: Settings) -> Engine:
    """Return the engine of the database; nothing is connected to yet.

    One engine serves all threads of a process. After a fork open a new one.
    """
    return open_url(settings.database_url)


def open_url(location: str) -> Engine:
    """Return the engine of any database of ours; nothing is connected to yet."""
    url = make_url(location)
    return _open_sqlite(url) if url.drivername == "sqlite" else _open_postgresql(url)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that sees one state of the database from first to last query.

    Raises:
        StoreUnavailableError: the database cannot be used now.
        StoreRefusedError: the database does not accept the query.
    """
    with _own_errors(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that commits when left and rolls back when left by an error.

    Raises:
        StoreUnavailableError: the database cannot be used now; nothing was stored.
        StoreRefusedError: the database does not accept what was written; nothing was stored.
    """
    with _own_errors(engine), engine.connect() as connection:
        connection.execution_options(**{_WRITES: True})
        with connection.begin():
            yield connection


@contextmanager
def holding(engine: Engine, lock: int, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock on a PostgreSQL database that one process at a time can have, on whatever host.

    SQLite has no such lock and needs none: its file is on one host.

    Args:
        engine: the database.
        lock: number of the lock, which everybody who means the same agrees on.
        waiting: called as long as somebody else has it, and to pause between two tries.

    Raises:
        StoreUnavailableError: the database cannot be used now.
    """
    if engine.dialect.name != "postgresql":
        yield
        return
    with _own_errors(engine), engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")  # no transaction is open meanwhile
        connection.detach()  # closing it ends the session, and the lock with it, also if the server is gone
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": lock}):
            waiting()
        yield


def clear_deleted(engine: Engine, tables: Sequence[str]) -> str:
    """Remove what deleted rows have left behind, as far as a database lets us; say how far that is.

    Args:
        engine: the database.
        tables: names of the tables that rows were deleted from.

    Raises:
        StoreUnavailableError: somebody still reads from before the deletion, or the database is gone.
        StoreRefusedError: we may not do this.
    """
    with _own_errors(engine):
        if engine.dialect.name == "postgresql":
            _vacuum(engine, tables)
            return _LEFT_ON_POSTGRESQL
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            ((busy, _, _),) = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if busy:
        raise StoreUnavailableError(_BUSY)
    return _LEFT_ON_SQLITE


def _vacuum(engine: Engine, tables: Sequence[str]) -> None:
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        for table in tables:
            connection.exec_driver_sql(f"VACUUM {engine.dialect.identifier_preparer.quote(table)}")


_LEFT_ON_SQLITE = "overwritten in the file and gone from its log; backups of it are for the shop to rotate"
_LEFT_ON_POSTGRESQL = (
    "vacuumed; the server reuses freed pages, its write-ahead log and backups in its own time"
)


def upgrade(engine: Engine) -> None:
    """Create the database or bring it up to date; does nothing when it is. Safe to run twice at once.

    Raises:
        StoreUnavailableError: the database cannot be used now.
    """
    create_file(engine.url)
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
        command.upgrade(alembic_config(connection), "head")
        seed_placements(connection, DEFAULT_PLACEMENTS)


def is_current(engine: Engine) -> bool:
    """Whether every migration has been run.

    Raises:
        StoreUnavailableError: the database cannot be used now.
    """
    with reading(engine) as connection:
        heads = ScriptDirectory.from_config(alembic_config(connection)).get_heads()
        return set(MigrationContext.configure(connection).get_current_heads()) == set(heads)


def alembic_config(connection: Connection) -> Config:
    """Return the configuration of Alembic, which has no file of its own, for a connection."""
    config = Config(attributes={"connection": connection})
    folder = str(Path(migrations.__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _open_postgresql(url: URL) -> Engine:
    return create_engine(
        url,
        connect_args=_POSTGRESQL_SETUP,
        hide_parameters=True,
        isolation_level="READ COMMITTED",  # whoever waited for a lock sees what was written meanwhile
        pool_size=8,
        max_overflow=24,
        pool_timeout=PATIENCE_S,
        pool_pre_ping=True,  # a server that was restarted costs no request
    )


def _open_sqlite(url: URL) -> Engine:
    file = Path(url.database or "")
    location = f"file:{quote(str(file))}?mode=rw"  # never creates: a file that is gone is an error

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            location,
            uri=True,
            timeout=PATIENCE_S,
            isolation_level=None,  # BEGIN is sent below, not guessed by the driver
            check_same_thread=False,  # the pool hands a connection to one thread at a time
        )

    engine = create_engine(
        url,
        creator=connect,
        hide_parameters=True,
        pool_size=8,
        max_overflow=24,
        pool_timeout=PATIENCE_S,
    )

    @event.listens_for(engine, "connect")
    def set_up(driver: sqlite3.Connection, record: Any) -> None:
        for statement in _SQLITE_SETUP:
            driver.execute(statement).close()
        record.info["file"] = _identity(file)

    @event.listens_for(engine, "checkout")
    def refuse_a_file_that_was_replaced(driver: sqlite3.Connection, record: Any, proxy: Any) -> None:
        """SQLite would write on into a deleted file, and call that durable."""
        del driver, proxy
        if record.info["file"] != _identity(file):
            raise DisconnectionError

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        """A writer takes its lock first: one that starts reading could not wait for its turn."""
        writes = connection.get_execution_options().get(_WRITES, False)
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN").close()

    return engine


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def create_file(url: URL) -> None:
    """Create an empty SQLite file that only its owner may read, unless there is one."""
    if url.drivername != "sqlite":
        return
    file = Path(url.database or "")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError as error:
        raise StoreUnavailableError(
            Phrase("the database cannot be created: {why}", why=error.strerror)
        ) from None


@contextmanager
def _own_errors(engine: Engine) -> Iterator[None]:
    """Replace what the driver raises; no trace of the original is left."""
    try:
        yield
    except PoolTimeoutError:
        raise StoreUnavailableError("the database is busy: no connection is free") from None
    except DBAPIError as error:
        raise _own_error(engine, error.orig) from None
    except engine.dialect.loaded_dbapi.Error as error:
        raise _own_error(engine, error) from None


def _own_error(engine: Engine, error: BaseException | None) -> EdgeError:
    if isinstance(error, sqlite3.Error):
        return _from_sqlite(error)
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate is not None:
        return _from_sqlstate(sqlstate)
    if isinstance(error, engine.dialect.loaded_dbapi.OperationalError):
        return StoreUnavailableError(_GONE)  # the server never answered
    return StoreRefusedError("the database refused (misuse)")


_BUSY = "the database is busy: it is locked by somebody else"
_FULL = "the disk of the database is full"
_READ_ONLY = "the database is read-only"
_GONE = "the database cannot be reached"
_NOT_CURRENT = "the database is not up to date: run `tactful db upgrade`"

_SQLITE_REASONS = (
    ("SQLITE_BUSY", _BUSY),
    ("SQLITE_LOCKED", _BUSY),
    ("SQLITE_FULL", _FULL),
    ("SQLITE_READONLY", _READ_ONLY),
    ("SQLITE_CANTOPEN", _GONE),
    ("SQLITE_IOERR", "the disk of the database fails"),
    ("SQLITE_CORRUPT", "the database file is damaged"),
    ("SQLITE_NOTADB", "the database file is damaged"),
    ("SQLITE_NOMEM", "the database has no memory left"),
)
_SQLSTATE_REASONS = (
    ("55P03", _BUSY),  # lock not available
    ("40", _BUSY),  # deadlock, or the same row written twice at once
    ("57014", _BUSY),  # the server cancelled the query
    ("53100", _FULL),
    ("25006", _READ_ONLY),
    ("42P01", _NOT_CURRENT),
    ("08", _GONE),
    ("3D000", _GONE),  # no such database
    ("28", "the database does not let us in"),
    ("53", "the database is short of resources"),
    ("57", _GONE),  # shutting down or starting up
    ("58", "the disk of the database fails"),
)
"""PostgreSQL, appendix A: error codes, by their beginning."""


def _from_sqlite(error: sqlite3.Error) -> EdgeError:
    name = getattr(error, "sqlite_errorname", "")
    for beginning, reason in _SQLITE_REASONS:
        if name.startswith(beginning):
            return StoreUnavailableError(reason)
    if str(error).startswith("no such table"):
        return StoreUnavailableError(_NOT_CURRENT)
    return StoreRefusedError(f"the database refused ({name or 'misuse'})")


def _from_sqlstate(sqlstate: str) -> EdgeError:
    for beginning, reason in _SQLSTATE_REASONS:
        if sqlstate.startswith(beginning):
            return StoreUnavailableError(reason)
    return StoreRefusedError(f"the database refused ({sqlstate})")
