"""Numbers that cannot be are refused; what is worked out by hand comes out."""

import numpy as np
import pytest

from engine.errors import EvaluationError
from engine.evaluation.off_policy import Logged, off_policy
from engine.evaluation.shares import difference, wilson


def logged(**overrides):
    usual = {
        "reward": np.array([1.0, 0.0, 1.0]),
        "propensity": np.array([0.5, 0.25, 1.0]),
        "target": np.array([1.0, 1.0, 0.0]),
        "unit": np.array([0, 0, 1]),
        "n_units": 4,
    }
    return Logged(**{**usual, **overrides})


def test_estimates_are_those_of_the_formulas():
    found = off_policy(logged(), clip=3)
    assert found.logged.value == 2 / 4
    assert found.ips.value == 2 / 4  # one click at a weight of two, over four customers
    assert found.clipped.value == 2 / 4
    assert found.self_normalised.value == 2 / 6
    assert (found.n_clipped, found.weight_clipped) == (1, 1 / 6)
    assert found.effective_sample_size == 36 / 20
    assert (found.n_units, found.n_observations, found.clip, found.confidence) == (4, 3, 3, 0.95)


def test_the_same_log_says_the_same_every_time():
    assert off_policy(logged(), clip=3) == off_policy(logged(), clip=3)


def test_a_wider_confidence_is_a_wider_interval():
    narrow, wide = (off_policy(logged(), clip=3, confidence=each).logged for each in (0.5, 0.99))
    assert wide.low <= narrow.low <= narrow.high <= wide.high
    assert wide != narrow


@pytest.mark.parametrize("target", [np.zeros(3), np.zeros(0)])
def test_what_was_never_logged_of_it_is_nothing(target):
    n = target.size
    log = logged(
        target=target, reward=np.ones(n), propensity=np.ones(n), unit=np.zeros(n, np.int64), n_units=2
    )
    found = off_policy(log, clip=1)
    for each in (found.ips, found.clipped, found.self_normalised):
        assert (each.value, each.low, each.high) == (0, 0, 0)
    assert found.effective_sample_size == found.weight_clipped == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"reward": np.array([1.0])}, "one number of each kind"),
        ({"reward": np.ones((3, 1))}, "one number of each kind"),
        ({"n_units": 0}, "at least one unit"),
        ({"reward": np.array([1.0, np.nan, 0.0])}, "not a number"),
        ({"reward": np.array([1.0, np.inf, 0.0])}, "not a number"),
        ({"propensity": np.array([0.5, 0.0, 1.0])}, "propensity above 0"),
        ({"propensity": np.array([0.5, 1.1, 1.0])}, "propensity above 0"),
        ({"propensity": np.array([0.5, np.nan, 1.0])}, "propensity above 0"),
        ({"target": np.array([1.0, -0.1, 0.0])}, "between 0 and 1"),
        ({"target": np.array([1.0, np.nan, 0.0])}, "between 0 and 1"),
        ({"unit": np.array([0, 0, 4])}, "none of the units"),
        ({"unit": np.array([0, -1, 1])}, "none of the units"),
    ],
)
def test_a_log_that_cannot_be_is_refused(overrides, message):
    with pytest.raises(EvaluationError, match=message):
        logged(**overrides)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clip": 0.9}, "at least 1"),
        ({"clip": float("nan")}, "at least 1"),
        ({"clip": float("inf")}, "at least 1"),
        ({"clip": 1, "confidence": 1.0}, "between 0 and 1"),
        ({"clip": 1, "confidence": 0.0}, "between 0 and 1"),
        ({"clip": 1, "n_resamples": 99}, "at least 100 draws"),
    ],
)
def test_an_estimate_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(EvaluationError, match=message):
        off_policy(logged(), **arguments)


class TestShares:
    @pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (3, 1000), (999, 1000)])
    def test_the_interval_of_a_share_holds_it_and_lies_between_none_and_all(self, k, n):
        share = wilson(k, n)
        assert 0 <= share.low <= share.value == k / n <= share.high <= 1
        assert share.low < share.high

    @pytest.mark.parametrize(("k", "n"), [(1, 0), (0, 0), (2, 1), (-1, 3)])
    def test_what_is_no_share_is_refused(self, k, n):
        with pytest.raises(EvaluationError, match="no share"):
            wilson(k, n)

    def test_a_difference_is_as_sure_as_the_spread_of_customers(self):
        rng = np.random.default_rng(0)
        n_held = 0
        for _ in range(200):
            groups = []
            for rate in (0.1, 0.15):
                of = rng.integers(1, 20, 200)
                taste = rng.uniform(0.2, 1.8, 200)  # clicks of one customer hang together
                groups += [rng.binomial(of, rate * taste), of]
            found = difference(*groups)
            n_held += found.low <= 0.05 <= found.high
        assert 0.9 * 200 <= n_held <= 0.99 * 200

    def test_equal_groups_do_not_differ(self):
        hits, of = np.array([1, 0, 2]), np.array([4, 4, 4])
        found = difference(hits, of, hits, of)
        assert found.value == 0
        assert found.low == -found.high < 0

    @pytest.mark.parametrize("hits", [[1], []])
    def test_too_few_customers_are_refused(self, hits):
        few, of = np.array(hits, np.int64), np.ones(len(hits), np.int64)
        enough = np.array([1, 1])
        with pytest.raises(EvaluationError, match="two customers"):
            difference(few, of, enough, enough)
        with pytest.raises(EvaluationError, match="two customers"):
            difference(enough, enough, np.zeros(3, np.int64), np.zeros(3, np.int64))
