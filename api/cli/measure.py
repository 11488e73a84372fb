"""``tactful measure``: how suggestions do; ``tactful experiment``: a model for a share of customers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.terminal import NumberRange, console, json_option, print_json, progress, say

if TYPE_CHECKING:
    from api.cli.shop import Shop

_DAY = click.DateTime(["%Y-%m-%d"])
_USUAL_DAYS = 28
_BY = ("day", "placement", "channel", "intent", "basis", "model", "policy", "arm")
_REWARDS = ("clicked", "added_to_cart", "purchased", "too_personal")
_COLUMNS = ("suggested", "shown", "clicked", "added_to_cart", "purchased", "too_personal")
_RATES = ("clicked", "purchased", "too_personal")
_ESTIMATES = {
    "logged": "as it was, a customer",
    "ips": "unclipped, a customer",
    "clipped": "clipped, a customer",
    "self_normalised": "self-normalised, a suggestion",
}
_FEW = "few"
_NOTHING = "nothing was measured in this time that could be told: measuring takes the consent of customers"


@click.command()
@click.option("--since", type=_DAY, help="First day of decisions (UTC); 28 days before the last without.")
@click.option("--until", type=_DAY, help="First day no longer wanted (UTC); tomorrow without.")
@click.option("--by", type=click.Choice(_BY), multiple=True, help="Cut by this; may be given several times.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw shares by day as PNG.")
@click.option("--off-policy", metavar="VERSION", help="Estimate what a policy or a model would have got.")
@click.option("--reward", type=click.Choice(_REWARDS), default="clicked", show_default=True)
@click.option("--clip", type=NumberRange(1), default=10.0, show_default=True, help="Largest weight.")
@json_option
def measure(
    *,
    since: datetime | None,
    until: datetime | None,
    by: tuple[str, ...],
    plot: Path | None,
    off_policy: str | None,
    reward: str,
    clip: float,
    as_json: bool,
) -> None:
    """Tell how suggestions do, of customers who agreed to be measured.

    Sums of fewer than five are not told. With --off-policy it is estimated what a policy or a model would
    have got, from the decisions that were made since the experiment is as it is now.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help

    with open_shop() as shop:
        if off_policy is not None:
            _estimate(shop, off_policy, reward, clip, as_json=as_json)
        else:
            _measure(shop, since, until, tuple(dict.fromkeys(by)), plot, as_json=as_json)


def _measure(
    shop: Shop,
    since: datetime | None,
    until: datetime | None,
    by: tuple[str, ...],
    plot: Path | None,
    *,
    as_json: bool,
) -> None:
    from api.measuring.report import (  # noqa: PLC0415  not needed for --help
        comparison,
        day_number,
        draw,
        measurements,
    )
    from api.storage.connection import reading  # noqa: PLC0415  as above

    today = datetime.fromtimestamp(shop.now_ms / 1000, UTC)
    end = until or today + timedelta(days=1)
    days = day_number((since or end - timedelta(days=_USUAL_DAYS)).date()), day_number(end.date())
    if days[0] >= days[1]:
        raise click.UsageError("the first day is not before the last")
    ceiling_micro = shop.settings.too_personal_ceiling_micro
    with reading(shop.engine) as conn:
        report = measurements(conn, *days, by, {}, ceiling_micro)
        if "arm" in by:
            report["comparison"] = comparison(conn, *days)
        by_day = report if plot is None else measurements(conn, *days, ("day",), {}, ceiling_micro)
    if as_json:
        print_json(report)
    else:
        _print(report)
    if plot is not None:
        draw(by_day, plot)
        say(f"wrote `{plot}`")


def _print(report: dict[str, Any]) -> None:
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    if not report["cells"]:
        say(_NOTHING)
        return
    table = Table(*report["by"], *_COLUMNS, *(f"{name} %" for name in _RATES), "ceiling", box=None)
    for cell in report["cells"]:
        names = (_short(cell[name]) for name in report["by"])
        counts = (_FEW if cell["n"][name] is None else f"{cell['n'][name]:,}" for name in _COLUMNS)
        rates = (_rate(cell["shares"][name]) for name in _RATES)
        table.add_row(*names, *counts, *rates, cell["too_personal"])
    console().print(table)
    if report["n_suppressed"]:
        say(f"{report['n_suppressed']:,} cells are left out: too little is in them")
    for name, each in report.get("comparison", {}).get("differences", {}).items():
        say(f"{name}: the challenger is {_points(each)} above the champion, in percentage points")


def _short(text: str | None) -> str:
    """Return a version as it is told apart by eye; other texts as they are."""
    return "" if text is None else text[:12] if len(text) == _HEX else text


_HEX = 64


def _rate(share: dict[str, float | None] | None) -> str:
    if share is None:
        return _FEW
    value = _FEW if share["value"] is None else f"{100 * share['value']:.2f}"
    return f"{value} ({100 * (share['low'] or 0):.2f} to {100 * (share['high'] or 0):.2f})"


def _points(share: dict[str, float]) -> str:
    return f"{100 * share['value']:+.2f} ({100 * share['low']:+.2f} to {100 * share['high']:+.2f})"


def _estimate(shop: Shop, version: str, reward: str, clip: float, *, as_json: bool) -> None:
    from api.measuring.otherwise import estimate  # noqa: PLC0415  not needed for --help
    from api.storage.measured import Measure  # noqa: PLC0415  as above

    with progress("deciding again") as show:
        report = estimate(
            shop.engine,
            shop.logbook.keyring,
            shop.settings,
            version,
            reward=Measure(reward),
            clip=clip,
            now_ms=shop.now_ms,
            show=show,
        )
    if as_json:
        print_json(report)
        return
    from rich.table import Table  # noqa: PLC0415  slow to import, not needed for --help

    table = Table(reward, "estimate", "from", "to", box=None)
    for name, meaning in _ESTIMATES.items():
        each = report[name]
        table.add_row(meaning, *(f"{each[end]:.4f}" for end in ("value", "low", "high")))
    screen = console()
    screen.print(table)
    screen.print(
        f"{report['n_units']:,} customers, {report['n_decisions']:,} decisions, {report['n_observations']:,} "
        f"suggestions that say as much as {report['effective_sample_size']:,.0f}; "
        f"{report['n_clipped']:,} clipped at {report['clip']:g}"
    )
    screen.print(f"{report['coverage']:.1%} of what it would have shown is shown by one of the arms")
    if report["n_left_out"]:
        screen.print(f"left out: {report['n_left_out']:,} decisions that could not be made again")


@click.group()
def experiment() -> None:
    """Serve a share of customers by another model; of policies `tactful policy challenge` does that.

    Only customers who agreed to be measured are in an experiment.
    """


@experiment.command()
@click.argument("version")
@click.option(
    "--share",
    type=NumberRange(0, 1, min_open=True),
    default=0.1,
    show_default=True,
    help="Share of customers; where a policy challenges as well, its share counts.",
)
def begin(version: str, share: float) -> None:
    """Put the model VERSION in force for a share of customers."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.measuring.experiments import begin_experiment  # noqa: PLC0415  as above
    from api.storage.connection import writing  # noqa: PLC0415  as above

    share_micro = max(1, round(share * 1_000_000))
    with open_shop() as shop, writing(shop.engine) as conn:
        begin_experiment(conn, version, share_micro, shop.now_ms)
    say(f"model {version} is in force for {share_micro / 10_000:g} % of customers who agreed to be measured")


@experiment.command()
def end() -> None:
    """Put the model that challenges out of force."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.measuring.experiments import end_experiment  # noqa: PLC0415  as above
    from api.storage.connection import writing  # noqa: PLC0415  as above

    with open_shop() as shop, writing(shop.engine) as conn:
        ended = end_experiment(conn, shop.now_ms)
    say("everybody has the model in force" if ended else "no model challenges")


@experiment.command()
@json_option
def show(*, as_json: bool) -> None:
    """Tell what is compared now."""
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.measuring.otherwise import experiment as running  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above

    with open_shop() as shop, reading(shop.engine) as conn:
        found = running(conn)
    arms = {arm.value: {**way._asdict(), "share": found.share[arm]} for arm, way in found.arms.items()}
    if as_json:
        print_json({"since_ms": found.since_ms, "arms": arms})
        return
    for name, arm in arms.items():
        say(
            f"{name}: policy {arm['policy']}, model {arm['model'] or 'none'}, {arm['share']:.2%} of customers"
        )
