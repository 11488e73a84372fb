"""What the rules cost a shop, measured on its own customers and drawn."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from api.errors import UnknownPlacementError
from api.evaluating.past import past
from api.imports.importer import Progress
from api.settings import Settings
from api.storage.connection import reading
from api.storage.placements import read_placements
from api.training import BUDGET_S
from guardrails.messages import Phrase
from guardrails.restraint import Restraint, measure


def measure_restraint(
    engine: Engine, settings: Settings, now_ms: int, placement: str, test_days: int, progress: Progress
) -> Restraint:
    """Measure relevance with each group of rules switched off; see ``guardrails.restraint``.

    Args:
        engine: the database, up to date.
        settings: how long consent lasts.
        now_ms: the clock.
        placement: name of a placement of the shop.
        test_days: how many of the last days are what is to be found.
        progress: is told how far it has come.

    Raises:
        UnknownPlacementError: the shop has no such placement.
        NothingToMeasureError: there is nothing to measure on.
        ModelFitError: there is nothing to learn from.
    """
    refuse_unknown(engine, placement)
    with past(engine, settings, now_ms, test_days, BUDGET_S, progress) as shop:
        return measure(shop.house, shop.shoppers, shop.relevant, shop.placements[placement], now_ms, progress)


def refuse_unknown(engine: Engine, placement: str) -> None:
    """Ask for a placement before anything is learned, which takes a while.

    Raises:
        UnknownPlacementError: the shop has no such placement.
    """
    with reading(engine) as conn:
        if placement not in read_placements(conn):
            raise UnknownPlacementError(Phrase("unknown placement `{name}`", name=placement))


def draw(report: Restraint, path: Path) -> None:
    """Write a picture of what each group costs, with its interval, as PNG.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  slow to import, and rarely asked for

    rows = [row for row in report.costs if row.rules][::-1]
    figure = Figure(figsize=(8, 0.5 * len(rows) + 1.5), layout="constrained")
    axes = figure.subplots()
    cost = [100 * row.cost for row in rows]
    low = [100 * max(row.cost - row.cost_from, 0.0) for row in rows]
    high = [100 * max(row.cost_to - row.cost, 0.0) for row in rows]
    axes.barh([row.setting for row in rows], cost, xerr=[low, high], color="#4c72b0", ecolor="#333333")
    axes.axvline(0, color="#333333", linewidth=0.8)
    axes.set_xlabel(f"NDCG@{report.k} that the rules cost, % (95 % interval)")
    axes.set_title(f"What each promise costs ({report.placement}, {report.n_customers:,} customers)")
    figure.savefig(path, dpi=120)
