"""``tactful evaluate``: how well each learner does, and what each promise costs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from api.cli.terminal import console, json_option, print_json, progress, say

if TYPE_CHECKING:
    from guardrails.restraint import Restraint


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--k", type=click.IntRange(1, 1000), default=20, show_default=True, help="Length of a list.")
@click.option("--guardrails", is_flag=True, help="Measure on the shop's own customers what the rules cost.")
@click.option("--placement", default="home", show_default=True, help="With --guardrails: where.")
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=28,
    show_default=True,
    help="With --guardrails: how many of the last days are what is to be found.",
)
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="With --guardrails: a PNG to write."
)
@json_option
def evaluate(
    folder: Path | None,
    k: int,
    placement: str,
    days: int,
    plot: Path | None,
    *,
    guardrails: bool,
    as_json: bool,
) -> None:
    """Fit every learner on a folder's training part and measure it on its test part.

    FOLDER holds train.txt and test.txt (or .gz): a line a customer, first its number, then the
    numbers of its items. Which learner is chosen is decided on a part of the training data alone.

    With --guardrails, and no folder, the shop's own last days are what is to be found: relevance is
    reported with every rule on, and with each group of rules switched off, so that it can be seen
    what each promise costs. Nothing of it is stored.
    """
    if guardrails is (folder is not None):
        raise click.UsageError("give either a FOLDER or --guardrails")
    if guardrails:
        _refuse("--k goes with a FOLDER", "k")
        _restraint(placement, days, plot, as_json=as_json)
        return
    _refuse("--placement, --days and --plot go with --guardrails", "placement", "days", "plot")
    _learners(folder or Path(), k, as_json=as_json)


def _refuse(because: str, *names: str) -> None:
    """Refuse options that were given and would be without effect."""
    context = click.get_current_context()
    if any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in names):
        raise click.UsageError(because)


def _learners(folder: Path, k: int, *, as_json: bool) -> None:
    from engine.evaluation.folder import evaluate_folder  # noqa: PLC0415  the engine is not needed for --help

    with progress("evaluating") as show:
        report = evaluate_folder(folder, k, progress=lambda stage, done, total: show(done, total, stage))
    if as_json:
        print_json(report.as_dict())
        return
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    table = Table("learner", f"recall@{k}", f"ndcg@{k}", "learned in", "", box=None)
    for row in report.rows:
        mark = "chosen on the training data alone" if row.learner == report.chosen else ""
        table.add_row(row.learner, f"{row.recall:.4f}", f"{row.ndcg:.4f}", f"{row.fit_s:.1f} s", mark)
    console().print(table)


def _restraint(placement: str, days: int, plot: Path | None, *, as_json: bool) -> None:
    from api.cli.shop import open_shop  # noqa: PLC0415  storage and engine are not needed for --help
    from api.evaluating.restraint import draw, measure_restraint  # noqa: PLC0415  as above

    with open_shop() as shop, progress("evaluating") as show:
        report = measure_restraint(shop.engine, shop.settings, shop.now_ms, placement, days, show)
    if as_json:
        print_json(asdict(report))
    else:
        _show(report)
    if plot is not None:
        draw(report, plot)
        say(f"wrote `{plot}`")


def _show(report: Restraint) -> None:
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    k = report.k
    table = Table("setting", f"ndcg@{k}", f"recall@{k}", "shown", "costs", "95 % interval", box=None)
    for row in report.costs:
        table.add_row(
            row.setting,
            f"{row.ndcg:.4f}",
            f"{row.recall:.4f}",
            f"{row.n_shown:.1f}",
            f"{row.cost:+.1%}" if row.rules else "",
            f"{row.cost_from:+.1%} to {row.cost_to:+.1%}" if row.rules else "",
        )
    console().print(table)
    say(f"{report.n_customers:,} customers who bought something in those days, placement {report.placement}")
