"""Learn from customers who said "too personal" how much each dimension weighs, and how far to go.

**The fit.** With hazards h = -log(1 - score), the noisy-or of the score is a sum: each dimension adds
``theta_k * phi_k(s_k)``, where ``theta_k = -log(1 - w_k)`` and ``phi_k`` runs from 0 to 1. The share of
flagged suggestions is taken to be in proportion to the hazard that is left after mitigation,

    P(flagged) = kappa * left * sum over k of theta_k * phi_k(s_k)

and least squares with rows weighted by their inverse variance fit what data adds to the theta_k of
the weights started from, never below 0. To begin with the weights count as if ``PRIOR_FLAGS`` flags
had spoken for each, so that a dimension without data keeps its weight. Mitigators are not fitted: where
every suggestion has a reason beside it, nobody can tell what it does.

**The scale.** ``kappa`` is such that the weights started from predict as many flags as there were. So
fitting does not say that there are too many flags, which is for the thresholds to answer, but where they
come from: a dimension with more of them than its share weighs more, and all others stay. A score
therefore means what it did or more, and can be held against the same ceilings.

**Why only up.** A lower weight would show what was withheld so far, and nobody has ever said anything of
that. With weights at or above those in force when the labels came in, and no threshold above theirs,
all that is going to be shown would have been shown then, so the labels speak of it (``Reach``). It also
is what "may be tightened, never loosened" means for a score.

**Two halves.** Thresholds are set on customers whom the fit has not seen: a score that was fitted to the
same flags would look better than it is. Customers are divided by a hash of their number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression

from guardrails.creepiness.risk import (
    ALPHA,
    CONFIDENCE,
    Control,
    RiskCurve,
    control,
    interval,
    moved,
    risk_curve,
)
from guardrails.creepiness.score import (
    DEFAULT_WEIGHTS,
    DIMENSION_NAMES,
    MICRO,
    MITIGATOR_NAMES,
    Dimensions,
    Weights,
    creepiness,
    unmitigated,
)
from guardrails.log.canonical import canonical
from guardrails.policy.limits import Limits, ScoreLimits

PRIOR_FLAGS = 30
"""Flags that the weights started from are worth, for each dimension."""

FLAGS_NEEDED = 30
"""With fewer flags among the customers it is fitted to, a fit would say more of them than of the shop."""

ROOM = 4
"""Customers are divided only if what the rule adds for one more is at most this part of alpha for a half."""

GREATEST_WEIGHT_MICRO = 950_000
"""Up to here a fit may raise a weight: no dimension settles a score alone."""

N_BINS = 10
"""Bins of the reliability diagram."""

_LEAST_HAZARD = 0.05
"""Below it variances are not trusted: a single flag on something harmless must not outweigh all others."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Suggestions that were shown, and what was said of them; any order.

    Attributes:
        dimensions: shape (n, 11), float64 from 0 to 1: K1 to K11.
        mitigators: shape (n, 4), bool, in the order of ``MITIGATOR_NAMES``.
        sensitive: shape (n,), bool: mitigation is capped.
        flagged: shape (n,), bool: found too personal.
        customer: shape (n,), int64: equal for suggestions of one customer; not an id of anybody.
    """

    dimensions: NDArray[np.float64]
    mitigators: NDArray[np.bool_]
    sensitive: NDArray[np.bool_]
    flagged: NDArray[np.bool_]
    customer: NDArray[np.int64]

    def __len__(self) -> int:
        return self.customer.size

    @classmethod
    def joined(cls, parts: Sequence[Labelled]) -> Labelled:
        """Put parts one behind the other; at least one."""
        columns = {name: [getattr(part, name) for part in parts] for name in cls.__slots__}
        return cls(**{name: np.concatenate(column) for name, column in columns.items()})

    @property
    def n_customers(self) -> int:
        """How many customers were shown anything."""
        return int(np.unique(self.customer).size)

    @classmethod
    def empty(cls) -> Labelled:
        """Return no rows."""
        none = np.zeros(0, np.bool_)
        return cls(
            dimensions=np.zeros((0, len(DIMENSION_NAMES))),
            mitigators=np.zeros((0, len(MITIGATOR_NAMES)), np.bool_),
            sensitive=none,
            flagged=none,
            customer=np.zeros(0, np.int64),
        )

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Labelled:
        """Return some rows, by a mask or by their numbers."""
        return Labelled(**{name: getattr(self, name)[rows] for name in Labelled.__slots__})

    def in_order(self) -> Labelled:
        """Return the rows in an order of their own, so that nothing depends on the one they came in."""
        keys = (self.customer, self.flagged, self.sensitive, *self.mitigators.T, *self.dimensions.T)
        return self.take(np.lexsort(keys))

    def observed(self) -> Dimensions:
        """Return what was observed, as the score wants it."""
        return Dimensions(
            **dict(zip(DIMENSION_NAMES, self.dimensions.T, strict=True)),
            **dict(zip(MITIGATOR_NAMES, self.mitigators.T, strict=True)),
            sensitive=self.sensitive,
        )

    def score(self, weights: Weights) -> NDArray[np.int64]:
        """Return the scores under some weights, shape (n,), millionths."""
        return creepiness(self.observed(), weights)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far labels reach: nothing beyond it was shown, so nothing is known of it.

    Attributes:
        weights: for each dimension the greatest weight, and for each mitigator the least, under which
            any label came in, the shipped ones among them.
        ceiling_micro: the lowest threshold from which on nothing was shown.
    """

    weights: Weights = DEFAULT_WEIGHTS
    ceiling_micro: int = ScoreLimits().generalise_micro

    @classmethod
    def of(cls, policies: Iterable[Limits]) -> Reach:
        """Return how far labels reach that came in under these policies."""
        known = (Limits(), *policies)
        numbers = {
            name: extreme(getattr(limits.weights, name) for limits in known)
            for extreme, names in ((max, DIMENSION_NAMES), (min, (*MITIGATOR_NAMES, "mitigation_cap")))
            for name in names
        }
        return cls(
            weights=_named(DEFAULT_WEIGHTS, numbers),
            ceiling_micro=min(limits.score.generalise_micro for limits in known),
        )


class Fit(StrEnum):
    """What became of the weights."""

    FITTED = "fitted"
    NOT_ASKED = "not_asked"
    FEW_CUSTOMERS = "few_customers"
    FEW_FLAGS = "few_flags"


class Outcome(StrEnum):
    """What became of the threshold from which on nothing is shown."""

    FEW_CUSTOMERS = "few_customers"
    UNSURE = "unsure"
    KEPT = "kept"
    LOWERED = "lowered"
    RAISED = "raised"
    NOTHING_SHOWN = "nothing_shown"


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """How often suggestions of a score were flagged, and how often that was foretold.

    Attributes:
        score_micro: shape (b,), int64: mean score of each bin, rising.
        n_shown: shape (b,), int64.
        n_flagged: shape (b,), int64.
        low: shape (b,), float64: lower bound on the probability of a flag.
        high: shape (b,), float64: upper bound.
        foretold: shape (b,), float64: probability by isotonic regression on the other customers; it
            never falls as the score rises.
    """

    score_micro: NDArray[np.int64]
    n_shown: NDArray[np.int64]
    n_flagged: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    foretold: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What labels say, and the limits that follow.

    Attributes:
        n_suggestions: suggestions that were shown.
        n_customers: customers they were shown to.
        n_flagged: suggestions that were flagged.
        reach: how far the labels reach.
        before: the limits in force.
        after: the limits that follow; the same where the labels do not suffice.
        fit: what became of the weights.
        outcome: what became of the threshold.
        curve: what follows from each threshold, with the new weights, on the customers that set it.
        control: what the labels allow.
        reliability: how well a score foretells a flag.
    """

    n_suggestions: int
    n_customers: int
    n_flagged: int
    reach: Reach
    before: Limits
    after: Limits
    fit: Fit
    outcome: Outcome
    curve: RiskCurve
    control: Control
    reliability: Reliability

    def realised(self) -> tuple[float, float, float]:
        """Return the mean share flagged at the new threshold in the data, and bounds on what is expected."""
        row = self.curve.at(self.after.score.generalise_micro)
        mean, n = float(self.curve.share[row]), int(self.curve.n_served[row])
        return mean, *interval(mean, n, self.control.confidence)


def calibrate(
    labelled: Labelled,
    in_force: Limits,
    reach: Reach,
    *,
    alpha: float = ALPHA,
    confidence: float = CONFIDENCE,
    confident: bool = False,
    with_weights: bool = True,
) -> Calibration:
    """Fit weights to half of the customers and set the threshold by the others. Deterministic.

    Args:
        labelled: what was shown and what was said of it.
        in_force: the limits to change.
        reach: how far the labels reach.
        alpha: share of what a customer is shown that may be flagged, above 0 and below 1.
        confidence: probability of the statement about this one calibration.
        confident: keep that statement too, not only the one about what is expected; where it can be made
            of no threshold yet, everything stays.
        with_weights: fit the weights; without, all customers set the threshold.
    """
    fitting = _first_half(labelled.customer)
    weights, fit, setting = reach.weights, Fit.NOT_ASKED, labelled
    if with_weights:
        setting = labelled.take(~fitting)
        weights, fit = _weights(labelled.take(fitting), setting, reach.weights, alpha)
        setting = labelled if fit is Fit.FEW_CUSTOMERS else setting
    top_micro = reach.ceiling_micro
    curve = risk_curve(setting.score(weights), setting.flagged, setting.customer, top_micro)
    allowed = control(curve, alpha, confidence)
    threshold = allowed.threshold_micro
    outcome, after = Outcome.FEW_CUSTOMERS, in_force
    if confident and threshold:
        threshold, outcome = allowed.confident_micro or None, Outcome.UNSURE
    if threshold is not None:
        outcome, score = _moved(in_force.score, threshold, setting.score(weights))
        after = replace(in_force, score=score, weights=weights)
    return Calibration(
        n_suggestions=len(labelled),
        n_customers=labelled.n_customers,
        n_flagged=int(labelled.flagged.sum()),
        reach=reach,
        before=in_force,
        after=after,
        fit=fit,
        outcome=outcome,
        curve=curve,
        control=allowed,
        reliability=reliability(labelled.take(fitting), labelled.take(~fitting), weights),
    )


def fit_weights(labelled: Labelled, start: Weights = DEFAULT_WEIGHTS) -> Weights:
    """Return weights at or above those of ``start`` that foretell flags better; see the module.

    ``start`` itself where nothing was flagged that any dimension could be the reason of. Its weights
    are above 0, as the shipped ones are; one above the greatest that a fit gives stays, and counts as
    that one here, since a whole weight has no hazard.
    """
    rows = labelled.in_order()
    weight = np.array([min(getattr(start, name), GREATEST_WEIGHT_MICRO) for name in DIMENSION_NAMES]) / MICRO
    theta = -np.log1p(-weight)
    part = -np.log1p(-weight * rows.dimensions) * unmitigated(rows.observed(), start)[:, None]
    hazard = part.sum(axis=1)
    n_flagged = int(rows.flagged[hazard > 0].sum())
    if n_flagged == 0:
        return start
    kappa = n_flagged / hazard.sum()
    precision = np.sqrt(kappa / np.maximum(hazard, _LEAST_HAZARD))
    told = part / theta * precision[:, None]
    prior = np.diag(np.sqrt(PRIOR_FLAGS) / theta)
    unexplained = (rows.flagged / kappa - hazard) * precision
    model = LinearRegression(fit_intercept=False, positive=True)
    added = model.fit(np.vstack([told, prior]), np.append(unexplained, np.zeros(theta.size))).coef_
    fitted = np.minimum(np.rint(-np.expm1(-(theta + added)) * MICRO), GREATEST_WEIGHT_MICRO)
    return _raised(start, dict(zip(DIMENSION_NAMES, fitted.astype(int).tolist(), strict=True)))


def reliability(seen: Labelled, unseen: Labelled, weights: Weights) -> Reliability:
    """Foretell flags of customers from those of others, bin by bin.

    Args:
        seen: whose flags the probabilities are learned from.
        unseen: whose flags they are held against.
        weights: what the scores are computed with.
    """
    seen, unseen = seen.in_order(), unseen.in_order()
    if not len(seen) or not len(unseen):
        nothing, unknown = np.zeros(0, np.int64), np.zeros(0)
        return Reliability(nothing, nothing, nothing, unknown, unknown, unknown)
    curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    curve.fit(seen.score(weights), seen.flagged)
    score = unseen.score(weights)
    edges = np.quantile(score, np.arange(1, N_BINS) / N_BINS)
    bin_of = np.unique(np.searchsorted(edges, score), return_inverse=True)[1]  # equal scores stay together
    n_shown = np.bincount(bin_of)
    n_flagged = np.bincount(bin_of[unseen.flagged], minlength=n_shown.size)
    middle = np.rint(np.bincount(bin_of, score) / n_shown).astype(np.int64)
    bounds = [interval(k / n, n) for k, n in zip(n_flagged.tolist(), n_shown.tolist(), strict=True)]
    low, high = np.array(bounds).T
    return Reliability(middle, n_shown, n_flagged, low, high, curve.predict(middle))


def _weights(fitting: Labelled, setting: Labelled, start: Weights, alpha: float) -> tuple[Weights, Fit]:
    """Fit weights if there is enough to fit them to, and enough left to set a threshold by."""
    if (setting.n_customers + 1) * alpha < ROOM:
        return start, Fit.FEW_CUSTOMERS
    if np.count_nonzero(fitting.flagged) < FLAGS_NEEDED:
        return start, Fit.FEW_FLAGS
    return fit_weights(fitting, start), Fit.FITTED


def _moved(
    in_force: ScoreLimits, threshold_micro: int, score: NDArray[np.int64]
) -> tuple[Outcome, ScoreLimits]:
    """Put a threshold in place: as low as it says, but no higher than anything was shown and said of."""
    before_micro = in_force.generalise_micro
    if threshold_micro > before_micro:
        threshold_micro = max(before_micro, min(threshold_micro, int(score.max()) + 1))
    if threshold_micro == 0:
        outcome = Outcome.NOTHING_SHOWN
    elif threshold_micro < before_micro:
        outcome = Outcome.LOWERED
    else:
        outcome = Outcome.RAISED if threshold_micro > before_micro else Outcome.KEPT
    return outcome, moved(in_force, threshold_micro)


def _first_half(customer: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Divide customers by a hash of their number (the finaliser of SplitMix64, Steele et al. 2014)."""
    mixed = customer.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) & np.uint64(1) == 1)


def _raised(start: Weights, fitted: Mapping[str, int]) -> Weights:
    """Return the greater of both weights of each dimension."""
    return _named(start, {name: max(getattr(start, name), value) for name, value in fitted.items()})


def _named(start: Weights, numbers: Mapping[str, int]) -> Weights:
    """Put numbers into ``start``; others than before get a version that is a digest of all of them."""
    changed = Weights(**asdict(start) | dict(numbers))
    if changed == start:
        return start
    digest = hashlib.sha256(canonical(asdict(replace(changed, version="")))).hexdigest()
    return replace(changed, version=f"fitted-{digest[:12]}")
