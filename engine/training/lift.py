"""How much an item tells of a sensitive class: its lift, among equally active customers.

    lift(item -> class) = customers with the class who bought the item / how many that would be
                          if the item told nothing

Plain lift, P(class | item) / P(class), mostly measures who buys much: whoever buys much has bought
more of everything, goods of the class among it. So the denominator adds up, over the item's buyers,
the share of the class among customers who know equally many items (indirect standardisation, as
for mortality ratios: Breslow & Day 1987, vol. II, ch. 2). Telling goes both ways: the lift to *not*
having the class is taken too, and the greater of the two counts.

Small numbers decide nothing: an item needs ``MIN_SUPPORT`` buyers, and what is stated is the lower end
of the ratio (one-sided, 95 %, normal approximation to the sum of independent draws). Learned from are
only customers who agreed to the class, whether they bought of it or not: both are needed, and both
are sensitive. Where all of them did, or none, nothing can be known and nothing is stated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

MIN_SUPPORT = 20
"""Distinct customers behind a lift at least: as for edges that touch something sensitive."""

CONFIDENCE_Z = 1.645
"""Quantile of the normal distribution at 95 %."""

N_LEVELS = 10
"""Levels of activity within which customers are compared."""

HUNDRED_PERCENT = 100


class Classes(NamedTuple):
    """What is sensitive, and of whom that is known.

    Attributes:
        names: of the classes.
        of_item: shape (n_items,), int16, index into ``names`` for goods that need consent; -1 for others.
        agreed: shape (n_customers, n_names), bool, by ``Interactions.customer_idx``: who permits that
            purchases of the class are learned from.
    """

    names: tuple[str, ...]
    of_item: NDArray[np.int16]
    agreed: NDArray[np.bool_]

    @classmethod
    def none(cls, n_items: int) -> Classes:
        """Return that nothing is sensitive."""
        return cls((), np.full(n_items, -1, np.int16), np.zeros((0, 0), np.bool_))


class Lifts(NamedTuple):
    """Items that tell of a class; shape (n,), int32 each, in order of item and class.

    Attributes:
        item: the item.
        sensitive_class: index into ``Classes.names``.
        percent: the lift in hundredths, rounded down; above 100.
    """

    item: NDArray[np.int32]
    sensitive_class: NDArray[np.int32]
    percent: NDArray[np.int32]


def lifts(bought: csr_matrix, classes: Classes) -> Lifts:
    """Return the lifts that can be stated; what is missing tells nothing, as far as is known.

    Args:
        bought: shape (n_customers, n_items); an entry that is not 0 stands for any interaction.
        classes: ``agreed`` by the rows of ``bought``.
    """
    found = [
        (code, *_lifts_to(code, bought, classes))
        for code in range(len(classes.names))
        if classes.agreed[:, code].any()
    ]
    item = np.concatenate([np.empty(0, np.int32), *(items for _, items, _ in found)]).astype(np.int32)
    percent = np.concatenate([np.empty(0, np.int32), *(values for *_, values in found)]).astype(np.int32)
    of_class = np.repeat(
        np.array([code for code, *_ in found], np.int32), [items.size for _, items, _ in found]
    ).astype(np.int32)
    order = np.lexsort((of_class, item))
    return Lifts(item[order], of_class[order], percent[order])


def _lifts_to(code: int, bought: csr_matrix, classes: Classes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return items that tell of one class, and how much."""
    known = csr_matrix(bought[np.flatnonzero(classes.agreed[:, code])] != 0)
    ordinary = known[:, np.flatnonzero(classes.of_item < 0)]
    has_class = np.asarray(known[:, np.flatnonzero(classes.of_item == code)].sum(axis=1)).ravel() > 0
    level = _levels(np.diff(ordinary.indptr))
    n_of_level = np.bincount(level, minlength=N_LEVELS)
    share = np.bincount(level[has_class], minlength=N_LEVELS) / np.maximum(n_of_level, 1)

    n_buyers = _counted(known, level)  # whole numbers: the order of adding them up does not matter
    n_with = np.bincount(known[np.flatnonzero(has_class)].indices, minlength=known.shape[1])
    expected, spread = share @ n_buyers, np.sqrt((share * (1 - share)) @ n_buyers)
    n_all = n_buyers.sum(axis=0)
    lift = np.maximum(
        _lower_end(n_with, expected, spread), _lower_end(n_all - n_with, n_all - expected, spread)
    )
    percent = np.floor(np.round(lift * HUNDRED_PERCENT, 6)).astype(np.int64)
    stated = (classes.of_item != code) & (n_all >= MIN_SUPPORT) & (percent > HUNDRED_PERCENT)
    item = np.flatnonzero(stated)
    return item, percent[item]


def _levels(n_items: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the level of activity of each customer, shape (n,), int64: of equal size but for ties."""
    limits = np.sort(n_items)[np.arange(1, N_LEVELS) * n_items.size // N_LEVELS]
    return np.searchsorted(limits, n_items, side="right")


def _counted(bought: csr_matrix, level: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many customers of each level bought each item, shape (N_LEVELS, n_items), int64."""
    n_items = bought.shape[1]
    cell = np.repeat(level, np.diff(bought.indptr)) * n_items + bought.indices
    return np.bincount(cell, minlength=N_LEVELS * n_items).reshape(N_LEVELS, n_items)


def _lower_end(
    observed: NDArray[np.int64], expected: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the lower end of observed / expected; 0 where hardly any are expected."""
    enough = expected >= 1
    return np.where(enough, (observed - CONFIDENCE_Z * spread) / np.where(enough, expected, 1), 0)
