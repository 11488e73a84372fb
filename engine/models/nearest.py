"""Nearest neighbours, with the weightings of implicit's recommenders.

implicit 0.7.3 cuts rows to K before anybody could apply a privacy floor, so its weightings are
used as they are and the cut is ours; without a floor the entries are the same.
"""

from __future__ import annotations

import numpy as np
from implicit.nearest_neighbours import bm25_weight, normalize
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.models.base import Learner
from engine.models.pairs import Pairs, count_pairs


class Cosine(Learner):
    """Cosine between the columns of two items.

    Source: Sarwar, Karypis, Konstan & Riedl 2001; ``implicit.nearest_neighbours.CosineRecommender``.
    """

    def __init__(self, n_neighbours: int = 200) -> None:
        self.n_neighbours = n_neighbours

    def _learn(self, weights: csr_matrix, floor: NDArray[np.int32]) -> Pairs:
        return _similar(normalize(weights.T), floor, self.n_neighbours)


class BM25(Learner):
    """Inner product of columns weighted as documents are by Okapi BM25: customers are the terms.

    Source: Robertson & Zaragoza 2009; ``implicit.nearest_neighbours.BM25Recommender``.

    Args:
        n_neighbours: entries a row.
        k1: how soon a repeated interaction stops counting.
        b: how much a popular item is discounted, 0 to 1.
    """

    def __init__(self, n_neighbours: int = 200, k1: float = 1.2, b: float = 0.75) -> None:
        self.n_neighbours = n_neighbours
        self.k1 = k1
        self.b = b

    def _learn(self, weights: csr_matrix, floor: NDArray[np.int32]) -> Pairs:
        if weights.nnz == 0:  # the average length of nothing is no number
            return _similar(weights.T, floor, self.n_neighbours)
        return _similar(bm25_weight(weights.T, self.k1, self.b), floor, self.n_neighbours)


def _similar(by_item: csr_matrix, floor: NDArray[np.int32], n_neighbours: int) -> Pairs:
    return count_pairs(by_item, by_item.T, np.ones(floor.size), floor, n_neighbours)
