"""What every rule of a whole list promises, whatever it asks."""

from __future__ import annotations

import inspect
from collections import defaultdict
from typing import ClassVar

import numpy as np
import pytest
from support.slate_cases import composed, read_slate_cases
from support.views import a_view, columns_of

from engine.vocabulary import Intent
from guardrails.log.codes import REGISTRY
from guardrails.policy.limits import Limits, VarietyLimits
from guardrails.rules import CATALOGUE
from guardrails.rules.base import Unit
from guardrails.rules.slate import EVERY_RULE, SLATE_CATALOGUE
from guardrails.rules.slate.base import Draft, SlateRule, SlateVerdict

CUSTOMER_SENTENCE_LENGTH = 140
N = 12


def a_mixed_list(seed: int):
    """Candidates of all intents and categories, in a visit drawn by chance."""
    rng = np.random.default_rng(seed)
    return a_view(
        N,
        intent=rng.choice(list(Intent), N),
        category=rng.integers(-1, 3, N),
        count=int(rng.integers(1, 9)),
        category_bound=bool(rng.integers(2)),
        recent_category=int(rng.integers(-1, 3)),
        n_inline_upsells_session=int(rng.integers(-1, 8)),
        n_upsell_steps_session=int(rng.integers(-1, 2)),
        interruptive=bool(rng.integers(2)),
    )


class SlateRuleContract:
    """Inherited by one class a rule, below."""

    rule: ClassVar[SlateRule]

    @pytest.fixture(params=range(6))
    def view(self, request):
        return a_mixed_list(request.param)

    def drafts(self, view):
        for place in range(N):
            yield Draft(
                view, list(range(N)), shown=list(range(0, place, 2))[: view.request.count - 1], place=place
            )

    def test_where_it_tells_by_intent_it_says_the_same_of_the_next_of_that_intent(self, view):
        said = defaultdict(set)
        for place in range(N):
            draft = Draft(view, list(range(N)), shown=[0, 1], place=place)
            said[draft.intent[draft.asked]].add(self.rule.judge(draft, Limits()))
        alike = all(len(verdicts) == 1 for verdicts in said.values())
        assert alike or not self.rule.tells_by_intent

    def test_it_answers_with_whole_numbers(self, view):
        for draft in self.drafts(view):
            verdict = self.rule.judge(draft, Limits())
            assert isinstance(verdict, SlateVerdict)
            assert [type(each) for each in verdict] == [bool, int, int]

    def test_it_says_the_same_twice(self, view):
        for draft in self.drafts(view):
            assert self.rule.judge(draft, Limits()) == self.rule.judge(draft, Limits())

    def test_it_leaves_what_it_looks_at_alone(self, view):
        before = columns_of(view)
        for draft in self.drafts(view):
            shown, place = list(draft.shown), draft.place
            self.rule.judge(draft, Limits())
            assert (draft.shown, draft.place) == (shown, place)
        for name, column in columns_of(view).items():
            np.testing.assert_array_equal(column, before[name])

    def test_it_lets_in_whatever_has_an_intent_that_it_is_not_asked_of(self, view):
        for variety in (VarietyLimits(), VarietyLimits(from_count=1), VarietyLimits(selling_share_micro=0)):
            limits = Limits(variety=variety)
            asked_of = self.rule.intents(Draft(view, list(range(N))), limits)
            for draft in self.drafts(view):
                refuses = self.rule.judge(draft, limits).refuses
                assert not refuses or draft.intent[draft.asked] in asked_of

    def test_it_has_nothing_to_say_of_an_empty_list(self):
        assert composed(a_view(0), Limits(), [self.rule]).shown == ()

    def test_what_it_refuses_is_held_back_in_its_name(self, view):
        slate = composed(view, Limits(), [self.rule])
        assert slate.held_back == tuple((refusal.row, self.rule.id) for refusal in slate.refused)
        assert {refusal.reason_code for refusal in slate.refused} <= {self.rule.reason_code}
        assert len(slate.shown) + len(slate.refused) <= N

    def test_its_words_fit_a_customer(self):
        sentence = self.rule.sentence
        assert len(sentence) <= CUSTOMER_SENTENCE_LENGTH
        assert sentence[0].isupper()
        assert sentence.endswith(".")

    def test_its_reason_code_is_registered(self):
        assert self.rule.reason_code in REGISTRY
        assert isinstance(self.rule.unit, Unit)
        assert self.rule.ground

    def test_its_file_is_named_after_it(self):
        stem = inspect.getfile(type(self.rule)).rsplit("/", 1)[-1].removesuffix(".py")
        assert stem == f"{self.rule.id}_{self.rule.name}".lower()

    def test_it_is_no_other_rule_than_the_one_of_its_number(self):
        for rule in CATALOGUE:
            if rule.id == self.rule.id:
                assert (rule.name, rule.sentence) == (self.rule.name, self.rule.sentence)
                assert rule.locked is self.rule.locked


for _rule in SLATE_CATALOGUE:
    _name = f"Test{type(_rule).__name__}"
    globals()[_name] = type(_name, (SlateRuleContract,), {"rule": _rule})


def test_no_slate_rule_escapes_the_catalogue():
    shipped = {rule for rule in SlateRule.__subclasses__() if rule.__module__.startswith("guardrails.")}
    assert {type(rule) for rule in SLATE_CATALOGUE} == shipped


def test_slate_rules_are_asked_in_the_order_of_their_numbers():
    ids = [rule.id for rule in SLATE_CATALOGUE]
    assert ids == sorted(set(ids))


def test_all_of_them_are_matters_of_taste_that_a_shop_may_loosen():
    assert not any(rule.locked for rule in SLATE_CATALOGUE)


def test_every_slate_rule_refuses_something_in_its_examples():
    refusing = {case.rule_id for case in read_slate_cases() if case.refused}
    assert refusing == {rule.id for rule in SLATE_CATALOGUE}


def test_every_number_of_the_catalogue_is_explained_once():
    ids = [rule.id for rule in EVERY_RULE]
    assert len(ids) == len(set(ids))
    assert set(ids) == {rule.id for rule in (*CATALOGUE, *SLATE_CATALOGUE)}
