"""What is bought again, by how many, and after how long."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.artefact import WEIGHT_SCALE
from engine.interactions import DAY_MS, Interactions
from engine.vocabulary import Kind

DOUBT = 10
"""Buyers who did not come back that are assumed beside the observed ones: two of two prove little."""

MOST_RETURNS = 8
"""So often one customer counts as coming back for an item: more would tell of that customer alone."""


class Repeats(NamedTuple):
    """Per item, shape (n_items,), int32 each; see ``engine.artefact.ModelArrays``."""

    repeat: NDArray[np.int32]
    support: NDArray[np.int32]
    interval_days: NDArray[np.int32]


def repeats(interactions: Interactions, n_items: int, floor: NDArray[np.int32]) -> Repeats:
    """Count on how many days (UTC) customers came back for an item, and the days between.

    The propensity of an item is the cube root of how often a buyer comes back on average: proportional
    to that, a few items that everybody buys again and again would outweigh what a customer has a habit
    of. Of what households bought again in four weeks of groceries, a customer's decayed frequency times
    the cube root finds 5 to 7 % more than the frequency alone; times the average itself 1 to 3 %, and
    times the share of buyers who come back at all 2 to 3 %. What goes with other purchases added nothing.

    Args:
        interactions: any kinds; only purchases count.
        n_items: number of items.
        floor: shape (n_items,), int32: with fewer returning customers nothing is stated.
    """
    customer, item, day = _purchase_days(interactions)
    again = (customer[1:] == customer[:-1]) & (item[1:] == item[:-1])
    first = np.concatenate([[True], ~again])[: item.size]
    returned_first = again & first[:-1]
    n_buyers = np.bincount(item[first], minlength=n_items)
    n_returned = np.bincount(item[1:][returned_first], minlength=n_items)
    stated = n_returned >= np.maximum(floor, 1)
    n_returns = _bounded_returns(item, first, n_items)
    propensity = np.cbrt(n_returns / (MOST_RETURNS * (n_buyers + DOUBT)))
    interval = _median_by_item(item[1:][again], (day[1:] - day[:-1])[again], n_items)
    return Repeats(
        np.where(stated, np.rint(propensity * WEIGHT_SCALE), 0).astype(np.int32),
        np.where(stated, n_returned, 0).astype(np.int32),
        np.where(stated, interval, 0).astype(np.int32),
    )


def _bounded_returns(item: NDArray[np.int64], first: NDArray[np.bool_], n_items: int) -> NDArray[np.int64]:
    """Return how often customers came back for each item, no customer more than ``MOST_RETURNS`` times."""
    starts = np.flatnonzero(first)
    n_returns = np.minimum(np.diff(np.append(starts, item.size)) - 1, MOST_RETURNS)
    # Sums of integers below 2**53 are exact in float64.
    return np.bincount(item[starts], weights=n_returns, minlength=n_items).astype(np.int64)


def _purchase_days(
    interactions: Interactions,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return (customer, item, day) of every day with a purchase, ascending, each once."""
    bought = interactions.kind == Kind.PURCHASE
    columns = (interactions.at_ms // DAY_MS, interactions.item_idx, interactions.customer_idx)
    day, item, customer = (column[bought].astype(np.int64) for column in columns)
    order = np.lexsort((day, item, customer))
    day, item, customer = day[order], item[order], customer[order]
    fresh = np.ones(day.size, np.bool_)
    fresh[1:] = (day[1:] != day[:-1]) | (item[1:] != item[:-1]) | (customer[1:] != customer[:-1])
    return customer[fresh], item[fresh], day[fresh]


def _median_by_item(item: NDArray[np.int64], days: NDArray[np.int64], n_items: int) -> NDArray[np.int64]:
    """Return the lower median of ``days`` of each item; 0 where there are none."""
    order = np.lexsort((days, item))
    counts = np.bincount(item, minlength=n_items)
    middle = np.cumsum(counts) - counts + np.maximum(counts - 1, 0) // 2
    median = np.zeros(n_items, np.int64)
    median[counts > 0] = days[order][middle[counts > 0]]
    return median
