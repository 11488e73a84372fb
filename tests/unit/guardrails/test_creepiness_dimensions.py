from __future__ import annotations

import numpy as np
import pytest
from support.views import a_view, granted

from engine.vocabulary import Channel, Intent, Provenance, Source
from guardrails.creepiness.dimensions import observe
from guardrails.creepiness.score import creepiness
from guardrails.holding import Holding
from guardrails.policy.limits import Limits, RepeatLimits
from guardrails.rules.base import MICRO

FROM_BEFORE = {"from_history": True, "same_visit": False}
SELLS_WELL = {"source": Source.POPULAR, "same_visit": False}


def level(name: str, limits: Limits | None = None, **given) -> float:
    """What one dimension reads off one candidate."""
    return float(getattr(observe(a_view(**given), limits or Limits()), name)[0])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tier": 0}, 0.0),
        ({"tier": 1}, 0.35),
        ({"tier": 2}, 0.7),
        ({"tier": 3}, 1.0),
        ({"tier": 1, "evidence_tier": 2}, 0.7),
    ],
)
def test_sensitivity_is_that_of_the_more_sensitive_end(given, expected):
    assert level("sensitivity", **given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"same_visit": True}, 0.0),
        ({"from_history": True, "same_visit": True, "evidence_channel_other": True}, 0.0),
        (FROM_BEFORE, 0.1),
        (FROM_BEFORE | {"evidence_channel_other": True}, 0.4),
        (SELLS_WELL, 0.0),
        (FROM_BEFORE | {"evidence_provenance": Provenance.SISTER, "evidence_channel_other": True}, 0.6),
        (FROM_BEFORE | {"evidence_provenance": Provenance.LINKED}, 0.6),
        ({"from_history": True, "same_visit": True, "evidence_provenance": Provenance.SISTER}, 0.6),
        (FROM_BEFORE | {"evidence_provenance": Provenance.THIRD_PARTY}, 1.0),
    ],
)
def test_context_distance_grows_with_the_way_evidence_travelled(given, expected):
    assert level("context_distance", **given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (FROM_BEFORE | {"stated": True}, 0.0),
        (FROM_BEFORE | {"same_item": True}, 0.15),
        (FROM_BEFORE, 0.3),
        (FROM_BEFORE | {"latent": True}, 0.45),
        (FROM_BEFORE | {"latent": True, "same_item": True}, 0.15),
        (SELLS_WELL, 0.0),
        (SELLS_WELL | {"from_history": True}, 0.3),
        (FROM_BEFORE | {"source": Source.CATEGORY}, 0.3),
        (FROM_BEFORE | {"source": Source.CATEGORY, "same_kind": True}, 0.15),
        (FROM_BEFORE | {"source": Source.BRAND, "same_kind": True, "latent": True}, 0.15),
        (FROM_BEFORE | {"same_kind": True}, 0.3),
        (FROM_BEFORE | {"evidence_provenance": Provenance.LINKED}, 0.3),
        (FROM_BEFORE | {"evidence_provenance": Provenance.THIRD_PARTY, "stated": True}, 1.0),
    ],
)
def test_inference_distance_grows_with_what_was_concluded(given, expected):
    assert level("inference_distance", **given) == expected


@pytest.mark.parametrize(("reason_available", "expected"), [(True, 0.0), (False, 0.4)])
def test_covertness_is_the_want_of_a_reason(reason_available, expected):
    assert level("covertness", reason_available=reason_available) == expected


@pytest.mark.parametrize(("from_history", "expected"), [(True, 1.0), (False, 0.4)])
def test_history_that_no_notice_told_of_is_covert_whatever_is_said_of_it(from_history, expected):
    given = {"noticed": False, "from_history": from_history, "reason_available": False}
    assert level("covertness", **given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (SELLS_WELL, 0.0),
        ({"source": Source.POPULAR_IN_CATEGORY}, 0.0),
        ({"source": Source.CATEGORY}, 0.0),
        ({"source": Source.BRAND}, 0.3),
        ({"source": Source.BRAND, "same_item": True}, 0.3),
        ({}, 0.5),
        ({"same_item": True}, 1.0),
        (SELLS_WELL | {"from_history": True}, 0.5),
    ],
)
@pytest.mark.parametrize("prominence_micro", [0, 300_000, MICRO])
def test_exactness_is_specificity_times_prominence(given, expected, prominence_micro):
    found = level("exactness", prominence_micro=prominence_micro, **given)
    assert found == pytest.approx(expected * prominence_micro / MICRO)


@pytest.mark.parametrize(
    ("age_micro", "expected"), [(0, 0.0), (333_000, 0.333), (MICRO, 1.0), (2 * MICRO, 1.0)]
)
def test_evidence_age_is_a_share_of_the_greatest(age_micro, expected):
    assert level("evidence_age", evidence_age_micro=age_micro) == expected


@pytest.mark.parametrize(("n_ignored", "expected"), [(0, 0.0), (2, 0.4), (5, 1.0), (9, 1.0)])
def test_repetition_is_full_where_the_repeat_rule_stops(n_ignored, expected):
    assert level("repetition", n_ignored_long=n_ignored) == expected


def test_repetition_survives_a_shop_that_stops_at_nothing():
    assert level("repetition", Limits(repeat=RepeatLimits(hard_at=0)), n_ignored_long=1) == 1.0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 0.0),
        ({"recognised_only": True}, 0.3),
        ({"shared_audience": True, "recognised_only": True}, 0.7),
        ({"public": True, "shared_audience": True}, 1.0),
        ({"channel": Channel.IN_STORE}, 1.0),
        ({"channel": Channel.PUSH, "outreach": granted()}, 1.0),
        ({"channel": Channel.EMAIL, "outreach": granted()}, 0.0),
        (SELLS_WELL | {"public": True}, 0.0),
    ],
)
def test_audience_is_who_else_can_see_what_is_the_customers(given, expected):
    assert level("audience", **given) == expected


@pytest.mark.parametrize(("days", "expected"), [(0, 0.5), (30, 0.5), (31, 0.0)])
def test_a_fresh_return_nearby_is_a_bad_moment(days, expected):
    assert level("vulnerable_moment", category_returned_days=days) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 0.0),
        ({"holding": Holding(payment_failed=True)}, 0.6),
        ({"holding": Holding(payment_failed=True), "category_returned_days": 1}, 0.6),
        ({"local_minute": 0}, 0.2),
        ({"local_minute": 299}, 0.2),
        ({"local_minute": 300}, 0.0),
        ({"local_minute": None}, 0.0),
        ({"near_muted_occasion": True}, 0.1),
        ({"near_muted_occasion": True, "local_minute": 60}, 0.2),
        ({"near_muted_occasion": True, "category_returned_days": 30, "local_minute": 60}, 0.5),
    ],
)
def test_the_worst_of_a_bad_moment_counts(given, expected):
    assert level("vulnerable_moment", **given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"intent": Intent.UPSELL, "price_minor": 1100}, 0.0),
        ({"intent": Intent.UPSELL, "price_minor": 1180}, 0.2),
        ({"intent": Intent.UPSELL, "price_minor": 1500}, 1.0),
        ({"intent": Intent.UPSELL, "price_minor": 9000}, 1.0),
        ({"intent": Intent.UPSELL, "price_minor": -1}, 1.0),
        ({"intent": Intent.UPSELL, "anchor_price_minor": -1}, 1.0),
        ({"intent": Intent.CROSS_SELL, "basket_minor": 10_000, "price_minor": 1000}, 0.0),
        ({"intent": Intent.CROSS_SELL, "basket_minor": 10_000, "price_minor": 2500}, 0.5),
        ({"intent": Intent.CROSS_SELL, "basket_minor": 10_000, "price_minor": 4000}, 1.0),
        ({"intent": Intent.CROSS_SELL, "basket_minor": -1, "price_minor": 4000}, 0.0),
        ({"intent": Intent.SIMILAR, "basket_minor": 10_000, "price_minor": 4000}, 0.0),
    ],
)
def test_price_pressure_runs_from_the_soft_to_the_hard_limit(given, expected):
    assert level("price_pressure", **given) == pytest.approx(expected)


@pytest.mark.parametrize(("dismissed_nearby", "expected"), [(True, 0.6), (False, 0.0)])
def test_a_dismissal_nearby_is_an_ignored_control(dismissed_nearby, expected):
    assert level("ignored_control", dismissed_nearby=dismissed_nearby) == expected


def test_mitigators_are_read_as_they_stand():
    seen = observe(
        a_view(2, same_visit=[True, False], stated=[False, True], reason_available=[True, False]), Limits()
    )
    assert seen.same_visit.tolist() == [True, False]
    assert seen.stated.tolist() == [False, True]
    assert seen.reason_given.tolist() == [True, False]


@pytest.mark.parametrize("channel", Channel)
def test_controls_stand_beside_a_reason_where_a_link_can(channel):
    links = channel in (Channel.WEB, Channel.APP, Channel.EMAIL, Channel.AGENT_CHAT)
    assert level("controls", channel=channel) == links
    assert level("controls", channel=channel, reason_available=False) == 0


@pytest.mark.parametrize(("tier", "evidence_tier", "expected"), [(1, 1, False), (2, 0, True), (0, 3, True)])
def test_sensitive_starts_at_tier_two_at_either_end(tier, evidence_tier, expected):
    assert level("sensitive", tier=tier, evidence_tier=evidence_tier) == expected


def test_every_dimension_has_one_value_a_candidate():
    seen = observe(a_view(3), Limits())
    assert {getattr(seen, name).shape for name in seen.__dataclass_fields__} == {(3,)}
    assert seen.sensitivity.dtype == seen.audience.dtype == seen.price_pressure.dtype == np.float64


BY_LETTER = {"channel": Channel.EMAIL, "outreach": granted(), "prominence_micro": 700_000}
BY_LETTER_FROM_BEFORE = BY_LETTER | FROM_BEFORE | {"evidence_channel_other": True}
LOOKED_AT_TEN_DAYS_AGO = {"evidence_age_micro": 333_333, "n_ignored_long": 2}
HOME_OF_NINETY_DAYS = FROM_BEFORE | {
    "latent": True,
    "prominence_micro": 200_000,
    "evidence_age_micro": 246_575,
}
ADD_ON = {"intent": Intent.CROSS_SELL, "basket_minor": 10_000, "price_minor": 1500}
STEP_UP = {"intent": Intent.UPSELL, "latent": True, "same_visit": False}
UNSAID = {"reason_available": False}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (ADD_ON, 0.118),
        (ADD_ON | UNSAID, 0.260),
        (BY_LETTER_FROM_BEFORE | LOOKED_AT_TEN_DAYS_AGO | UNSAID | {"same_item": True}, 0.782),
        (
            BY_LETTER_FROM_BEFORE | LOOKED_AT_TEN_DAYS_AGO | {"source": Source.CATEGORY, "same_kind": True},
            0.357,
        ),
        (STEP_UP | UNSAID | {"price_minor": 1400, "prominence_micro": 800_000}, 0.706),
        (STEP_UP | {"price_minor": 1180}, 0.247),
        (
            UNSAID
            | {"latent": True, "same_visit": False, "n_ignored_long": 4}
            | {"prominence_micro": MICRO, "interruptive": True},
            0.740,
        ),
        (FROM_BEFORE | {"source": Source.BRAND, "evidence_provenance": Provenance.THIRD_PARTY}, 0.579),
        (FROM_BEFORE | {"tier": 1, "shared_audience": True, "evidence_age_micro": 164_384}, 0.484),
        (HOME_OF_NINETY_DAYS | UNSAID, 0.505),
        (HOME_OF_NINETY_DAYS, 0.257),
        (BY_LETTER_FROM_BEFORE | {"stated": True, "same_item": True}, 0.275),
    ],
    ids=[
        "product page cross-sell of 15 % of the basket, same visit, reason and controls",
        "the same without reason or controls",
        "e-mail, the very item seen 10 days ago, ignored twice, no reason",
        "the same evidence, its category only, reason and controls",
        "checkout upsell 40 % dearer, latent, no reason",
        "product page upsell 18 % dearer, latent, reason and controls",
        "modal, similar item, ignored four times, latent, no reason",
        "third-party segment, product page, brand level, reason and controls",
        "tier 1 on a shared device, own purchase 60 days ago, reason and controls",
        "home page, latent, purchases of 90 days, no reason",
        "home page, latent, purchases of 90 days, reason and controls",
        "wish list item back in stock, e-mail, stated, reason and controls",
    ],
)
def test_the_worked_values_come_out_of_views(given, expected):
    score = creepiness(observe(a_view(**given), Limits()))
    assert score[0] / MICRO == pytest.approx(expected, abs=0.001)
