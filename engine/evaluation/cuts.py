"""What is held back from learning, to measure by: how a published split is cut once more.

See ``engine/adr/0015`` for why the end of each line is held back, and why twice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

SHARES = (0.1, 0.2)
"""Of each customer's items, held back in the near and in the far cut."""

PART_OF_THE_WAY = 0.5
"""How much of the way from the near cut to everything is gone on, as from the far cut to the near one: the
rest of it would add more noise than knowledge."""

MAX_VALIDATED = 30_000
"""Customers drawn for validation at most; the standard error of NDCG is then about 0.001."""

SORTED_FROM = 0.95
"""Neighbours in lines that follow one and the same order, as a share, from which on lines count as sorted."""

_SEED = 0


class Cut(NamedTuple):
    """The past, and what is to be found.

    Attributes:
        learned: shape (n_customers, n_items): weights that learners learn from.
        evidence: same shape: weights that customers are ranked for by.
        seen: same shape: items that are not ranked.
        popularity: shape (n_items,), float64.
        customers: shape (n,), int64, ascending: rows who have something to find.
        relevant: shape (n, n_items): what that is, row by row; values do not matter.
    """

    learned: csr_matrix
    evidence: csr_matrix
    seen: csr_matrix
    popularity: NDArray[np.float64]
    customers: NDArray[np.int64]
    relevant: csr_matrix

    @classmethod
    def of_ones(cls, past: csr_matrix, later: csr_matrix, customers: NDArray[np.int64] | None = None) -> Cut:
        """Return a cut of data without times or amounts.

        Args:
            past: shape (n_customers, n_items), ones.
            later: same shape, ones, nothing in common with ``past``.
            customers: who is asked; by default all who have something to find.
        """
        asked = np.flatnonzero(np.diff(later.indptr)) if customers is None else customers
        return cls(past, past, past, np.asarray(past.sum(axis=0)).ravel(), asked, later[asked])


class Cuts(NamedTuple):
    """Two cuts of the same data: what is learned from ``far`` is learned from less than from ``near``.

    Attributes:
        near: what figures are stated of.
        far: ``None`` where there is none.
        reach: how much of the way from far to near is gone on from near, towards everything.
        by_order: whether the end of each line was held back, or as much at random.
    """

    near: Cut
    far: Cut | None = None
    reach: float = 0.0
    by_order: bool = False


def cut_lines(train: csr_matrix, place: NDArray[np.int64]) -> Cuts:
    """Hold back the end of every customer's line, or as much at random where lines are merely sorted.

    Of every customer with two items or more at least one is held back and at least one is left.

    Args:
        train: shape (n_customers, n_items), CSR of ones.
        place: shape (nnz,), by the entries of ``train``: where in its line each item stood.
    """
    random = np.random.default_rng(_SEED)
    by_order = not are_sorted(train, place)
    if not by_order:
        place = random.permutation(train.nnz)
    customer, n_items = _customers(train), np.diff(train.indptr)
    from_end = np.empty(train.nnz, np.int64)
    from_end[np.lexsort((-place, customer))] = np.arange(train.nnz) - train.indptr[customer]
    held_back = [np.minimum(np.ceil(share * n_items), n_items - 1) for share in SHARES]
    asked = np.flatnonzero(n_items > 1)
    if asked.size > MAX_VALIDATED:
        asked = np.sort(random.choice(asked, MAX_VALIDATED, replace=False))
    near, far = (_split(train, from_end < held[customer], asked) for held in held_back)
    near_share, far_share = (float(np.sum(held[asked] / n_items[asked])) for held in held_back)
    if far_share <= near_share:
        return Cuts(near, by_order=by_order)
    way = min(1.0, near_share / (far_share - near_share))
    return Cuts(near, far, PART_OF_THE_WAY * way, by_order)


def are_sorted(train: csr_matrix, place: NDArray[np.int64]) -> bool:
    """Tell whether all lines follow one and the same order of items, so that it says nothing of customers.

    Whatever lines are sorted by, each item then stands at about the same part of all lines. So neighbours
    are compared by where they stand in the *other* lines, on average.

    Args:
        train: see ``cut_lines``.
        place: see ``cut_lines``.
    """
    customer = _customers(train)
    order = np.lexsort((place, customer))
    customer, item = customer[order], train.indices[order]
    n_items = np.diff(train.indptr)[customer]
    part = (np.arange(train.nnz) - train.indptr[customer] + 0.5) / n_items
    total, n_lines = np.bincount(item, part, train.shape[1]), np.bincount(item, minlength=train.shape[1])
    elsewhere = (total[item] - part) / np.maximum(n_lines[item] - 1, 1)
    known, wide = n_lines[item] > 1, np.diff(train.indptr) > 1
    first, last = train.indptr[:-1][wide], train.indptr[1:][wide] - 1
    both = known[first] & known[last]
    return not both.any() or bool(np.mean(elsewhere[first][both] < elsewhere[last][both]) >= SORTED_FROM)


def _split(train: csr_matrix, held_back: NDArray[np.bool_], asked: NDArray[np.int64]) -> Cut:
    return Cut.of_ones(_only(train, ~held_back), _only(train, held_back), asked)


def _only(train: csr_matrix, which: NDArray[np.bool_]) -> csr_matrix:
    lengths = np.bincount(_customers(train)[which], minlength=train.shape[0])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return csr_matrix((train.data[which], train.indices[which], indptr), shape=train.shape)


def _customers(matrix: csr_matrix) -> NDArray[np.int64]:
    rows: NDArray[np.int64] = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return rows
