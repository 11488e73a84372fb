"""What must hold between two judgements: a stricter world never allows more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.views import BRANDS, CATEGORIES, CLASSES, a_mixed_view, a_view, denied, muted

from guardrails.consent.permission import Denial
from guardrails.policy.directions import DIRECTIONS, Stricter
from guardrails.policy.limits import Limits
from guardrails.request import AgeAssurance
from guardrails.rules import CATALOGUE
from guardrails.rules.base import Effect, View

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


@given(VIEWS, a_stricter_limit())
def test_a_stricter_limit_never_allows_more(view, limits):
    assert_never_allows_more((view, Limits()), (view, limits))


@given(
    VIEWS,
    st.lists(st.sampled_from([f"item-{row:05d}" for row in range(10)])),
    st.lists(st.sampled_from(BRANDS)),
    st.lists(st.sampled_from(CATEGORIES)),
    st.lists(st.sampled_from(CLASSES)),
)
def test_muting_never_allows_more(view, items, brands, categories, classes):
    quieter = with_admission(
        view, muted=muted(items=items, brands=brands, categories=categories, classes=classes)
    )
    assert_never_allows_more((view, Limits()), (quieter, Limits()))


@given(
    VIEWS,
    st.sampled_from([because for because in Denial if because not in (Denial.WITHDRAWN, Denial.OBJECTED)]),
)
def test_losing_the_offers_consent_never_allows_more(view, because):
    assert_never_allows_more((view, Limits()), (with_admission(view, offers=denied(because)), Limits()))


@given(VIEWS, st.sampled_from(Denial))
def test_what_needs_offers_is_withheld_whatever_the_denial(view, because):
    refused = with_admission(view, offers=denied(because))
    effects = np.max([rule.judge(refused, Limits()).effect for rule in CATALOGUE], axis=0)
    needs_offers = view.from_history & np.isin(view.intent, [2, 3])
    assert np.all(effects[needs_offers] >= Effect.BLOCK)


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
