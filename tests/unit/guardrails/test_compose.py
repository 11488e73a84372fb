from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.views import a_view

from engine.vocabulary import Intent
from guardrails.compose import Slate, compose
from guardrails.judge import Judged, judge
from guardrails.policy.limits import FrequencyLimits, Limits, PriceLimits
from guardrails.rules import CATALOGUE
from guardrails.rules.base import Effect

UPSELL, CROSS_SELL, SIMILAR = Intent.UPSELL, Intent.CROSS_SELL, Intent.SIMILAR
GENEROUS = Limits(
    frequency=FrequencyLimits(inline_page=3, inline_session=6), price=PriceLimits(upsell_steps_session=2)
)


def judged_as(effects: list[Effect], rank_score: list[int]) -> Judged:
    """What the rules said, as if the first rule of the catalogue had said all of it."""
    fine = judge(a_view(len(effects)), np.array(rank_score, np.int64), CATALOGUE, Limits())
    column = np.array(effects, np.int8)
    deciding = np.where(column >= Effect.GENERALISE, 0, -1).astype(np.int16)
    return replace(fine, effect=column, deciding=deciding, rank_score=np.array(rank_score, np.int64))


def composed(
    intents: list[Intent], *, limits: Limits = GENEROUS, rank_score=None, effects=None, **view
) -> Slate:
    n = len(intents)
    judged = judged_as(effects or [Effect.ALLOW] * n, rank_score or list(range(n, 0, -1)))
    return compose(judged, a_view(n, intent=[int(intent) for intent in intents], **view), limits)


def test_the_best_come_first_up_to_the_number_asked_for():
    assert composed([SIMILAR] * 4, rank_score=[1, 9, 5, 7], count=3) == Slate((1, 3, 2), ())


def test_of_equals_the_earlier_row_comes_first():
    assert composed([SIMILAR] * 3, rank_score=[5, 5, 5], count=2).shown == (0, 1)


def test_the_next_best_take_the_place_of_what_is_withheld():
    slate = composed([SIMILAR] * 3, effects=[Effect.BLOCK, Effect.ALLOW, Effect.DEMOTE], count=2)
    assert slate == Slate((1, 2), ((0, CATALOGUE[0].id),))


def test_a_short_list_stays_short():
    slate = composed([SIMILAR] * 2, effects=[Effect.GAP, Effect.GENERALISE], count=2)
    assert slate == Slate((), ((0, "G01"), (1, "G01")))


def test_what_ranks_behind_a_full_slate_was_not_held_back():
    assert (
        composed([SIMILAR] * 3, effects=[Effect.ALLOW, Effect.ALLOW, Effect.BLOCK], count=2).held_back == ()
    )


def test_nothing_comes_of_nothing():
    assert composed([]) == Slate((), ())


def test_one_page_holds_so_many_that_sell_on():
    slate = composed([CROSS_SELL] * 5 + [SIMILAR], count=6)
    assert slate == Slate((0, 1, 2, 5), ((3, "G20"), (4, "G20")))


def test_one_page_holds_so_many_upsells():
    slate = composed([UPSELL] * 3 + [CROSS_SELL], count=6)
    assert slate == Slate((0, 1, 3), ((2, "G17"),))


@pytest.mark.parametrize(("seen", "left"), [(-1, 3), (0, 3), (3, 3), (4, 2), (5, 1), (6, 0), (9, 0)])
def test_what_the_visit_has_seen_counts_against_what_sells_on(seen, left):
    assert len(composed([CROSS_SELL] * 5, count=5, n_inline_upsells_session=seen).shown) == left


@pytest.mark.parametrize(("seen", "left"), [(0, 2), (1, 1), (2, 0), (3, 0)])
def test_what_the_visit_has_seen_counts_against_upsells(seen, left):
    assert len(composed([UPSELL] * 3, count=5, n_upsell_steps_session=seen).shown) == left


def test_where_the_placement_interrupts_only_upsells_are_counted():
    slate = composed([CROSS_SELL] * 5 + [UPSELL] * 3, count=8, interruptive=True)
    assert slate == Slate((0, 1, 2, 3, 4, 5, 6), ((7, "G17"),))
