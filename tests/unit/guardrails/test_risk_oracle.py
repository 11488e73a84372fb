"""Risk control as MAPIE computes it, an implementation that is not ours."""

from __future__ import annotations

import numpy as np
import pytest
from mapie.risk_control import methods as mapie

from guardrails.creepiness.risk import _doubt, control, risk_curve

N_CUSTOMERS, TOP_MICRO = 200, 700_000


def everybody_served(seed: int):
    """Suggestions of which each customer's first has the lowest score, so that all see something."""
    rng = np.random.default_rng(seed)
    customer = np.repeat(np.arange(N_CUSTOMERS), rng.integers(1, 9, N_CUSTOMERS))
    score = rng.integers(0, TOP_MICRO, customer.size)
    score[np.unique(customer, return_index=True)[1]] = 0
    return score, rng.random(customer.size) < score / TOP_MICRO * 0.05, customer


def worst_shares(score, flagged, customer, thresholds):
    """The loss by its definition, shape (n_customers, n_thresholds)."""
    found = np.zeros((N_CUSTOMERS, thresholds.size))
    for number in range(N_CUSTOMERS):
        mine = customer == number
        for column, threshold in enumerate(thresholds):
            on = flagged[mine & (score < threshold)]
            found[number, column] = on.mean() if on.size else 0
    return np.maximum.accumulate(found, axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_bounds_p_values_and_thresholds_are_those_of_mapie(seed):
    score, flagged, customer = everybody_served(seed)
    curve = risk_curve(score, flagged, customer, TOP_MICRO)
    thresholds = curve.threshold_micro[1:]
    risks = worst_shares(score, flagged, customer, thresholds)
    mean, bound = mapie.get_r_hat_plus(risks, thresholds, "crc", None, None, None)
    np.testing.assert_allclose(curve.worst[1:], mean)
    np.testing.assert_allclose(curve.expected[1:], bound)
    for alpha in (0.0101, 0.0173, 0.0299):
        (best,) = mapie.find_best_predict_param(thresholds, bound, np.array([alpha]))
        assert control(curve, alpha).threshold_micro == best
        doubt = [_doubt(each, N_CUSTOMERS, alpha) for each in mean]
        theirs = mapie.compute_hoeffding_bentkus_p_value(mean, N_CUSTOMERS, alpha)
        np.testing.assert_allclose(doubt, np.minimum(np.ravel(theirs), 1))
