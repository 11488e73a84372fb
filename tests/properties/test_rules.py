"""What must hold between two judgements: a stricter world never allows more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.views import (
    BRANDS,
    CATEGORIES,
    CLASSES,
    N_MIXED,
    a_mixed_view,
    a_view,
    denied,
    granted,
    muted,
    one_of,
)

from engine.vocabulary import Channel, Intent, Provenance
from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.consent.permission import Denial
from guardrails.consent.purposes import OUTBOUND
from guardrails.holding import HELD_TOPICS, Holding
from guardrails.judge import judge
from guardrails.policy.directions import DIRECTIONS, Stricter
from guardrails.policy.limits import Limits, QuietLimits
from guardrails.request import AgeAssurance, Entry, Pattern, Visit
from guardrails.rules import CATALOGUE
from guardrails.rules.base import Effect, View
from guardrails.rules.g28_quiet_hours import quiet_left
from guardrails.sensitive.occasions import OCCASIONS

RULES = {rule.id: rule for rule in CATALOGUE}
CONSENT_RULES = ("G01", "G02", "G03")
VIEWS = st.integers(0, 2**32 - 1).map(a_mixed_view)


@st.composite
def a_stricter_limit(draw) -> Limits:
    usual = Limits()
    (group, name), direction = draw(st.sampled_from([*DIRECTIONS.items()]))
    default = getattr(getattr(usual, group), name)
    lower = direction.stricter is Stricter.LOWER
    end = direction.least if lower else min(direction.greatest, max(2 * default, 365))
    number = draw(st.integers(min(default, end), max(default, end)))
    return replace(usual, **{group: replace(getattr(usual, group), **{name: number})})


def assert_never_allows_more(usual: tuple[View, Limits], stricter: tuple[View, Limits]) -> None:
    for rule in CATALOGUE:
        before, after = rule.judge(*usual), rule.judge(*stricter)
        assert np.all(after.effect >= before.effect), rule.id
        still_demoted = after.effect == Effect.DEMOTE
        assert np.all(after.factor_micro[still_demoted] <= before.factor_micro[still_demoted]), rule.id


def with_admission(view: View, **changes) -> View:
    return replace(view, admission=replace(view.admission, **changes))


def with_request(view: View, **changes) -> View:
    return replace(view, request=replace(view.request, **changes))


def effects(view: View) -> np.ndarray:
    """The most restrictive effect of any rule on each candidate."""
    return np.max([rule.judge(view, Limits()).effect for rule in CATALOGUE], axis=0)


@given(VIEWS, st.integers(0, N_MIXED - 1), a_stricter_limit())
def test_no_verdict_depends_on_what_is_not_asked_in_full(view, row, limits):
    alone, score = one_of(view, row), np.array([10**9])
    in_full, at_a_glance = (
        judge(alone, score, CATALOGUE, limits, in_full=in_full) for in_full in (True, False)
    )
    for name in ("effect", "deciding", "rank_score", "obliges"):
        np.testing.assert_array_equal(getattr(in_full, name), getattr(at_a_glance, name), err_msg=name)
    assert in_full.fired(0) == at_a_glance.fired(0)
    for place in in_full.fired(0):
        said, heard = in_full.judgements[place], at_a_glance.judgements[place]
        assert (said.observed, said.limit, said.factor_micro) == (
            heard.observed,
            heard.limit,
            heard.factor_micro,
        )


@given(VIEWS, a_stricter_limit())
def test_a_stricter_limit_never_allows_more(view, limits):
    assert_never_allows_more((view, Limits()), (view, limits))


@given(
    VIEWS,
    st.lists(st.sampled_from([f"item-{row:05d}" for row in range(10)])),
    st.lists(st.sampled_from(BRANDS)),
    st.lists(st.sampled_from(CATEGORIES)),
    st.lists(st.sampled_from(CLASSES)),
    st.lists(st.sampled_from(OCCASIONS)),
)
def test_muting_never_allows_more(view, items, brands, categories, classes, occasions):
    before = with_admission(view, muted=muted())
    quieter = with_admission(
        view,
        muted=muted(items=items, brands=brands, categories=categories, classes=classes, occasions=occasions),
    )
    assert_never_allows_more((before, Limits()), (quieter, Limits()))


@given(VIEWS, st.sampled_from(Denial))
def test_losing_the_offers_consent_never_allows_more(view, because):
    before, after = (with_admission(view, offers=offers) for offers in (granted(), denied(because)))
    assert_never_allows_more((before, Limits()), (after, Limits()))


@given(VIEWS, st.sampled_from(Denial))
def test_what_needs_offers_is_withheld_whatever_the_denial_and_told_by_one_rule(view, because):
    refused = with_admission(view, offers=denied(because), outreach=granted())
    refused = replace(refused, outside_outreach=np.zeros(len(view), np.bool_))
    n_told = np.sum([RULES[rule_id].judge(refused, Limits()).observed for rule_id in CONSENT_RULES], axis=0)
    needs_offers = view.from_history & np.isin(view.intent, [Intent.UPSELL, Intent.CROSS_SELL])
    np.testing.assert_array_equal(n_told, needs_offers)


@given(VIEWS, st.sampled_from(Denial))
def test_losing_the_consent_to_be_written_to_never_allows_more(view, because):
    before, after = (with_admission(view, outreach=outreach) for outreach in (granted(), denied(because)))
    assert_never_allows_more((before, Limits()), (after, Limits()))


@given(VIEWS, st.sampled_from([None, *map(denied, Denial)]))
def test_without_enrichment_nothing_from_elsewhere_moves_a_suggestion(view, refusal):
    before, after = (with_admission(view, enrichment=answer) for answer in (granted(), refusal))
    assert_never_allows_more((before, Limits()), (after, Limits()))
    from_elsewhere = view.evidence_provenance > Provenance.OWN
    assert np.all(effects(after)[from_elsewhere] >= Effect.BLOCK)


@given(VIEWS)
def test_the_privacy_signal_never_allows_more(view):
    before, after = (with_request(view, gpc=gpc) for gpc in (False, True))
    assert_never_allows_more((before, Limits()), (after, Limits()))


@given(VIEWS)
def test_holding_back_never_allows_more(view):
    assert_never_allows_more((with_admission(view, holding=Holding()), Limits()), (view, Limits()))


@given(VIEWS, st.lists(st.sampled_from(CLASSES), min_size=1))
def test_while_topics_rest_none_of_them_is_shown_whatever_was_agreed_to(view, classes):
    held = with_admission(
        view,
        sensitive_granted=frozenset(classes),
        age_assurance=AgeAssurance.VERIFIED_ADULT,
        holding=Holding(topics=True),
    )
    topics = [CLASSES.index(name) for name in HELD_TOPICS]
    assert np.all(effects(held)[np.isin(view.sensitive_class, topics)] >= Effect.BLOCK)


@given(VIEWS)
def test_a_price_of_ones_own_never_allows_more(view):
    before, after = (
        with_request(view, presentation=replace(view.request.presentation, personalised_price=personal))
        for personal in (False, True)
    )
    assert_never_allows_more((before, Limits()), (after, Limits()))


@given(VIEWS)
def test_a_higher_tier_never_allows_more(view):
    tier = np.minimum(view.catalogue.tier + 1, 3).astype(np.int8)
    delicate = replace(view, catalogue=replace(view.catalogue, tier=tier))
    assert_never_allows_more((view, Limits()), (delicate, Limits()))


@given(VIEWS, st.sampled_from(OUTBOUND), st.booleans())
def test_nothing_of_the_highest_tier_is_ever_sent_out(view, channel, everything_agreed):
    sent = with_admission(
        with_request(view, channel=channel),
        outreach=granted(),
        sensitive_granted=frozenset(CLASSES if everything_agreed else ()),
    )
    assert np.all(effects(sent)[np.maximum(sent.tier, view.evidence_tier) == 3] >= Effect.BLOCK)


@given(VIEWS)
def test_what_is_paid_for_is_never_sensitive_whatever_was_agreed_to(view):
    agreed = with_admission(
        view, sensitive_granted=frozenset(CLASSES), age_assurance=AgeAssurance.VERIFIED_ADULT
    )
    paid = view.sponsored & (np.maximum(agreed.tier, view.evidence_tier) >= SENSITIVE_FROM_TIER)
    assert np.all(effects(agreed)[paid] >= Effect.BLOCK)


@given(VIEWS)
def test_taking_back_every_sensitive_consent_never_allows_more(view):
    assert_never_allows_more(
        (with_admission(view, sensitive_granted=frozenset(CLASSES)), Limits()),
        (with_admission(view, sensitive_granted=frozenset()), Limits()),
    )


@given(VIEWS)
def test_a_shared_audience_never_allows_more(view):
    assert_never_allows_more(
        (with_admission(view, shared_audience=False), Limits()),
        (with_admission(view, shared_audience=True), Limits()),
    )


@given(VIEWS, st.sampled_from([age for age in AgeAssurance if age is not AgeAssurance.VERIFIED_ADULT]))
def test_a_lesser_assurance_of_age_never_allows_more(view, age):
    assert_never_allows_more(
        (with_admission(view, age_assurance=AgeAssurance.VERIFIED_ADULT), Limits()),
        (with_admission(view, age_assurance=age), Limits()),
    )


@given(VIEWS)
def test_a_place_that_interrupts_never_lets_the_score_allow_more(view):
    score = CATALOGUE[-1]

    def effect(*, interruptive: bool):
        placement = replace(view.request.placement, interruptive=interruptive)
        request = replace(view.request, placement=placement)
        return score.judge(replace(view, request=request), Limits()).effect

    assert np.all(effect(interruptive=True) >= effect(interruptive=False))


@given(st.integers(0, 12), st.integers(0, 12))
def test_one_more_ignored_showing_never_allows_more(n_ignored, n_more):
    less, more = (
        a_view(n_ignored_short=n, n_ignored_long=n, days_since_shown=1)
        for n in (n_ignored, n_ignored + n_more)
    )
    assert_never_allows_more((less, Limits()), (more, Limits()))


@given(st.integers(-1, 3000), st.integers(1, 2000), st.integers(0, 3000))
def test_a_dearer_upsell_is_never_allowed_more(price, anchor, more):
    price = max(price, 0)
    cheap, dear = (a_view(intent=3, price_minor=p, anchor_price_minor=anchor) for p in (price, price + more))
    assert_never_allows_more((cheap, Limits()), (dear, Limits()))


@given(VIEWS, st.lists(st.sampled_from(CLASSES), min_size=1))
def test_what_somebody_shut_out_is_shown_nowhere_whatever_was_agreed_to(view, classes):
    shut_out = with_admission(
        view,
        sensitive_granted=frozenset(CLASSES),
        age_assurance=AgeAssurance.VERIFIED_ADULT,
        holding=Holding(excluded=frozenset(classes)),
    )
    codes = [CLASSES.index(name) for name in classes]
    assert np.all(effects(shut_out)[np.isin(view.sensitive_class, codes)] >= Effect.BLOCK)


@given(VIEWS)
def test_without_a_profile_nothing_of_a_person_is_shown_and_nothing_more(view):
    before, after = (with_admission(view, non_profiled=declined) for declined in (False, True))
    assert_never_allows_more((before, Limits()), (after, Limits()))
    assert np.all(effects(after)[view.from_history | view.from_visit] >= Effect.BLOCK)


@given(VIEWS, st.frozensets(st.sampled_from(Pattern)), st.sampled_from(Pattern))
def test_one_more_way_of_pressing_never_allows_more_and_withholds_everything(view, patterns, another):
    before, after = (
        with_request(view, presentation=replace(view.request.presentation, patterns=each))
        for each in (patterns, patterns | {another})
    )
    assert_never_allows_more((before, Limits()), (after, Limits()))
    assert np.all(effects(after) >= Effect.BLOCK)


@given(VIEWS, st.integers(0, 2**10), st.integers(0, 2**10), st.sampled_from([None, *Entry]))
def test_what_the_shop_tells_of_a_visit_never_allows_more_than_silence(view, n_pages, seconds, entry):
    before, after = (with_request(view, visit=visit) for visit in (Visit(), Visit(n_pages, seconds, entry)))
    assert_never_allows_more((before, Limits()), (after, Limits()))


@given(VIEWS, st.sampled_from(Channel), st.integers(0, 1439))
def test_a_clock_that_nobody_knows_rings_no_more_than_any_that_is_known(view, channel, minute):
    known, unknown = (
        RULES["G28"].judge(with_request(view, channel=channel, local_minute=each), Limits()).effect
        for each in (minute, None)
    )
    assert np.all(unknown >= known)


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_quiet_lasts_from_its_first_minute_to_before_its_last_wherever_midnight_is(start, end, minute):
    clock = [(start + passed) % 1440 for passed in range((end - start - 1) % 1440 + 1)]
    left = quiet_left(minute, QuietLimits(start, end))
    assert left == (len(clock) - clock.index(minute) if minute in clock else 0)


@given(VIEWS, st.integers(0, 6), st.integers(0, 6), st.integers(0, 100), st.integers(0, 100))
def test_to_know_less_never_allows_more(view, n_supported, fewer, score, lower):
    known = replace(view, n_supported=n_supported, top_score=score)
    less = replace(view, n_supported=max(n_supported - fewer, 0), top_score=max(score - lower, 0))
    assert_never_allows_more((known, Limits()), (less, Limits()))


@given(VIEWS, st.integers(1, 3))
def test_after_a_dismissal_in_this_visit_nothing_interrupts(view, n_dismissed):
    placement = replace(view.request.placement, interruptive=True)
    before, after = (
        replace(with_request(view, placement=placement), n_interruptive_dismissed_session=n)
        for n in (0, n_dismissed)
    )
    assert_never_allows_more((before, Limits()), (after, Limits()))
    assert np.all(effects(after) >= Effect.BLOCK)


@given(VIEWS, st.integers(0, 400), st.integers(0, 400))
def test_a_dismissal_is_forgotten_with_time_and_never_the_other_way(view, days, earlier):
    long_ago, lately = (
        replace(view, dismissed_days=np.full(len(view), since, np.int32)) for since in (days + earlier, days)
    )
    assert_never_allows_more((long_ago, Limits()), (lately, Limits()))
