"""Relevance of rankings, averaged over customers who have something to find.

A ranking is a row of ``ranked``, shape (n_customers, k), int32 item rows, best first, -1 where
the ranking is shorter than k. What there was to find is a CSR matrix ``relevant``, shape
(n_customers, n_items), aligned row by row; its values do not matter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix


class Gains(NamedTuple):
    """Relevance customer by customer, of those who had something to find; shape (n,), float64 each."""

    ndcg: NDArray[np.float64]
    recall: NDArray[np.float64]


def gains_by_customer(ranked: NDArray[np.int32], relevant: csr_matrix) -> Gains:
    """Return the gain and the recall of each customer who had something to find, in their order."""
    n_relevant, found = _found(ranked, relevant)
    asked = n_relevant > 0
    recall = found.sum(axis=1) / np.maximum(n_relevant, 1)
    return Gains(_ndcg(found, n_relevant)[asked], recall[asked])


def recall_at_k(ranked: NDArray[np.int32], relevant: csr_matrix) -> float:
    """Return hits among the first k divided by all there was to find; 0.0 where nobody had anything."""
    return _mean(gains_by_customer(ranked, relevant).recall)


def ndcg_at_k(ranked: NDArray[np.int32], relevant: csr_matrix) -> float:
    """Return the discounted gain of the first k over that of the best possible ranking.

    Gain is binary, the discount 1 / log2(rank + 1), and the best possible ranking has
    min(k, number to find) hits at the top.

    Source: Järvelin & Kekäläinen 2002.
    """
    return _mean(gains_by_customer(ranked, relevant).ndcg)


def coverage(ranked: NDArray[np.int32], n_items: int) -> float:
    """Return the share of the catalogue that appears in any ranking."""
    return float(np.unique(ranked[ranked >= 0]).size / n_items) if n_items else 0.0


def answered(ranked: NDArray[np.int32]) -> float:
    """Return the share of customers with at least one item in their ranking."""
    return float(np.mean(np.any(ranked >= 0, axis=1))) if ranked.size else 0.0


def novelty(ranked: NDArray[np.int32], n_having: NDArray[np.float64], n_customers: int) -> float:
    """Return how many bits the average item shown tells: -log2 of the share of customers who have it.

    Source: Zhou, Kuscsik, Liu, Medo, Wakeling & Zhang 2010, mean self-information.

    Args:
        ranked: see above.
        n_having: shape (n_items,), customers who have each item; with fewer than one, one is assumed.
        n_customers: customers in all.
    """
    shown = ranked[ranked >= 0]
    if not shown.size:
        return 0.0
    return float(np.mean(np.log2(max(n_customers, 1) / np.maximum(n_having[shown], 1.0))))


def popularity_bias(
    ranked: NDArray[np.int32], relevant: csr_matrix, popularity: NDArray[np.float64]
) -> float:
    """Return how much more popular is what was shown than what there was to find, -1 to 1.

    Each item has its place in the order of popularity, as a share of the catalogue; of equals the mean.
    """
    shown = ranked[ranked >= 0]
    if not shown.size or not relevant.nnz:
        return 0.0
    _, group, size = np.unique(popularity, return_inverse=True, return_counts=True)
    place = (np.cumsum(size) - (size + 1) / 2)[group] / popularity.size
    return float(place[shown].mean() - place[relevant.indices].mean())


def diversity(ranked: NDArray[np.int32], has: csr_matrix) -> float:
    """Return how little the items of one ranking have in common: 1 - the mean cosine of two of them.

    Source: Ziegler, McNee, Konstan & Lausen 2005, intra-list similarity.

    Args:
        ranked: see above; rankings of fewer than two items do not count.
        has: shape (n_customers, n_items): who has what; the cosine is that of two columns.
    """
    columns = csr_matrix((has.T != 0).astype(np.float64))
    n_having = np.diff(columns.indptr)
    columns.data /= np.sqrt(np.repeat(n_having, n_having))
    shown = ranked >= 0
    starts = np.concatenate([[0], np.cumsum(shown.sum(axis=1))])
    lists = csr_matrix(
        (np.ones(starts[-1]), ranked[shown], starts), shape=(ranked.shape[0], columns.shape[0])
    )
    # The sum over all pairs of a list is the squared length of its sum, less each item with itself.
    together = csr_matrix(lists @ columns)
    alike = np.asarray(together.multiply(together).sum(axis=1)).ravel() - lists @ (n_having > 0)
    n_pairs = np.diff(starts) * (np.diff(starts) - 1)
    several = n_pairs > 0
    return float(np.mean(1 - alike[several] / n_pairs[several])) if several.any() else 0.0


def _found(ranked: NDArray[np.int32], relevant: csr_matrix) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how many items each customer had to find, and where the ranking has one of them."""
    n_customers, n_items = relevant.shape
    n_relevant = np.diff(relevant.indptr).astype(np.int64)
    wanted = np.repeat(np.arange(n_customers), n_relevant) * n_items + relevant.indices
    shown = np.arange(n_customers)[:, None] * n_items + ranked
    return n_relevant, (np.isin(shown, wanted) & (ranked >= 0)).astype(np.float64)


def _ndcg(found: NDArray[np.float64], n_relevant: NDArray[np.int64]) -> NDArray[np.float64]:
    k = found.shape[1]
    discount = 1.0 / np.log2(np.arange(k) + 2.0)
    best = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(n_relevant, k)]
    gain: NDArray[np.float64] = found @ discount / np.where(best > 0, best, 1.0)
    return gain


def _mean(by_customer: NDArray[np.float64]) -> float:
    return float(by_customer.mean()) if by_customer.size else 0.0
