from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.views import a_view

from guardrails.judge import judge
from guardrails.policy.limits import Limits
from guardrails.rules.base import MICRO, Effect, Judgement, Rule, Unit

RESTRICTIVE = sorted(Effect)


class Says(Rule):
    """Says the same words whatever it is asked."""

    name = "SAYS"
    locked = False
    reason_code = "MUTED"
    sentence = "Because."
    ground = "a test"
    unit = Unit.FLAG

    def __init__(self, rule_id, effects, factors=None):
        self.id = rule_id
        self.effects = np.array(effects, np.int8)
        self.factors = None if factors is None else np.array(factors, np.int64)

    def judge(self, view, limits):
        return Judgement.of(self.effects, np.zeros(self.effects.size, np.int64), 0, self.factors)


def said(score, *rules):
    return judge(a_view(len(score)), np.array(score, np.int64), rules, Limits())


@given(st.lists(st.lists(st.sampled_from(Effect), min_size=4, max_size=4), min_size=1, max_size=5))
def test_the_most_restrictive_answer_holds_and_the_first_that_withholds_decides(answers):
    judged = said([4, 3, 2, 1], *(Says(f"R{number}", effects) for number, effects in enumerate(answers)))
    for row, effects in enumerate(zip(*answers, strict=True)):
        withholding = [number for number, effect in enumerate(effects) if effect >= Effect.GENERALISE]
        assert judged.effect[row] == max(effects)
        assert judged.withheld[row] == bool(withholding)
        assert judged.deciding[row] == (withholding[0] if withholding else -1)
        assert judged.fired(row) == tuple(number for number, effect in enumerate(effects) if effect)


@pytest.mark.parametrize("effect", RESTRICTIVE)
def test_a_candidate_is_withheld_from_too_specific_on(effect):
    assert said([1], Says("R1", [effect])).withheld.tolist() == [effect >= Effect.GENERALISE]


@given(
    st.integers(0, 2**53),
    st.lists(st.integers(0, MICRO), min_size=1, max_size=4),
)
def test_demotions_multiply_exactly_each_rounded_down(score, factors):
    judged = said([score], *(Says(f"R{n}", [Effect.DEMOTE], [factor]) for n, factor in enumerate(factors)))
    expected = score
    for factor in factors:
        expected = expected * factor // MICRO
    assert judged.rank_score.tolist() == [expected]


@pytest.mark.parametrize("other", [Effect.ALLOW, Effect.EXPLAIN, Effect.DEMOTE, Effect.BLOCK])
def test_who_asks_for_the_reason_is_not_overruled_by_who_asks_for_more(other):
    judged = said([2, 1], Says("R1", [Effect.EXPLAIN, Effect.ALLOW]), Says("R2", [other, other]))
    assert judged.needs_reason.tolist() == [True, other is Effect.EXPLAIN]


def test_a_demotion_moves_the_rank_and_not_the_score():
    score = np.array([10, 9], np.int64)
    judged = judge(a_view(2), score, (Says("R1", [Effect.DEMOTE, 0], [MICRO // 2, MICRO]),), Limits())
    assert judged.rank_score.tolist() == [5, 9]
    assert score.tolist() == [10, 9]


def test_rules_are_asked_also_where_there_is_nothing_to_ask_about():
    judged = said([], Says("R1", []), Says("R2", []))
    assert [rule.id for rule in judged.rules] == ["R1", "R2"]
    assert judged.effect.shape == judged.deciding.shape == judged.rank_score.shape == (0,)
