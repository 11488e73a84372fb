"""``tactful log export``: the log as a bundle that anybody can check, or as a view."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.keyholder import key_option
from api.cli.log.looking import auditor_of
from api.cli.terminal import json_option, print_json, progress, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api.cli.shop import Shop
    from api.log_exporting import Disclosed, Exported, Wanted
    from guardrails.log.views import Viewed

VIEWS = ("prov", "csv", "dsa")

_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M%z"])
_MINUTE_S = 60


def _sections(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Return the names of sections, separated by commas; refuse any other."""
    from guardrails.log.verifier import SECTIONS  # noqa: PLC0415  not needed for --help

    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise click.BadParameter(f"`{unknown[0]}` is none of {', '.join(SECTIONS)}")
    return names


@click.command(
    epilog="Exit codes: 0 done; 1 refused, or could not be done; 2 was not understood, or no key was given."
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from", "from_", type=_TIME, help="First minute (UTC unless it says otherwise).")
@click.option("--to", type=_TIME, help="First minute no longer wanted.")
@click.option(
    "--sections",
    callback=_sections,
    metavar="NAMES",
    help="Open these of decisions: req,consent,cand,rules,out.",
)
@click.option(
    "--decision", "decisions", metavar="ID", multiple=True, help="Open this one only; may be repeated."
)
@click.option("--customer", metavar="ID", help="Open those of one customer only, by the shop's own id.")
@click.option("--policies/--no-policies", default=True, help="With the policies that decisions name.")
@click.option("--models/--no-models", default=True, help="With the manifests of models.")
@click.option("--witnessed", is_flag=True, help="As far as the last checkpoint that a witness has signed.")
@click.option(
    "--view", type=click.Choice(VIEWS), help="Instead of a bundle: PROV-JSON, CSV, or DSA statements."
)
@key_option
@json_option
def export(
    file: Path,
    *,
    from_: datetime | None,
    to: datetime | None,
    sections: tuple[str, ...],
    decisions: tuple[str, ...],
    customer: str | None,
    policies: bool,
    models: bool,
    witnessed: bool,
    view: str | None,
    key_file: Path | None,
    as_json: bool,
) -> None:
    """Write the log to FILE as a bundle with its own verifier, which only its owner can read.

    Check it by `python verify.py FILE`, with the verify.py inside or a copy of your own. What is sealed
    stays sealed unless --sections opens it: of all decisions, or of those that --decision or --customer
    name. That takes the key of an auditor or an admin, and is logged before anything is written. The views
    csv and dsa open rules and out by themselves.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.log_exporting import Wanted, disclose  # noqa: PLC0415  as above
    from guardrails.log.views import NEEDED  # noqa: PLC0415  as above

    if not file.parent.is_dir():
        raise click.UsageError(f"there is no folder `{file.parent}`")
    sections = sections or tuple(sorted(NEEDED[view] if view else ()))
    if view and not NEEDED[view] <= set(sections):
        raise click.UsageError(f"the view {view} takes the sections {', '.join(sorted(NEEDED[view]))}")
    if (decisions or customer) and not sections:
        raise click.UsageError(
            "--decision and --customer say whose sections to open: name those by --sections"
        )
    if from_ and to and _minute(from_) >= _minute(to):
        raise click.UsageError("--from has to be before --to")
    with open_shop() as shop:
        wanted = Wanted(
            minute_from=None if from_ is None else _minute(from_),
            minute_to=None if to is None else _minute(to),
            sections=sections,
            decision_ids=decisions,
            subject_key=None if customer is None else shop.subjects.account(customer),
            witnessed=witnessed,
            policies=policies,
            models=models,
        )
        disclosed = disclose(auditor_of(shop, key_file), wanted) if sections else None
        done = _write(shop, file, wanted, disclosed, view)
    _tell(file, done, disclosed, view, as_json=as_json)


def _minute(at: datetime) -> int:
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return int(at.timestamp()) // _MINUTE_S


def _write(shop: Shop, file: Path, wanted: Wanted, disclosed: Disclosed | None, view: str | None) -> Exported:
    from api.log_exporting import export_bundle, export_view  # noqa: PLC0415  storage is not needed for --help

    with progress("exporting the log") as show:
        if view is None:
            return export_bundle(shop.logbook, shop.settings, file, wanted, disclosed, show)
        return export_view(shop.logbook, file, wanted, disclosed, _view(view, shop.logbook.origin), show)


def _view(name: str, origin: str) -> Callable[[Iterator[Viewed]], Iterator[bytes]]:
    from guardrails.log import views  # noqa: PLC0415  not needed for --help

    if name == "prov":
        return lambda decisions: views.provenance(decisions, origin)
    return views.reasons if name == "csv" else views.statements


def _tell(
    file: Path, done: Exported, disclosed: Disclosed | None, view: str | None, *, as_json: bool
) -> None:
    if as_json:
        print_json(
            {
                "file": str(file),
                "view": view,
                **done._asdict(),
                "n_opened": 0 if disclosed is None else len(disclosed.where),
                "n_erased": 0 if disclosed is None else disclosed.n_erased,
                "logged_at": None if disclosed is None else disclosed.logged_at,
            }
        )
        return
    say(f"{done.n_bytes:,} bytes written to {file}: entries {done.first} up to, not including, {done.end}")
    if disclosed is not None:
        say(
            f"{len(disclosed.where):,} decisions opened ({', '.join(disclosed.sections)}), "
            f"{disclosed.n_erased:,} erased; this is entry {disclosed.logged_at} of the log"
        )
    if view is None:
        part = "" if (done.first, done.end) == (0, done.size) else f" --range {done.first}:{done.end}"
        say(f"check it by `python verify.py {file.name}{part}`")
