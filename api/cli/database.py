"""``tactful db``: the database itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.terminal import say

if TYPE_CHECKING:
    from sqlalchemy import Engine


@click.group("db")
def database() -> None:
    """Look after the database."""


@database.command()
def upgrade() -> None:
    """Create the database, or bring it up to date. Does nothing when it is."""
    from api.storage.connection import upgrade as bring_up_to_date  # noqa: PLC0415  not needed for --help

    with _engine() as engine:
        bring_up_to_date(engine)
    say("the database is up to date")


@database.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Copy the database into FILE, as it is at one moment, while it is used.

    Keys and signed checkpoints are not in it: they are kept apart, and never put back together with it.
    """
    from api.storage.connection import back_up  # noqa: PLC0415  not needed for --help

    with _engine() as engine:
        n_bytes = back_up(engine, file)
    say(f"{n_bytes:,} bytes in {file}")


@contextmanager
def _engine() -> Iterator[Engine]:
    from api.settings import Settings  # noqa: PLC0415  storage is not needed for --help
    from api.storage.connection import open_engine  # noqa: PLC0415  as above

    engine = open_engine(Settings.from_env(os.environ))
    try:
        yield engine
    finally:
        engine.dispose()
