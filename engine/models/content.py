"""Likeness of what is written about items, for those that no customers tell anything of yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from engine.models.base import Learner
from engine.models.pairs import Pairs

MOST_COMMON = 2_000
"""A word in the texts of more items than this finds too many to look at, and tells little of each."""

_ROWS_AT_ONCE = 256
_STEPS = 1 << 20
"""Likeness counts in so many steps, so that the last bit of a logarithm decides on nothing."""

_WORD = r"(?u)\w+"


class Content(Learner):
    """Cosine between texts whose words count by how rare they are, around items that are new.

    A new item's row holds the items most like it; it stands in the rows of those of them that are known.
    Between known items there is nothing: customers tell more of them than any text. Nobody is behind
    such an entry, so its support is 0. Memory follows the words of some hundred items at a time.

    Source: Salton & Buckley 1988; ``sklearn.feature_extraction.text.TfidfVectorizer``.

    Args:
        n_neighbours: entries of a new item's row, and rows that it stands in, at most.
        n_newcomers: new items in a known item's row at most.
        least_alike: cosine below which two texts have nothing to do with each other, 0 to 1.
    """

    def __init__(self, n_neighbours: int = 20, n_newcomers: int = 10, least_alike: float = 0.25) -> None:
        self.n_neighbours = n_neighbours
        self.n_newcomers = n_newcomers
        self.least_alike = least_alike

    def fit(
        self,
        weights: csr_matrix,
        item_floor: NDArray[np.int32] | None = None,
        item_texts: Sequence[str] = (),
        new: NDArray[np.bool_] | None = None,
    ) -> Self:
        """Learn W.

        Args:
            weights: see ``Learner.fit``; only how many customers have each item is looked at.
            item_floor: see ``Learner.fit``.
            item_texts: what is written about each item; an empty text is like no other. By default
                nothing is, and W stays empty.
            new: shape (n_items,), bool: which items are new; by default those that fewer customers have
                than their floor asks for.

        Raises:
            ModelFitError: see ``Learner.fit``.
        """
        super().fit(weights, item_floor)
        if new is None:
            floor = np.ones(weights.shape[1], np.int32) if item_floor is None else item_floor
            new = np.bincount(weights.indices, minlength=floor.size) < floor
        if any(re.search(_WORD, text) for text in item_texts):
            self.item_to_item_, self.support_ = self._alike(item_texts, new)
        return self

    def _learn(self, weights: csr_matrix, floor: NDArray[np.int32]) -> Pairs:
        """Learn nothing from customers."""
        return Pairs(csr_matrix((floor.size, weights.shape[1])), np.empty(0, np.int32))

    def _alike(self, item_texts: Sequence[str], new: NDArray[np.bool_]) -> Pairs:
        words, rows = _weighed_words(item_texts), np.flatnonzero(new)
        items_of = csr_matrix(words.T)
        found = _Likenesses.joined(
            _likenesses(words, items_of, rows[start : start + _ROWS_AT_ONCE], self.least_alike).best(
                self.n_neighbours
            )
            for start in range(0, rows.size, _ROWS_AT_ONCE)
        )
        to_known = found.take(~new[found.column])
        back = _Likenesses(to_known.column, to_known.row, to_known.steps).best(self.n_newcomers)
        both = _Likenesses.joined((found, back))
        matrix = csr_matrix((both.steps / _STEPS, (both.row, both.column)), shape=(new.size, new.size))
        matrix.sort_indices()
        return Pairs(matrix, np.zeros(matrix.nnz, np.int32))


class _Likenesses(NamedTuple):
    """Pairs of items that are alike; shape (n,), int64 each, ``steps`` of ``_STEPS``."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    steps: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: Iterable[_Likenesses]) -> _Likenesses:
        nothing = cls(*(np.empty(0, np.int64) for _ in cls._fields))
        return cls(*(np.concatenate(columns) for columns in zip(nothing, *parts, strict=True)))

    def take(self, which: NDArray[Any]) -> _Likenesses:
        """Return those at the places given, or for which it holds."""
        return _Likenesses(*(column[which] for column in self))

    def best(self, n_best: int) -> _Likenesses:
        """Return the ``n_best`` of each row; of equals the first in order of column."""
        ranked = self.take(np.lexsort((self.column, -self.steps, self.row)))
        place = np.arange(ranked.row.size) - np.searchsorted(ranked.row, ranked.row)
        return ranked.take(place < n_best)


def _weighed_words(item_texts: Sequence[str]) -> csr_matrix:
    """Return texts as rows of length 1, shape (n_items, n_words); what is too common is left out after."""
    words = csr_matrix(TfidfVectorizer(token_pattern=_WORD).fit_transform(item_texts))
    n_texts = np.bincount(words.indices, minlength=words.shape[1])
    kept = csr_matrix(words[:, np.flatnonzero(n_texts <= MOST_COMMON)])
    kept.sort_indices()
    return kept


def _likenesses(
    words: csr_matrix, items_of: csr_matrix, rows: NDArray[np.int64], least: float
) -> _Likenesses:
    """Return what is at least so much like the items of ``rows``, themselves left out.

    ``items_of`` is ``words`` the other way round.
    """
    product = csr_matrix(words[rows] @ items_of)
    row = np.repeat(rows, np.diff(product.indptr))
    column, steps = product.indices.astype(np.int64), np.rint(product.data * _STEPS).astype(np.int64)
    return _Likenesses(row, column, steps).take((column != row) & (steps >= least * _STEPS))
