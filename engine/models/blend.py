"""A weighted sum of what other learners learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine import models  # by its module: the registry holds the blend as well
from engine.errors import ModelFitError
from engine.models.base import Learner
from engine.models.pairs import Pairs, best_of, no_pairs, result_bytes

Part = tuple[str, dict[str, Any], float]


class Blend(Learner):
    """W = Σ weight · W_part / scale_part, cut to the best entries of each row.

    The scale of a part is the mean of the largest entries of its rows, of those that have any: so
    weights mean the same whatever units the learners count in.

    Args:
        parts: (name of a learner, its parameters, weight of at least 0) each; a part of weight 0 is
            not learned.
        n_neighbours: entries a row.
    """

    def __init__(
        self, parts: Sequence[Part] = (("walk", {}, 1.0), ("lowpass", {}, 1.0)), n_neighbours: int = 400
    ) -> None:
        self.parts = parts
        self.n_neighbours = n_neighbours

    @property
    def latent(self) -> bool:  # type: ignore[override]  # of other learners it is known beforehand
        """Whether any part is."""
        return any(learner.latent for learner, _ in self._learners())

    def memory_bytes(self, weights: csr_matrix) -> int:
        """See ``Learner``; parts are learned one after the other, and what they learned is kept."""
        learners = [learner for learner, _ in self._learners()]
        kept = [result_bytes(weights, learner.get_params().get("n_neighbours", 0)) for learner in learners]
        return max((each.memory_bytes(weights) for each in learners), default=0) + 3 * sum(kept)

    def _learn(self, weights: csr_matrix, floor: NDArray[np.int32]) -> Pairs:
        learned = []
        for learner, weight in self._learners():
            learner.fit(weights, floor)
            learned.append((Pairs(learner.item_to_item_, learner.support_), weight))
        return blended(learned, floor.size, self.n_neighbours)

    def _learners(self) -> list[tuple[Learner, float]]:
        """Return the parts that count, not fitted.

        Raises:
            ModelFitError: a learner or one of its parameters is unknown, or a weight is no weight.
        """
        learners = []
        for name, params, weight in self.parts:
            learner = models.learner_named(name)
            unknown = sorted(params.keys() - learner.get_params().keys())
            if unknown:
                raise ModelFitError(f"`{name}` has no parameter `{unknown[0]}`")
            if not 0 <= weight < np.inf:
                raise ModelFitError(f"the weight of `{name}` in a blend must be finite and not negative")
            if weight > 0:
                learners.append((learner.set_params(**params), weight))
        return learners


def blended(parts: Sequence[tuple[Pairs, float]], n_items: int, n_best: int) -> Pairs:
    """Add matrices up, each divided by its scale and times its weight.

    Args:
        parts: (what was learned, weight above 0) each.
        n_items: rows and columns of each.
        n_best: entries to keep a row; ties by ascending column.

    Returns:
        The sum; behind an entry stand as many customers as behind the part that has most.
    """
    total, support = no_pairs(n_items).item_to_item, csr_matrix((n_items, n_items), dtype=np.int32)
    for pairs, weight in parts:
        total = total + pairs.item_to_item * (weight / scale_of(pairs.item_to_item))
        # One more than there are: what nobody stands behind must not vanish as a zero.
        support = support.maximum(_with(pairs.item_to_item, pairs.support + 1))
    return best_of(Pairs(total, support.data - 1), n_best)


def scale_of(matrix: csr_matrix) -> float:
    """Return the mean of the largest entries of rows that have any; 1 where none has."""
    starts = matrix.indptr[:-1][np.diff(matrix.indptr) > 0]
    return float(np.maximum.reduceat(matrix.data, starts).mean()) if starts.size else 1.0


def _with(matrix: csr_matrix, data: NDArray[np.int32]) -> csr_matrix:
    return csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)
