"""Nearest neighbours, with the weightings of implicit's recommenders.

implicit 0.7.3 cuts rows to K before anybody could apply a privacy floor, so its weightings are
used as they are and the cut is ours; without a floor the entries are the same.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from implicit.nearest_neighbours import bm25_weight, normalize, tfidf_weight
from scipy.sparse import csr_matrix

from engine.models.base import Counted
from engine.models.pairs import Product


class Cosine(Counted):
    """Cosine between the columns of two items.

    Source: Sarwar, Karypis, Konstan & Riedl 2001; ``implicit.nearest_neighbours.CosineRecommender``.
    """

    def __init__(self, n_neighbours: int = 200) -> None:
        self.n_neighbours = n_neighbours

    def product(self, weights: csr_matrix) -> Product:
        """Return the columns, each of length 1, times each other."""
        return _with_itself(normalize(weights.T))


class TfIdf(Counted):
    """Cosine between columns weighted as words in documents are: the fewer items a customer has, the more.

    Source: Salton & Buckley 1988; ``implicit.nearest_neighbours.TFIDFRecommender``.
    """

    def __init__(self, n_neighbours: int = 200) -> None:
        self.n_neighbours = n_neighbours

    def product(self, weights: csr_matrix) -> Product:
        """Return the weighted columns, each of length 1, times each other."""
        if weights.nnz == 0:  # the logarithm of nothing is no number
            return _with_itself(weights.T)
        return _with_itself(normalize(tfidf_weight(weights.T)))


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

    def product(self, weights: csr_matrix) -> Product:
        """Return the weighted columns times each other."""
        if weights.nnz == 0:  # the average length of nothing is no number
            return _with_itself(weights.T)
        return _with_itself(bm25_weight(weights.T, self.k1, self.b))


def _with_itself(by_item: csr_matrix) -> Product:
    return Product.of(by_item, by_item.T, np.ones(by_item.shape[0]))
