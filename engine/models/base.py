"""What every learner has in common: who bought what in, a sparse item-to-item matrix out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator

from engine.errors import ModelFitError
from engine.models.pairs import Pairs, Product, count_pairs, pairs_bytes


class Learner(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn publishes no types
    """Base of all learners: a scikit-learn estimator whose ``fit`` learns W.

    A subclass takes its parameters in ``__init__``, stores them unchanged, and implements ``_learn``.

    Attributes:
        latent: whether edges come from latent factors rather than from counted pairs.
        by_popularity: whether customers are ranked by popularity, because there are no edges.
        search: settings of parameters that are worth comparing, best guess first; ``{}`` are the defaults.
        item_to_item_: after ``fit``: W, shape (n_items, n_items), float64 CSR, entries above 0,
            nothing on the diagonal, columns ascending within a row.
        support_: after ``fit``: shape (nnz,), int32, distinct customers behind each entry of W.
    """

    latent: ClassVar[bool] = False
    by_popularity: ClassVar[bool] = False
    search: ClassVar[tuple[dict[str, Any], ...]] = ({},)

    item_to_item_: csr_matrix
    support_: NDArray[np.int32]

    def fit(self, weights: csr_matrix, item_floor: NDArray[np.int32] | None = None) -> Self:
        """Learn W.

        Args:
            weights: shape (n_customers, n_items), float, entries above 0: how much each
                customer's interactions with each item count.
            item_floor: shape (n_items,), int32: an edge needs as many distinct customers as the
                stricter of its two items asks for; 1 by default, which is no floor at all.

        Raises:
            ModelFitError: weights are negative, infinite or no numbers, or no model came out.
        """
        weights = _checked(weights)
        floor = np.ones(weights.shape[1], np.int32) if item_floor is None else item_floor
        if floor.shape != (weights.shape[1],):
            raise ModelFitError("the floor does not have one entry an item")
        self.item_to_item_, self.support_ = self._learn(weights, floor)
        if not np.all(np.isfinite(self.item_to_item_.data)):
            raise ModelFitError("learning did not converge: the matrix holds entries that are no numbers")
        return self

    def memory_bytes(self, weights: csr_matrix) -> int:
        """Return about how many bytes learning from ``weights`` takes beside them, at most.

        Nothing of that size is allocated to find out. What several learners hold at once adds up.
        """
        return pairs_bytes(weights, getattr(self, "n_neighbours", 0))

    @abstractmethod
    def _learn(self, weights: csr_matrix, floor: NDArray[np.int32]) -> Pairs:
        """Learn from checked weights; see ``fit`` for shapes."""

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "item_to_item_")


class Counted(Learner):
    """Base of the learners whose edges are sums over the customers who have both items.

    What they sum is stated as a product of matrices, so that single rows of W can be counted by
    themselves, and so that what a change of the data reaches can be seen from what it changes in
    the product. A subclass implements ``product``, in which nothing may depend on the order of
    the customers, and ``item_sums``, which holds all that ``product`` needs of customers who do not
    have the items whose rows are counted: so rows can be counted where only those are who do.

    Attributes:
        n_neighbours: entries a row.
    """

    n_neighbours: int

    @abstractmethod
    def item_sums(self, weights: csr_matrix) -> NDArray[np.float64]:
        """Return what is added up of each item over all customers, shape (n_items,), float64."""

    @abstractmethod
    def product(self, weights: csr_matrix, item_sums: NDArray[np.float64] | None = None) -> Product:
        """Return what W holds the best entries of.

        Args:
            weights: as in ``fit``, without stored zeros.
            item_sums: those of all customers, where ``weights`` is of some: only rows of items that nobody
                else has come out as they would among all. Those of ``weights`` by default.
        """

    def _learn(self, weights: csr_matrix, floor: NDArray[np.int32]) -> Pairs:
        return count_pairs(self.product(weights), floor, self.n_neighbours)


def _checked(weights: csr_matrix) -> csr_matrix:
    """Return a private copy with sorted columns and without stored zeros.

    Raises:
        ModelFitError: see ``Learner.fit``.
    """
    checked = csr_matrix(weights, dtype=np.float64, copy=True)
    checked.sum_duplicates()
    checked.eliminate_zeros()
    if checked.nnz and not (np.all(np.isfinite(checked.data)) and checked.data.min() > 0):
        raise ModelFitError("weights must be finite and not negative")
    return checked
