"""What is on the rise and what has had its season, told from how lately an item's customers came."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.interactions import WEIGHT_ONE, Interactions, age_in_days

DOUBT = 10
"""Customers with neither trend nor season that are assumed beside the observed ones."""

MOST_OCTAVES = 2
"""A trend is at most two doublings up or down, before the exponent: few customers prove no more."""

STEPS_AN_OCTAVE = 16
"""Trends are rounded to steps of 4 %, so that one customer more or less seldom changes any."""


def trend_of(
    interactions: Interactions,
    n_items: int,
    floor: NDArray[np.int32],
    now_ms: int,
    *,
    half_life_days: int = 28,
    exponent: float = 1.0,
) -> NDArray[np.float64]:
    """Return what to multiply each column of W by, shape (n_items,), float64; 1.0 says no trend.

    The trend of an item is the share of its customers who came lately, decayed by their youngest
    interaction, over that share in the whole shop. A customer counts once an item, however much was
    bought. All that is added up are integers, so neither the order of interactions nor the numbers of
    customers change a bit of it.

    Source: own; the short-term over the long-term average of a series, as in Gardner 1985, held towards
    the mean by pseudo-counts (Good 1965).

    Args:
        interactions: what was learned from; any numbers for customers.
        n_items: number of items.
        floor: shape (n_items,), int32: of an item with fewer distinct customers no trend is told.
        now_ms: what ages are counted to.
        half_life_days: how soon a customer no longer counts as one of lately, at least 1.
        exponent: how much the trend matters; 0 is not at all.
    """
    item, age_days = _customers_of(interactions, now_ms)
    n_customers = np.bincount(item, minlength=n_items)
    recency = np.rint(np.exp2(-age_days / half_life_days) * WEIGHT_ONE)
    # Sums of integers below 2**53 are exact in float64, so their order does not matter.
    n_lately = np.bincount(item, weights=recency, minlength=n_items) / WEIGHT_ONE
    if not n_lately.any():
        return np.ones(n_items)
    share = np.exp2(_stepped(np.log2(n_lately.sum() / item.size)))
    octaves = np.log2((n_lately + DOUBT * share) / ((n_customers + DOUBT) * share))
    bounded = np.clip(octaves, -MOST_OCTAVES, MOST_OCTAVES)
    told = n_customers >= np.maximum(floor, 1)
    return np.where(told, np.exp2(_stepped(exponent * bounded)), 1.0)


def _customers_of(interactions: Interactions, now_ms: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return (item, days since the youngest) of each customer with each item, every pair once."""
    customer, item = interactions.customer_idx, interactions.item_idx
    age_days = age_in_days(interactions.at_ms, now_ms)
    order = np.lexsort((age_days, item, customer))
    customer, item = customer[order], item[order]
    youngest = np.ones(order.size, np.bool_)
    youngest[1:] = (customer[1:] != customer[:-1]) | (item[1:] != item[:-1])
    return item[youngest], age_days[order][youngest]


def _stepped(octaves: NDArray[np.float64]) -> NDArray[np.float64]:
    stepped: NDArray[np.float64] = np.rint(octaves * STEPS_AN_OCTAVE) / STEPS_AN_OCTAVE
    return stepped
