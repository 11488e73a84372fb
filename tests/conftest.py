"""What every test may ask for: a store on both databases, a clock, how hard properties are tried."""

from __future__ import annotations

import gc
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import Engine
from support.journey import JourneyShop, build_journey_shop
from support.sharing import ByFile
from support.stores import Clock, PostgresServer, Store, a_postgres_server, create_store, opened

IN_CI = bool(os.environ.get("CI"))
"""There time is short, so fewer examples are drawn, and the same each time; a desk draws new ones."""

hypothesis.settings.register_profile(
    "default", max_examples=24 if IN_CI else 60, deadline=None, derandomize=IN_CI
)
hypothesis.settings.register_profile("quick", max_examples=15, deadline=None, derandomize=True)
hypothesis.settings.load_profile("default")

_TEMPLATE = "tactful_template"


def pytest_xdist_make_scheduler(config, log):
    """Share tests out by file where that is asked for."""
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    """Let the collector of cycles never look again at what all tests have loaded, as servers do."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nobody looks for cycles: what is not freed by whoever lets go of it last stays."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for the session, of each worker its own."""
    with a_postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that every test gets a copy of."""
    postgres_server.execute(f"CREATE DATABASE {_TEMPLATE}")
    create_store(postgres_server.url_of(_TEMPLATE), tmp_path_factory.mktemp("postgresql"))
    return _TEMPLATE


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that every test gets a copy of."""
    folder = tmp_path_factory.mktemp("sqlite")
    create_store(f"sqlite:///{folder / 'template.db'}", folder)
    return folder / "template.db"


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path) -> Iterator[Store]:
    file = tmp_path / "tactful.db"
    shutil.copyfile(sqlite_template, file)
    with opened(f"sqlite:///{file}", tmp_path) as store:
        yield store


@pytest.fixture
def postgresql_store(
    postgres_server: PostgresServer, postgres_template: str, tmp_path: Path
) -> Iterator[Store]:
    database = f"test_{uuid.uuid4().hex}"
    postgres_server.execute(f"CREATE DATABASE {database} TEMPLATE {postgres_template}")
    with opened(postgres_server.url_of(database), tmp_path) as store:
        yield store
    postgres_server.execute(f"DROP DATABASE {database} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> Store:
    """An empty store, once on each database."""
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
def engine(store: Store) -> Engine:
    return store.engine


@pytest.fixture(scope="session")
def journey_shop(tmp_path_factory: pytest.TempPathFactory) -> JourneyShop:
    """The demo shop on the whole of Complete Journey; ask for it in tests marked ``journey`` only."""
    return build_journey_shop(tmp_path_factory.mktemp("journey"))
