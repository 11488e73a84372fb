from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.views import a_view

from engine.vocabulary import Intent
from guardrails.compose import Refusal, Slate, compose
from guardrails.judge import Judged, judge
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import FrequencyLimits, Limits, PriceLimits
from guardrails.rules import CATALOGUE
from guardrails.rules.base import Effect
from guardrails.rules.slate import SLATE_CATALOGUE
from guardrails.rules.slate.base import SlateVerdict
from guardrails.rules.slate.g20_frequency import Frequency

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
    intents: list[Intent],
    *,
    limits: Limits = GENEROUS,
    rank_score=None,
    effects=None,
    rules=SLATE_CATALOGUE,
    **view,
) -> Slate:
    n = len(intents)
    judged = judged_as(effects or [Effect.ALLOW] * n, rank_score or list(range(n, 0, -1)))
    return compose(judged, a_view(n, intent=[int(intent) for intent in intents], **view), limits, rules)


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


def test_the_first_rule_of_the_list_that_refuses_is_the_one_that_is_named():
    slate = composed([UPSELL, UPSELL, CROSS_SELL, SIMILAR, SIMILAR, SIMILAR], count=6)
    assert slate.shown == (0, 1, 2, 3, 4, 5)
    tighter = replace(GENEROUS, price=PriceLimits(upsell_steps_session=1))
    slate = composed([UPSELL, UPSELL, CROSS_SELL, SIMILAR, SIMILAR, SIMILAR], count=6, limits=tighter)
    assert slate.shown == (0, 2, 3, 4, 5)
    assert slate.held_back == ((1, "G17"),)
    assert slate.refused == (Refusal(1, "G17", ReasonCode.UPSELL_RATIO, 1, 1),)


def test_what_one_rule_of_the_list_lets_in_another_may_refuse():
    slate = composed([CROSS_SELL] * 4, count=6)
    assert slate.held_back == ((3, "G20"),)
    assert composed([CROSS_SELL] * 4 + [SIMILAR], count=6).held_back == tuple(
        (row, rule_id) for row, rule_id in ((1, "G37"), (2, "G37"), (3, "G37"))
    )


def test_without_rules_of_the_list_only_the_count_ends_it():
    assert composed([UPSELL] * 4, count=3, rules=()).shown == (0, 1, 2)


class Broken(type(SLATE_CATALOGUE[0])):
    id = "G99"

    def judge(self, draft, limits):
        raise ZeroDivisionError


class Wordless(Broken):
    def judge(self, draft, limits):
        return None


class Unsure(Broken):
    def intents(self, draft, limits):
        raise LookupError


@pytest.mark.parametrize(
    ("rule", "error"),
    [(Broken(), "ZeroDivisionError"), (Wordless(), "TypeError"), (Unsure(), "ZeroDivisionError")],
)
def test_a_rule_of_the_list_that_fails_refuses_everything_and_is_named(rule, error):
    slate = composed([SIMILAR] * 2, rules=(*SLATE_CATALOGUE, rule))
    assert slate.shown == ()
    assert slate.refused == tuple(
        Refusal(row, "G99", ReasonCode.POLICY_ERROR, 0, 0, failed=error) for row in range(2)
    )


class OddOnesOut(Frequency):
    """Looks at more than an intent, and says nothing of it."""

    def judge(self, draft, limits):
        return SlateVerdict(draft.asked % 2 == 1, draft.asked, 0)


def test_a_refusal_that_looked_at_the_candidate_goes_for_no_other():
    slate = composed([UPSELL] * 5, rules=(OddOnesOut(),), count=4)
    assert slate.shown == (0, 2, 4)
    assert [(refusal.row, refusal.observed) for refusal in slate.refused] == [(1, 1), (3, 3)]


def test_what_is_refused_by_its_intent_is_asked_about_once_until_something_is_taken(monkeypatch):
    asked = []
    judge_one = Frequency.judge
    monkeypatch.setattr(
        Frequency,
        "judge",
        lambda rule, draft, limits: asked.append(draft.asked) or judge_one(rule, draft, limits),
    )
    slate = composed(
        [CROSS_SELL, CROSS_SELL, CROSS_SELL, SIMILAR, CROSS_SELL],
        limits=Limits(frequency=FrequencyLimits(inline_page=1)),
        rules=(Frequency(),),
        count=5,
    )
    assert slate.shown == (0, 3)
    assert [refusal.row for refusal in slate.refused] == [1, 2, 4]
    assert asked == [0, 1, 4]
