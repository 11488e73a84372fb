from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.views import a_view

from guardrails.judge import judge
from guardrails.policy.limits import Limits
from guardrails.rules.base import MICRO, OBLIGES, Effect, Judgement, Rule, Unit, WatchedRule, obligations

RESTRICTIVE = sorted(Effect)


class Says(Rule):
    """Says the same words whatever it is asked."""

    name = "SAYS"
    locked = False
    reason_code = "MUTED"
    sentence = "Because."
    ground = "a test"
    unit = Unit.FLAG

    def __init__(self, rule_id, effects, factors=None, obliges=None):
        self.id = rule_id
        self.obliges = obliges
        self.effects = np.array(effects, np.int8)
        self.factors = None if factors is None else np.array(factors, np.int64)

    def judge(self, view, limits):
        judgement = Judgement.of(self.effects, np.zeros(self.effects.size, np.int64), 0, self.factors)
        return judgement if self.obliges is None else replace(judgement, obliges=self.obliges)


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


class TestObligations:
    def test_what_rules_ask_for_besides_adds_up(self):
        judged = said(
            [2, 1],
            Says("R1", [Effect.EXPLAIN, Effect.ALLOW]),
            Says("R2", [Effect.ALLOW, Effect.DEMOTE], obliges=np.array([2, 4], np.int8)),
            Says("R3", [Effect.ALLOW, Effect.ALLOW], obliges=np.array([0, 1], np.int8)),
        )
        assert [obligations(bits) for bits in judged.obliges.tolist()] == [
            ("explain", "disclose_sponsored"),
            ("explain", "hand_off"),
        ]
        assert judged.needs_reason.tolist() == [True, True]
        assert not judged.withheld.any()
        assert [judged.fired(row) for row in (0, 1)] == [(0, 1), (1, 2)]

    def test_every_obligation_has_a_bit_of_its_own(self):
        assert len(set(OBLIGES.values())) == len(OBLIGES)
        assert all(bits.bit_count() == 1 for bits in OBLIGES.values())

    @pytest.mark.parametrize("obliges", [np.zeros(1, np.int8), np.zeros(2, np.float64)])
    def test_an_answer_of_another_shape_withholds(self, obliges):
        judged = said([2, 1], Says("R1", [Effect.ALLOW, Effect.ALLOW], obliges=obliges))
        assert judged.withheld.all()
        assert judged.failed == (("R1", "ValueError"),)


class TestWatched:
    def test_what_a_watched_rule_says_is_kept_and_changes_nothing(self):
        rules = (Says("R1", [Effect.ALLOW, Effect.EXPLAIN]),)
        score, view = np.array([2, 1], np.int64), a_view(2)
        watched = WatchedRule(Says("W1", [Effect.BLOCK, Effect.DEMOTE], [MICRO, 1]), warns=True)
        judged = judge(view, score, rules, Limits(), (watched,))
        plain = judge(view, score, rules, Limits())
        for name in ("effect", "deciding", "rank_score", "obliges"):
            assert getattr(judged, name).tolist() == getattr(plain, name).tolist()
        (kept,) = judged.watched
        assert kept.asked is watched
        assert kept.judgement.effect.tolist() == [Effect.BLOCK, Effect.DEMOTE]
        assert kept.error is None

    @pytest.mark.parametrize("effects", [[Effect.ALLOW], [9, 9]])
    def test_a_watched_rule_that_fails_is_a_gap_that_withholds_nothing(self, effects):
        watched = WatchedRule(Says("W1", effects), warns=False)
        judged = judge(a_view(2), np.array([2, 1], np.int64), (Says("R1", [0, 0]),), Limits(), (watched,))
        (kept,) = judged.watched
        assert kept.error == "ValueError"
        assert kept.judgement.effect.tolist() == [Effect.GAP, Effect.GAP]
        assert judged.failed == ()
        assert not judged.withheld.any()


def test_without_any_rule_nothing_is_judged():
    with pytest.raises(ValueError, match=r"^at least one rule is needed$"):
        said([1])
