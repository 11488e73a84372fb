"""What a list never is, whatever the candidates: padded, too much selling, or a tunnel without need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.slate_cases import composed
from support.views import a_view

from engine.vocabulary import Intent
from guardrails.policy.limits import FrequencyLimits, Limits, PriceLimits, VarietyLimits
from guardrails.rules.base import MICRO, View

SELLING = (Intent.UPSELL, Intent.CROSS_SELL)
ON_SELLING = ("G17", "G20", "G37")
"""Rules of the whole list that count what sells on."""


@st.composite
def lists(draw: st.DrawFn) -> View:
    """Draw candidates, best first, and how the visit went so far."""
    n = draw(st.integers(0, 14))
    return a_view(
        n,
        intent=draw(st.lists(st.sampled_from([int(each) for each in Intent]), min_size=n, max_size=n)),
        category=draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n)),
        count=draw(st.integers(1, 9)),
        category_bound=draw(st.booleans()),
        recent_category=draw(st.integers(-1, 2)),
        n_inline_upsells_session=draw(st.integers(-1, 7)),
        n_upsell_steps_session=draw(st.integers(-1, 2)),
        interruptive=draw(st.booleans()),
    )


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    return Limits(
        frequency=FrequencyLimits(
            inline_page=draw(st.integers(0, 5)), inline_session=draw(st.integers(0, 8))
        ),
        price=PriceLimits(upsell_steps_session=draw(st.integers(0, 3))),
        variety=VarietyLimits(
            selling_share_micro=draw(st.integers(0, MICRO)),
            min_categories=draw(st.integers(1, 4)),
            from_count=draw(st.integers(1, 6)),
        ),
    )


def n_selling(view: View, rows: tuple[int, ...]) -> int:
    return int(np.isin(view.intent[list(rows)], SELLING).sum())


@given(lists(), limits())
def test_a_slate_is_in_rank_order_never_padded_and_never_too_long(view, limits):
    slate = composed(view, limits)
    assert list(slate.shown) == sorted(set(slate.shown))
    assert len(slate.shown) <= view.request.count
    assert set(slate.shown).isdisjoint(row for row, _ in slate.held_back)
    if len(slate.shown) < view.request.count:
        assert len(slate.shown) + len(slate.held_back) == len(view), "what was left out was not refused"


@given(lists(), limits())
def test_what_sells_on_never_takes_more_than_its_share_where_there_is_anything_else(view, limits):
    slate = composed(view, limits)
    n_sold, n_others = n_selling(view, slate.shown), len(view) - n_selling(view, tuple(range(len(view))))
    if n_others:
        assert n_sold * MICRO <= limits.variety.selling_share_micro * len(slate.shown)
        assert n_sold < len(slate.shown)


@given(lists(), limits())
def test_a_slate_is_never_upsells_alone(view, limits):
    shown = view.intent[list(composed(view, limits).shown)]
    assert shown.size == 0 or bool(np.any(shown != Intent.UPSELL))


@given(lists(), limits())
def test_a_long_slate_has_the_categories_that_go_round_among_what_sells_nothing_on(view, limits):
    slate, variety = composed(view, limits), limits.variety
    others = {int(view.category[row]) for row in range(len(view)) if view.intent[row] not in SELLING} - {-1}
    if view.category_bound or len(slate.shown) < max(variety.from_count, view.request.count):
        return
    there = {int(view.category[row]) for row in slate.shown} - {-1}
    assert len(there) >= min(variety.min_categories, len(others), len(slate.shown))


@given(lists(), limits())
def test_a_full_slate_does_not_go_on_with_one_category_where_another_is_at_hand(view, limits):
    slate, recent = composed(view, limits), view.recent_category
    shown = {int(view.category[row]) for row in slate.shown}
    others = {int(view.category[row]) for row in range(len(view)) if view.intent[row] not in SELLING} - {
        -1,
        recent,
    }
    if not view.category_bound and recent >= 0 and len(slate.shown) == view.request.count and others:
        assert shown - {-1, recent}


LESS_SELLING = (
    ("frequency", "inline_page"),
    ("frequency", "inline_session"),
    ("price", "upsell_steps_session"),
    ("variety", "selling_share_micro"),
)


@given(lists(), limits(), st.sampled_from(LESS_SELLING), st.integers(0, MICRO))
def test_a_stricter_limit_on_selling_never_shows_more_that_sells_on(view, limits, which, number):
    group, name = which
    numbers = getattr(limits, group)
    lower = replace(numbers, **{name: min(number, getattr(numbers, name))})
    stricter = replace(limits, **{group: lower})
    usual, strict = (composed(view, each).shown for each in (limits, stricter))
    assert n_selling(view, strict) <= n_selling(view, usual)


@given(lists(), limits(), st.data())
def test_a_visit_that_saw_more_selling_is_never_shown_more_of_it(view, limits, data):
    more = replace(
        view,
        n_inline_upsells_session=view.n_inline_upsells_session + data.draw(st.integers(0, 4)),
        n_upsell_steps_session=view.n_upsell_steps_session + data.draw(st.integers(0, 2)),
    )
    usual, later = composed(view, limits).shown, composed(more, limits).shown
    assert n_selling(view, later) <= n_selling(view, usual)


@given(lists(), limits(), st.data())
def test_only_the_rank_of_a_candidate_matters_not_the_row_it_stands_in(view, limits, data):
    order = np.array(data.draw(st.permutations(range(len(view)))), np.int64)
    rank_score = np.arange(len(view), 0, -1)
    shuffled = replace(view, item_idx=view.item_idx[order], intent=view.intent[order])
    usual, after = composed(view, limits), composed(shuffled, limits, rank_score=rank_score[order])
    assert usual.shown == tuple(order[list(after.shown)].tolist())
    assert usual.held_back == tuple((int(order[row]), rule_id) for row, rule_id in after.held_back)


@given(lists(), limits(), st.data())
def test_withholding_a_candidate_never_shows_more(view, limits, data):
    some, more = some_and_more(data, range(len(view)))
    fewer_left, left = (composed(view, limits, withheld=sorted(rows)).shown for rows in (more, some))
    assert len(fewer_left) <= len(left)


@given(lists(), limits(), st.data())
def test_withholding_what_sells_nothing_on_makes_no_room_for_what_the_limits_on_selling_refused(
    view, limits, data
):
    """What they let in and had no place left may come up: it is more that sells on, within the limits."""
    some, more = some_and_more(data, [row for row in range(len(view)) if not n_selling(view, (row,))])
    fewer_left, left = (composed(view, limits, withheld=sorted(rows)) for rows in (more, some))
    refused = {each.row for each in left.refused if each.rule_id in ON_SELLING}
    assert refused.isdisjoint(fewer_left.shown)


@given(lists(), limits(), st.data())
def test_withholding_what_sells_on_never_shows_more_that_sells_on(view, limits, data):
    selling = [row for row in range(len(view)) if n_selling(view, (row,))]
    some, more = some_and_more(data, selling)
    fewer_left, left = (composed(view, limits, withheld=sorted(rows)).shown for rows in (more, some))
    assert n_selling(view, fewer_left) <= n_selling(view, left)


def some_and_more(data, rows):
    """Draw some of the rows, and those and more beside, or all there are."""
    drawn = st.sets(st.sampled_from(rows)) if rows else st.just(set())
    some = data.draw(drawn)
    return some, some | data.draw(drawn | st.just(set(rows)))
