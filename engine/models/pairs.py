"""From counted pairs to a sparse matrix: which items share customers, and which pairs may be kept.

Every learner ends here. A pair is a candidate for W only if enough distinct customers have both
items, and the privacy floor is applied before rows are cut to their best entries, so that an
entry that may not be kept never takes the place of one that may.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.compiled import compiled, read, signature

_ROWS_AT_ONCE = 512

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


def count_pairs(
    left: csr_matrix,
    right: csr_matrix,
    column_scale: NDArray[np.float64],
    floor: NDArray[np.int32],
    n_best: int,
) -> Pairs:
    """Return the best entries of each row of (left · right) · diag(column_scale).

    Args:
        left: shape (n_items, n_customers), float64.
        right: shape (n_customers, n_items), float64, with entries where ``left`` has them.
        column_scale: shape (n_items,), float64.
        floor: shape (n_items,), int32: a pair needs as many distinct customers as the stricter
            of its two items asks for.
        n_best: entries to keep a row; ties by ascending column.
    """
    left, right = _ordered(left), _ordered(right)
    arrays = (*_parts(left), *_parts(right), column_scale.astype(np.float64), floor.astype(np.int32))
    return _by_block(left.shape[0], lambda start, stop: _count_rows(*arrays, start, stop, n_best))


def relate_factors(
    weights: csr_matrix,
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    floor: NDArray[np.int32],
    n_best: int,
) -> Pairs:
    """Return the best entries of each row of source · targetᵀ, among pairs that share customers.

    Memory is bounded by the pairs looked at for one row at a time, never n_items².

    Args:
        weights: shape (n_customers, n_items): who has what.
        source: shape (n_items, n_factors), float64.
        target: shape (n_items, n_factors), float64.
        floor: see ``count_pairs``.
        n_best: see ``count_pairs``.
    """
    right = _ordered(weights)
    left = _ordered(weights.T)
    n_factors = source.shape[1]
    arrays = (
        left.indptr.astype(np.int64),
        left.indices.astype(np.int32),
        right.indptr.astype(np.int64),
        right.indices.astype(np.int32),
        np.ascontiguousarray(source, np.float64).ravel(),
        np.ascontiguousarray(target, np.float64).ravel(),
        floor.astype(np.int32),
    )
    return _by_block(left.shape[0], lambda start, stop: _relate_rows(*arrays, n_factors, start, stop, n_best))


def _ordered(matrix: csr_matrix) -> csr_matrix:
    """Return CSR with ascending columns, so that sums are always taken in the same order."""
    ordered = csr_matrix(matrix, dtype=np.float64, copy=True)
    ordered.sum_duplicates()
    return ordered


def _parts(matrix: csr_matrix) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data


def _by_block(n_items: int, rows: Callable[[int, int], Block]) -> Pairs:
    """Compute rows block by block on all cores, and put the blocks together in order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        blocks = list(pool.map(lambda bounds: rows(*bounds), _blocks(n_items)))
    counts, columns, values, support = (
        np.concatenate([np.empty(0, dtype), *(block[part] for block in blocks)])
        for part, dtype in enumerate((np.int64, np.int32, np.float64, np.int32))
    )
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return Pairs(csr_matrix((values, columns, indptr), shape=(n_items, n_items)), support)


def _blocks(n_items: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n_items, _ROWS_AT_ONCE):
        yield start, min(start + _ROWS_AT_ONCE, n_items)


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


@compiled()
def _keep(
    row: int,
    first: int,
    columns: NDArray[np.int32],
    values: NDArray[np.float64],
    counts: NDArray[np.int32],
    n_best: int,
    out: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64], NDArray[np.int32]],
    n_out: int,
) -> int:
    """Append the best entries of a row that are above 0 to ``out``; return the new length."""
    for position in _best(values, n_best):
        if values[position] > 0:
            out[1][n_out] = columns[position]
            out[2][n_out] = values[position]
            out[3][n_out] = counts[columns[position]]
            out[0][row - first] += 1
            n_out += 1
    return n_out


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
            read("int32"),
            types.int64,
            types.int64,
            types.int64,
        ),
        ("int64", "int32", "float64", "int32"),
    )
)
def _count_rows(
    left_ptr: NDArray[np.int64],
    left_customer: NDArray[np.int32],
    left_value: NDArray[np.float64],
    right_ptr: NDArray[np.int64],
    right_item: NDArray[np.int32],
    right_value: NDArray[np.float64],
    column_scale: NDArray[np.float64],
    floor: NDArray[np.int32],
    start: int,
    stop: int,
    n_best: int,
) -> Block:
    n_items = column_scale.size
    sums = np.zeros(n_items, np.float64)
    counts = np.zeros(n_items, np.int32)
    found = np.empty(n_items, np.int32)
    room = (stop - start) * min(n_best, n_items)
    out = (
        np.zeros(stop - start, np.int64),
        np.empty(room, np.int32),
        np.empty(room, np.float64),
        np.empty(room, np.int32),
    )
    n_out = 0
    for row in range(start, stop):
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
        values = sums[columns] * column_scale[columns]
        n_out = _keep(row, start, columns, values, counts, n_best, out, n_out)
        for column in found[:n_found]:
            counts[column] = 0
            sums[column] = 0.0
    return out[0], out[1][:n_out].copy(), out[2][:n_out].copy(), out[3][:n_out].copy()


@compiled(
    signature(
        (
            read("int64"),
            read("int32"),
            read("int64"),
            read("int32"),
            read("float64"),
            read("float64"),
            read("int32"),
            types.int64,
            types.int64,
            types.int64,
            types.int64,
        ),
        ("int64", "int32", "float64", "int32"),
    )
)
def _relate_rows(
    left_ptr: NDArray[np.int64],
    left_customer: NDArray[np.int32],
    right_ptr: NDArray[np.int64],
    right_item: NDArray[np.int32],
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    floor: NDArray[np.int32],
    n_factors: int,
    start: int,
    stop: int,
    n_best: int,
) -> Block:
    n_items = floor.size
    counts = np.zeros(n_items, np.int32)
    found = np.empty(n_items, np.int32)
    room = (stop - start) * min(n_best, n_items)
    out = (
        np.zeros(stop - start, np.int64),
        np.empty(room, np.int32),
        np.empty(room, np.float64),
        np.empty(room, np.int32),
    )
    n_out = 0
    for row in range(start, stop):
        n_found = 0
        for at in range(left_ptr[row], left_ptr[row + 1]):
            customer = left_customer[at]
            for to in range(right_ptr[customer], right_ptr[customer + 1]):
                column = right_item[to]
                if counts[column] == 0:
                    found[n_found] = column
                    n_found += 1
                counts[column] += 1
        columns = _enough(found[:n_found], counts, floor, row)
        values = np.empty(columns.size, np.float64)
        for position in range(columns.size):
            product = 0.0
            for factor in range(n_factors):
                product += source[row * n_factors + factor] * target[columns[position] * n_factors + factor]
            values[position] = product
        n_out = _keep(row, start, columns, values, counts, n_best, out, n_out)
        for column in found[:n_found]:
            counts[column] = 0
    return out[0], out[1][:n_out].copy(), out[2][:n_out].copy(), out[3][:n_out].copy()
