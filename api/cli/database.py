"""``tactful db``: the database itself."""

from __future__ import annotations

import os

import click

from api.cli.terminal import say


@click.group("db")
def database() -> None:
    """Look after the database."""


@database.command()
def upgrade() -> None:
    """Create the database, or bring it up to date. Does nothing when it is."""
    from api.settings import Settings  # noqa: PLC0415  storage is not needed for --help
    from api.storage.connection import open_engine  # noqa: PLC0415  as above
    from api.storage.connection import upgrade as bring_up_to_date  # noqa: PLC0415  as above

    engine = open_engine(Settings.from_env(os.environ))
    try:
        bring_up_to_date(engine)
    finally:
        engine.dispose()
    say("the database is up to date")
