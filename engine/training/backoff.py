"""What stands in where too few customers tell: an item's category, and what is written about it.

A row of W is empty where no pair of it reached the privacy floor. Two steps may have the support that one
has not:

    item -> category -> item:  P(category | customers of the item) * P(item j | customers of the category)

each counted over distinct customers, as many as the floor asks for at least. What not even that says
anything of is compared by its texts. Nothing of this takes the place of anything that was counted: only
rows and columns that are empty are filled, no entry weighs more than the median of those counted, and nothing
sensitive (tier 1 and above) is at either end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.artefact import WEIGHT_SCALE, ModelArrays
from engine.catalogue import NO_CODE
from engine.models.content import Content
from engine.models.pairs import Pairs
from engine.vocabulary import RowSource

N_BEST = 50
"""Entries of a row that is filled by way of categories, at most."""

N_CATEGORIES = 10
"""Categories that a row is filled by way of, the likeliest first."""

N_OF_CATEGORY = 30
"""Items of each, those with most customers first."""

_ROWS_AT_ONCE = 4_096
_SINGLE = 1 << 32


class Goods(NamedTuple):
    """What the catalogue says of the items, beside how sensitive they are.

    Attributes:
        category: shape (n_items,), int32, any codes from 0; -1 where unknown.
        texts: what is written about each, such as title, brand and category; empty for nothing.
    """

    category: NDArray[np.int32]
    texts: tuple[str, ...]

    @classmethod
    def none(cls, n_items: int) -> Goods:
        """Return that nothing is said."""
        return cls(np.full(n_items, NO_CODE, np.int32), ("",) * n_items)

    def only(self, place: NDArray[np.int64]) -> Goods:
        """Return what is said of the items at ``place``."""
        return Goods(self.category[place], tuple(self.texts[each] for each in place.tolist()))

    def shelves(self) -> NDArray[np.int64]:
        """Return categories numbered by those that there are, in the same order, shape (n_items,), int64.

        What is filled in depends on no more of their codes.
        """
        known = np.unique(self.category[self.category != NO_CODE])
        return np.where(self.category == NO_CODE, NO_CODE, np.searchsorted(known, self.category))


class Filled(NamedTuple):
    """W with the rows and columns filled that were empty.

    Attributes:
        edges: quantized, as given; what was filled in by texts has support 0.
        row_source: shape (n_items,), int32, a ``RowSource``.
    """

    edges: Pairs
    row_source: NDArray[np.int32]


class _Entries(NamedTuple):
    """Entries of W, shape (n,) each: int64, int64, float64 above 0 and at most 1, int64."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    value: NDArray[np.float64]
    support: NDArray[np.int64]

    @classmethod
    def joined(cls, *parts: _Entries) -> _Entries:
        """Return all of them in order of row and column; none is there twice."""
        nothing = cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
        joined = cls(*(np.concatenate(columns) for columns in zip(nothing, *parts, strict=True)))
        return joined.take(np.lexsort((joined.column, joined.row)))

    def take(self, which: NDArray[Any]) -> _Entries:
        """Return those at the places given, or for which it holds."""
        return _Entries(*(column[which] for column in self))


def filled_rows(
    edges: Pairs, learned: csr_matrix, floor: NDArray[np.int32], tier: NDArray[np.int8], goods: Goods
) -> Filled:
    """Fill the rows and columns of W that are empty, as far as categories and texts tell.

    Depends on the set of histories, and on nothing of them but who has what; the scale stays.

    Args:
        edges: W as counted or learned, quantized.
        learned: shape (n_customers, n_items): what it was learned from.
        floor: shape (n_items,), int32: distinct customers that an edge needs on behalf of each item.
        tier: shape (n_items,), int8.
        goods: what else is known of the items.
    """
    harmless, n_customers = tier == 0, np.bincount(learned.indices, minlength=tier.size)
    has_row = np.diff(edges.item_to_item.indptr) > 0
    source = np.full(tier.size, RowSource.LEARNED, np.int32)

    by_category = _by_category(learned, np.flatnonzero(harmless & ~has_row), harmless, floor, goods.category)
    source[by_category.row] = RowSource.CATEGORY.value
    has_row[by_category.row] = True

    has_column = np.zeros(tier.size, np.bool_)
    has_column[edges.item_to_item.indices] = has_column[by_category.column] = True
    no_column = ~has_column & (n_customers < floor)
    by_content = _by_content(learned, floor, goods.texts, harmless & ~has_row, harmless & no_column, harmless)
    source[by_content.row[~has_row[by_content.row]]] = RowSource.CONTENT.value
    return Filled(_inserted(edges, _Entries.joined(by_category, by_content)), source)


def learned_only(model: ModelArrays) -> ModelArrays:
    """Return a model as it was before anything was filled in; the model itself if nothing was."""
    row = np.repeat(np.arange(model.n_items), np.diff(model.indptr))
    learned = (model.row_source[row] == RowSource.LEARNED.value) & (model.support > 0)
    if learned.all():
        return model
    return replace(
        model,
        indptr=np.concatenate([[0], np.cumsum(learned)])[model.indptr].astype(np.int64),
        indices=model.indices[learned],
        weights=model.weights[learned],
        support=model.support[learned],
        row_source=np.full(model.n_items, RowSource.LEARNED, np.int32),
    )


def _by_category(
    learned: csr_matrix,
    rows: NDArray[np.int64],
    harmless: NDArray[np.bool_],
    floor: NDArray[np.int32],
    category: NDArray[np.int32],
) -> _Entries:
    """Return what ``rows``, all of them harmless, get by way of categories."""
    if category.max(initial=NO_CODE) == NO_CODE:
        return _Entries.joined()
    shelves = _Shelves.of(learned, np.where(harmless, category, NO_CODE), floor)
    by_item = csr_matrix(_ones(learned).T)
    return _Entries.joined(
        *(
            shelves.reached(some, csr_matrix(by_item[some]), floor)
            for some in (rows[start : start + _ROWS_AT_ONCE] for start in range(0, rows.size, _ROWS_AT_ONCE))
        )
    )


def _ones(matrix: csr_matrix) -> csr_matrix:
    """Return the same matrix with 1 for every entry, int32."""
    return csr_matrix((np.ones(matrix.nnz, np.int32), matrix.indices, matrix.indptr), shape=matrix.shape)


class _Shelves(NamedTuple):
    """Categories, and who has what of them.

    Attributes:
        category: shape (n_items,), int32; -1 where unknown, and for what is not harmless.
        visits: shape (n_customers, n_categories), int64: 1 where a customer has something of it, and
            ``_SINGLE`` more where that is a single item, so that sums count both.
        n_customers: shape (n_categories,), int64: of each category.
        best: items whose own customers reach the floor, by category, those with most customers first.
        bounds: shape (n_categories + 1,): where those of each category begin and end.
        n_of_item: shape (n_items,), int64: distinct customers.
    """

    category: NDArray[np.int32]
    visits: csr_matrix
    n_customers: NDArray[np.int64]
    best: NDArray[np.int64]
    bounds: NDArray[np.int64]
    n_of_item: NDArray[np.int64]

    @classmethod
    def of(cls, learned: csr_matrix, category: NDArray[np.int32], floor: NDArray[np.int32]) -> _Shelves:
        """Count customers."""
        has, n_categories = _ones(learned), int(category.max(initial=NO_CODE)) + 1
        item = np.flatnonzero(category != NO_CODE)
        on_shelf = (np.ones(item.size, np.int32), (item, category[item]))
        n_items = csr_matrix(has @ csr_matrix(on_shelf, shape=(category.size, n_categories)))
        visits, n_of_item = n_items.astype(np.int64), np.bincount(has.indices, minlength=category.size)
        visits.data = np.where(visits.data == 1, _SINGLE + 1, 1)
        named = item[n_of_item[item] >= floor[item]]
        ranked = named[np.lexsort((named, -n_of_item[named], category[named]))]
        start = np.searchsorted(category[ranked], np.arange(n_categories + 1))
        place = np.arange(ranked.size) - start[category[ranked]]
        best = ranked[place < N_OF_CATEGORY]
        return cls(
            category=category,
            visits=visits,
            n_customers=np.bincount(visits.indices, minlength=n_categories),
            best=best,
            bounds=np.searchsorted(category[best], np.arange(n_categories + 1)),
            n_of_item=n_of_item,
        )

    def reached(self, rows: NDArray[np.int64], customers: csr_matrix, floor: NDArray[np.int32]) -> _Entries:
        """Return the best entries of ``rows``; ``customers``, (n_rows, n_customers), has 1 for theirs."""
        steps = self._to_categories(rows, customers, floor)
        lengths = np.diff(self.bounds)[steps.column]
        step = np.repeat(np.arange(lengths.size), lengths)
        within = np.arange(step.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        item = self.best[self.bounds[steps.column][step] + within]
        n_of_item = self.n_of_item[item]
        found = _Entries(
            steps.row[step],
            item,
            steps.value[step] * (n_of_item / self.n_customers[self.category[item]]),
            np.minimum(steps.support[step], n_of_item),
        )
        return _best(found.take(found.column != found.row), N_BEST)

    def _to_categories(
        self, rows: NDArray[np.int64], customers: csr_matrix, floor: NDArray[np.int32]
    ) -> _Entries:
        """Return the likeliest categories, as columns, of what else the customers of each item have."""
        counted = csr_matrix(customers.astype(np.int64) @ self.visits)
        row, category = np.repeat(rows, np.diff(counted.indptr)), counted.indices.astype(np.int64)
        # Of an item's own category only those count who have something else of it as well.
        single = np.where(category == self.category[row], counted.data // _SINGLE, 0)
        support = counted.data % _SINGLE - single
        found = _Entries(row, category, support / np.maximum(self.n_of_item[row], 1), support)
        return _best(found.take(support >= np.maximum(floor[row], 1)), N_CATEGORIES)


def _best(found: _Entries, n_best: int) -> _Entries:
    """Return the entries of greatest value of each row; of equals the first in order of column."""
    ranked = found.take(np.lexsort((found.column, -found.value, found.row)))
    place = np.arange(ranked.row.size) - np.searchsorted(ranked.row, ranked.row)
    return ranked.take(place < n_best)


def _by_content(
    learned: csr_matrix,
    floor: NDArray[np.int32],
    texts: tuple[str, ...],
    empty_row: NDArray[np.bool_],
    empty_column: NDArray[np.bool_],
    harmless: NDArray[np.bool_],
) -> _Entries:
    """Return what empty rows and columns of harmless items get by what is written about the items."""
    new = harmless & (empty_row | empty_column)
    told = tuple(text if is_harmless else "" for text, is_harmless in zip(texts, harmless, strict=True))
    alike = Content().fit(learned, floor, told, new).item_to_item_
    row = np.repeat(np.arange(floor.size), np.diff(alike.indptr))
    column = alike.indices.astype(np.int64)
    found = _Entries(row, column, alike.data, np.zeros(row.size, np.int64))
    return found.take(empty_row[row] | empty_column[column])


def _inserted(edges: Pairs, entries: _Entries) -> Pairs:
    """Put entries into rows, none of which has them; their values count in the median of those of W."""
    matrix = edges.item_to_item
    n_items, lengths = matrix.shape[0], np.diff(matrix.indptr)
    most = int(np.median(matrix.data)) if matrix.nnz else WEIGHT_SCALE // 3
    touched = np.zeros(n_items, np.bool_)
    touched[entries.row] = True
    among = np.repeat(touched, lengths)
    keys = np.repeat(np.flatnonzero(touched), lengths[touched]) * n_items + matrix.indices[among]
    before = np.cumsum(np.where(touched, lengths, 0)) - np.where(touched, lengths, 0)
    place = np.searchsorted(keys, entries.row * n_items + entries.column) - before[entries.row]
    where = matrix.indptr[entries.row] + place
    units = np.maximum(np.floor(entries.value * most), 1)
    whole = csr_matrix(matrix.shape, dtype=np.int32)
    counts = lengths + np.bincount(entries.row, minlength=n_items)
    whole.indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    whole.indices = np.insert(matrix.indices, where, entries.column).astype(np.int32)
    whole.data = np.insert(matrix.data, where, units).astype(np.int32)
    return Pairs(whole, np.insert(edges.support, where, entries.support).astype(np.int32))
