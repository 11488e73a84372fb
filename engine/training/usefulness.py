"""From which score on a model is of use: below it what simply sells well does better.

A customer of whom little is known gets low scores throughout. Where, on held-out data, the rankings
of the customers with the lowest best scores were worse than popularity, the model had better say so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.artefact import WEIGHT_SCALE

FEWEST = 30
"""Customers that a floor must rest on at least."""

CLEARLY = 2.0
"""By how many standard errors popularity must do better for a floor to be set at all."""


def usefulness_floor(
    best: NDArray[np.float64], gain: NDArray[np.float64], yardstick: NDArray[np.float64]
) -> float:
    """Return the best score from which on the model beats the yardstick; 0.0 where it always does.

    Ordered by their best score, customers below the floor are those over whom the model's advantage
    adds up to the least; a loss that could be chance sets no floor.

    Args:
        best: shape (n,), the best score that each customer was given.
        gain: shape (n,), what the model's ranking was worth to each.
        yardstick: shape (n,), what the ranking by popularity was worth to each.
    """
    order = np.argsort(best, kind="stable")
    advantage = (gain - yardstick)[order]
    added_up = np.cumsum(advantage)
    if not added_up.size:
        return 0.0
    last = int(added_up.argmin())
    below = advantage[: last + 1]
    if below.size < FEWEST or below.size == advantage.size:
        return 0.0
    error = below.std(ddof=1) / np.sqrt(below.size)
    return float(best[order[last + 1]]) if below.mean() < -CLEARLY * error else 0.0


def best_scores(
    item_to_item: csr_matrix, evidence: csr_matrix, seen: csr_matrix, customers: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the best score of each customer over items not seen; 0.0 where there is none; shape (n,).

    Args:
        item_to_item: W, shape (n_items, n_items), float64.
        evidence: shape (n_customers, n_items): weights, 1.0 is a purchase today.
        seen: shape (n_customers, n_items): items that do not count.
        customers: shape (n,), rows of ``evidence`` and ``seen``.
    """
    scores = (evidence[customers] @ item_to_item).tocsr()
    known = seen[customers].copy()
    known.data[:] = 1.0
    new = scores - scores.multiply(known)
    return np.asarray(new.max(axis=1).todense(), np.float64).ravel()


def in_units_of_scores(real: float, exponent: int) -> int:
    """Return a score in the integers that are served, where ``WEIGHT_SCALE`` stands for 2**exponent.

    >>> in_units_of_scores(1.0, 0) == WEIGHT_SCALE, in_units_of_scores(1.0, 1) == WEIGHT_SCALE // 2
    (True, True)
    """
    return round(float(np.ldexp(real * WEIGHT_SCALE, -exponent)))


def in_real_units(score: int, exponent: int) -> float:
    """Return what an integer score stands for; the other way round.

    >>> in_real_units(in_units_of_scores(0.375, 3), 3)
    0.375
    """
    return float(np.ldexp(score / WEIGHT_SCALE, exponent))
