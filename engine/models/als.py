"""Matrix factorization by implicit's alternating least squares, unfolded into an item-to-item matrix."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from engine.models.base import Learner
from engine.models.pairs import Pairs, relate_factors


class ALS(Learner):
    """W = Y (YᵀY + λI)⁻¹ Yᵀ over item factors Y: what folding one piece of evidence in would recommend.

    Only pairs that share a customer are looked at: the privacy floor would drop all others, so
    memory and time follow the pairs counted and not the square of the catalogue.

    Source: Hu, Koren & Volinsky 2008; Rendle, Krichene, Zhang & Koren 2021.

    Args:
        n_neighbours: entries a row.
        n_factors: length of a factor.
        regularization: λ.
        alpha: what a weight of 1 adds to the confidence of an interaction.
        n_iterations: alternations.
        seed: of the starting factors.
    """

    latent: ClassVar[bool] = True
    search: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"n_factors": 128},
        {"n_factors": 256},
        {"n_factors": 128, "regularization": 10.0},
        {"n_factors": 128, "alpha": 40.0},
    )

    def __init__(
        self,
        n_neighbours: int = 200,
        n_factors: int = 64,
        regularization: float = 1.0,
        alpha: float = 10.0,
        n_iterations: int = 10,
        seed: int = 0,
    ) -> None:
        self.n_neighbours = n_neighbours
        self.n_factors = n_factors
        self.regularization = regularization
        self.alpha = alpha
        self.n_iterations = n_iterations
        self.seed = seed

    def memory_bytes(self, weights: csr_matrix) -> int:
        """See ``Learner``; beside pairs, the factors of customers and of items some times over."""
        return super().memory_bytes(weights) + 4 * 8 * int(sum(weights.shape)) * self.n_factors

    def _learn(self, weights: csr_matrix, floor: NDArray[np.int32]) -> Pairs:
        # On one BLAS thread sums are always taken in the same order; implicit asks for it as well.
        with threadpool_limits(1, "blas"):
            factors = self._factorize(weights)
            source = self.unfolded(factors)
        return relate_factors(weights, source, factors, floor, self.n_neighbours)

    def unfolded(self, factors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what item factors are multiplied by to give W, both of shape (n_items, n_factors)."""
        gram = factors.T @ factors + self.regularization * np.eye(self.n_factors)
        unfolded: NDArray[np.float64] = np.linalg.solve(gram, factors.T).T.astype(np.float64)
        return unfolded

    def _factorize(self, weights: csr_matrix) -> NDArray[np.float64]:
        """Return item factors, shape (n_items, n_factors), float64."""
        if weights.nnz == 0:
            return np.zeros((weights.shape[1], self.n_factors))
        model = AlternatingLeastSquares(
            factors=self.n_factors,
            regularization=self.regularization,
            alpha=self.alpha,
            iterations=self.n_iterations,
            random_state=self.seed,
        )
        model.fit(weights.astype(np.float32), show_progress=False)
        return np.asarray(model.item_factors, np.float64)
