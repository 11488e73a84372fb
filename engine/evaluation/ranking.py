"""Rank the whole catalogue for many customers: the integers that serving gives, many at a time.

The kernel of serving reads a handful of rows for one customer and says what each term came from. Here
nobody asks for terms, and customers are many: sums are kept in one array as long as the catalogue,
which is cleared by what was written to it. The scores are the same sums of the same integers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import types
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.artefact import WEIGHT_SCALE
from engine.compiled import compiled, read, signature
from engine.interactions import WEIGHT_ONE
from engine.models.base import Learner
from engine.models.integers import quantized, scale_exponent
from engine.models.pairs import Pairs
from engine.serving.kernel import SHIFT

_CUSTOMERS_AT_ONCE = 256
_MATRIX = (read("int64"), read("int32"), read("int32"))
_PIECES = (read("int64"), read("int32"), read("int64"))
_SEEN = (read("int64"), read("int32"))

Matrix = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]
Pieces = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]
Items = tuple[NDArray[np.int64], NDArray[np.int32]]


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
    return rank_by(Pairs(learner.item_to_item_, learner.support_), evidence, seen, customers, k)


def rank_by(
    pairs: Pairs, evidence: csr_matrix, seen: csr_matrix, customers: NDArray[np.int64], k: int
) -> NDArray[np.int32]:
    """Return the ranking of each customer by a matrix; see ``rank``."""
    arrays = (*_matrix_of(pairs), *_pieces_of(evidence), *_items_of(seen))
    ranked = np.empty((customers.size, k), np.int32)

    def fill(part: slice) -> None:
        ranked[part] = _best_of_customers(*arrays, customers[part].astype(np.int64), k)[0].reshape(-1, k)

    _by_part(fill, customers.size)
    return ranked


def scores_of(
    pairs: Pairs, evidence: csr_matrix, customers: NDArray[np.int64], candidates: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return the score of each candidate by a matrix, shape (n, m), float64 in units of W.

    Args:
        pairs: W.
        evidence: see ``rank``.
        customers: shape (n,), rows of ``evidence``.
        candidates: shape (n, m), int32, items; those below 0 score 0.
    """
    arrays = (*_matrix_of(pairs), *_pieces_of(evidence))
    scores = np.empty(candidates.shape, np.float64)

    def fill(part: slice) -> None:
        asked = np.ascontiguousarray(candidates[part]).ravel()
        found = _scores_of_customers(*arrays, customers[part].astype(np.int64), asked)[0]
        scores[part] = found.reshape(scores[part].shape)

    _by_part(fill, customers.size)
    exponent = scale_exponent(pairs.item_to_item.data.max(initial=0.0))
    return np.ldexp(scores / WEIGHT_SCALE, exponent)


def _by_part(fill: Callable[[slice], None], n_customers: int) -> None:
    """Let all cores fill what belongs to so many customers each; nothing depends on who fills what."""
    parts = [slice(at, at + _CUSTOMERS_AT_ONCE) for at in range(0, n_customers, _CUSTOMERS_AT_ONCE)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fill, parts))


def _matrix_of(pairs: Pairs) -> Matrix:
    matrix = quantized(pairs).item_to_item
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.int32)


def _pieces_of(evidence: csr_matrix) -> Pieces:
    return *_items_of(evidence), np.rint(evidence.data * WEIGHT_ONE).astype(np.int64)


def _items_of(matrix: csr_matrix) -> Items:
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)


def _by_popularity(
    popularity: NDArray[np.float64], seen: csr_matrix, customers: NDArray[np.int64], k: int
) -> NDArray[np.int32]:
    order = np.argsort(-popularity, kind="stable").astype(np.int32)
    order = order[popularity[order] > 0]
    (ranked,) = _first_unseen(order, *_items_of(seen), customers.astype(np.int64), popularity.size, k)
    return ranked.reshape(-1, k)


@compiled()
def _add_up(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    weights: NDArray[np.int32],
    piece_ptr: NDArray[np.int64],
    piece_item: NDArray[np.int32],
    piece_weight: NDArray[np.int64],
    customer: int,
    sums: NDArray[np.int64],
    found: NDArray[np.int32],
) -> int:
    """Add the rows of one customer's evidence up, all terms above 0; return how many columns were found."""
    n_found = 0
    for piece in range(piece_ptr[customer], piece_ptr[customer + 1]):
        row, weight = piece_item[piece], piece_weight[piece]
        for at in range(indptr[row], indptr[row + 1]):
            term = (weight * np.int64(weights[at])) >> SHIFT
            if term != 0:
                column = indices[at]
                if sums[column] == 0:
                    found[n_found] = column
                    n_found += 1
                sums[column] += term
    return n_found


@compiled()
def _seat(items: NDArray[np.int32], scores: NDArray[np.int64], n_seated: int, item: int, score: int) -> int:
    """Put an item among the best so far, best first, ties by ascending item; return how many there are."""
    place = n_seated
    if n_seated == items.size:
        last = n_seated - 1
        if score < scores[last] or (score == scores[last] and item > items[last]):
            return n_seated
        place = last
    while place > 0 and (
        score > scores[place - 1] or (score == scores[place - 1] and item < items[place - 1])
    ):
        items[place] = items[place - 1]
        scores[place] = scores[place - 1]
        place -= 1
    items[place] = item
    scores[place] = score
    return min(n_seated + 1, items.size)


@compiled(
    signature((read("int32"), *_SEEN, read("int64"), types.int64, types.int64), ("int32",)),
)
def _first_unseen(
    order: NDArray[np.int32],
    seen_ptr: NDArray[np.int64],
    seen_item: NDArray[np.int32],
    customers: NDArray[np.int64],
    n_items: int,
    k: int,
) -> tuple[NDArray[np.int32]]:
    seen_by = np.full(n_items, -1, np.int64)
    ranked = np.full(customers.size * k, -1, np.int32)
    for position in range(customers.size):
        customer = customers[position]
        for at in range(seen_ptr[customer], seen_ptr[customer + 1]):
            seen_by[seen_item[at]] = position
        n_ranked = 0
        for item in order:
            if n_ranked == k:
                break
            if seen_by[item] != position:
                ranked[position * k + n_ranked] = item
                n_ranked += 1
    return (ranked,)


@compiled(signature((*_MATRIX, *_PIECES, *_SEEN, read("int64"), types.int64), ("int32",)))
def _best_of_customers(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    weights: NDArray[np.int32],
    piece_ptr: NDArray[np.int64],
    piece_item: NDArray[np.int32],
    piece_weight: NDArray[np.int64],
    seen_ptr: NDArray[np.int64],
    seen_item: NDArray[np.int32],
    customers: NDArray[np.int64],
    k: int,
) -> tuple[NDArray[np.int32]]:
    n_items = indptr.size - 1
    sums = np.zeros(n_items, np.int64)
    found = np.empty(n_items, np.int32)
    scores = np.zeros(k, np.int64)
    ranked = np.full(customers.size * k, -1, np.int32)
    for position in range(customers.size):
        customer = customers[position]
        n_found = _add_up(
            indptr, indices, weights, piece_ptr, piece_item, piece_weight, customer, sums, found
        )
        for at in range(seen_ptr[customer], seen_ptr[customer + 1]):
            sums[seen_item[at]] = 0
        items = ranked[position * k : (position + 1) * k]
        n_seated = 0
        for column in found[:n_found]:
            if sums[column] > 0:
                n_seated = _seat(items, scores, n_seated, column, sums[column])
            sums[column] = 0
    return (ranked,)


@compiled(signature((*_MATRIX, *_PIECES, read("int64"), read("int32")), ("int64",)))
def _scores_of_customers(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    weights: NDArray[np.int32],
    piece_ptr: NDArray[np.int64],
    piece_item: NDArray[np.int32],
    piece_weight: NDArray[np.int64],
    customers: NDArray[np.int64],
    candidates: NDArray[np.int32],
) -> tuple[NDArray[np.int64]]:
    n_items = indptr.size - 1
    sums = np.zeros(n_items, np.int64)
    found = np.empty(n_items, np.int32)
    scores = np.zeros(candidates.size, np.int64)
    n_each = candidates.size // max(customers.size, 1)
    for position in range(customers.size):
        n_found = _add_up(
            indptr, indices, weights, piece_ptr, piece_item, piece_weight, customers[position], sums, found
        )
        for at in range(position * n_each, (position + 1) * n_each):
            if candidates[at] >= 0:
                scores[at] = sums[candidates[at]]
        for column in found[:n_found]:
            sums[column] = 0
    return (scores,)
