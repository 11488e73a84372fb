"""Relevance of rankings, averaged over customers who have something to find.

A ranking is a row of ``ranked``, shape (n_customers, k), int32 item rows, best first, -1 where
the ranking is shorter than k. What there was to find is a CSR matrix ``relevant``, shape
(n_customers, n_items), aligned row by row; its values do not matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix


def recall_at_k(ranked: NDArray[np.int32], relevant: csr_matrix) -> float:
    """Return hits among the first k divided by all there was to find; 0.0 where nobody had anything."""
    n_relevant, found = _found(ranked, relevant)
    return _mean(found.sum(axis=1) / np.maximum(n_relevant, 1), n_relevant)


def ndcg_at_k(ranked: NDArray[np.int32], relevant: csr_matrix) -> float:
    """Return the discounted gain of the first k over that of the best possible ranking.

    Gain is binary, the discount 1 / log2(rank + 1), and the best possible ranking has
    min(k, number to find) hits at the top.

    Source: Järvelin & Kekäläinen 2002.
    """
    n_relevant, found = _found(ranked, relevant)
    discount = 1.0 / np.log2(np.arange(ranked.shape[1]) + 2.0)
    best = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(n_relevant, ranked.shape[1])]
    return _mean(found @ discount / np.where(best > 0, best, 1.0), n_relevant)


def coverage(ranked: NDArray[np.int32], n_items: int) -> float:
    """Return the share of the catalogue that appears in any ranking."""
    return float(np.unique(ranked[ranked >= 0]).size / n_items) if n_items else 0.0


def answered(ranked: NDArray[np.int32]) -> float:
    """Return the share of customers with at least one item in their ranking."""
    return float(np.mean(np.any(ranked >= 0, axis=1))) if ranked.size else 0.0


def _found(ranked: NDArray[np.int32], relevant: csr_matrix) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how many items each customer had to find, and where the ranking has one of them."""
    n_customers, n_items = relevant.shape
    n_relevant = np.diff(relevant.indptr).astype(np.int64)
    wanted = np.repeat(np.arange(n_customers), n_relevant) * n_items + relevant.indices
    shown = np.arange(n_customers)[:, None] * n_items + ranked
    return n_relevant, (np.isin(shown, wanted) & (ranked >= 0)).astype(np.float64)


def _mean(by_customer: NDArray[np.float64], n_relevant: NDArray[np.int64]) -> float:
    asked = n_relevant > 0
    return float(by_customer[asked].mean()) if asked.any() else 0.0
