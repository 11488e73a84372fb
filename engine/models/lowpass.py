"""A low-pass filter: what is left of tastes when all but the broadest of them are taken away."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from engine.models.base import Learner
from engine.models.degrees import Degrees, power
from engine.models.pairs import Pairs, relate_factors
from engine.models.spectral import right_singular_vectors, vectors_bytes

_MOST_OF_THE_SHORTER_SIDE = 4
"""With all singular vectors nothing would be filtered; no more than one in so many is ever taken."""


class LowPass(Learner):
    """W = D_i^-source · V Vᵀ · D_j^target, V the first right singular vectors of D_c^-½ X D_i^-½.

    With exponents (½, ½) this is the ideal low-pass filter of graph signal processing. Only pairs
    that share a customer are looked at; see ``relate_factors``.

    Source: Shen, Wu, Zhang, Shan, Zhang, Letaief & Li 2021 (GF-CF).

    Args:
        n_neighbours: entries a row.
        n_factors: singular vectors; at most a quarter of the customers or of the items, if these are fewer.
        source: exponent on the degree of the item that evidence is about.
        target: exponent on the degree of the item that is recommended.
        n_iterations: how often random directions are turned to the singular vectors.
        seed: of the random start.
    """

    latent: ClassVar[bool] = True
    search: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"n_factors": 128},
        {"n_factors": 256},
        {"n_factors": 64},
    )

    def __init__(
        self,
        n_neighbours: int = 300,
        n_factors: int = 512,
        source: float = 0.5,
        target: float = 0.5,
        n_iterations: int = 5,
        seed: int = 0,
    ) -> None:
        self.n_neighbours = n_neighbours
        self.n_factors = n_factors
        self.source = source
        self.target = target
        self.n_iterations = n_iterations
        self.seed = seed

    def memory_bytes(self, weights: csr_matrix) -> int:
        """See ``Learner``; beside pairs, some matrices of singular vectors."""
        n_vectors = self._n_vectors(weights)
        both_sides = 2 * 4 * int(weights.shape[1]) * n_vectors
        return super().memory_bytes(weights) + vectors_bytes(weights.shape, n_vectors) + both_sides

    def _learn(self, weights: csr_matrix, floor: NDArray[np.int32]) -> Pairs:
        degrees = Degrees.of(weights)
        vectors = self._singular_vectors(weights, degrees)
        source, target = (
            power(degrees.item, exponent).astype(np.float32)[:, None] * vectors
            for exponent in (-self.source, self.target)
        )
        return relate_factors(weights, source, target, floor, self.n_neighbours)

    def _singular_vectors(self, weights: csr_matrix, degrees: Degrees) -> NDArray[np.float32]:
        """Return the first right singular vectors of the normalized weights, shape (n_items, n_vectors)."""
        if weights.nnz == 0:
            return np.zeros((weights.shape[1], 1), np.float32)
        normalized = diags(power(degrees.customer, -0.5)) @ weights @ diags(power(degrees.item, -0.5))
        return right_singular_vectors(
            csr_matrix(normalized, dtype=np.float32),
            self._n_vectors(weights),
            self.n_iterations,
            self.seed,
        )

    def _n_vectors(self, weights: csr_matrix) -> int:
        return max(1, min(self.n_factors, int(min(weights.shape)) // _MOST_OF_THE_SHORTER_SIDE))
