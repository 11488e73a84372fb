"""Nearest neighbours, with the weightings of implicit's recommenders.

implicit 0.7.3 cuts rows to K before anybody could apply a privacy floor, so the cut is ours; without a
floor the entries are the same. Its weightings are taken as they are, but that what they add up over all
customers can be given: then the rows of some items can be counted from their customers alone.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from implicit.nearest_neighbours import tfidf_weight
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from engine.models.base import Counted
from engine.models.pairs import Product


class Cosine(Counted):
    """Cosine between the columns of two items.

    Source: Sarwar, Karypis, Konstan & Riedl 2001; ``implicit.nearest_neighbours.CosineRecommender``.
    """

    def __init__(self, n_neighbours: int = 200) -> None:
        self.n_neighbours = n_neighbours

    def item_sums(self, weights: csr_matrix) -> NDArray[np.float64]:
        """Return the squared lengths of the columns."""
        return _squares(coo_matrix(weights.T))

    def product(self, weights: csr_matrix, item_sums: NDArray[np.float64] | None = None) -> Product:
        """Return the columns, each of length 1, times each other."""
        return _with_itself(_of_length_one(coo_matrix(weights.T), item_sums))


class TfIdf(Counted):
    """Cosine between columns weighted as words in documents are: the fewer items a customer has, the more.

    Source: Salton & Buckley 1988; ``implicit.nearest_neighbours.TFIDFRecommender``.
    """

    def __init__(self, n_neighbours: int = 200) -> None:
        self.n_neighbours = n_neighbours

    def item_sums(self, weights: csr_matrix) -> NDArray[np.float64]:
        """Return the squared lengths of the weighted columns."""
        return _squares(tfidf_weight(weights.T)) if weights.nnz else np.zeros(weights.shape[1])

    def product(self, weights: csr_matrix, item_sums: NDArray[np.float64] | None = None) -> Product:
        """Return the weighted columns, each of length 1, times each other."""
        if weights.nnz == 0:  # the logarithm of nothing is no number
            return _with_itself(weights.T)
        return _with_itself(_of_length_one(tfidf_weight(weights.T), item_sums))


class BM25(Counted):
    """Inner product of columns weighted as documents are by Okapi BM25: customers are the terms.

    Source: Robertson & Zaragoza 2009; ``implicit.nearest_neighbours.BM25Recommender``.

    Args:
        n_neighbours: entries a row.
        k1: how soon a repeated interaction stops counting.
        b: how much a popular item is discounted, 0 to 1.
    """

    search: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"k1": 100.0, "b": 0.5}, {"b": 0.3})

    def __init__(self, n_neighbours: int = 200, k1: float = 1.2, b: float = 0.75) -> None:
        self.n_neighbours = n_neighbours
        self.k1 = k1
        self.b = b

    def item_sums(self, weights: csr_matrix) -> NDArray[np.float64]:
        """Return the sums of the columns."""
        return np.asarray(weights.sum(axis=0)).ravel()

    def product(self, weights: csr_matrix, item_sums: NDArray[np.float64] | None = None) -> Product:
        """Return the weighted columns times each other."""
        if weights.nnz == 0:  # the average length of nothing is no number
            return _with_itself(weights.T)
        by_item = coo_matrix(weights.T)
        sums = self.item_sums(weights) if item_sums is None else item_sums
        rarity = np.log(float(by_item.shape[0])) - np.log1p(np.bincount(by_item.col))
        length = (1.0 - self.b) + self.b * sums / sums.mean()
        counted = by_item.data * (self.k1 + 1.0) / (self.k1 * length[by_item.row] + by_item.data)
        by_item.data = counted * rarity[by_item.col]
        return _with_itself(by_item)


def _squares(by_item: coo_matrix) -> NDArray[np.float64]:
    """Return the squared length of each row, added up in order of the columns."""
    squares = np.bincount(by_item.row, by_item.data**2, minlength=by_item.shape[0])
    return squares.astype(np.float64)


def _of_length_one(by_item: coo_matrix, squares: NDArray[np.float64] | None) -> coo_matrix:
    """Divide rows by their lengths, as ``implicit.nearest_neighbours.normalize`` does; of none stays none.

    What all customers but one have bought says nothing by TF-IDF: its row is all zero.
    """
    lengths = np.sqrt(_squares(by_item) if squares is None else squares)
    by_item.data = by_item.data / np.where(lengths > 0.0, lengths, 1.0)[by_item.row]
    return by_item


def _with_itself(by_item: csr_matrix) -> Product:
    return Product.of(by_item, by_item.T, np.ones(by_item.shape[0]))
