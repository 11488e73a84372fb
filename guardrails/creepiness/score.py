"""The creepiness score: one bad flow cannot be averaged away by many good ones.

    c = (1 - product over k of (1 - w_k s_k)) * product over m of (1 - r_m)

A noisy-or over eleven dimensions, softened by four mitigators; for sensitive things the softening is
capped. Only additions, subtractions, multiplications and comparisons in a fixed order, each of them
correctly rounded (IEEE 754), so that the same dimensions give the same score on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

MICRO = 1_000_000
"""Scores are recorded in millionths."""


@dataclass(frozen=True, slots=True, eq=False)
class Dimensions:
    """What was observed of each candidate; arrays have shape (n,).

    The first eleven are float64 from 0 (harmless) to 1, K1 to K11 in this order; the rest are bool.

    Attributes:
        sensitivity: K1, how sensitive the item or its evidence is.
        context_distance: K2, how far the evidence travelled to get here (Nissenbaum).
        inference_distance: K3, how much was concluded rather than said.
        covertness: K4, no reason is shown.
        exactness: K5, how exactly it points at what was seen, times how obtrusive the placement is.
        evidence_age: K6, age of the evidence as a share of the greatest it may have.
        repetition: K7, how often it was ignored.
        audience: K8, who else can see it.
        vulnerable_moment: K9, a bad moment.
        price_pressure: K10, how far up the price goes.
        ignored_control: K11, the customer waved off something like it.
        same_visit: mitigator, it follows from what the customer does right now.
        stated: mitigator, the customer said so.
        reason_given: mitigator, a faithful reason is shown.
        controls: mitigator, "why" and "mute" stand beside it.
        sensitive: tier 2 or 3, where mitigation is capped.
    """

    sensitivity: NDArray[np.float64]
    context_distance: NDArray[np.float64]
    inference_distance: NDArray[np.float64]
    covertness: NDArray[np.float64]
    exactness: NDArray[np.float64]
    evidence_age: NDArray[np.float64]
    repetition: NDArray[np.float64]
    audience: NDArray[np.float64]
    vulnerable_moment: NDArray[np.float64]
    price_pressure: NDArray[np.float64]
    ignored_control: NDArray[np.float64]
    same_visit: NDArray[np.bool_]
    stated: NDArray[np.bool_]
    reason_given: NDArray[np.bool_]
    controls: NDArray[np.bool_]
    sensitive: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each dimension and mitigator counts, in millionths: judgement, not measurement.

    No study gives these numbers for online shops; calibrate them by survey and by complaint and mute
    rates, not by clicks. Change a number, change the version.

    Attributes:
        version: name of this set of numbers.
        mitigation_cap: the most that mitigators take off together for sensitive things.
    """

    version: str = "2025-1"
    sensitivity: int = 800_000
    context_distance: int = 700_000
    inference_distance: int = 500_000
    covertness: int = 500_000
    exactness: int = 600_000
    evidence_age: int = 350_000
    repetition: int = 500_000
    audience: int = 600_000
    vulnerable_moment: int = 600_000
    price_pressure: int = 500_000
    ignored_control: int = 500_000
    same_visit: int = 400_000
    stated: int = 300_000
    reason_given: int = 250_000
    controls: int = 100_000
    mitigation_cap: int = 250_000


DIMENSION_NAMES = (
    "sensitivity",
    "context_distance",
    "inference_distance",
    "covertness",
    "exactness",
    "evidence_age",
    "repetition",
    "audience",
    "vulnerable_moment",
    "price_pressure",
    "ignored_control",
)
"""K1 to K11: the order of the sum, and of the rows of ``parts``."""

MITIGATOR_NAMES = ("same_visit", "stated", "reason_given", "controls")
"""The order in which mitigators are multiplied."""

DEFAULT_WEIGHTS = Weights()


def creepiness(dimensions: Dimensions, weights: Weights = DEFAULT_WEIGHTS) -> NDArray[np.int64]:
    """Return the score of each candidate in millionths, shape (n,), int64, 0 to 1,000,000.

    Source: noisy-or, Pearl 1988, section 4.3.2.
    """
    left = _left(dimensions, weights, DIMENSION_NAMES + MITIGATOR_NAMES)
    harmless = _product(left[: len(DIMENSION_NAMES)])
    softened = _capped(_product(left[len(DIMENSION_NAMES) :]), dimensions, weights)
    return np.rint((1.0 - harmless) * softened * MICRO).astype(np.int64)


def unmitigated(dimensions: Dimensions, weights: Weights = DEFAULT_WEIGHTS) -> NDArray[np.float64]:
    """Return which share of each score its mitigators leave, shape (n,), 0 to 1."""
    return _capped(_product(_left(dimensions, weights, MITIGATOR_NAMES)), dimensions, weights)


def _capped(left: NDArray[np.float64], dimensions: Dimensions, weights: Weights) -> NDArray[np.float64]:
    """Leave more of the score of what is sensitive, as the cap says; shape (n,)."""
    return np.where(dimensions.sensitive, np.maximum(left, 1.0 - weights.mitigation_cap / MICRO), left)


def _left(dimensions: Dimensions, weights: Weights, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return what each dimension leaves of what is harmless; one row a name, shape (names, n)."""
    n = dimensions.sensitivity.size
    level = np.concatenate([getattr(dimensions, name) for name in names], dtype=np.float64)
    return 1.0 - _shares(weights, names) * level.reshape(len(names), n)


@lru_cache(maxsize=32)
def _shares(weights: Weights, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return weights as shares of one, shape (names, 1); read-only, and made once a set of weights."""
    shares = np.array([[getattr(weights, name) / MICRO] for name in names])
    shares.setflags(write=False)
    return shares


def _product(left: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply rows from the first to the last, so that the rounding is that of a loop; shape (n,)."""
    product: NDArray[np.float64] = np.multiply.reduce(left, axis=0)
    return product


def parts(dimensions: Dimensions, weights: Weights = DEFAULT_WEIGHTS) -> NDArray[np.int64]:
    """Split each score over its dimensions for explanations; shape (11, n), int64, millionths.

    Shares are in proportion to weight times value, so that dimensions of equal strength get equal
    shares whatever their order; rounding goes to the largest. Each column adds up to the score.
    """
    score = creepiness(dimensions, weights)
    strength = np.stack(
        [
            np.rint(getattr(weights, name) * getattr(dimensions, name)).astype(np.int64)
            for name in DIMENSION_NAMES
        ]
    )
    shares: NDArray[np.int64] = score * strength // np.maximum(strength.sum(axis=0), 1)
    shares[strength.argmax(axis=0), np.arange(score.size)] += score - shares.sum(axis=0)
    return shares
