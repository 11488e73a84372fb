"""Weights from flags, thresholds from a ceiling: small cases with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from api.policies.model import load_document
from guardrails.creepiness.calibration import (
    FLAGS_NEEDED,
    GREATEST_WEIGHT_MICRO,
    Fit,
    Labelled,
    Outcome,
    Reach,
    calibrate,
    fit_weights,
    reliability,
)
from guardrails.creepiness.risk import control, interval, moved, risk_curve
from guardrails.creepiness.score import DEFAULT_WEIGHTS, DIMENSION_NAMES, MITIGATOR_NAMES
from guardrails.policy.document import to_document
from guardrails.policy.language import Policy
from guardrails.policy.limits import Limits, ScoreLimits

SHIPPED = ScoreLimits()


def labels(n, flagged=(), customers=None, **dimensions):
    """So many suggestions without mitigators, by default one a customer; columns by dimension."""
    columns = np.zeros((n, len(DIMENSION_NAMES)))
    for name, values in dimensions.items():
        columns[:, DIMENSION_NAMES.index(name)] = values
    return Labelled(
        dimensions=columns,
        mitigators=np.zeros((n, len(MITIGATOR_NAMES)), np.bool_),
        sensitive=np.zeros(n, np.bool_),
        flagged=np.isin(np.arange(n), flagged),
        customer=np.arange(n) if customers is None else np.array(customers),
    )


def curve(score, flagged, customer, top_micro=700_000):
    return risk_curve(
        np.array(score, np.int64), np.array(flagged, np.bool_), np.array(customer, np.int64), top_micro
    )


def test_a_share_is_of_what_is_still_shown_and_its_worst_is_remembered():
    found = curve([100_000, 200_000, 300_000, 400_000], [0, 1, 0, 0], [5, 5, 5, 5])
    at = [found.at(threshold) for threshold in (100_000, 150_000, 210_000, 310_000, 700_000)]
    assert found.share[at].tolist() == pytest.approx([0, 0, 1 / 2, 1 / 3, 1 / 4])
    assert found.worst[at].tolist() == pytest.approx([0, 0, 1 / 2, 1 / 2, 1 / 2])
    assert found.n_shown[at].tolist() == [0, 1, 2, 3, 4]
    assert found.n_flagged[at].tolist() == [0, 0, 1, 1, 1]
    assert found.n_served[at].tolist() == [0, 1, 1, 1, 1]
    assert found.expected[at].tolist() == pytest.approx([1, 1 / 2, 3 / 4, 3 / 4, 3 / 4])


def test_a_threshold_shows_what_is_below_it_and_not_what_is_at_it():
    found = curve([350_000], [1], [1])
    assert (found.n_shown[found.at(350_000)], found.n_shown[found.at(360_000)]) == (0, 1)


def test_customers_count_alike_however_much_they_are_shown():
    found = curve([100_000] * 5, [1, 0, 0, 0, 0], [1, 2, 2, 2, 2])
    assert found.share[-1] == 1 / 2


def test_the_highest_threshold_is_the_ceiling_itself():
    assert curve([], [], [], 655_123).threshold_micro[-2:].tolist() == [650_000, 655_123]
    assert curve([], [], [], 0).threshold_micro.tolist() == [0]


@pytest.mark.parametrize(("n", "threshold"), [(198, None), (199, 700_000)])
def test_as_many_customers_are_needed_as_one_in_alpha(n, threshold):
    found = control(curve([100_000] * n, [0] * n, range(n)), 0.005)
    assert (found.n_needed, found.threshold_micro) == (199, threshold)


@pytest.mark.parametrize(("n", "threshold"), [(847, None), (848, 700_000)])
def test_confidence_takes_more_of_them(n, threshold):
    """Without a flag, 0.995^n is the doubt that is left: from 848 on a tenth for seven thresholds."""
    assert control(curve([100_000] * n, [0] * n, range(n)), 0.005).confident_micro == threshold


def test_a_threshold_stops_below_the_first_score_that_is_flagged_too_often():
    score = np.tile([100_000, 300_000, 500_000], 300)
    flagged = (score == 300_000) & (np.arange(900) < 60)
    found = control(curve(score, flagged, np.repeat(np.arange(300), 3)), 0.02)
    assert found.threshold_micro == 300_000


def test_what_is_sure_is_said_of_few_thresholds_and_never_above_the_one_that_is_expected():
    score, customer = np.tile([150_000, 350_000, 650_000], 2000), np.repeat(np.arange(2000), 3)
    found = control(curve(score, (score == 350_000) & (np.arange(6000) < 600), customer), 0.02)
    assert (found.threshold_micro, found.confident_micro) == (350_000, 300_000)


@pytest.mark.parametrize(("n_flagged", "confident"), [(15, 700_000), (30, 0)])
def test_what_is_expected_is_not_sure_yet(n_flagged, confident):
    found = control(curve([50_000] * 2000, np.arange(2000) < n_flagged, range(2000)), 0.02)
    assert (found.threshold_micro, found.confident_micro) == (700_000, confident)


def test_where_everything_is_flagged_nothing_is_shown():
    assert control(curve([0] * 300, [1] * 300, range(300)), 0.005).threshold_micro == 0


def test_who_is_shown_nothing_does_not_make_a_share_look_smaller():
    """One in fifty flags at any score; showing to fewer people would dilute that and change nothing."""
    n = 5000
    score = np.linspace(0, 699_000, n).astype(int)
    found = curve(score, np.arange(n) % 50 == 0, range(n))
    diluted = (found.worst * n + 1) / (n + 1)
    assert diluted[found.at(200_000)] < 0.01
    assert control(found, 0.01).threshold_micro == 0


def test_an_interval_holds_what_it_should():
    low, high = interval(0.1, 200)
    assert 0.05 < low < 0.1 < high < 0.18
    assert interval(0.0, 100) == (0.0, pytest.approx(1 - 0.05 ** (1 / 100)))
    assert interval(1.0, 100) == (pytest.approx(0.05 ** (1 / 100)), 1.0)
    assert interval(0.5, 0) == (0.0, 1.0)


def test_lower_thresholds_follow_where_they_are_above():
    assert moved(SHIPPED, 600_000) == replace(SHIPPED, generalise_micro=600_000)
    assert moved(SHIPPED, 400_000) == ScoreLimits(350_000, 400_000, 400_000)
    assert moved(SHIPPED, 0) == ScoreLimits(0, 0, 0)


def a_shop(n=4000, seed=1):
    """Half of what is shown is repeated, half is old; only what is repeated is flagged."""
    rng = np.random.default_rng(seed)
    repeated = rng.random(n) < 0.5
    flagged = np.flatnonzero(repeated & (rng.random(n) < 0.1))
    return labels(n, flagged, repetition=0.5 * repeated, evidence_age=0.5 * ~repeated)


def test_the_dimension_that_flags_come_from_weighs_more_and_no_other_changes():
    fitted = fit_weights(a_shop())
    assert fitted.repetition > DEFAULT_WEIGHTS.repetition
    assert replace(fitted, repetition=DEFAULT_WEIGHTS.repetition, version="2025-1") == DEFAULT_WEIGHTS
    assert fitted.version.startswith("fitted-")


def test_the_more_flags_say_so_the_more_it_weighs_up_to_a_limit():
    weights = [fit_weights(a_shop(n)).repetition for n in (200, 2000, 20_000)]
    assert weights == sorted(set(weights))
    few = np.arange(20_000) < 500
    extreme = labels(20_000, range(500), repetition=few, evidence_age=~few)
    assert fit_weights(extreme).repetition == GREATEST_WEIGHT_MICRO


@pytest.mark.parametrize(
    "shown",
    [labels(50, repetition=0.5), labels(50, flagged=range(50)), Labelled.empty()],
    ids=["nothing is flagged", "no dimension explains it", "nothing was shown"],
)
def test_without_anything_to_learn_weights_stay_the_very_same(shown):
    assert fit_weights(shown) is DEFAULT_WEIGHTS


def test_a_weight_that_a_shop_set_to_the_whole_stays_and_others_are_fitted():
    start = replace(DEFAULT_WEIGHTS, sensitivity=1_000_000)
    fitted = fit_weights(labels(400, range(120), sensitivity=1.0, repetition=np.arange(400) < 200), start)
    assert fitted.sensitivity == 1_000_000
    assert fitted.repetition > DEFAULT_WEIGHTS.repetition


def test_fitted_weights_survive_being_written_down():
    limits = replace(Limits(), weights=fit_weights(a_shop()))
    assert load_document(to_document(Policy(limits=limits))).limits == limits


def test_a_calibration_fits_on_some_customers_and_sets_thresholds_on_others():
    shop = a_shop()
    result = calibrate(shop, Limits(), Reach(), alpha=0.02)
    assert (result.fit, result.outcome) == (Fit.FITTED, Outcome.LOWERED)
    assert 1800 < result.curve.n_customers < 2200
    assert result.after.weights.repetition > DEFAULT_WEIGHTS.repetition
    assert result.realised()[0] <= 0.02
    assert (result.n_suggestions, result.n_customers) == (4000, 4000)
    assert result.n_flagged == np.count_nonzero(shop.flagged)


def test_thresholds_alone_are_set_by_all_customers():
    result = calibrate(a_shop(), Limits(), Reach(), with_weights=False)
    assert (result.fit, result.curve.n_customers) == (Fit.NOT_ASKED, 4000)
    assert result.after.weights is DEFAULT_WEIGHTS


def test_too_few_customers_to_divide_set_thresholds_together():
    result = calibrate(a_shop(1000), Limits(), Reach(), alpha=0.005)
    assert (result.fit, result.curve.n_customers) == (Fit.FEW_CUSTOMERS, 1000)


def test_too_few_flags_leave_the_weights():
    quiet = labels(4000, range(FLAGS_NEEDED // 2), repetition=0.5)
    result = calibrate(quiet, Limits(), Reach())
    assert (result.fit, result.after.weights) == (Fit.FEW_FLAGS, DEFAULT_WEIGHTS)


def test_too_few_customers_leave_everything():
    result = calibrate(a_shop(150), Limits(), Reach())
    assert (result.outcome, result.after) == (Outcome.FEW_CUSTOMERS, Limits())


def test_what_cannot_be_said_with_confidence_is_not_said_when_that_is_asked_for():
    shop = labels(300, repetition=0.5)
    assert calibrate(shop, Limits(), Reach(), with_weights=False).outcome is Outcome.KEPT
    sure = calibrate(shop, Limits(), Reach(), with_weights=False, confident=True)
    assert (sure.outcome, sure.after) == (Outcome.UNSURE, Limits())
    few = calibrate(labels(100, repetition=0.5), Limits(), Reach(), with_weights=False, confident=True)
    assert few.outcome is Outcome.FEW_CUSTOMERS
    flagged = labels(2000, range(15), repetition=0.5)
    enough = calibrate(flagged, Limits(), Reach(), alpha=0.02, with_weights=False, confident=True)
    assert (enough.outcome, enough.after.score) == (Outcome.KEPT, SHIPPED)
    doubtful = labels(2000, range(30), repetition=0.5)
    assert (
        calibrate(doubtful, Limits(), Reach(), alpha=0.02, with_weights=False, confident=True).outcome
        is Outcome.UNSURE
    )


def test_nothing_that_was_flagged_by_all_is_shown_on():
    result = calibrate(labels(300, range(300)), Limits(), Reach(), with_weights=False)
    assert (result.outcome, result.after.score) == (Outcome.NOTHING_SHOWN, ScoreLimits(0, 0, 0))


STRICT = replace(Limits(), score=ScoreLimits(200_000, 200_000, 200_000))


def test_a_threshold_is_raised_no_further_than_anything_was_shown():
    shown = labels(300, exactness=np.linspace(0, 0.5, 300))
    result = calibrate(shown, STRICT, Reach(), with_weights=False)
    assert (result.outcome, result.after.score.generalise_micro) == (Outcome.RAISED, 300_001)
    nearby = calibrate(labels(300, exactness=0.1), STRICT, Reach(), with_weights=False)
    assert (nearby.outcome, nearby.after) == (Outcome.KEPT, STRICT)


def test_labels_from_under_a_strict_policy_say_nothing_of_a_lenient_one():
    reach = Reach.of([Limits(), STRICT])
    assert reach == Reach(DEFAULT_WEIGHTS, 200_000)
    result = calibrate(labels(300, exactness=0.1), Limits(), reach, with_weights=False)
    assert result.after.score.generalise_micro == 200_000


def test_what_is_fitted_starts_where_the_strictest_policy_was():
    strict = replace(DEFAULT_WEIGHTS, version="mine", audience=900_000, stated=100_000)
    lenient = replace(DEFAULT_WEIGHTS, version="other", audience=100_000, stated=900_000)
    reach = Reach.of([replace(Limits(), weights=weights) for weights in (strict, lenient)])
    assert reach.weights == replace(strict, version=reach.weights.version)
    fitted = fit_weights(a_shop(), reach.weights)
    assert (fitted.audience, fitted.stated) == (900_000, 100_000)
    assert Reach.of([]) == Reach()


def test_equal_scores_share_a_bin_and_what_is_foretold_never_falls():
    half = labels(1000, range(0, 1000, 20), repetition=np.repeat([0.2, 0.4, 0.6, 0.8], 250))
    found = reliability(half, half, DEFAULT_WEIGHTS)
    assert found.n_shown.tolist() == [250] * 4
    assert found.n_flagged.sum() == 50
    assert (np.diff(found.score_micro) > 0).all()
    assert (np.diff(found.foretold) >= 0).all()
    assert ((found.low <= 0.05) & (found.high >= 0.05)).all()


def test_parts_are_joined_in_their_order():
    first, second = labels(2, [1], repetition=0.5), labels(3, [0], audience=0.7)
    joined = Labelled.joined([first, Labelled.empty(), second])
    assert joined.flagged.tolist() == [False, True, True, False, False]
    assert joined.take(joined.flagged).score(DEFAULT_WEIGHTS).tolist() == [250_000, 420_000]


def test_nobody_to_hold_a_forecast_against_leaves_it_empty():
    assert reliability(Labelled.empty(), a_shop(), DEFAULT_WEIGHTS).n_shown.size == 0
    assert reliability(a_shop(), Labelled.empty(), DEFAULT_WEIGHTS).n_shown.size == 0
