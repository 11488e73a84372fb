"""``tactful import``: files of items, interactions and consents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.terminal import json_option, print_json, progress, say

if TYPE_CHECKING:
    from api.imports.importer import ImportKind

Command = Callable[..., None]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_rejects = click.option(
    "--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Where rejected records go."
)


@click.group("import")
def import_group() -> None:
    """Import files.

    Good records are kept; bad ones are named in a file of rejects, by line and reason. Importing
    the same file again changes nothing.
    """


def _format(*formats: str) -> Callable[[Command], Command]:
    return click.option(
        "--format",
        "file_format",
        type=click.Choice(formats),
        help="What the file is; by default, what its name ends in.",
    )


@import_group.command("items")
@click.argument("file", type=_FILE)
@_format("jsonl", "csv", "google-xml", "google-tsv")
@_rejects
@json_option
def import_items(file: Path, file_format: str | None, rejects: Path | None, *, as_json: bool) -> None:
    """Import the catalogue, in our own fields or as a Google Merchant feed."""
    _import("items", file, file_format, rejects, as_json=as_json)


@import_group.command("events")
@click.argument("file", type=_FILE)
@_format("jsonl", "csv", "parquet")
@_rejects
@json_option
def import_events(file: Path, file_format: str | None, rejects: Path | None, *, as_json: bool) -> None:
    """Import interactions: who did what with which item, when, where, and for which purpose it is kept."""
    _import("interactions", file, file_format, rejects, as_json=as_json)


@import_group.command("consents")
@click.argument("file", type=_FILE)
@_format("jsonl", "csv", "parquet")
@_rejects
@json_option
def import_consents(file: Path, file_format: str | None, rejects: Path | None, *, as_json: bool) -> None:
    """Import consent events: who chose what for which purpose, and when."""
    _import("consents", file, file_format, rejects, as_json=as_json)


def _import(
    kind: ImportKind, file: Path, file_format: str | None, rejects: Path | None, *, as_json: bool
) -> None:
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.imports.importer import import_file  # noqa: PLC0415  as above

    with open_shop() as shop, progress(f"importing {kind}") as show:
        report = import_file(
            kind, file, file_format, shop.engine, shop.settings, shop.subjects, show, rejects, shop.now_ms
        )
    if as_json:
        path = report.rejects_path
        print_json(asdict(report) | {"rejects_path": None if path is None else str(path)})
        return
    say(
        f"{report.inserted:,} new, {report.changed:,} changed, {report.unchanged:,} unchanged, "
        f"{report.rejected:,} rejected, in {report.seconds:.1f} s"
    )
    if report.rejects_path is not None:
        say(f"rejected records are named in {report.rejects_path}")
