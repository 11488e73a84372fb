"""Stores beside the database, and other databases beside the first one."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stores import PostgresServer, Store, opened


def _new_database(request: pytest.FixtureRequest, template: str | None = None) -> Iterator[str]:
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"test_{uuid.uuid4().hex}"
    server.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
    yield server.url_of(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def apart_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store beside the database can be, once on each kind of database; nothing is there yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'apart.db'}"
    else:
        yield from _new_database(request)


@pytest.fixture
def restored(store: Store, request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty database in the place of the store's, with the same keys and the same guard."""
    data_dir = store.settings.data_dir
    if store.on_postgresql:
        urls = _new_database(request, request.getfixturevalue("postgres_template"))
        with opened(next(urls), data_dir) as found:
            yield found
        next(urls, None)
    else:
        file = data_dir / "restored.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
        with opened(f"sqlite:///{file}", data_dir) as found:
            yield found
