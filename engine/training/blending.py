"""How much of each learner to put into a blend."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.cuts import Cut
from engine.evaluation.metrics import ndcg_at_k
from engine.evaluation.ranking import rank_by, scores_of
from engine.models.blend import scale_of
from engine.models.pairs import Pairs

BLEND = "blend"

WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Tried for each part while the others stay as they are; only their ratios matter."""

N_ROUNDS = 2
"""How often every part gets its turn."""

N_CANDIDATES = 60
"""The best of each part, among which a sum is ranked: its own best are hardly ever anywhere else."""

MAX_ASKED = 10_000
"""Customers that weights are looked for by, at most."""


def blend_weights(cut: Cut, learned: Sequence[Pairs], k: int) -> NDArray[np.float64]:
    """Look for the weights of the best sum, one part after the other.

    Weights are looked for by what was measured, not by what is to be expected with more data: sums differ
    by less than expectations err.

    Args:
        cut: what was held back.
        learned: what each part learned from the cut; the best part first.
        k: length of the rankings compared.

    Returns:
        shape (n_parts,), float64, at least 0, those that do not help 0; the first part alone has (1, 0, …).
    """
    ndcg = _worth(cut, learned, k)
    weights = np.zeros(len(learned))
    weights[0] = 1.0
    best = ndcg(weights)
    for _ in range(N_ROUNDS):
        for part in range(1, weights.size):
            for weight in WEIGHTS:
                tried = weights.copy()
                tried[part] = weight
                found = ndcg(tried)
                if found > best:
                    weights, best = tried, found
    return weights


def _worth(cut: Cut, parts: Sequence[Pairs], k: int) -> Callable[[NDArray[np.float64]], float]:
    """Return what tells the NDCG of a sum by the weights of its parts."""
    cut = cut._replace(customers=cut.customers[:MAX_ASKED], relevant=cut.relevant[:MAX_ASKED])
    asked = cut.evidence, cut.seen, cut.customers
    candidates = _each_once(np.hstack([rank_by(each, *asked, N_CANDIDATES) for each in parts]))
    in_own_units = [scores_of(each, cut.evidence, cut.customers, candidates) for each in parts]
    scales = [scale_of(each.item_to_item) for each in parts]
    scores = np.stack([each / scale for each, scale in zip(in_own_units, scales, strict=True)])

    def ndcg(weights: NDArray[np.float64]) -> float:
        total = np.where(candidates >= 0, np.tensordot(weights, scores, axes=1), -1.0)
        n_best = min(k, total.shape[1])
        place = np.argpartition(-total, n_best - 1, axis=1)[:, :n_best]
        place = np.take_along_axis(place, np.argsort(-np.take_along_axis(total, place, 1), 1, "stable"), 1)
        found = np.where(
            np.take_along_axis(total, place, 1) > 0, np.take_along_axis(candidates, place, 1), -1
        )
        return ndcg_at_k(found.astype(np.int32), cut.relevant)

    return ndcg


def _each_once(candidates: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return candidates in ascending order of item, a repeated one as -1."""
    ordered = np.sort(candidates, axis=1)
    ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = -1
    return ordered
