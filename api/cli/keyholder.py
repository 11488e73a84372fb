"""Whose key a command acts with: TACTFUL_KEY, or the first line of a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from api.cli.shop import Shop
    from api.storage.api_keys import KeyRow

Command = TypeVar("Command", bound=Callable[..., Any])

_LONGEST_KEY_FILE = 4_096


def key_option(command: Command) -> Command:
    """Add the option that names a file with the key to act with."""
    return click.option(
        "--key-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File that holds the key to act with; without it TACTFUL_KEY does.",
    )(command)


def key_of(shop: Shop, key_file: Path | None) -> KeyRow:
    """Return the key that the command was given.

    Raises:
        UsageError: it was given none.
        UnauthenticatedError: the key is not known, or was revoked.
    """
    from api.errors import UnauthenticatedError  # noqa: PLC0415  not needed for --help
    from api.settings import API_KEY  # noqa: PLC0415  as above
    from api.storage.api_keys import find_key  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above

    secret = os.environ.get(API_KEY, "").strip() if key_file is None else _first_line(key_file)
    if not secret:
        raise click.UsageError("this takes a key: set TACTFUL_KEY, or name a file by --key-file")
    with reading(shop.engine) as conn:
        key = find_key(conn, secret)
    if key is None:
        raise UnauthenticatedError("this key is not known or was revoked")
    return key


def _first_line(file: Path) -> str:
    with file.open("rb") as lines:
        return lines.readline(_LONGEST_KEY_FILE).decode(errors="surrogateescape").strip()
