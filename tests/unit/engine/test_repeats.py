"""What is bought again: by how many, how often, and after how long."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.artefact import WEIGHT_SCALE, Manifest
from engine.interactions import DAY_MS, Interactions
from engine.training import TrainingSettings, refit
from engine.training.repeats import DOUBT, MOST_RETURNS, repeats
from engine.vocabulary import Channel, Kind, Provenance


def done(rows: list[tuple[int, int, int]], kind: Kind = Kind.PURCHASE) -> Interactions:
    """Interactions from (customer, item, day)."""
    return Interactions.from_rows(
        [(c, item, kind, day * DAY_MS, Channel.WEB, 0, 0, Provenance.OWN) for c, item, day in rows]
    )


def floor(n_items: int, least: int = 2) -> NDArray[np.int32]:
    return np.full(n_items, least, np.int32)


def test_an_item_is_bought_again_by_its_returning_customers_after_the_median_interval():
    rows = [
        (0, 1, 900),
        (0, 1, 910),
        (0, 1, 940),
        (1, 1, 900),
        (1, 1, 900),
        (1, 1, 914),
        (2, 1, 950),
        (3, 0, 950),
    ]
    found = repeats(done(rows), 3, floor(3))
    assert found.support.tolist() == [0, 2, 0]
    assert found.interval_days.tolist() == [0, 14, 0]
    n_returns, n_buyers = 3, 3
    assert found.repeat[0] == found.repeat[2] == 0
    propensity = (n_returns / (MOST_RETURNS * (n_buyers + DOUBT))) ** (1 / 3)
    assert found.repeat[1] / WEIGHT_SCALE == pytest.approx(propensity)


def test_what_buyers_come_back_for_more_often_is_bought_again_rather():
    often = [(customer, 0, day) for customer in range(5) for day in (900, 907, 914, 921)]
    once = [(customer, 1, day) for customer in range(5) for day in (900, 921)]
    found = repeats(done(often + once), 2, floor(2))
    assert found.repeat[0] > found.repeat[1] > 0


def test_no_single_customer_counts_as_coming_back_more_often_than_the_bound():
    def bought_daily(n_days: int) -> int:
        rows = [(0, 0, day) for day in range(n_days)] + [(1, 0, 0), (1, 0, 1)]
        return int(repeats(done(rows), 1, floor(1)).repeat[0])

    assert bought_daily(MOST_RETURNS) < bought_daily(MOST_RETURNS + 1)
    assert bought_daily(MOST_RETURNS + 1) == bought_daily(10 * MOST_RETURNS)


def test_with_fewer_returning_customers_than_the_floor_nothing_is_said_about_repeats():
    found = repeats(done([(0, 0, 900), (0, 0, 910)]), 1, floor(1))
    assert (found.repeat[0], found.support[0], found.interval_days[0]) == (0, 0, 0)


def test_views_are_no_repeat_purchases():
    viewed = done([(customer, 0, day) for customer in range(3) for day in (900, 920)], Kind.VIEW)
    assert repeats(viewed, 1, floor(1, 1)).repeat.tolist() == [0]


def test_the_floor_of_pairs_does_not_hold_for_what_a_customer_buys_again():
    rows = [(customer, 0, day) for customer in range(3) for day in (900, 910)]
    rows += [(customer, 1, 910) for customer in range(3)]
    manifest = Manifest(learner="walk", min_support=50)
    arrays = refit(manifest, done(rows), ("a", "b"), np.zeros(2, np.int8), now_ms=950 * DAY_MS).arrays
    assert arrays.indices.size == 0
    assert arrays.repeat_support.tolist() == [3, 0]
    tier = np.ones(2, np.int8)
    sensitive = refit(manifest, done(rows), ("a", "b"), tier, now_ms=950 * DAY_MS).arrays
    assert TrainingSettings().min_support_sensitive > sensitive.repeat_support[0] == 0
