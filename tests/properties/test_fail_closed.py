"""Whatever is missing or breaks, less is said, never more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import shops
from support.scenes import Scene, any_scenes, scenes
from support.tries import tries
from support.views import a_view

from engine.vocabulary import Basis, Origin
from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.exposures import NONE_SHOWN
from guardrails.judge import WITHHOLDING, judge
from guardrails.policy.limits import Limits
from guardrails.request import SubjectKind
from guardrails.rules import CATALOGUE
from guardrails.rules.base import MICRO, Effect, Judgement, Rule
from guardrails.rules.slate import SLATE_CATALOGUE

N = 3
FEW = tries(30)


class BrokenRule(Rule):
    """Gives whatever answer it was made with; raises it where it is an error."""

    id = "G99"
    name = "BROKEN"
    locked = True
    reason_code = "MUTED"
    sentence = "It broke."
    ground = "a test"
    unit = CATALOGUE[0].unit

    def __init__(self, answer):
        self.answer = answer

    def judge(self, view, limits):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def fine(**columns) -> Judgement:
    usual = Judgement.of(np.zeros(N, np.int8), np.zeros(N, np.int64), 0)
    return replace(usual, **columns)


BROKEN = {
    "raises": (RuntimeError("no"), "RuntimeError"),
    "divides by zero": (ZeroDivisionError("no"), "ZeroDivisionError"),
    "answers nothing": (None, "AttributeError"),
    "answers for too few": (fine(effect=np.zeros(N - 1, np.int8)), "ValueError"),
    "observes too many": (fine(observed=np.zeros(N + 1, np.int64)), "ValueError"),
    "has one limit for all": (fine(limit=np.int64(0).reshape(())), "ValueError"),
    "answers in a square": (fine(effect=np.zeros((N, N), np.int8)), "ValueError"),
    "answers in fractions": (fine(effect=np.full(N, np.nan)), "ValueError"),
    "answers with an unknown effect": (fine(effect=np.full(N, 6, np.int8)), "ValueError"),
    "answers with less than nothing": (fine(effect=np.full(N, -1, np.int8)), "ValueError"),
    "promotes": (fine(factor_micro=np.full(N, MICRO + 1)), "ValueError"),
    "turns a score round": (fine(factor_micro=np.full(N, -1)), "ValueError"),
}


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_rule_withholds_everything_and_is_reported(how, place):
    answer, error = BROKEN[how]
    rules = (BrokenRule(answer), *CATALOGUE) if place == "first" else (*CATALOGUE, BrokenRule(answer))
    judged = judge(a_view(N), np.array([3, 2, 1], np.int64), rules, Limits())
    assert judged.effect.tolist() == [Effect.GAP] * N
    assert judged.withheld.all()
    assert judged.failed == (("G99", error),)
    assert [judged.rules[index].id for index in judged.deciding] == ["G99"] * N
    assert judged.rank_score.tolist() == [3, 2, 1]


def test_the_same_candidates_are_shown_when_no_rule_is_broken():
    judged = judge(a_view(N), np.array([3, 2, 1], np.int64), (*CATALOGUE, BrokenRule(fine())), Limits())
    assert not judged.withheld.any()
    assert judged.failed == ()


def test_a_rule_that_is_broken_only_for_some_still_withholds_all():
    effect = np.array([Effect.ALLOW, Effect.ALLOW, 77], np.int8)
    judged = judge(a_view(N), np.ones(N, np.int64), (BrokenRule(fine(effect=effect)),), Limits())
    assert judged.withheld.all()


def test_without_any_question_asked_nothing_is_answered():
    with pytest.raises(ValueError, match=r".+"):
        judge(a_view(N), np.ones(N, np.int64), (), Limits())


@pytest.mark.parametrize("how", ["raises", "answers nothing"])
def test_a_broken_rule_leaves_the_slate_empty_and_says_so(how):
    answer, _ = BROKEN[how]
    house = shops.a_house(rules=(*CATALOGUE, BrokenRule(answer)))
    scene = Scene(shops.a_request(), shops.Choices(shops.a_ledger()), shops.knowing(), house)
    decision = scene.decide()
    assert decision.suggestions == ()
    assert decision.basis is Basis.NONE
    assert decision.degraded == ("rule_failed",)
    said = orjson.loads(shops.sections_of(shops.recorded(decision, scene.request))["rules"])["rounds"][0]
    assert said["failed"][0]["rule"] == "G99"
    assert said["asked"][-1] == {"rule": "G99", "reason": "POLICY_ERROR"}
    assert "POLICY_ERROR" not in {each["reason"] for each in said["asked"][:-1]}


class BrokenListRule(type(SLATE_CATALOGUE[0])):
    """Lets nothing pass, for it cannot tell."""

    id = "G99"

    def judge(self, draft, limits):
        raise RuntimeError("no")


def test_a_broken_rule_of_the_list_leaves_the_slate_empty_and_says_so():
    house = shops.a_house(slate_rules=(*SLATE_CATALOGUE, BrokenListRule()))
    scene = Scene(shops.a_request(), shops.Choices(shops.a_ledger()), shops.knowing(), house)
    decision = scene.decide()
    assert decision.suggestions == ()
    assert decision.degraded == ("rule_failed",)
    said = orjson.loads(shops.sections_of(shops.recorded(decision, scene.request))["rules"])["rounds"][0]
    assert {(each["rule_id"], each["reason_code"], each["failed"]) for each in said["slate"]} == {
        ("G99", "POLICY_ERROR", "RuntimeError")
    }


@FEW
@given(scenes())
def test_where_consent_cannot_be_read_nothing_personal_is_used(scene: Scene):
    decision = replace(scene, choices=replace(scene.choices, ledger=None)).decide()
    assert decision.basis <= Basis.CONTEXTUAL
    assert "consent_unreadable" in decision.degraded
    assert not any(np.any(taken.evidence.origin != Origin.CONTEXT) for taken in decision.rounds)
    assert not decision.admission.may_read_history
    assert not decision.admission.may_read_session
    assert not any(
        permission for permission in decision.admission.permissions if permission.purpose != shops.LIMITED
    )


@FEW
@given(any_scenes())
def test_before_the_first_training_nothing_is_said_and_it_says_why(scene: Scene):
    decision = replace(scene, house=shops.a_house_without_a_model()).decide()
    assert decision.suggestions == ()
    assert decision.basis is Basis.NONE
    assert "model_missing" in decision.degraded


@FEW
@given(any_scenes())
def test_a_shop_that_sells_nothing_says_nothing(scene: Scene):
    nowhere = replace(scene.request, context=shops.Context())
    gone = scene.known.history.where(scene.known.history.item_idx < 0)
    decision = replace(scene, request=nowhere, house=shops.an_empty_house()).decide(
        replace(scene.known, history=gone, session=gone, exposures=NONE_SHOWN)
    )
    assert decision.suggestions == ()
    assert [len(taken.candidates) for taken in decision.rounds] == [0]


@FEW
@given(any_scenes())
def test_a_slate_never_holds_more_than_was_asked_for_nor_anything_withheld(scene: Scene):
    decision = scene.decide()
    assert len(decision.suggestions) <= scene.request.count
    last = decision.rounds[-1]
    assert all(last.judged.effect[row] < WITHHOLDING for row in last.slate.shown)
    assert scene.house.catalogue.available[[each.item_idx for each in decision.suggestions]].all()


@FEW
@given(any_scenes())
def test_the_basis_is_never_more_personal_than_what_was_permitted(scene: Scene):
    decision = scene.decide()
    admission = decision.admission
    if decision.basis is Basis.PROFILE:
        assert admission.may_read_history
        assert scene.request.subject_kind is SubjectKind.ACCOUNT
    if decision.basis is Basis.SESSION:
        assert admission.may_read_session
    if decision.basis is Basis.CONTEXTUAL:
        assert admission.may_use_context
    steps = [taken.basis for taken in decision.rounds]
    assert steps == sorted(steps, reverse=True)


@FEW
@given(any_scenes(), st.sampled_from(shops.CLASSES))
def test_an_item_of_a_class_that_was_not_agreed_to_is_shown_on_its_own_shelf_only(scene: Scene, name: str):
    decision, catalogue = scene.decide(), scene.house.catalogue
    if name in decision.admission.sensitive_granted:
        return
    page = scene.request.context.item_idx
    is_raised = name == "weight_body" and scene.choices.jurisdiction == "US-WA"
    for suggestion in decision.suggestions:
        code, tier = (column[suggestion.item_idx] for column in (catalogue.sensitive_class, catalogue.tier))
        is_of_class = code >= 0 and catalogue.sensitive_classes[code] == name
        if is_of_class and (tier >= SENSITIVE_FROM_TIER or (tier == 1 and is_raised)):
            assert page is not None
            assert catalogue.category[page] == catalogue.category[suggestion.item_idx]
