"""``tactful evaluate``: how well each learner does, what is found of purchases, what each promise costs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from api.cli.terminal import (
    budget_option,
    console,
    json_option,
    memory_bytes_of,
    memory_option,
    print_json,
    progress,
    resume_option,
    say,
)

if TYPE_CHECKING:
    from engine.evaluation.folder import Report
    from guardrails.purchases import Purchases
    from guardrails.restraint import Restraint


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--k", type=click.IntRange(1, 1000), default=20, show_default=True, help="Length of a list.")
@budget_option(480)
@memory_option
@resume_option
@click.option("--guardrails", is_flag=True, help="Measure on the shop's own customers what the rules cost.")
@click.option("--purchases", is_flag=True, help="Measure on them what is found of repeat and new purchases.")
@click.option("--placement", default="home", show_default=True, help="On the shop's own customers: where.")
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=28,
    show_default=True,
    help="On the shop's own customers: how many of the last days are what is to be found.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="On the shop's own customers: a PNG to write.",
)
@json_option
def evaluate(
    folder: Path | None,
    k: int,
    budget_s: float,
    memory_gb: float | None,
    resume: Path | None,
    placement: str,
    days: int,
    plot: Path | None,
    *,
    guardrails: bool,
    purchases: bool,
    as_json: bool,
) -> None:
    r"""Fit every learner on a folder's training part and measure it on its test part.

    FOLDER holds train.txt and test.txt (or .gz): a line a customer, first its number, then the
    numbers of its items. Learners, their parameters and the weights of their sum are compared on what is
    held back of the training part; the test part is looked at when all of that is settled.

    \b
    JSON: {"chosen": {learner, recall, ndcg, params},
           "learners": [{learner, recall, recall_low, recall_high, ndcg, ndcg_low, ndcg_high, coverage,
                         answered, novelty, diversity, popularity_bias, fit_s, params, weights (of a
                         blend), validation: {the same by what was held back}}],
           "skipped": [{learner, skipped: why}],
           "validation": {kind, n_customers, k, by_order: whether the ends of lines were held back}}

    With --guardrails or --purchases, and no folder, the shop's own last days are what is to be found, by
    a model chosen and learned on what was before them. Nothing of it is stored. --guardrails tells what
    each promise costs: relevance with every rule on, and with each group of rules switched off.
    --purchases tells what is found of what customers buy again and of what is new to them, beside what
    their own frequency and what sells well would find.
    """
    if [guardrails, purchases, folder is not None].count(True) != 1:
        raise click.UsageError("give either a FOLDER, --guardrails or --purchases")
    if folder is not None:
        _refuse(
            "--placement, --days and --plot go with --guardrails or --purchases", "placement", "days", "plot"
        )
        _learners(folder, k, budget_s, memory_gb, resume, as_json=as_json)
        return
    _refuse("--budget-s, --memory-gb and --resume go with a FOLDER", "budget_s", "memory_gb", "resume")
    if purchases:
        _purchases(placement, days, k, plot, as_json=as_json)
    else:
        _refuse("--k goes with a FOLDER or --purchases", "k")
        _restraint(placement, days, plot, as_json=as_json)


def _refuse(because: str, *names: str) -> None:
    """Refuse options that were given and would be without effect."""
    context = click.get_current_context()
    if any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in names):
        raise click.UsageError(because)


def _learners(
    folder: Path, k: int, budget_s: float, memory_gb: float | None, resume: Path | None, *, as_json: bool
) -> None:
    from engine.evaluation.folder import evaluate_folder  # noqa: PLC0415  the engine is not needed for --help

    with progress("evaluating") as show:
        report = evaluate_folder(
            folder,
            k,
            progress=lambda stage, done, total: show(done, total, stage),
            budget_s=budget_s,
            memory_bytes=memory_bytes_of(memory_gb),
            remember=resume,
        )
    if as_json:
        print_json(report.as_dict())
    else:
        _show_learners(report)


def _show_learners(report: Report) -> None:
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    k = report.k
    table = Table("learner", f"recall@{k}", f"ndcg@{k}", "held back", "learned in", "", box=None)
    for row in report.rows:
        if "skipped" in row:
            table.add_row(row["learner"], "", "", "", "", "left out")
            continue
        table.add_row(
            row["learner"],
            _with_interval(row, "recall"),
            _with_interval(row, "ndcg"),
            f"{row['validation']['ndcg']:.4f}",
            f"{row['fit_s']:.1f} s",
            "chosen" if row["learner"] == report.chosen else "",
        )
    screen = console()
    screen.print(table)
    for row in report.rows:
        if "skipped" in row:
            screen.print(f"{row['learner']} was left out: {row['skipped']}")
        for name, weight in row.get("weights", {}).items():
            screen.print(f"{row['learner']}: {name} with a weight of {weight:g}")
    screen.print(f"{report.chosen} was chosen on the training data alone")


def _with_interval(row: dict[str, Any], name: str) -> str:
    """Return a mean and how far the ends of its interval of 95 % are off."""
    off = max(row[f"{name}_high"] - row[name], row[name] - row[f"{name}_low"])
    return f"{row[name]:.4f} ± {off:.4f}"


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


def _purchases(placement: str, days: int, k: int, plot: Path | None, *, as_json: bool) -> None:
    from api.cli.shop import open_shop  # noqa: PLC0415  storage and engine are not needed for --help
    from api.evaluating.purchases import draw, measure_shop  # noqa: PLC0415  as above

    with open_shop() as shop, progress("evaluating") as show:
        report = measure_shop(shop.engine, shop.settings, shop.now_ms, placement, days, k, show)
    if as_json:
        print_json(asdict(report))
    else:
        _show_purchases(report)
    if plot is not None:
        draw(report, plot)
        say(f"wrote `{plot}`")


def _show_purchases(report: Purchases) -> None:
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    k = report.k
    for question in report.questions:
        table = Table(question.purchases, f"recall@{k}", "95 %", f"ndcg@{k}", "95 %", box=None)
        for row in question.found:
            table.add_row(
                row.ranked_by,
                f"{row.recall:.4f}",
                f"{row.recall_from:.4f}-{row.recall_to:.4f}",
                f"{row.ndcg:.4f}",
                f"{row.ndcg_from:.4f}-{row.ndcg_to:.4f}",
            )
        console().print(table)
        say(f"{question.n_customers:,} customers bought {question.n_items:,} such items in those days")
