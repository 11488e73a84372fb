"""How high a score may be so that few of the suggestions shown are found too personal.

Conformal risk control (Angelopoulos, Bates, Fisch, Lei & Schuster 2022) sets the threshold from which
on nothing is shown. What is promised is worth no more than what is exchangeable, and that is
customers: suggestions of one customer resemble each other, and whoever flags one may well flag all.

**The loss.** Of a customer i, at a threshold t, let ``share_i(t)`` be the share flagged among the
suggestions with a score below t; 0 where there is none. A ratio can fall when t rises, so control is
over its running maximum, ``worst_i(t) = max of share_i(u) over u <= t``. It never falls, lies between
0 and 1, is 0 at t = 0, and is at least the share itself.

**The rule.** Let n be the number of customers and ``n_served(t)`` that of customers with anything
shown at t. Of the thresholds on a grid the highest is chosen at which

    (sum of worst_i(t) + 1) / (n_served(t) + 1) <= alpha

**Why it holds.** Let T be the highest t with (sum + 1) / (n + 1) <= alpha. As n_served <= n, the
threshold t chosen is at most T. Let T' be the highest t at which the mean of worst over these n
customers and one more is at most alpha; it exists, because worst(0) = 0. As worst is at most 1, T is
at most T'. T' does not change when the n + 1 customers are reordered, so if they are exchangeable,
the expectation of worst of the additional one at T' is that of the mean over all, hence at most alpha. As
worst never falls: E[share(t)] <= E[worst(t)] <= E[worst(T)] <= E[worst(T')] <= alpha. Anything that
lowers the threshold further leaves this as it is. The score must not depend on the labels used here.

**Why n_served.** The paper divides by n + 1. A customer who is shown nothing would then count as a
comfortable one, and a rate of flags that no threshold can change would be "controlled" by showing
less to fewer people. Dividing by those who are shown anything asks more, so the proof stands, and in
large samples it holds the share among customers who do see something.

**With confidence.** The expectation is over calibrations too: the share that comes of one calibration
can be above alpha. ``Control.confident_micro`` is a threshold at which, with the probability stated, it
is not: the mean share among all customers, like those observed, who are shown something (learn then
test, Angelopoulos et al. 2021; p-values by Hoeffding and Bentkus). That needs no running maximum,
but pays for each threshold it tries, so it tries few (``RUNG_MICRO``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import rel_entr
from scipy.stats import binom

from guardrails.policy.limits import ScoreLimits

STEP_MICRO = 10_000
"""Thresholds are multiples of this: a finer one would claim to know more than a score can say."""

RUNG_MICRO = 100_000
"""Thresholds about which something is said with confidence are multiples of this, and the highest one."""

ALPHA = 0.005
"""Share of what is shown that may be flagged, unless a shop asks for less."""

CONFIDENCE = 0.9
"""Probability of the statement about one calibration."""


@dataclass(frozen=True, slots=True, eq=False)
class RiskCurve:
    """What follows from each threshold; arrays have shape (g,), thresholds rising from 0.

    Attributes:
        n_customers: customers who were shown anything.
        threshold_micro: int64: nothing with this score or above is shown.
        n_served: int64: customers who are still shown something.
        n_shown: int64: suggestions shown.
        n_flagged: int64: of these, those flagged.
        share: float64: share flagged of what a customer is shown, mean over ``n_served``; 0 for nobody.
        worst: float64: its running maximum, mean over ``n_customers``.
        expected: float64: what is held against alpha; 1 where nobody is shown anything.
    """

    n_customers: int
    threshold_micro: NDArray[np.int64]
    n_served: NDArray[np.int64]
    n_shown: NDArray[np.int64]
    n_flagged: NDArray[np.int64]
    share: NDArray[np.float64]
    worst: NDArray[np.float64]
    expected: NDArray[np.float64]

    def at(self, threshold_micro: int) -> int:
        """Return the row of the highest threshold that is not above ``threshold_micro``."""
        return int(np.searchsorted(self.threshold_micro, threshold_micro, side="right")) - 1


@dataclass(frozen=True, slots=True)
class Control:
    """What the labels allow.

    Attributes:
        alpha: share of what a customer is shown that may be flagged.
        confidence: probability of the statement about one calibration.
        n_needed: customers with something shown that the first statement takes at least.
        threshold_micro: highest threshold with an expected share of at most alpha, 0 where only
            showing nothing would do; ``None`` with too few customers to say.
        confident_micro: highest threshold not above it whose mean share is, with the confidence stated,
            at most alpha, 0 where there is none; ``None`` with too few customers to say.
    """

    alpha: float
    confidence: float
    n_needed: int
    threshold_micro: int | None
    confident_micro: int | None


def risk_curve(
    score: NDArray[np.int64], flagged: NDArray[np.bool_], customer: NDArray[np.int64], top_micro: int
) -> RiskCurve:
    """Count what each threshold up to ``top_micro`` would have shown; the order of rows does not matter.

    Args:
        score: shape (n,), millionths.
        flagged: shape (n,), whether each was found too personal.
        customer: shape (n,), equal for suggestions of one customer.
        top_micro: highest threshold to look at.
    """
    thresholds = np.append(np.arange(0, top_micro, STEP_MICRO), top_micro).astype(np.int64)
    customers, row = np.unique(customer, return_inverse=True)
    first = np.searchsorted(thresholds, score, side="right")  # the first threshold that shows it
    width = thresholds.size + 1
    earliest = np.full(customers.size, thresholds.size)
    np.minimum.at(earliest, row, first)
    ever_flagged = np.unique(row[flagged])
    share = _shares(np.isin(row, ever_flagged), row, first, flagged, width)
    worst = np.maximum.accumulate(share, axis=1)
    n_served = _cumulative(earliest, width)
    return RiskCurve(
        n_customers=customers.size,
        threshold_micro=thresholds,
        n_served=n_served,
        n_shown=_cumulative(first, width),
        n_flagged=_cumulative(first[flagged], width),
        share=_sums(share) / np.maximum(n_served, 1),
        worst=_sums(worst) / max(customers.size, 1),
        expected=np.minimum((_sums(worst) + 1) / (n_served + 1), 1.0),
    )


def control(curve: RiskCurve, alpha: float, confidence: float = CONFIDENCE) -> Control:
    """Say which thresholds keep the share of flagged suggestions at most ``alpha``, from 0 to 1."""
    threshold = _highest(curve, curve.expected <= alpha)
    rungs = (curve.threshold_micro % RUNG_MICRO == 0) & (curve.threshold_micro > 0)
    rungs[-1] = True
    doubt = (1 - confidence) / np.count_nonzero(rungs)  # Bonferroni
    means = zip(curve.share.tolist(), curve.n_served.tolist(), strict=True)
    sure = np.array([_doubt(mean, n, alpha) for mean, n in means]) <= doubt
    sure &= rungs & (curve.threshold_micro <= threshold)
    n_most = int(curve.n_served[-1])
    return Control(
        alpha=alpha,
        confidence=confidence,
        n_needed=math.ceil(1 / alpha) - 1,
        threshold_micro=threshold if 1 / (n_most + 1) <= alpha else None,
        confident_micro=_highest(curve, sure) if _doubt(0.0, n_most, alpha) <= doubt else None,
    )


def interval(mean: float, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return bounds on the expectation of something between 0 and 1 from the mean of ``n`` of it.

    Holds at any ``n`` (Chernoff; Hoeffding 1963, theorem 1), each side with half of the doubt, for a
    threshold that was not chosen by looking at the same labels.
    """
    if n == 0:
        return 0.0, 1.0
    room = math.log(2 / (1 - confidence)) / n

    def beyond(bound: float) -> float:
        return _divergence(mean, bound) - room

    low = 0.0 if beyond(0.0) <= 0 else float(brentq(beyond, 0.0, mean))
    high = 1.0 if beyond(1.0) <= 0 else float(brentq(beyond, mean, 1.0))
    return low, high


def moved(limits: ScoreLimits, threshold_micro: int) -> ScoreLimits:
    """Put the threshold from which on nothing is shown in place; lower ones follow where they are above."""
    return replace(
        limits,
        show_micro=min(limits.show_micro, threshold_micro),
        with_reason_micro=min(limits.with_reason_micro, threshold_micro),
        generalise_micro=threshold_micro,
    )


def _cumulative(first: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Count for each threshold what is shown at it, given the first threshold that shows each."""
    return np.bincount(first, minlength=width)[:-1].cumsum()


def _shares(
    counts: NDArray[np.bool_],
    row: NDArray[np.int64],
    first: NDArray[np.int64],
    flagged: NDArray[np.bool_],
    width: int,
) -> NDArray[np.float64]:
    """Return the share flagged at each threshold, shape (c, g), of the customers whose rows count.

    All others flagged nothing, so their shares are 0 and need no row.
    """
    of_customer = np.unique(row[counts], return_inverse=True)[1]
    cell = of_customer * width + first[counts]
    size = (int(of_customer.max(initial=-1)) + 1) * width
    n_shown = np.bincount(cell, minlength=size).reshape(-1, width)[:, :-1].cumsum(axis=1)
    n_flagged = np.bincount(cell[flagged[counts]], minlength=size).reshape(-1, width)[:, :-1].cumsum(axis=1)
    return np.asarray(n_flagged / np.maximum(n_shown, 1))


def _sums(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up over customers, correctly rounded: no order of customers gives another sum."""
    return np.array([math.fsum(column) for column in shares.T.tolist()])


def _highest(curve: RiskCurve, holds: NDArray[np.bool_]) -> int:
    """Return the highest threshold at which something holds, 0 where it never does."""
    return int(curve.threshold_micro[holds].max(initial=0))


def _doubt(mean: float, n: int, alpha: float) -> float:
    """Return a p-value for an expectation above ``alpha``, of values from 0 to 1 with this mean.

    Hoeffding 1963 and Bentkus 2004, combined as in Bates et al. 2021, section 3.1.1.
    """
    hoeffding = math.exp(-n * _divergence(min(mean, alpha), alpha))
    bentkus = math.e * float(binom.cdf(math.ceil(n * mean), n, alpha))
    return min(hoeffding, bentkus, 1.0)


def _divergence(mean: float, other: float) -> float:
    """Return the Kullback-Leibler divergence of two coins."""
    return float(rel_entr(mean, other) + rel_entr(1 - mean, 1 - other))
