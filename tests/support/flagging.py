"""A made-up world in which it is known how likely every suggestion is to be found too personal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guardrails.creepiness.calibration import Labelled
from guardrails.creepiness.score import DEFAULT_WEIGHTS, DIMENSION_NAMES, MICRO, Weights, unmitigated
from guardrails.policy.limits import ScoreLimits

_LEVELS = (
    (0, 0, 0, 0, 0.35),
    (0, 0.1, 0.1, 0.4),
    (0, 0.15, 0.3, 0.45, 0.45),
    (0, 0, 0.4),
    (0.1, 0.15, 0.25, 0.5),
    (0, 0.1, 0.25, 0.5),
    (0, 0, 0, 0.2, 0.4, 0.8),
    (0, 0, 0, 0.3, 0.7),
    (0, 0, 0, 0, 0, 0, 0, 0, 0.5),
    (0, 0, 0, 0, 0, 0.2, 0.7),
    (0, 0, 0, 0, 0, 0, 0.6),
)
"""What each dimension can be, as often as it stands here."""

_MITIGATED = (0.3, 0.1, 0.85, 0.9)
SHIPPED = ScoreLimits().generalise_micro


@dataclass(frozen=True, eq=False)
class World:
    """Everything that could be suggested to everybody, and the probability that it is flagged.

    Attributes:
        all: nothing flagged; customers numbered from 0, in order.
        probability: shape (n,).
        first: shape (n_customers + 1,): where the rows of each customer begin.
    """

    all: Labelled
    probability: NDArray[np.float64]
    first: NDArray[np.int64]

    @property
    def n_customers(self) -> int:
        return self.first.size - 1

    def sample(self, rng: np.random.Generator, n_customers: int) -> Labelled:
        """What so many customers, drawn at random, were shown under the shipped limits, and flagged."""
        drawn = rng.integers(0, self.n_customers, n_customers)
        n_each = self.first[drawn + 1] - self.first[drawn]
        within = np.arange(n_each.sum()) - np.repeat(n_each.cumsum() - n_each, n_each)
        rows = np.repeat(self.first[drawn], n_each) + within
        found = self.all.take(rows)
        flagged = rng.random(rows.size) < self.probability[rows]
        customer = np.repeat(rng.permutation(n_customers), n_each)
        columns = {name: getattr(found, name) for name in Labelled.__slots__}
        labelled = Labelled(**columns | {"flagged": flagged, "customer": customer})
        return labelled.take(labelled.score(DEFAULT_WEIGHTS) < SHIPPED)

    def risk(self, weights: Weights, threshold_micro: int) -> tuple[float, float]:
        """What is to be expected of limits: share flagged of what a customer is shown, and of all that is."""
        on = self.all.score(weights) < threshold_micro
        n_shown = np.bincount(self.all.customer[on], minlength=self.n_customers)
        n_flagged = np.bincount(self.all.customer[on], self.probability[on], minlength=self.n_customers)
        share = n_flagged / np.maximum(n_shown, 1)
        return float(share.mean()), float(n_flagged.sum() / max(n_shown.sum(), 1))


def a_world(seed: int, share_flagged: float, n_customers: int = 4000, telling: float = 1.5) -> World:
    """Make up a world.

    Args:
        seed: of all randomness.
        share_flagged: of what the shipped limits show.
        n_customers: how many there are; some of them flag much more than others.
        telling: power of the true score in the probability of a flag; 0 where it tells nothing.
    """
    rng = np.random.default_rng(seed)
    n_each = rng.integers(2, 13, n_customers)
    customer = np.repeat(np.arange(n_customers), n_each)
    n = customer.size
    labelled = Labelled(
        dimensions=np.stack([rng.choice(np.array(levels), n) for levels in _LEVELS], axis=1),
        mitigators=rng.random((n, len(_MITIGATED))) < np.array(_MITIGATED),
        sensitive=rng.random(n) < 0.02,
        flagged=np.zeros(n, np.bool_),
        customer=customer,
    )
    weight = np.array([getattr(DEFAULT_WEIGHTS, name) for name in DIMENSION_NAMES]) / MICRO
    true = -np.log1p(-weight) * rng.lognormal(0, 0.6, weight.size)
    hazard = labelled.dimensions @ true * unmitigated(labelled.observed())
    probability = hazard**telling * rng.gamma(0.5, 2, n_customers)[customer]
    shown = labelled.score(DEFAULT_WEIGHTS) < SHIPPED
    probability = np.minimum(probability * share_flagged / probability[shown].mean(), 0.9)
    first = np.concatenate([[0], n_each.cumsum()])
    return World(labelled, probability, first)
