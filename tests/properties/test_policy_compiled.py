"""A compiled policy says what a policy means, of every candidate, whatever the order of its rules."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.columns import PointColumns, points_of
from support.policies import a_policy, points, policies, rules
from support.tries import tries
from support.views import a_mixed_view

from guardrails.errors import PolicyError
from guardrails.judge import judge
from guardrails.policy import kernel
from guardrails.policy.columns import columns_of
from guardrails.policy.compiled import compile_policy, house_rules
from guardrails.policy.fields import FIELDS
from guardrails.policy.kernel import NO, UNKNOWN, YES
from guardrails.policy.language import Mode, RuleEffect
from guardrails.policy.limits import Limits
from guardrails.policy.meaning import fires, together
from guardrails.rules.base import MICRO, Effect

EVERY_FIELD = tuple(FIELDS)


@pytest.fixture(params=["machine code", "python"])
def _loop(request, monkeypatch):
    """The loop as it is compiled, and as it is written."""
    if request.param == "python":
        for name in ("_is_listed", "_said", "_meets", "_narrow", "_answer"):
            monkeypatch.setattr(kernel, name, getattr(kernel, name).py_func)


def meant(rule, point):
    try:
        return YES if fires(rule, point) else NO
    except PolicyError:
        return UNKNOWN


def shuffled(policy, seed):
    return replace(policy, rules=tuple(random.Random(seed).sample(policy.rules, len(policy.rules))))


def asked(policy, view):
    """What all rules of the shop say together of a view."""
    enforced, watched = house_rules(policy)
    return judge(view, np.full(len(view), 10**9), enforced, Limits(), watched)


@pytest.mark.usefixtures("_loop")
class TestAPolicyAndItsCompiledForm:
    @tries(100)
    @given(
        st.sampled_from(EVERY_FIELD).flatmap(
            lambda name: policies(names=(name, "customer.holds", "visit.n_pages"))
        )
        | policies(),
        st.lists(points(), max_size=6),
        st.booleans(),
    )
    def test_agree_on_every_point(self, policy, found, spread):
        compiled = compile_policy(policy)
        answers = compiled.evaluate(PointColumns(found, spread=spread))
        expected = [[meant(rule, point) for point in found] for rule in compiled.rules]
        assert answers.answer.tolist() == expected
        assert answers.fires.tolist() == [[said == YES for said in row] for row in expected]
        assert answers.unanswered.tolist() == [[said == UNKNOWN for said in row] for row in expected]
        assert {rule.id for rule in compiled.rules} == {
            rule.id for rule in policy.rules if rule.mode is not Mode.OFF
        }


@given(policies(modes=(Mode.ENFORCE,)), st.integers(0, 1_000), st.integers(0, 1_000))
@tries(30)
def test_the_order_of_rules_changes_nothing(policy, seed, order):
    view = a_mixed_view(seed)
    if not policy.rules:
        return
    one, other = asked(policy, view), asked(shuffled(policy, order), view)
    for of_one, of_other in (
        (one.effect, other.effect),
        (one.rank_score, other.rank_score),
        (one.deciding, other.deciding),
        (one.obliges, other.obliges),
    ):
        np.testing.assert_array_equal(of_one, of_other)
    assert [rule.id for rule in one.rules] == sorted(rule.id for rule in policy.rules)


@given(policies(names=EVERY_FIELD), rules("blocking", EVERY_FIELD, (Mode.ENFORCE,)), st.integers(0, 1_000))
@tries(40)
def test_what_one_rule_blocks_no_other_rule_lets_through(policy, rule, seed):
    blocking = replace(rule, effect=RuleEffect.BLOCK)
    view = a_mixed_view(seed)
    fired = compile_policy(a_policy(blocking)).evaluate(columns_of(view, compile_policy(policy).time_zone))
    judged = asked(a_policy(blocking, *policy.rules), view)
    assert judged.withheld[fired.fires[0]].all()
    assert (judged.effect[fired.fires[0]] >= Effect.BLOCK).all()


@given(policies(), st.lists(points(), min_size=1, max_size=4))
@tries(30)
def test_a_candidate_is_judged_alike_alone_and_among_others(policy, found):
    compiled = compile_policy(policy)
    together = compiled.evaluate(PointColumns(found, spread=True)).answer
    for row, point in enumerate(found):
        alone = compiled.evaluate(PointColumns([point], spread=False)).answer
        np.testing.assert_array_equal(together[:, row], alone[:, 0])


@given(policies(names=EVERY_FIELD, modes=(Mode.ENFORCE,)), st.integers(0, 1_000))
@tries(60)
def test_rules_act_on_the_candidates_of_a_view_as_they_are_meant(policy, seed):
    view = a_mixed_view(seed)
    found = points_of(columns_of(view, compile_policy(policy).time_zone))
    enforced, _ = house_rules(policy)
    for asked_rule, rule in zip(enforced, policy.rules, strict=True):
        judgement = asked_rule.judge(view, Limits())
        assert judgement.observed.tolist() == [int(meant(rule, point) == YES) for point in found]
        withheld = judgement.effect == Effect.GAP
        assert withheld.tolist() == [meant(rule, point) == UNKNOWN for point in found]


@given(policies(names=("candidate.n_ignored", "item.sponsored", "item.tier")), st.integers(0, 1_000))
@tries(60)
def test_of_several_demotions_the_strongest_counts(policy, seed):
    demoting = a_policy(*(_demoted(rule, place) for place, rule in enumerate(policy.rules)))
    if not demoting.rules:
        return
    view = a_mixed_view(seed)
    judged = asked(demoting, view)
    for row, point in enumerate(points_of(columns_of(view, compile_policy(demoting).time_zone))):
        if not judged.withheld[row]:
            assert judged.rank_score[row] == 10**9 * together(demoting.rules, point).share_micro // MICRO


def _demoted(rule, place):
    share_micro = (place * 370_000 + 130_000) % MICRO
    return replace(rule, effect=RuleEffect.DEMOTE, share_micro=share_micro, mode=Mode.ENFORCE)
