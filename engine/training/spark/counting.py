"""What the executors do: spread customers' weights over blocks of items, and count the rows of a block.

A row of W depends on the customers who have its item, and on nothing else but sums over all customers that
are given. So the rows of a block of items come out of the customers who have one of them, with all their
items and in their order, by the same code and to the same bit as on one machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import Broadcast
from scipy.sparse import csr_matrix

from engine.models.base import Counted
from engine.models.pairs import Pairs, count_pairs, relate_factors
from engine.training.learn import TrainingSettings, weigh
from engine.training.spark.frames import Batches, column, interactions_of, table_of

SPREAD = "block int, customer int, items binary, weights binary"
"""One row for each customer and each block that has one of the customer's items."""

COUNTED = "block int, lengths binary, columns binary, entries binary, support binary"
"""One row a block."""

RATINGS = "customer int, item int, weight float"

_PAIR = 2


class Relation(Protocol):
    """How the rows of W come out of weights."""

    def rows(self, weights: csr_matrix, rows: NDArray[np.int64]) -> Pairs:
        """Return W with these rows filled, of customers who have their items."""


@dataclass(frozen=True)
class ByCounting:
    """W of a learner that counts.

    Attributes:
        learner: the learner.
        item_sums: what it adds up over all customers.
        trend: shape (n_items,), float64: what columns are scaled by; ``None`` for nothing.
        floor: shape (n_items,), int32: see ``count_pairs``.
    """

    learner: Counted
    item_sums: NDArray[np.float64]
    trend: NDArray[np.float64] | None
    floor: NDArray[np.int32]

    def rows(self, weights: csr_matrix, rows: NDArray[np.int64]) -> Pairs:
        """See ``Relation``."""
        product = self.learner.product(weights, self.item_sums)
        if self.trend is not None:
            product = product._replace(column_scale=product.column_scale * self.trend)
        return count_pairs(product, self.floor, self.learner.n_neighbours, rows)


@dataclass(frozen=True)
class ByFactors:
    """W of factors, among the pairs that share customers.

    Attributes:
        source: shape (n_items, n_factors), float64.
        target: the same for the item of the column.
        n_neighbours: entries a row.
        floor: shape (n_items,), int32: see ``count_pairs``.
    """

    source: NDArray[np.float64]
    target: NDArray[np.float64]
    n_neighbours: int
    floor: NDArray[np.int32]

    def rows(self, weights: csr_matrix, rows: NDArray[np.int64]) -> Pairs:
        """See ``Relation``."""
        return relate_factors(weights, self.source, self.target, self.floor, self.n_neighbours, rows)


@dataclass(frozen=True)
class Plan:
    """What every task is told.

    Attributes:
        place: shape (n,), int32, by ``customer_idx``: the customer's number in the order of histories.
        bounds: shape (n_blocks + 1,), int64: items at which blocks begin and end.
        settings: how weights are made.
        as_of_ms: what ages are counted to.
    """

    place: NDArray[np.int32]
    bounds: NDArray[np.int64]
    settings: TrainingSettings
    as_of_ms: int

    @property
    def n_items(self) -> int:
        """Number of items."""
        return int(self.bounds[-1])

    def weights(self, table: pa.Table) -> tuple[NDArray[np.int32], csr_matrix]:
        """Return the numbers of some customers, ascending, and their weights, shape (n, n_items)."""
        found = interactions_of(table)
        numbers, idx = np.unique(self.place[found.customer_idx], return_inverse=True)
        theirs = replace(found, customer_idx=idx.astype(np.int32))
        return numbers, weigh(theirs, (numbers.size, self.n_items), self.settings, self.as_of_ms).learned


@dataclass(frozen=True)
class Spread:
    """Spreads the customers of a partition over blocks; all rows of a customer are in it."""

    plan: Broadcast[Plan]

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        """Return rows of ``SPREAD``."""
        table = table_of(batches)
        if table is None:
            return
        numbers, weights = self.plan.value.weights(table)
        has_pairs = np.diff(weights.indptr) >= _PAIR
        numbers, weights = numbers[has_pairs], csr_matrix(weights[np.flatnonzero(has_pairs)])
        n_blocks = self.plan.value.bounds.size - 1
        block = np.searchsorted(self.plan.value.bounds, weights.indices, side="right") - 1
        row = np.repeat(np.arange(numbers.size), np.diff(weights.indptr))
        row, block = np.divmod(np.unique(row * n_blocks + block), n_blocks)
        items = _cut(weights.indices.astype("<i4"), weights.indptr)
        values = _cut(weights.data.astype("<f8"), weights.indptr)
        yield pa.RecordBatch.from_pydict(
            {
                "block": pa.array(block, pa.int32()),
                "customer": pa.array(numbers[row], pa.int32()),
                "items": pa.array([items[each] for each in row], pa.large_binary()),
                "weights": pa.array([values[each] for each in row], pa.large_binary()),
            }
        )


@dataclass(frozen=True)
class Count:
    """Counts the rows of a block."""

    plan: Broadcast[Plan]
    relation: Broadcast[Relation]

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return one row of ``COUNTED``."""
        plan, block = self.plan.value, int(table["block"][0].as_py())
        rows = np.arange(plan.bounds[block], plan.bounds[block + 1])
        ordered = table.sort_by("customer")
        items = ordered["items"].to_pylist()
        lengths = np.fromiter(map(len, items), np.int64, len(items)) // np.dtype("<i4").itemsize
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        weights = csr_matrix(
            (
                np.frombuffer(b"".join(ordered["weights"].to_pylist()), "<f8"),
                np.frombuffer(b"".join(items), "<i4"),
                indptr,
            ),
            shape=(len(items), plan.n_items),
        )
        pairs = self.relation.value.rows(weights, rows)
        matrix = pairs.item_to_item
        columns = {
            "lengths": np.diff(matrix.indptr)[rows].astype("<i8"),
            "columns": matrix.indices.astype("<i4"),
            "entries": matrix.data.astype("<f8"),
            "support": pairs.support.astype("<i4"),
        }
        return pa.table(
            {"block": pa.array([block], pa.int32())}
            | {name: pa.array([each.tobytes()], pa.large_binary()) for name, each in columns.items()}
        )


@dataclass(frozen=True)
class Ratings:
    """Lays weights out one by one, for Spark's own learners."""

    plan: Broadcast[Plan]

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        """Return rows of ``RATINGS``."""
        table = table_of(batches)
        if table is None:
            return
        numbers, weights = self.plan.value.weights(table)
        yield pa.RecordBatch.from_pydict(
            {
                "customer": pa.array(np.repeat(numbers, np.diff(weights.indptr)), pa.int32()),
                "item": pa.array(weights.indices, pa.int32()),
                "weight": pa.array(weights.data.astype(np.float32), pa.float32()),
            }
        )


def joined(counted: pa.Table, bounds: NDArray[np.int64]) -> Pairs:
    """Put blocks together; rows of a block that nobody has a pair of are empty."""
    lengths = np.zeros(bounds[-1] + 1, np.int64)
    ordered = counted.sort_by("block")
    for block, of_block in zip(column(ordered, "block"), ordered["lengths"].to_pylist(), strict=True):
        lengths[bounds[block] + 1 : bounds[block + 1] + 1] = np.frombuffer(of_block, "<i8")
    columns, entries, support = (
        np.frombuffer(b"".join(ordered[name].to_pylist()), dtype)
        for name, dtype in (("columns", "<i4"), ("entries", "<f8"), ("support", "<i4"))
    )
    n_items = int(bounds[-1])
    return Pairs(csr_matrix((entries, columns, np.cumsum(lengths)), shape=(n_items, n_items)), support)


def blocks_of(weights: csr_matrix, n_blocks: int) -> NDArray[np.int64]:
    """Return where blocks of items begin and end, so that each is about as much work.

    Args:
        weights: shape (n_customers, n_items).
        n_blocks: how many blocks.
    """
    n_items = int(weights.shape[1])
    met = np.repeat(np.diff(weights.indptr), np.diff(weights.indptr))
    work = np.cumsum(np.bincount(weights.indices, met, minlength=n_items) + 1)
    ends = np.searchsorted(work, work[-1] * np.arange(1, n_blocks) / n_blocks) if n_items else np.empty(0)
    return np.concatenate([[0], np.unique(ends.astype(np.int64)), [n_items]])


def _cut(values: NDArray[Any], indptr: NDArray[np.int32]) -> list[bytes]:
    """Return the bytes of each row."""
    content, size = values.tobytes(), values.dtype.itemsize
    ends = (indptr * size).tolist()
    return [content[start:end] for start, end in pairwise(ends)]
