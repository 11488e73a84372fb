"""What counts as a trend: how lately an item's customers came, against the whole shop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.interactions import DAY_MS, Interactions
from engine.training.trend import MOST_OCTAVES, STEPS_AN_OCTAVE, trend_of
from engine.vocabulary import Channel, Kind, Provenance

NOW_MS = 400 * DAY_MS
N_ITEMS = 3
RISING, STEADY, FADING = range(N_ITEMS)


def bought(*customers_by_age: tuple[int, int, int]) -> Interactions:
    """Purchases from (item, days ago, how many customers); no customer twice."""
    rows = [(item, age) for item, age, n in customers_by_age for _ in range(n)]
    return Interactions.from_rows(
        [
            (customer, item, Kind.PURCHASE, NOW_MS - age * DAY_MS, Channel.WEB, 0, 0, Provenance.OWN)
            for customer, (item, age) in enumerate(rows)
        ]
    )


SEASONS = bought((RISING, 3, 80), (RISING, 200, 20), (STEADY, 3, 50), (STEADY, 200, 50), (FADING, 200, 90))


def trend(interactions: Interactions, min_support: int = 2, **options: float) -> NDArray[np.float64]:
    floor = np.full(N_ITEMS, min_support, np.int32)
    return trend_of(interactions, N_ITEMS, floor, NOW_MS, **options)


def test_what_is_bought_lately_rises_and_what_is_no_longer_bought_falls():
    found = trend(SEASONS)
    assert found[RISING] > found[STEADY] > 1.0 > found[FADING]


def test_the_order_of_interactions_and_the_numbers_of_customers_change_nothing():
    other_way_round = SEASONS.where(np.arange(len(SEASONS))[::-1])
    renumbered = replace(other_way_round, customer_idx=other_way_round.customer_idx[::-1].copy())
    assert trend(renumbered).tobytes() == trend(SEASONS).tobytes()


def test_a_customer_counts_once_by_the_youngest_interaction():
    again = replace(SEASONS, at_ms=SEASONS.at_ms - DAY_MS)
    assert trend(Interactions.joined(SEASONS, again, SEASONS)).tobytes() == trend(SEASONS).tobytes()


def test_no_trend_is_told_of_an_item_with_fewer_customers_than_the_floor():
    found = trend(SEASONS, min_support=95)
    assert found[RISING] > 1.0
    assert found[FADING] == 1.0


def test_nothing_trends_where_nothing_is_known_or_where_nobody_asks():
    assert trend(Interactions.empty()).tolist() == [1.0] * N_ITEMS
    assert trend(SEASONS, exponent=0.0).tolist() == [1.0] * N_ITEMS


def test_nothing_trends_where_all_was_so_long_ago_that_nothing_is_left():
    assert trend(bought((RISING, 399, 50), (FADING, 399, 5)), half_life_days=1).tolist() == [1.0] * N_ITEMS


def test_a_trend_stays_within_its_bounds_and_on_its_steps():
    found = trend(bought((RISING, 0, 5_000), (FADING, 390, 50_000)))
    octaves = np.log2(found)
    assert octaves[RISING] == MOST_OCTAVES
    assert octaves[FADING] == -MOST_OCTAVES
    assert octaves[STEADY] == 0.0
    steps = np.log2(trend(SEASONS)) * STEPS_AN_OCTAVE
    assert steps == pytest.approx(np.rint(steps), abs=1e-9)


def test_few_customers_prove_little():
    few = trend(bought((RISING, 3, 2), (STEADY, 3, 50), (STEADY, 200, 50)))
    many = trend(bought((RISING, 3, 50), (STEADY, 3, 50), (STEADY, 200, 50)))
    assert 1.0 < few[RISING] < many[RISING]


def test_one_customer_more_seldom_moves_a_trend():
    more = Interactions.joined(
        SEASONS, replace(bought((RISING, 3, 1)), customer_idx=np.array([999], np.int32))
    )
    assert trend(more)[STEADY] == trend(SEASONS)[STEADY]
