"""From counted pairs to a sparse matrix: which items share customers, and which pairs may be kept.

Every learner ends here. A pair is a candidate for W only if enough distinct customers have both
items, and the privacy floor is applied before rows are cut to their best entries, so that an
entry that may not be kept never takes the place of one that may.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Self

import numpy as np
from numba import types
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from engine.compiled import compiled, read, signature

_ROWS_AT_ONCE = 512
_DENSE_ROWS_AT_ONCE = 2048
_ENTRY_BYTES = 16  # of a weight or a pair: a column, a float64 and a count
_COPIES_OF_WEIGHTS = 5

Block = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64], NDArray[np.int32]]


class Pairs(NamedTuple):
    """A sparse item-to-item matrix with what is behind each entry.

    Attributes:
        item_to_item: shape (n_items, n_items), float64, entries above 0, none on the diagonal,
            columns ascending within a row.
        support: shape (nnz,), int32, distinct customers who have both items.
    """

    item_to_item: csr_matrix
    support: NDArray[np.int32]


class Product(NamedTuple):
    """A product of which W holds the best entries of each row: (left · right) · diag(column_scale).

    Attributes:
        left: shape (n_items, n_customers), float64 CSR, columns ascending.
        right: shape (n_customers, n_items), float64 CSR, columns ascending, entries where
            ``left`` has them.
        column_scale: shape (n_items,), float64.
    """

    left: csr_matrix
    right: csr_matrix
    column_scale: NDArray[np.float64]

    @classmethod
    def of(cls, left: csr_matrix, right: csr_matrix, column_scale: NDArray[np.float64]) -> Self:
        """Bring two sparse matrices of any kind into order."""
        return cls(_ordered(left), _ordered(right), column_scale.astype(np.float64))


class _Factors(NamedTuple):
    """What pairs are worth instead of a sum over customers: the inner product of two rows.

    Attributes:
        source: shape (n_items * n_factors,), float32, row by row.
        target: the same for the item of the column.
        n_factors: length of a row; 0 where customers are summed over.
    """

    source: NDArray[np.float32]
    target: NDArray[np.float32]
    n_factors: int


_NO_FACTORS = _Factors(np.empty(0, np.float32), np.empty(0, np.float32), 0)


def no_pairs(n_items: int) -> Pairs:
    """Return a matrix of so many items that nothing is known to go with."""
    return Pairs(csr_matrix((n_items, n_items)), np.empty(0, np.int32))


def count_pairs(
    product: Product, floor: NDArray[np.int32], n_best: int, rows: NDArray[np.int64] | None = None
) -> Pairs:
    """Return the best entries of each row of a product.

    A row depends on nothing but its own row of ``left`` and what can be reached from there, so one
    that is counted by itself has the same bits as one that is counted among all.

    Args:
        product: what to multiply.
        floor: shape (n_items,), int32: a pair needs as many distinct customers as the stricter
            of its two items asks for.
        n_best: entries to keep a row; ties by ascending column.
        rows: ascending rows to count; the others stay empty. All of them by default.
    """
    return _by_block(product, _NO_FACTORS, floor, n_best, rows)


def relate_factors(
    weights: csr_matrix,
    source: NDArray[np.floating[Any]],
    target: NDArray[np.floating[Any]],
    floor: NDArray[np.int32],
    n_best: int,
    rows: NDArray[np.int64] | None = None,
) -> Pairs:
    """Return the best entries of each row of source · targetᵀ, among pairs that share customers.

    Memory is bounded by the pairs looked at for one row at a time, never n_items².

    Args:
        weights: shape (n_customers, n_items): who has what.
        source: shape (n_items, n_factors), float; multiplied as float32, which is twice as fast.
        target: shape (n_items, n_factors), float.
        floor: see ``count_pairs``.
        n_best: see ``count_pairs``.
        rows: see ``count_pairs``.
    """
    source_flat, target_flat = (np.ascontiguousarray(each, np.float32).ravel() for each in (source, target))
    shared = Product.of(weights.T, weights, np.ones(floor.size))
    return _by_block(shared, _Factors(source_flat, target_flat, source.shape[1]), floor, n_best, rows)


def relate_dense(
    weights: csr_matrix, related: NDArray[np.float64], floor: NDArray[np.int32], n_best: int
) -> Pairs:
    """Return the best entries of each row of a dense matrix, among pairs that share customers.

    Args:
        weights: shape (n_customers, n_items): who has what.
        related: shape (n_items, n_items), float64.
        floor: see ``count_pairs``.
        n_best: see ``count_pairs``.
    """
    n_items = floor.size
    shared = Product.of(weights.T, weights, np.ones(n_items))
    found = [Pairs(csr_matrix((0, n_items)), np.empty(0, np.int32))]
    for start in range(0, n_items, _DENSE_ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _DENSE_ROWS_AT_ONCE, n_items))
        counted, support = count_pairs(shared, floor, n_items, rows)
        block = counted[rows]
        block.data = related[rows[block.nonzero()[0]], block.indices]
        found.append(best_of(Pairs(block, support), n_best))
    matrix = csr_matrix(vstack([each.item_to_item for each in found]))
    return Pairs(matrix, np.concatenate([each.support for each in found]))


def best_of(pairs: Pairs, n_best: int) -> Pairs:
    """Return the best entries of each row, of those above 0; ties by ascending column."""
    matrix = pairs.item_to_item
    (kept,) = _best_places(matrix.indptr.astype(np.int64), matrix.data, n_best)
    lengths = np.searchsorted(kept, matrix.indptr)
    best = csr_matrix((matrix.data[kept], matrix.indices[kept], lengths), shape=matrix.shape)
    return Pairs(best, pairs.support[kept])


def pairs_bytes(weights: csr_matrix, n_best: int) -> int:
    """Return about how many bytes counting or relating the pairs of ``weights`` takes, at most.

    Args:
        weights: shape (n_customers, n_items).
        n_best: see ``count_pairs``.
    """
    n_items = int(weights.shape[1])
    a_block = min(result_bytes(weights, n_best), _ROWS_AT_ONCE * min(n_best, n_items) * _ENTRY_BYTES)
    at_work = (os.cpu_count() or 1) * (a_block + n_items * _ENTRY_BYTES)
    # Weights are held a few times: as they were checked, and as the two sides of a product.
    return _COPIES_OF_WEIGHTS * int(weights.nnz) * _ENTRY_BYTES + 2 * result_bytes(weights, n_best) + at_work


def result_bytes(weights: csr_matrix, n_best: int) -> int:
    """Return how many bytes the best ``n_best`` entries of each row can take."""
    n_items = int(weights.shape[1])
    n_met = int(np.sum(np.diff(weights.indptr).astype(np.int64) ** 2))
    return min(n_items * min(n_best, n_items), n_met) * _ENTRY_BYTES


def _ordered(matrix: csr_matrix) -> csr_matrix:
    """Return CSR with ascending columns, so that sums are always taken in the same order."""
    ordered = csr_matrix(matrix, dtype=np.float64, copy=True)
    ordered.sum_duplicates()
    return ordered


def _by_block(
    product: Product,
    factors: _Factors,
    floor: NDArray[np.int32],
    n_best: int,
    rows: NDArray[np.int64] | None,
) -> Pairs:
    """Compute rows block by block on all cores, and put the blocks together in order."""
    n_items = floor.size
    rows = np.arange(n_items) if rows is None else rows
    parts = (*_parts(product.left), *_parts(product.right), product.column_scale, *factors)
    limits = floor.astype(np.int32)
    starts = range(0, rows.size, _ROWS_AT_ONCE)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        blocks = list(
            pool.map(
                lambda start: _best_of_rows(*parts, limits, rows[start : start + _ROWS_AT_ONCE], n_best),
                starts,
            )
        )
    counts, columns, values, support = (
        np.concatenate([np.empty(0, dtype), *(block[part] for block in blocks)])
        for part, dtype in enumerate((np.int64, np.int32, np.float64, np.int32))
    )
    lengths = np.zeros(n_items + 1, np.int64)
    lengths[rows + 1] = counts
    return Pairs(csr_matrix((values, columns, np.cumsum(lengths)), shape=(n_items, n_items)), support)


def _parts(matrix: csr_matrix) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data


@compiled()
def _threshold(values: NDArray[np.float64], n_best: int) -> float:
    """Return the value of the entry that is ``n_best``-th from the top; below all if there are fewer."""
    if values.size <= n_best:
        return -np.inf
    return float(np.partition(values, values.size - n_best)[values.size - n_best])


@compiled()
def _best(values: NDArray[np.float64], n_best: int) -> NDArray[np.int64]:
    """Return the positions of the best entries, ascending; of equals the first are taken."""
    lowest = _threshold(values, n_best)
    n_ties = min(n_best, values.size) - np.sum(values > lowest)
    kept = np.empty(min(n_best, values.size), np.int64)
    n_kept = 0
    for position in range(values.size):
        if values[position] > lowest:
            kept[n_kept] = position
            n_kept += 1
        elif values[position] == lowest and n_ties > 0:
            kept[n_kept] = position
            n_kept += 1
            n_ties -= 1
    return kept[:n_kept]


@compiled()
def _enough(
    found: NDArray[np.int32], counts: NDArray[np.int32], floor: NDArray[np.int32], row: int
) -> NDArray[np.int32]:
    """Return the columns, ascending, whose pair with ``row`` reaches the floor."""
    kept = np.empty(found.size, np.int32)
    n_kept = 0
    for column in found:
        if column != row and counts[column] >= max(floor[row], floor[column]):
            kept[n_kept] = column
            n_kept += 1
    return np.sort(kept[:n_kept])


@compiled(signature((read("int64"), read("float64"), types.int64), ("int64",)))
def _best_places(
    indptr: NDArray[np.int64], values: NDArray[np.float64], n_best: int
) -> tuple[NDArray[np.int64]]:
    """Return where, ascending, the best entries of all rows stand."""
    kept = np.empty(values.size, np.int64)
    n_kept = 0
    for row in range(indptr.size - 1):
        start, end = indptr[row], indptr[row + 1]
        for position in _best(values[start:end], n_best):
            if values[start + position] > 0:
                kept[n_kept] = start + position
                n_kept += 1
    return (kept[:n_kept].copy(),)


@compiled(reorders_sums=True)
def _products(
    row: int,
    columns: NDArray[np.int32],
    source: NDArray[np.float32],
    target: NDArray[np.float32],
    n_factors: int,
) -> NDArray[np.float64]:
    """Return the inner products of a row of ``source`` with those rows of ``target``."""
    values = np.empty(columns.size, np.float64)
    ours = source[row * n_factors : (row + 1) * n_factors]
    for position in range(columns.size):
        start = np.int64(columns[position]) * n_factors
        theirs = target[start : start + n_factors]
        product = np.float32(0.0)
        for factor in range(n_factors):
            product += ours[factor] * theirs[factor]
        values[position] = product
    return values


@compiled(
    signature(
        (
            read("int64"),
            read("int32"),
            read("float64"),
            read("int64"),
            read("int32"),
            read("float64"),
            read("float64"),
            read("float32"),
            read("float32"),
            types.int64,
            read("int32"),
            read("int64"),
            types.int64,
        ),
        ("int64", "int32", "float64", "int32"),
    )
)
def _best_of_rows(
    left_ptr: NDArray[np.int64],
    left_customer: NDArray[np.int32],
    left_value: NDArray[np.float64],
    right_ptr: NDArray[np.int64],
    right_item: NDArray[np.int32],
    right_value: NDArray[np.float64],
    column_scale: NDArray[np.float64],
    source: NDArray[np.float32],
    target: NDArray[np.float32],
    n_factors: int,
    floor: NDArray[np.int32],
    rows: NDArray[np.int64],
    n_best: int,
) -> Block:
    n_items = floor.size
    sums = np.zeros(n_items, np.float64)
    counts = np.zeros(n_items, np.int32)
    found = np.empty(n_items, np.int32)
    room = rows.size * min(n_best, n_items)
    lengths = np.zeros(rows.size, np.int64)
    out_columns = np.empty(room, np.int32)
    out_values = np.empty(room, np.float64)
    out_support = np.empty(room, np.int32)
    n_out = 0
    for place in range(rows.size):
        row = rows[place]
        n_found = 0
        for at in range(left_ptr[row], left_ptr[row + 1]):
            customer = left_customer[at]
            for to in range(right_ptr[customer], right_ptr[customer + 1]):
                column = right_item[to]
                if counts[column] == 0:
                    found[n_found] = column
                    n_found += 1
                counts[column] += 1
                sums[column] += left_value[at] * right_value[to]
        columns = _enough(found[:n_found], counts, floor, row)
        if n_factors:
            values = _products(row, columns, source, target, n_factors)
        else:
            values = sums[columns] * column_scale[columns]
        for position in _best(values, n_best):
            if values[position] > 0:
                out_columns[n_out] = columns[position]
                out_values[n_out] = values[position]
                out_support[n_out] = counts[columns[position]]
                lengths[place] += 1
                n_out += 1
        for column in found[:n_found]:
            counts[column] = 0
            sums[column] = 0.0
    return lengths, out_columns[:n_out].copy(), out_values[:n_out].copy(), out_support[:n_out].copy()
