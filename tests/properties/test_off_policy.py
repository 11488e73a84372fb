"""What another way would have got: right on average, sure as often as it says, and bounded where clipped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tries import tries

from engine.evaluation.off_policy import Logged, off_policy

N_ITEMS = 5
CLICKS = np.array([0.05, 0.15, 0.3, 0.5, 0.1])
"""How likely each item is to be clicked where it is shown."""


def a_policy(rng, sharpness):
    weight = np.exp(sharpness * rng.standard_normal(N_ITEMS))
    return weight / weight.sum()


def simulated(rng, logging, target, n_units, n_each=2):
    """Log what customers do: each has a taste of its own, so their clicks hang together."""
    unit = np.repeat(np.arange(n_units), n_each)
    item = rng.choice(N_ITEMS, unit.size, p=logging)
    taste = rng.uniform(0.5, 1.5, n_units)[unit]
    clicked = rng.random(unit.size) < CLICKS[item] * taste
    return Logged(clicked.astype(np.float64), logging[item], target[item], unit, n_units)


@pytest.mark.parametrize("seed", range(3))
def test_the_estimate_is_right_on_average_and_its_interval_holds_the_truth_as_often_as_it_says(seed):
    rng = np.random.default_rng(seed)
    logging, target = a_policy(rng, 0.5), a_policy(rng, 0.8)
    per_suggestion = float(target @ CLICKS)
    truth = {"ips": 2 * per_suggestion, "clipped": 2 * per_suggestion, "self_normalised": per_suggestion}
    n_draws = 120
    found = [
        off_policy(simulated(rng, logging, target, 400), clip=1e9, n_resamples=200, seed=draw)
        for draw in range(n_draws)
    ]
    for name, value in truth.items():
        estimates = [getattr(each, name) for each in found]
        values = np.array([each.value for each in estimates])
        tolerance = 4 * values.std() / np.sqrt(n_draws)
        assert abs(values.mean() - value) <= tolerance + (0.004 if name == "self_normalised" else 0)
        held = np.mean([each.low <= value <= each.high for each in estimates])
        assert held >= 0.9, name


@tries(30)
@given(st.integers(0, 2**32 - 1), st.floats(1, 20))
def test_clipping_bounds_every_weight_and_never_raises_what_comes_of_it(seed, clip):
    rng = np.random.default_rng(seed)
    log = simulated(rng, a_policy(rng, 1.5), a_policy(rng, 1.5), 30)
    found = off_policy(log, clip=clip, n_resamples=100)
    assert found.clipped.value <= min(found.ips.value, clip * found.logged.value) + 1e-9
    assert found.n_clipped == np.count_nonzero(log.weights > clip)
    assert 0 <= found.weight_clipped < 1
    assert (found.weight_clipped > 0) == (found.n_clipped > 0)
    if found.n_clipped == 0:
        assert found.clipped == found.ips


@tries(30)
@given(st.integers(0, 2**32 - 1))
def test_the_way_that_was_logged_is_estimated_to_have_got_what_it_got(seed):
    rng = np.random.default_rng(seed)
    logging = a_policy(rng, 1.0)
    log = simulated(rng, logging, logging, 30)
    found = off_policy(log, clip=1, n_resamples=100)
    assert found.ips == found.clipped == found.logged
    assert found.effective_sample_size == pytest.approx(found.n_observations)


@tries(30)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 100))
def test_the_self_normalised_estimate_stays_within_the_rewards_and_grows_with_them(seed, factor):
    rng = np.random.default_rng(seed)
    log = simulated(rng, a_policy(rng, 2.0), a_policy(rng, 2.0), 20)
    found = off_policy(log, clip=10, n_resamples=100).self_normalised
    assert 0 <= found.low <= found.high <= 1
    larger = Logged(log.reward * factor, log.propensity, log.target, log.unit, log.n_units)
    again = off_policy(larger, clip=10, n_resamples=100)
    assert again.self_normalised.value == pytest.approx(found.value * factor)


def test_two_arms_that_share_customers_out_are_estimated_from_each_others_customers():
    """Each arm shows slates of its own; some items are in both, and were shown to everybody."""
    rng = np.random.default_rng(1)
    slates, share = (np.array([0, 1, 2]), np.array([2, 3, 4])), np.array([0.75, 0.25])
    propensity = np.array([0.75, 0.75, 1.0, 0.25, 0.25])
    n_customers = 20_000
    arm = (rng.random(n_customers) >= share[0]).astype(int)
    items = np.stack(slates)[arm]
    clicked = rng.random(items.shape) < CLICKS[items]
    unit = np.repeat(np.arange(n_customers), 3)
    for slate in slates:
        target = np.isin(items, slate).astype(np.float64).ravel()
        log = Logged(clicked.ravel().astype(np.float64), propensity[items].ravel(), target, unit, n_customers)
        found = off_policy(log, clip=10, n_resamples=200)
        assert found.ips.low <= CLICKS[slate].sum() <= found.ips.high
        assert found.ips.high - found.ips.low < 0.06
