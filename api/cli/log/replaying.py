"""``tactful log replay``: make recorded decisions again, and say whether every byte is the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.keyholder import key_option
from api.cli.log.looking import auditor_of
from api.cli.terminal import console, json_option, print_json, progress, say

if TYPE_CHECKING:
    from api.log_replaying import Tally


@click.command(
    epilog="Exit codes: 0 none differs; 1 one does, or could not be done; 2 was not understood, or no key."
)
@click.option("--decision", "decisions", metavar="ID", multiple=True, help="This one; may be repeated.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="So many, drawn at random.")
@click.option("--all", "all_", is_flag=True, help="Every one that the log keeps.")
@click.option(
    "--level",
    type=click.Choice(["1", "2"]),
    default="2",
    show_default=True,
    help="1: rules and answer, from the record and its policy; 2: what was considered as well.",
)
@key_option
@json_option
def replay(
    decisions: tuple[str, ...],
    *,
    sample: int | None,
    all_: bool,
    level: str,
    key_file: Path | None,
    as_json: bool,
) -> None:
    """Make recorded decisions again and compare them byte for byte with what was recorded.

    Takes the key of an auditor or an admin; that records were opened for it is logged first. Nothing is
    shown of them but where the first difference is.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.log_replaying import replay_many  # noqa: PLC0415  as above
    from api.wiring import build_digest  # noqa: PLC0415  as above

    if sum((bool(decisions), sample is not None, all_)) != 1:
        raise click.UsageError("say which: --decision, --sample or --all, and one of them only")
    with open_shop() as shop:
        auditor = auditor_of(shop, key_file)
        with progress("replaying") as show:
            tally = replay_many(
                auditor,
                shop.settings,
                build_digest(),
                decision_ids=decisions,
                sample=sample,
                level=int(level),
                show=show,
            )
    if as_json:
        print_json(tally.to_plain())
    else:
        _tell(tally)
    click.get_current_context().exit(1 if tally.n_failed else 0)


def _tell(tally: Tally) -> None:
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    plain: dict[str, Any] = tally.to_plain()
    table = Table("level", "finding", "decisions")
    for level, counted in plain["levels"].items():
        for finding, n in counted.items():
            table.add_row(f"L{level}", finding.upper().replace("_", " "), f"{n:,}")
    console().print(table)
    for each in plain["differing"]:
        click.echo(
            f"decision {each['decision_id']} L{each['level']}: {each['finding']} at {each['pointer'] or '/'}"
        )
    say(f"{tally.n:,} decisions; this look is entry {tally.logged_at} of the log")
