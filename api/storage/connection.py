"""The way to the database: opening it, reading from it, writing to it, bringing it up to date.

Whatever the driver raises is replaced here by ``StoreUnavailableError`` or ``StoreRefusedError``:
driver messages repeat the values they choke on, and those are somebody's data.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

import migrations
from api.errors import EdgeError, StoreRefusedError, StoreUnavailableError
from api.settings import Settings
from api.storage.outage import REST_S, Outage
from api.storage.placements import seed_placements
from api.storage.release import Fit, fit_of, is_ahead, remember_served
from api.storage.secret_files import sync_folder
from api.storage.turns import begin_in_turn, empty_log
from guardrails.messages import Phrase
from guardrails.placements import DEFAULT_PLACEMENTS

PATIENCE_S = 5
"""How long anything waits for a free connection, or for a lock of SQLite, in seconds."""

WAITING_S = 3
"""How long anything waits for a lock of PostgreSQL: longer than somebody who hangs may hold one."""

HELD_S = 2
"""How long somebody who hangs, or was cut off, may hold a lock that everybody needs.

Of a host that hangs whole, the next in line may get the lock once more: within ``WAITING_S + HELD_S``, five
seconds, it is with somebody who does something with it.
"""

HELD_AT_ALL_S = 30
"""How long a transaction may take once it has such a lock. A server that waits for the rest of statements
that were sent together does not call that doing nothing; from PostgreSQL 17 on this ends it all the same."""

IDLE_S = 60
"""How long a transaction may do nothing before PostgreSQL ends it, and with it the locks that it has."""

STATEMENT_S = 900
"""How long PostgreSQL works on one statement: more than the largest of ours needs, and not for ever."""

_SILENCE_S = 3
"""After how long without a sign of life each end of a connection takes the other for gone."""

_CONNECTING_S = 2

NOT_CURRENT = "the database is not up to date: run `tactful db upgrade`"
TOO_NEW = "the database is of a later release, which this one cannot answer from: install that one"

_FOR_AS_LONG_AS_IT_TAKES = text("SET statement_timeout = 0")
_FOR_THIS_MIGRATION = text("SET LOCAL statement_timeout = 0")
_WRITES = "tactful_writes"
_MIGRATION_LOCK = 0x7461637466756C  # "tactful"; any number that every process agrees on
PAGES_KIB = 32_768
"""Of a SQLite file, so much may a connection keep to itself: of use to who writes very much at once."""

SERVING_PAGES_KIB = 4_096
"""The same where there may be a connection for each request at work, so that all of them together keep little
of a file that outgrows what is mapped of it. The kernel keeps it once for all of them."""

_SQLITE_SETUP = (
    f"PRAGMA busy_timeout = {PATIENCE_S * 1000}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a commit is on the disk when it returns
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # what is deleted is overwritten with zeros, not just let go of
    "PRAGMA mmap_size = 1073741824",
    "PRAGMA journal_size_limit = 67108864",
)
_OPTIONS = {
    "synchronous_commit": "on",
    "lock_timeout": f"{WAITING_S}s",
    "statement_timeout": f"{STATEMENT_S}s",
    "idle_in_transaction_session_timeout": f"{IDLE_S}s",
    # A host that vanished is noticed by the server, also by sessions that wait for a lock.
    "tcp_keepalives_idle": "1",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": str(_SILENCE_S - 1),
    "tcp_user_timeout": f"{_SILENCE_S}s",
    "client_connection_check_interval": "500ms",
}
_POSTGRESQL_SETUP = {
    "connect_timeout": _CONNECTING_S,
    # A server that vanished is noticed, whether it owes an answer or has still to receive the question.
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": _SILENCE_S - 1,
    "tcp_user_timeout": _SILENCE_S * 1000,
    "options": " ".join(f"-c {name}={value}" for name, value in _OPTIONS.items()),
}

_OUTAGES: WeakKeyDictionary[Engine, Outage] = WeakKeyDictionary()


def open_engine(settings: Settings, pages_kib: int = PAGES_KIB) -> Engine:
    """Return the engine of the database; nothing is connected to yet.

    One engine serves all threads of a process. After a fork open a new one.

    Args:
        settings: which database.
        pages_kib: how much of a SQLite file each connection may keep in memory of its own.
    """
    return open_url(settings.database_url, pages_kib)


def open_url(location: str, pages_kib: int = PAGES_KIB) -> Engine:
    """Return the engine of any database of ours; nothing is connected to yet."""
    url = make_url(location)
    return _open_sqlite(url, pages_kib) if url.drivername == "sqlite" else _open_postgresql(url)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that sees one state of the database from first to last query.

    Raises:
        StoreUnavailableError: the database cannot be used now.
        StoreRefusedError: the database does not accept the query.
    """
    with _connected(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        connection.begin()  # also before what is handed to the driver itself
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that commits when left and rolls back when left by an error.

    Raises:
        StoreUnavailableError: the database cannot be used now; nothing was stored.
        StoreRefusedError: the database does not accept what was written; nothing was stored.
    """
    with _connected(engine) as connection:
        connection.execution_options(**{_WRITES: True})
        with connection.begin():
            yield connection


@contextmanager
def holding(engine: Engine, lock: int, waiting: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Hold a lock on a PostgreSQL database that one process at a time can have, on whatever host.

    SQLite has no such lock and needs none: its file is on one host.

    What is yielded asks whether it is held still, and raises where it was lost: the server ends it with the
    session, as when it is started again, and then somebody else may have it. Ask before anything is put in
    force that nobody else may have changed meanwhile.

    Args:
        engine: the database.
        lock: number of the lock, which everybody who means the same agrees on.
        waiting: called as long as somebody else has it, and to pause between two tries.

    Raises:
        StoreUnavailableError: the database cannot be used now, or the lock was lost.
    """
    if engine.dialect.name != "postgresql":
        yield lambda: None
        return
    with _connected(engine) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")  # no transaction is open meanwhile
        connection.detach()  # closing it ends the session, and the lock with it, also if the server is gone
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": lock}):
            waiting()
        yield lambda: connection.execute(_STILL_THERE).close()


_STILL_THERE = text("SELECT 1")


def hold_until_end(connection: Connection, lock: int) -> None:
    """Take a lock that one transaction at a time can have, on whatever host, until the transaction ends.

    SQLite needs none: who writes is alone. On PostgreSQL the server ends a transaction that has the lock and
    does nothing for ``HELD_S``: whoever hangs or was cut off keeps nobody waiting for longer.

    Args:
        connection: one that writes.
        lock: number of the lock, which everybody who means the same agrees on.
    """
    if connection.dialect.name == "postgresql":
        knows_transaction_timeout = (connection.dialect.server_version_info or (0,)) >= (17,)
        connection.execute(_HOLD_AND_HURRY if knows_transaction_timeout else _HOLD, {"number": lock})


_HOLDING = (
    "SELECT pg_advisory_xact_lock(:number), "
    f"set_config('idle_in_transaction_session_timeout', '{HELD_S}s', true)"
)
_HOLD = text(_HOLDING)
_HOLD_AND_HURRY = text(f"{_HOLDING}, set_config('transaction_timeout', '{HELD_AT_ALL_S}s', true)")


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
            is_empty = empty_log(driver, PATIENCE_S)
    if not is_empty:
        raise StoreUnavailableError(_BUSY)
    return _LEFT_ON_SQLITE


def back_up(engine: Engine, file: Path) -> int:
    """Copy a SQLite database as it is at one moment, while it is used; return how many bytes that were.

    What was deleted is not in the copy. It stands under its name only when it is whole and on the disk.

    Args:
        engine: the database.
        file: where to; readable by its owner only.

    Raises:
        StoreUnavailableError: the database cannot be read now.
        StoreRefusedError: it is no SQLite file, or the file cannot be written or is there already.
    """
    if engine.dialect.name != "sqlite":
        raise StoreRefusedError("only a SQLite file is backed up like this: PostgreSQL has `pg_dump`")
    if file.exists():
        raise StoreRefusedError(f"there is a file `{file}` already")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with _connected(engine) as connection:
                driver: Any = connection.connection.driver_connection
                driver.execute("VACUUM INTO ?", (str(draft),)).close()
            with draft.open("rb") as written:
                os.fsync(written.fileno())
            draft.rename(file)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(file.parent)
    except OSError as error:
        raise StoreRefusedError(f"the backup cannot be written: {error.strerror}") from None
    return file.stat().st_size


def _vacuum(engine: Engine, tables: Sequence[str]) -> None:
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # what is set below ends with it
        connection.execute(_FOR_AS_LONG_AS_IT_TAKES)
        for table in tables:
            connection.exec_driver_sql(f"VACUUM {engine.dialect.identifier_preparer.quote(table)}")


_LEFT_ON_SQLITE = "overwritten in the file and gone from its log; backups of it are for the shop to rotate"
_LEFT_ON_POSTGRESQL = (
    "vacuumed; the server reuses freed pages, its write-ahead log and backups in its own time"
)


def upgrade(engine: Engine) -> None:
    """Create the database or bring it up to date; does nothing when it is. Safe to run twice at once.

    One that a later release has brought up to date already stays as it is.

    Raises:
        StoreUnavailableError: the database cannot be used now, or not by this release.
    """
    create_file(engine.url)
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
            connection.execute(_FOR_THIS_MIGRATION)
        if fit_of(connection) is Fit.AHEAD:
            raise StoreUnavailableError(TOO_NEW)
        if not is_ahead(connection):
            command.upgrade(alembic_config(connection), "head")
            remember_served(connection, time.time_ns() // 1_000_000)
        seed_placements(connection, DEFAULT_PLACEMENTS)


def fit(engine: Engine) -> Fit:
    """Tell whether the database has what this code needs.

    Raises:
        StoreUnavailableError: the database cannot be used now.
    """
    with reading(engine) as connection:
        return fit_of(connection)


def alembic_config(connection: Connection) -> Config:
    """Return the configuration of Alembic, which has no file of its own, for a connection."""
    config = Config(attributes={"connection": connection})
    folder = str(Path(migrations.__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _open_postgresql(url: URL) -> Engine:
    engine = create_engine(
        url,
        connect_args=_POSTGRESQL_SETUP,
        hide_parameters=True,
        isolation_level="READ COMMITTED",  # whoever waited for a lock sees what was written meanwhile
        pool_size=8,
        max_overflow=24,
        pool_timeout=PATIENCE_S,
        pool_pre_ping=True,  # a server that was restarted costs no request
    )
    _OUTAGES[engine] = Outage(_CONNECTING_S + REST_S)
    return engine


def _open_sqlite(url: URL, pages_kib: int) -> Engine:
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
        for statement in (*_SQLITE_SETUP, f"PRAGMA cache_size = -{pages_kib}"):
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
        if writes:
            begin_in_turn(driver, file, PATIENCE_S)
        else:
            driver.execute("BEGIN").close()

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
def _connected(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that was just heard of; a server that was just found gone is not asked."""
    outage = _OUTAGES.get(engine)
    if outage is not None and not outage.may_ask():
        raise StoreUnavailableError(_GONE)
    with _own_errors(engine), engine.connect() as connection:
        if outage is not None:
            outage.end()
        yield connection


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
    is_unheard = sqlstate is None and isinstance(error, engine.dialect.loaded_dbapi.OperationalError)
    if engine in _OUTAGES and (is_unheard or sqlstate == _STARTING):
        _OUTAGES[engine].begin()
    if is_unheard:
        return StoreUnavailableError(_GONE)
    if sqlstate is None:
        return StoreRefusedError("the database refused (misuse)")
    return _from_sqlstate(sqlstate)


_STARTING = "57P03"
_BUSY = "the database is busy: it is locked by somebody else"
_FULL = "the disk of the database is full"
_READ_ONLY = "the database is read-only"
_GONE = "the database cannot be reached"

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
    ("25P03", "the database has ended what did nothing for too long"),
    ("40", _BUSY),  # deadlock, or the same row written twice at once
    ("57014", _BUSY),  # the server cancelled the query
    ("53100", _FULL),
    ("25006", _READ_ONLY),
    ("42P01", NOT_CURRENT),
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
        return StoreUnavailableError(NOT_CURRENT)
    return StoreRefusedError(f"the database refused ({name or 'misuse'})")


def _from_sqlstate(sqlstate: str) -> EdgeError:
    for beginning, reason in _SQLSTATE_REASONS:
        if sqlstate.startswith(beginning):
            return StoreUnavailableError(reason)
    return StoreRefusedError(f"the database refused ({sqlstate})")
