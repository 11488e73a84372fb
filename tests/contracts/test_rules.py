"""What every rule promises, whatever it asks."""

from __future__ import annotations

import inspect
from typing import ClassVar

import numpy as np
import pytest
from support.rule_cases import read_cases
from support.views import N_MIXED as N
from support.views import a_mixed_view, columns_of, none_of, one_of

from guardrails.log.codes import REGISTRY, ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules import CATALOGUE
from guardrails.rules.base import MICRO, Effect, Rule, Unit, View

CUSTOMER_SENTENCE_LENGTH = 140


class RuleContract:
    """Inherited by one class a rule, below."""

    rule: ClassVar[Rule]

    @pytest.fixture(params=range(4))
    def view(self, request) -> View:
        return a_mixed_view(request.param)

    def test_it_answers_for_every_candidate(self, view):
        judgement = self.rule.judge(view, Limits())
        columns = (judgement.effect, judgement.observed, judgement.limit, judgement.factor_micro)
        assert [column.shape for column in columns] == [(N,)] * 4
        assert [column.dtype for column in columns] == [np.int8, np.int64, np.int64, np.int64]

    def test_it_uses_the_known_effects(self, view):
        assert set(self.rule.judge(view, Limits()).effect.tolist()) <= set(Effect)

    def test_it_multiplies_only_what_it_demotes(self, view):
        judgement = self.rule.judge(view, Limits())
        demoted = judgement.effect == Effect.DEMOTE
        assert np.all(judgement.factor_micro[judgement.effect == Effect.ALLOW] == MICRO)
        assert np.all(judgement.factor_micro[demoted] < MICRO)
        assert np.all(judgement.factor_micro >= 0)

    def test_it_answers_for_no_candidates(self, view):
        judgement = self.rule.judge(none_of(view), Limits())
        assert judgement.effect.shape == judgement.observed.shape == judgement.limit.shape == (0,)

    def test_it_says_the_same_twice(self, view):
        first, second = self.rule.judge(view, Limits()), self.rule.judge(view, Limits())
        assert_same(columns_of(first), columns_of(second))

    def test_a_candidate_alone_is_judged_as_among_others(self, view):
        together = columns_of(self.rule.judge(view, Limits()))
        for row in range(N):
            alone = columns_of(self.rule.judge(one_of(view, row), Limits()))
            assert_same({name: column[row : row + 1] for name, column in together.items()}, alone)

    def test_it_leaves_what_it_looks_at_alone(self, view):
        before = columns_of(view)
        self.rule.judge(view, Limits())
        assert_same(before, columns_of(view))

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


def assert_same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert left.keys() == right.keys()
    for name, column in left.items():
        np.testing.assert_array_equal(column, right[name], err_msg=name)


for _rule in CATALOGUE:
    _name = f"Test{type(_rule).__name__}"
    globals()[_name] = type(_name, (RuleContract,), {"rule": _rule})


def all_rules(base: type[Rule] = Rule) -> set[type[Rule]]:
    """Every concrete rule of the house, however deep it is derived."""
    found = {rule for child in base.__subclasses__() for rule in {child, *all_rules(child)}}
    return {
        rule for rule in found if rule.__module__.startswith("guardrails.") and not inspect.isabstract(rule)
    }


def test_no_rule_escapes_the_catalogue():
    assert {type(rule) for rule in CATALOGUE} == all_rules()


def test_rules_are_asked_in_the_order_of_their_numbers():
    ids = [rule.id for rule in CATALOGUE]
    assert ids == sorted(set(ids))


def test_only_matters_of_taste_may_be_loosened_by_a_shop():
    tastes = {"G15", "G16", "G17", "G19", "G20", "G21", "G22", "G23", "G25", "G26", "G28", "G32", "G36"}
    assert {rule.id for rule in CATALOGUE if not rule.locked} == tastes


def test_every_reason_code_is_in_the_registry_with_a_meaning():
    assert set(REGISTRY) == set(ReasonCode)
    for code, entry in REGISTRY.items():
        assert code == entry.code
        assert entry.meaning


def test_every_rule_fires_somewhere_in_its_examples():
    fired = {case.rule_id for case in read_cases() if case.effect != Effect.ALLOW}
    assert fired == {rule.id for rule in CATALOGUE}
