"""``tactful leakage``: what slates give away about private matters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.terminal import NumberRange, console, json_option, print_json, progress, say

if TYPE_CHECKING:
    from api.evaluating.leakage import Leakage
    from engine.evaluation.attacker import Leak

MICRO = 1_000_000


@click.command()
@click.option("--placement", default="home", show_default=True, help="Where customers are served.")
@click.option(
    "--lift-max",
    type=NumberRange(0, 2),
    help="Try another limit of G07 than the one in force; under 1 nothing that customers did counts.",
)
@click.option(
    "--customers", "n_customers", type=click.IntRange(min=1), help="Measure so many at most, drawn at random."
)
@click.option(
    "--with-orders",
    is_flag=True,
    help="Take as bought also what is kept only as the fact of an order. That is another purpose than it "
    "was kept for: the shop needs a ground of its own.",
)
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Write a PNG here.")
@json_option
def leakage(
    placement: str,
    lift_max: float | None,
    n_customers: int | None,
    plot: Path | None,
    *,
    with_orders: bool,
    as_json: bool,
) -> None:
    """Let an attacker guess from slates who has bought goods of a sensitive class.

    He sees what customers without the consent of any class would be shown now, and learns from most of
    them to guess the others. Measured are customers whose history may be learned from now. Four columns:
    guardrails off; on; an attacker who sees the admitted evidence itself; and slates of what sells well,
    the same for all. 0.5 is a coin. The goal: no better than a coin for tier S3, three quarters of the
    excess gone for S2. Nobody is named, and nothing of anybody is stored: only these figures, for the page of
    models, unless another limit was tried. Private purchases without the consent of their class are soon kept
    only as facts of orders; then there is little to measure without --with-orders.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage and scikit-learn are not needed for --help
    from api.evaluating.leakage import draw, measure_leakage  # noqa: PLC0415  as above
    from api.evaluating.leakage_report import keep_report, report_file  # noqa: PLC0415  as above

    with open_shop() as shop, progress("guessing") as show:
        report = measure_leakage(
            shop.engine,
            shop.settings,
            shop.now_ms,
            show,
            placement=placement,
            lift_max_micro=None if lift_max is None else round(lift_max * MICRO),
            n_customers=n_customers,
            with_orders=with_orders,
        )
        if lift_max is None:
            keep_report(report_file(shop.settings), report, shop.now_ms)
    if as_json:
        print_json(report.as_data())
    else:
        _print(report)
    if plot is not None:
        draw(report, plot)
        say(f"wrote `{plot}`")


def _print(report: Leakage) -> None:
    from rich.table import Column, Table  # noqa: PLC0415  slow to import, not needed for --help

    widths = {"guardrails off": 11, "on": 11, "evidence itself": 11, "popular": 4}  # 11: an interval
    name, *columns = Column("", overflow="fold"), *(Column(each, min_width=n) for each, n in widths.items())
    table = Table(name, "buyers", *columns, "excess gone", "goal", box=None, padding=(0, 1, 0, 0))
    for row in report.rows:
        table.add_row(
            f"{row.name.rsplit(' > ', 1)[-1].lower()} S{row.tier}",
            f"{row.n_positive:,}",
            *(_cell(row.leaks[column]) for column in ("off", "on", "evidence", "popular")),
            "" if row.gone is None else f"{row.gone:.0%}",
            "reached" if row.reached else "missed",
        )
    console().print(table)
    n_reached = sum(row.reached for row in report.rows)
    say(
        f"{report.n_customers:,} customers at `{report.placement}`, limit {report.lift_max_micro / MICRO:g}, "
        f"{report.n_lifts:,} lifts known; goal reached in {n_reached} of {len(report.rows)} rows"
    )
    if report.n_lifts == 0 and report.lift_max_micro >= MICRO:
        say("no lift is known: too few customers have agreed to a class, so nothing is masked")


def _cell(leak: Leak) -> str:
    if leak.low == leak.high:
        return f"{leak.auc:.2f}"
    return f"{leak.auc:.2f} ({leak.low:.2f}-{leak.high:.2f})"
