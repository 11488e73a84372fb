"""All that is measured of one learner on one cut."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.bootstrap import Bootstrap, interval
from engine.evaluation.cuts import Cut
from engine.evaluation.metrics import (
    Gains,
    answered,
    coverage,
    diversity,
    gains_by_customer,
    novelty,
    popularity_bias,
)
from engine.evaluation.ranking import rank
from engine.models.base import Learner

N_LISTS = 1_000
"""Rankings by which diversity is measured, at most."""

_DIGITS = 6


class Measure(NamedTuple):
    """What was measured.

    Attributes:
        figures: means with their intervals; see ``engine.artefact.Manifest.metrics``.
        ndcg: shape (N_DRAWS,), NDCG of each draw of the bootstrap.
        recall: the same for recall.
    """

    figures: dict[str, Any]
    ndcg: NDArray[np.float64]
    recall: NDArray[np.float64]


def ranked_on(cut: Cut, learner: Learner, k: int) -> NDArray[np.int32]:
    """Return what a fitted learner ranks for those who are asked, shape (n, k); see ``rank``."""
    return rank(learner, cut.popularity, cut.evidence, cut.seen, cut.customers, k)


def measured(cut: Cut, ranked: NDArray[np.int32], bootstrap: Bootstrap) -> Measure:
    """Measure rankings.

    Args:
        cut: what was to be found.
        ranked: see ``ranked_on``.
        bootstrap: of as many customers as have something to find.
    """
    gains = gains_by_customer(ranked, cut.relevant)
    ndcg, recall = (np.round(bootstrap.means(each), _DIGITS + 1) for each in gains)
    n_having = np.bincount(cut.seen.indices, minlength=cut.popularity.size).astype(np.float64)
    figures = {
        **_with_interval("recall", gains.recall, recall),
        **_with_interval("ndcg", gains.ndcg, ndcg),
        "coverage": coverage(ranked, cut.popularity.size),
        "answered": answered(ranked),
        "novelty": novelty(ranked, n_having, cut.seen.shape[0]),
        "diversity": diversity(ranked[:N_LISTS], cut.seen),
        "popularity_bias": popularity_bias(ranked, cut.relevant, cut.popularity),
    }
    return Measure({name: round(value, _DIGITS) for name, value in figures.items()}, ndcg, recall)


def bootstrap_of(cut: Cut) -> Bootstrap:
    """Return draws of those who have something to find."""
    return Bootstrap(int(np.count_nonzero(np.diff(cut.relevant.indptr))))


def gains_on(cut: Cut, learner: Learner, k: int) -> Gains:
    """Return the gains of a fitted learner customer by customer."""
    return gains_by_customer(ranked_on(cut, learner, k), cut.relevant)


def _with_interval(
    name: str, by_customer: NDArray[np.float64], drawn: NDArray[np.float64]
) -> dict[str, float]:
    mean = float(by_customer.mean()) if by_customer.size else 0.0
    low, high = interval(mean, drawn)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}
