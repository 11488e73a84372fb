"""What a calibration promises, whatever the data: and that it keeps it where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.flagging import SHIPPED, World, a_world
from support.tries import many

from guardrails.creepiness.calibration import (
    GREATEST_WEIGHT_MICRO,
    Calibration,
    Fit,
    Labelled,
    Outcome,
    Reach,
    calibrate,
    fit_weights,
)
from guardrails.creepiness.risk import control, risk_curve
from guardrails.creepiness.score import DEFAULT_WEIGHTS, DIMENSION_NAMES, MICRO
from guardrails.policy.limits import Limits

N_DIMENSIONS = len(DIMENSION_NAMES)


@st.composite
def any_labels(draw, n_least=1) -> Labelled:
    """Labels that no shop would ever see, and some that it would."""
    n = draw(st.integers(n_least, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    often = draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))
    coarse = draw(st.booleans())
    dimensions = rng.random((n, N_DIMENSIONS)) * (rng.random((n, N_DIMENSIONS)) < 0.4)
    n_customers = draw(st.integers(1, n))
    names = rng.integers(-(2**63), 2**63 - 1, n_customers) if draw(st.booleans()) else np.arange(n_customers)
    return Labelled(
        dimensions=np.round(dimensions, 1) if coarse else dimensions,
        mitigators=rng.random((n, 4)) < 0.5,
        sensitive=rng.random(n) < 0.2,
        flagged=rng.random(n) < often,
        customer=names[rng.integers(0, n_customers, n)],
    )


alphas = st.floats(0.01, 0.9)


def curve_of(labelled: Labelled):
    return risk_curve(labelled.score(DEFAULT_WEIGHTS), labelled.flagged, labelled.customer, SHIPPED)


def shows(threshold: int | None) -> int:
    """Too few customers leave everything as it is, so that counts as the highest threshold."""
    return SHIPPED + 1 if threshold is None else threshold


@given(any_labels())
def test_no_weight_falls_and_none_settles_a_score_alone(labelled):
    fitted = fit_weights(labelled)
    for name in DIMENSION_NAMES:
        assert getattr(DEFAULT_WEIGHTS, name) <= getattr(fitted, name) <= GREATEST_WEIGHT_MICRO


@given(any_labels(), st.integers(0, N_DIMENSIONS - 1), st.floats(0, 1))
def test_more_of_a_signal_never_lowers_a_fitted_score(labelled, dimension, more):
    fitted = fit_weights(labelled)
    raised = labelled.dimensions.copy()
    raised[:, dimension] = np.maximum(raised[:, dimension], more)
    assert (replace(labelled, dimensions=raised).score(fitted) >= labelled.score(fitted)).all()


@given(any_labels())
def test_whatever_a_fit_shows_was_shown_before(labelled):
    fitted = fit_weights(labelled)
    assert (labelled.score(fitted) >= labelled.score(DEFAULT_WEIGHTS)).all()


@given(any_labels(), st.data())
def test_neither_order_nor_names_of_customers_matter(labelled, data):
    order = np.random.default_rng(data.draw(st.integers(0, 2**32))).permutation(len(labelled))
    one, other = (calibrate(each, Limits(), Reach(), alpha=0.3) for each in (labelled, labelled.take(order)))
    assert plain(one) == plain(other)
    renamed = risk_curve(
        labelled.score(DEFAULT_WEIGHTS), labelled.flagged, labelled.customer ^ 0x5DEECE66D, SHIPPED
    )
    assert renamed.expected.tolist() == curve_of(labelled).expected.tolist()


def plain(result: Calibration):
    numbers = (result.curve.expected, result.curve.share, result.reliability.foretold)
    return result.after, result.fit, result.outcome, result.control, [each.tolist() for each in numbers]


@given(any_labels(), alphas, st.data())
def test_one_more_flag_never_shows_more(labelled, alpha, data):
    row = data.draw(st.integers(0, len(labelled) - 1))
    flagged = labelled.flagged.copy()
    flagged[row] = True
    before = control(curve_of(labelled), alpha)
    after = control(curve_of(replace(labelled, flagged=flagged)), alpha)
    assert shows(after.threshold_micro) <= shows(before.threshold_micro)
    assert shows(after.confident_micro) <= shows(before.confident_micro)


@given(any_labels(), alphas, st.floats(0.1, 1))
def test_who_asks_for_less_is_never_shown_more_of(labelled, alpha, part):
    curve = curve_of(labelled)
    asked, less = control(curve, alpha), control(curve, alpha * part)
    if less.threshold_micro is not None:
        assert asked.threshold_micro is not None
        assert less.threshold_micro <= asked.threshold_micro


@given(any_labels(), alphas, st.booleans(), st.integers(0, SHIPPED))
def test_no_ceiling_is_ever_raised_and_thresholds_keep_their_order(labelled, alpha, confident, in_force):
    score = replace(
        Limits().score, show_micro=in_force // 2, with_reason_micro=in_force, generalise_micro=in_force
    )
    limits = replace(Limits(), score=score)
    result = calibrate(labelled, limits, Reach.of([limits]), alpha=alpha, confident=confident)
    after = result.after.score
    assert 0 <= after.show_micro <= after.with_reason_micro <= after.generalise_micro <= SHIPPED
    assert replace(result.after, score=score, weights=limits.weights) == limits


@given(any_labels(), alphas)
def test_the_rule_is_the_formula_of_the_paper_and_counts_only_who_is_shown_something(labelled, alpha):
    """Brute force, customer by customer and threshold by threshold, as the definition says."""
    curve, score = curve_of(labelled), labelled.score(DEFAULT_WEIGHTS)
    customers = sorted(set(labelled.customer.tolist()))
    worst = dict.fromkeys(customers, 0.0)
    allowed = 0
    for row, threshold in enumerate(curve.threshold_micro.tolist()):
        n_served = 0
        for customer in customers:
            on = labelled.flagged[(labelled.customer == customer) & (score < threshold)]
            n_served += on.size > 0
            worst[customer] = max(worst[customer], float(on.mean()) if on.size else 0.0)
        n = len(customers)
        of_the_paper = n / (n + 1) * np.mean(list(worst.values())) + 1 / (n + 1)
        assert curve.expected[row] >= of_the_paper - 1e-12
        expected = (sum(worst.values()) + 1) / (n_served + 1)
        assert curve.expected[row] == pytest.approx(expected)
        if curve.expected[row] <= alpha:
            allowed = threshold
    threshold = control(curve, alpha).threshold_micro
    assert threshold == (allowed if 1 / (n_served + 1) <= alpha else None)


@dataclass(frozen=True)
class Simulated:
    """What came of calibrating on so many draws of customers from one world."""

    of_a_customer: np.ndarray
    of_all: np.ndarray
    thresholds: np.ndarray
    n_fitted: int


def simulate(world: World, n_draws: int, n_customers: int, alpha: float, *, confident: bool) -> Simulated:
    rng = np.random.default_rng(7)
    risks, thresholds, n_fitted = [], [], 0
    for _ in range(n_draws):
        labelled = world.sample(rng, n_customers)
        result = calibrate(labelled, Limits(), Reach(), alpha=alpha, confident=confident)
        assert result.outcome is not Outcome.FEW_CUSTOMERS
        assert confident or result.outcome is not Outcome.UNSURE
        n_fitted += result.fit is Fit.FITTED
        weights = result.after.weights
        assert all(getattr(weights, name) >= getattr(DEFAULT_WEIGHTS, name) for name in DIMENSION_NAMES)
        assert all(getattr(weights, name) < MICRO for name in DIMENSION_NAMES)
        unsure = result.outcome is Outcome.UNSURE  # then nothing is promised, which is not broken
        thresholds.append(0 if unsure else result.after.score.generalise_micro)
        risks.append(world.risk(weights, thresholds[-1]))
    of_a_customer, of_all = np.array(risks).T
    return Simulated(of_a_customer, of_all, np.array(thresholds), n_fitted)


MOSTLY = 0.9
"""Share of draws in which the promise that is made with confidence has to hold."""

WORLDS = {
    "rarely flagged": (1, 0.008, 1.5),
    "flagged too often": (2, 0.03, 1.5),
    "much too often": (3, 0.1, 1.5),
    "whatever the score": (4, 0.03, 0.0),
}
ALPHA = 0.02
CUSTOMERS = 600
CUSTOMERS_TO_BE_SURE = 2400


def check_promises(n_draws: int, seed: int, share: float, telling: float) -> None:
    world = a_world(seed, share, telling=telling)
    expected = simulate(world, n_draws, CUSTOMERS, ALPHA, confident=False)
    sure = simulate(world, n_draws, CUSTOMERS_TO_BE_SURE, ALPHA, confident=True)
    assert expected.of_a_customer.mean() <= ALPHA
    assert expected.of_all.mean() <= ALPHA
    assert np.mean(sure.of_a_customer <= ALPHA) >= MOSTLY
    assert np.mean(sure.of_all <= ALPHA) >= MOSTLY


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_promises_are_kept_in_simulation(world):
    check_promises(25, *world)


@pytest.mark.thorough
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_the_promises_are_kept_in_a_thousand_draws(world):
    check_promises(many(1000), *world)


def test_the_simulation_could_fail():
    """Without a calibration the ceiling is broken, and with one something is still shown."""
    world = a_world(2, 0.03)
    assert world.risk(DEFAULT_WEIGHTS, SHIPPED)[0] > ALPHA
    assert simulate(world, 5, CUSTOMERS, ALPHA, confident=False).thresholds.min() > 0
