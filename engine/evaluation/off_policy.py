"""What another way of choosing would have got, estimated from what was logged under those in force.

Every suggestion that was shown is one observation: what came of it (the reward), how likely it was to be
shown by whatever was in force (the logging propensity), and how likely the other way shows it (the target
probability). The weight of an observation is the second probability over the first: what the other way
would have shown more often counts for more. Observations belong to units, customers as a rule, which are
independent of each other; the observations of one unit may depend on each other as they like.

* Inverse propensity scoring (Horvitz & Thompson 1952): the weighted reward a unit. Unbiased where all that
  the target shows could have been logged; one large weight is enough to make it useless.
* The same with weights clipped (Bottou et al. 2013): never above the unclipped where rewards are positive,
  in exchange for a variance that is bounded. What clipping takes away is told, not hidden.
* Self-normalised (Swaminathan & Joachims 2015): the weighted reward an observation of the target, a ratio,
  so it stays within the range of the rewards, and what multiplies all of them or all weights cancels out.

Intervals are those of the bootstrap over units (Efron & Tibshirani 1993, chapter 13): by percentiles, with a
seed, so the same log always says the same. They say how much chance there is in an estimate, and nothing of
what was never logged.

Sources: D. Horvitz & D. Thompson, A Generalization of Sampling Without Replacement from a Finite Universe
(JASA 47, 1952); L. Bottou et al., Counterfactual Reasoning and Learning Systems (JMLR 14, 2013);
A. Swaminathan & T. Joachims, The Self-Normalized Estimator for Counterfactual Learning (NIPS 2015); L. Kish,
Survey Sampling (1965) for the effective sample size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import EvaluationError

N_RESAMPLES = 1_000
"""Draws of a bootstrap, unless told otherwise: the ends of an interval of 95 % rest on 25 of them each."""

LEAST_RESAMPLES = 100
"""Fewer draws say nothing of the ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Logged:
    """What was shown and what came of it, one row an observation.

    Attributes:
        reward: shape (n,), float64: what came of it, as 1.0 for a click.
        propensity: shape (n,), float64 above 0, at most 1: how likely it was to be shown as it was logged.
        target: shape (n,), float64 from 0 to 1: how likely the other way shows it in the same place.
        unit: shape (n,), int64: whose it is, from 0 to ``n_units``.
        n_units: independent units, those to whom nothing was shown among them.

    Raises:
        EvaluationError: shapes differ, a number is none or out of range, or there is no unit.
    """

    reward: NDArray[np.float64]
    propensity: NDArray[np.float64]
    target: NDArray[np.float64]
    unit: NDArray[np.int64]
    n_units: int

    def __post_init__(self) -> None:
        columns = (self.reward, self.propensity, self.target, self.unit)
        if self.reward.ndim != 1 or any(column.shape != self.reward.shape for column in columns):
            raise EvaluationError("an estimate takes one number of each kind an observation")
        if self.n_units < 1:
            raise EvaluationError("an estimate takes at least one unit")
        if not np.isfinite(self.reward).all():
            raise EvaluationError("a reward is not a number")
        if not ((self.propensity > 0) & (self.propensity <= 1)).all():
            raise EvaluationError("what was logged has a propensity above 0 and at most 1")
        if not ((self.target >= 0) & (self.target <= 1)).all():
            raise EvaluationError("a target probability lies between 0 and 1")
        if self.unit.size and not 0 <= self.unit.min() <= self.unit.max() < self.n_units:
            raise EvaluationError("an observation belongs to none of the units")

    @property
    def weights(self) -> NDArray[np.float64]:
        """Target probability over propensity, shape (n,), float64, at least 0."""
        return self.target / self.propensity


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with the interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class OffPolicy:
    """What the other way would have got.

    Attributes:
        logged: reward a unit as it was logged, under all that was in force together.
        ips: reward a unit under the other way, unclipped.
        clipped: the same with clipped weights.
        self_normalised: reward an observation of the other way; all 0 where it shows nothing that was logged.
        clip: no weight counts for more.
        n_units: independent units.
        n_observations: observations.
        n_clipped: observations whose weight was clipped.
        weight_clipped: share of all weight that clipping took away.
        effective_sample_size: as many observations of equal weight say as much (Kish 1965).
        confidence: of the intervals.
    """

    logged: Estimate
    ips: Estimate
    clipped: Estimate
    self_normalised: Estimate
    clip: float
    n_units: int
    n_observations: int
    n_clipped: int
    weight_clipped: float
    effective_sample_size: float
    confidence: float


def off_policy(
    logged: Logged,
    *,
    clip: float,
    confidence: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> OffPolicy:
    """Estimate what another way of choosing would have got.

    Args:
        logged: what was shown and what came of it.
        clip: no weight counts for more than this; at least 1, or even the way in force would be clipped.
        confidence: of the intervals, above 0 and below 1.
        n_resamples: draws of the bootstrap.
        seed: of the draws.

    Raises:
        EvaluationError: one of these numbers cannot be.
    """
    if not (np.isfinite(clip) and clip >= 1):
        raise EvaluationError("weights are clipped at a number of at least 1")
    if not 0 < confidence < 1:
        raise EvaluationError("a confidence lies between 0 and 1")
    if n_resamples < LEAST_RESAMPLES:
        raise EvaluationError(f"a bootstrap takes at least {LEAST_RESAMPLES} draws")
    weights = logged.weights
    kept = np.minimum(weights, clip)
    sums = _sums_by_unit(
        logged, logged.reward, weights * logged.reward, kept * logged.reward, weights, np.ones_like(weights)
    )
    drawn = _drawn(sums, n_resamples, seed)
    of_all, n_units = sums.sum(axis=0), logged.n_units

    def interval(column: int, over: int | None = None) -> Estimate:
        below = np.full(len(drawn), float(n_units)) if over is None else drawn[:, over]
        value = of_all[column] / n_units if over is None else _ratio(of_all[column], of_all[over])
        ends = np.percentile(_ratio(drawn[:, column], below), _ends(confidence))
        return Estimate(float(value), float(ends[0]), float(ends[1]))

    total, squares = float(weights.sum()), float(weights @ weights)
    return OffPolicy(
        logged=interval(0),
        ips=interval(1),
        clipped=interval(2),
        self_normalised=interval(1, over=3),
        clip=clip,
        n_units=n_units,
        n_observations=logged.reward.size,
        n_clipped=int(np.count_nonzero(weights > clip)),
        weight_clipped=(total - float(kept.sum())) / total if total else 0.0,
        effective_sample_size=total * total / squares if squares else 0.0,
        confidence=confidence,
    )


def _sums_by_unit(logged: Logged, *columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up columns over the observations of each unit; shape (n_units, number of columns)."""
    sums = [np.bincount(logged.unit, weights=column, minlength=logged.n_units) for column in columns]
    return np.stack(sums, axis=1).astype(np.float64)  # of no observations they are whole numbers


def _drawn(sums: NDArray[np.float64], n_resamples: int, seed: int) -> NDArray[np.float64]:
    """Draw as many units as there are, with replacement, again and again; return the sums of each draw."""
    rng = np.random.default_rng(seed)
    n_units = len(sums)
    return np.stack([sums[rng.integers(0, n_units, n_units)].sum(axis=0) for _ in range(n_resamples)])


def _ends(confidence: float) -> list[float]:
    beyond = 50 * (1 - confidence)
    return [beyond, 100 - beyond]


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; 0 where there is nothing to divide by."""
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)
