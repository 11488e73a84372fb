"""``tactful export``: hand out all that is held of one customer."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.terminal import json_option, print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.cli.shop import Shop
    from api.rights.readings import Subject


@click.command()
@click.argument("customer")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["json", "csv"]),
    default="json",
    show_default=True,
    help="One document, or a zip of one CSV file a section.",
)
@click.option(
    "--scope",
    type=click.Choice(["access", "portability"]),
    default="access",
    show_default=True,
    help="Everything, or only what the customer gave and what was observed.",
)
@click.option(
    "--subject-type",
    type=click.Choice(["account", "session", "device"]),
    default="account",
    show_default=True,
    help="What CUSTOMER is the id of.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file that only you can read."
)
@json_option
def export(
    customer: str, format_: str, scope: str, subject_type: str, out: Path | None, *, as_json: bool
) -> None:
    """Hand out all data of a customer, in plain words; CUSTOMER is the shop's own id.

    Without --out it goes to standard output. With --json the document does so, or, with --out, what was
    written where.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.rights.export import as_csv, note_export  # noqa: PLC0415  as above
    from api.rights.export import as_json as as_document  # noqa: PLC0415  as above
    from api.rights.sections import Scope  # noqa: PLC0415  as above
    from api.storage.connection import writing  # noqa: PLC0415  as above

    if format_ == "csv" and out is None and (as_json or sys.stdout.isatty()):
        raise click.UsageError("a zip of CSV files needs --out")
    with open_shop() as shop:
        subject = _subject(shop, customer, subject_type)
        with writing(shop.engine) as conn:
            note_export(conn, subject, Scope(scope), str(uuid.uuid4()))
        pieces = (as_csv if format_ == "csv" else as_document)(subject, Scope(scope))
        if out is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return
        n_bytes = _write(out, pieces)
    if as_json:
        print_json({"file": str(out), "format": format_, "scope": scope, "n_bytes": n_bytes})
    else:
        say(f"{n_bytes:,} bytes written to {out}")


def _subject(shop: Shop, customer: str, subject_type: str) -> Subject:
    from api.rights.interests import read_basics  # noqa: PLC0415  storage is not needed for --help
    from api.rights.readings import find_subject  # noqa: PLC0415  as above
    from api.schemas.base import canonical_text  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above
    from guardrails.messages import SOURCE  # noqa: PLC0415  as above

    with reading(shop.engine) as conn:
        basics = read_basics(conn, shop.settings)
    return find_subject(
        shop.engine,
        shop.subjects,
        canonical_text(customer),
        subject_type,
        basics,
        shop.settings,
        shop.now_ms,
        SOURCE,
    )


def _write(out: Path, pieces: Iterator[bytes]) -> int:
    """Write the pieces to a new file of one's own; return how many bytes they were."""
    out.touch(mode=0o600)
    with out.open("wb") as file:
        return sum(map(file.write, pieces))
