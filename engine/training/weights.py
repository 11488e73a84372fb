"""How much each customer's interactions with each item count when a model learns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.interactions import WEIGHT_ONE, Interactions, Weighting, age_in_days


def summed_weights(
    interactions: Interactions, shape: tuple[int, int], weighting: Weighting, now_ms: int
) -> csr_matrix:
    """Return decayed weights summed by customer and item, as evidence is folded when serving.

    Returns:
        shape (n_customers, n_items), float64, 1.0 is a purchase today; no stored zeros.
    """
    units = weighting.weigh(interactions.kind, age_in_days(interactions.at_ms, now_ms))
    # Sums of integers below 2**53 are exact in float64, so their order does not matter.
    summed = csr_matrix(
        (units.astype(np.float64), (interactions.customer_idx, interactions.item_idx)), shape=shape
    )
    summed.sum_duplicates()
    summed.eliminate_zeros()
    return summed / WEIGHT_ONE


def strongest(weights: csr_matrix, n_most: int) -> csr_matrix:
    """Return each customer's ``n_most`` heaviest items; of equals the first in order of item."""
    customer = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    order = np.lexsort((weights.indices, -weights.data, customer))
    place = np.empty(weights.nnz, np.int64)
    place[order] = np.arange(weights.nnz) - weights.indptr[customer[order]]
    return _kept(weights, place < n_most)


def saturated(weights: csr_matrix) -> csr_matrix:
    """Return weights of at most 1: the tenth purchase of an item says little that the first did not."""
    capped = weights.copy()
    capped.data = np.minimum(capped.data, 1.0)
    return capped


def without(weights: csr_matrix, seen: csr_matrix) -> csr_matrix:
    """Return the entries of ``weights`` that ``seen``, of the same shape, does not have."""
    n_items = weights.shape[1]
    return _kept(weights, ~np.isin(_keys(weights, n_items), _keys(seen, n_items)))


def _keys(matrix: csr_matrix, n_items: int) -> NDArray[np.int64]:
    customer = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    keys: NDArray[np.int64] = customer * n_items + matrix.indices
    return keys


def _kept(matrix: csr_matrix, keep: NDArray[np.bool_]) -> csr_matrix:
    kept = matrix.copy()
    kept.data = np.where(keep, kept.data, 0.0)
    kept.eliminate_zeros()
    return kept
