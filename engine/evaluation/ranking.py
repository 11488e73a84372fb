"""Rank the whole catalogue for many customers, with the integers and the kernel that serve."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.interactions import WEIGHT_ONE
from engine.models.base import Learner
from engine.models.integers import quantized
from engine.models.pairs import Pairs
from engine.serving import kernel


def rank(
    learner: Learner,
    popularity: NDArray[np.float64],
    evidence: csr_matrix,
    seen: csr_matrix,
    customers: NDArray[np.int64],
    k: int,
) -> NDArray[np.int32]:
    """Return the ranking of each customer, shape (n, k), int32, -1 where it is shorter than k.

    Args:
        learner: fitted. Only one that says so ranks by popularity; the rankings of the others
            are not filled up with it.
        popularity: shape (n_items,), float64.
        evidence: shape (n_customers, n_items): weights, 1.0 is a purchase today.
        seen: shape (n_customers, n_items): items not to rank.
        customers: shape (n,), rows of ``evidence`` and ``seen``.
        k: length of a ranking.
    """
    if learner.by_popularity:
        return _by_popularity(popularity, seen, customers, k)
    model, support = quantized(Pairs(learner.item_to_item_, learner.support_))
    allowed = np.ones(model.shape[0], np.bool_)

    def ranking(customer: int) -> NDArray[np.int32]:
        row = slice(evidence.indptr[customer], evidence.indptr[customer + 1])
        return kernel.score(
            model.indptr,
            model.indices,
            model.data,
            support,
            allowed,
            evidence.indices[row].astype(np.int32),
            np.rint(evidence.data[row] * WEIGHT_ONE).astype(np.int64),
            _items_of(seen, customer),
            k,
        ).item

    ranked = np.full((customers.size, k), -1, np.int32)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for position, items in enumerate(pool.map(ranking, customers.tolist(), chunksize=64)):
            ranked[position, : items.size] = items
    return ranked


def _by_popularity(
    popularity: NDArray[np.float64], seen: csr_matrix, customers: NDArray[np.int64], k: int
) -> NDArray[np.int32]:
    order = np.argsort(-popularity, kind="stable").astype(np.int32)
    order = order[popularity[order] > 0]
    ranked = np.full((customers.size, k), -1, np.int32)
    for position, customer in enumerate(customers.tolist()):
        known = _items_of(seen, customer)
        head = order[: k + known.size]
        items = head[~np.isin(head, known)][:k]
        ranked[position, : items.size] = items
    return ranked


def _items_of(matrix: csr_matrix, customer: int) -> NDArray[np.int32]:
    items: NDArray[np.int32] = matrix.indices[matrix.indptr[customer] : matrix.indptr[customer + 1]]
    return items.astype(np.int32)
