"""The closed-form linear autoencoder, cut to sparse rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from engine.errors import ModelFitError
from engine.models.base import Learner
from engine.models.pairs import Pairs, no_pairs, relate_dense

_GIBIBYTE = 1 << 30


class Ease(Learner):
    """W = I - P · diag(P)⁻¹ with P = (XᵀX + λI)⁻¹: the weights that foretell each item from the others best.

    The inverse is dense: memory grows with the square of the catalogue and time with its cube, so
    a large catalogue is refused before anything is computed. Entries that speak against an item
    are left out, and so are pairs that share no customer.

    Source: Steck 2019.

    Args:
        n_neighbours: entries a row.
        regularization: λ.
        most_memory_bytes: what learning may need.
    """

    latent: ClassVar[bool] = True
    search: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"regularization": 50.0},
        {"regularization": 1000.0},
    )

    def __init__(
        self, n_neighbours: int = 200, regularization: float = 200.0, most_memory_bytes: int = 4 * _GIBIBYTE
    ) -> None:
        self.n_neighbours = n_neighbours
        self.regularization = regularization
        self.most_memory_bytes = most_memory_bytes

    def memory_bytes(self, weights: csr_matrix) -> int:
        """See ``Learner``; beside pairs, three dense matrices of items by items."""
        return super().memory_bytes(weights) + 3 * 8 * int(weights.shape[1]) ** 2

    def _learn(self, weights: csr_matrix, floor: NDArray[np.int32]) -> Pairs:
        needed = self.memory_bytes(weights)
        if needed > self.most_memory_bytes:
            raise ModelFitError(
                f"`ease` needs about {needed / _GIBIBYTE:.1f} GiB for {floor.size} items, "
                f"and may use {self.most_memory_bytes / _GIBIBYTE:.1f}"
            )
        if weights.nnz == 0:
            return no_pairs(floor.size)
        related = self._inverse(weights)
        related /= -np.diagonal(related)[None, :].copy()
        return relate_dense(weights, related, floor, self.n_neighbours)

    def _inverse(self, weights: csr_matrix) -> NDArray[np.float64]:
        """Return (XᵀX + λI)⁻¹, shape (n_items, n_items), float64."""
        gram = (weights.T @ weights).toarray(order="F")
        np.fill_diagonal(gram, gram.diagonal() + self.regularization)
        # On one BLAS thread sums are always taken in the same order.
        with threadpool_limits(1, "blas"):
            factor, failed = lapack.dpotrf(gram, lower=True, overwrite_a=True)
            if failed:
                raise ModelFitError("`regularization` is too small for `ease` to have a solution")
            inverse, _ = lapack.dpotri(factor, lower=True, overwrite_c=True)
        lower: NDArray[np.float64] = np.tril(inverse)
        lower += np.tril(lower, -1).T
        return lower
