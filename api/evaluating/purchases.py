"""What is found of a shop's later purchases, repeat and new, measured on its own customers and drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from api.evaluating.past import past
from api.evaluating.restraint import refuse_unknown
from api.imports.importer import Progress
from api.settings import Settings
from api.training import BUDGET_S
from guardrails.purchases import (
    GUARDED,
    OWN_FREQUENCY,
    POPULARITY,
    UNGUARDED,
    Purchases,
    measure_purchases,
)

_COLOURS = {OWN_FREQUENCY: "#8c8c8c", POPULARITY: "#c4a35a", UNGUARDED: "#4c72b0", GUARDED: "#55a868"}


def measure_shop(
    engine: Engine,
    settings: Settings,
    now_ms: int,
    placement: str,
    test_days: int,
    k: int,
    progress: Progress,
) -> Purchases:
    """Measure what is found of repeat purchases and of new ones; see ``guardrails.purchases``.

    The model is chosen and learned anew from what lies before the last days, and is thrown away.

    Args:
        engine: the database, up to date.
        settings: how long consent lasts.
        now_ms: the clock.
        placement: name of a placement of the shop.
        test_days: how many of the last days are what is to be found.
        k: length of the rankings.
        progress: is told how far it has come.

    Raises:
        UnknownPlacementError: the shop has no such placement.
        NothingToMeasureError: there is nothing to measure on.
        ModelFitError: there is nothing to learn from.
    """
    refuse_unknown(engine, placement)
    with past(engine, settings, now_ms, test_days, BUDGET_S, progress) as shop:
        found = shop.placements[placement]
        return measure_purchases(shop.house, shop.shoppers, shop.relevant, found, now_ms, k, progress)


def draw(report: Purchases, path: Path) -> None:
    """Write a picture of what is found in each way, with its interval, as PNG.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  slow to import, and rarely asked for

    figure = Figure(figsize=(10, 3.5), layout="constrained")
    for axes, question in zip(figure.subplots(1, len(report.questions)), report.questions, strict=True):
        rows = question.found[::-1]
        recall = np.array([row.recall for row in rows])
        low = recall - [row.recall_from for row in rows]
        high = np.array([row.recall_to for row in rows]) - recall
        names = [row.ranked_by for row in rows]
        axes.barh(names, recall, xerr=[low, high], color=[_COLOURS[name] for name in names])
        axes.set_xlabel(f"recall@{report.k} (95 % interval)")
        axes.set_title(f"{question.purchases}, {question.n_customers:,} customers")
    figure.savefig(path, dpi=120)
