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


class Repeats(NamedTuple):
    """Per item, shape (n_items,), int32 each; see ``engine.artefact.ModelArrays``."""

    repeat: NDArray[np.int32]
    support: NDArray[np.int32]
    interval_days: NDArray[np.int32]


def repeats(interactions: Interactions, n_items: int, floor: NDArray[np.int32]) -> Repeats:
    """Count customers who bought an item on more than one day (UTC), and the days between.

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
    share = n_returned / (n_buyers + DOUBT)
    interval = _median_by_item(item[1:][again], (day[1:] - day[:-1])[again], n_items)
    return Repeats(
        np.where(stated, np.rint(share * WEIGHT_SCALE), 0).astype(np.int32),
        np.where(stated, n_returned, 0).astype(np.int32),
        np.where(stated, interval, 0).astype(np.int32),
    )


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
