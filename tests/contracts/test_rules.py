"""What every rule promises, whatever it asks."""

from __future__ import annotations

import inspect
from copy import copy
from itertools import product
from typing import ClassVar

import numpy as np
import pytest
from support.policies import a_policy, a_rule
from support.rule_cases import Case, read_cases
from support.views import N_MIXED as N
from support.views import a_mixed_view, a_view, a_view_of_nobody, columns_of, denied, none_of, one_of

from engine.vocabulary import Channel, Intent
from guardrails.consent.permission import Denial
from guardrails.judge import WITHHOLDING, judge
from guardrails.log.codes import REGISTRY, ReasonCode
from guardrails.messages import LANGUAGES, SOURCE, in_language, translations
from guardrails.no_policy import NoPolicy
from guardrails.policy.compiled import ShopRule, house_rules
from guardrails.policy.language import All, Atom, Obligation, Op, RuleEffect
from guardrails.policy.limits import Limits
from guardrails.rules import CATALOGUE
from guardrails.rules.base import MICRO, Effect, Judgement, Rule, Unit, View

CUSTOMER_SENTENCE_LENGTH = 140
SCORE = "G31"  # the one that always has something to say: how creepy each candidate is
FEWEST_EXAMPLES = 6
EXAMPLES = tuple(read_cases())


class RuleContract:
    """What goes for those that ship and for those of a shop."""

    rule: ClassVar[Rule]

    @pytest.fixture(params=range(4))
    def view(self, request) -> View:
        return a_mixed_view(request.param)

    def test_it_answers_for_every_candidate(self, view):
        judgement = self.rule.judge(view, Limits())
        columns = (judgement.effect, judgement.observed, judgement.limit, judgement.factor_micro)
        assert [column.shape for column in columns] == [(N,)] * 4
        assert [column.dtype for column in columns] == [np.int8, np.int64, np.int64, np.int64]

    def test_what_it_withholds_it_held_against_something(self, view):
        judgement = self.rule.judge(view, Limits())
        blocked = np.isin(judgement.effect, [Effect.BLOCK, Effect.GENERALISE])
        assert np.all((judgement.observed != 0)[blocked] | (judgement.limit != 0)[blocked])

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

    def test_it_can_tell_what_to_do_where_nothing_is_known(self):
        for channel, intent, interruptive in product(Channel, Intent, (True, False)):
            nobody = a_view_of_nobody(channel=channel, intent=intent, interruptive=interruptive)
            assert not judge(nobody, np.ones(1, np.int64), [self.rule], Limits()).failed

    def test_where_it_is_silent_it_has_nothing_to_say(self, view):
        for row in range(0, N, 5):
            alone = one_of(view, row)
            if self.rule.is_silent(alone, Limits()):
                judgement = self.rule.judge(alone, Limits())
                assert not judgement.speaks_of(0)
                assert judgement.factor_micro.tolist() == [MICRO]

    def test_it_withholds_when_it_fails(self, view):
        def fail(*_: object) -> Judgement:
            raise ZeroDivisionError

        broken = copy(self.rule)
        broken.__class__ = type("Broken", (type(self.rule),), {"judge": fail})
        for in_full, seen in product((True, False), (view, a_view(N))):
            judged = judge(seen, np.ones(N, np.int64), [broken], Limits(), in_full=in_full)
            assert judged.withheld.all()
            assert judged.failed == ((self.rule.id, "ZeroDivisionError"),)

    def test_it_says_the_same_twice(self, view):
        first, second = self.rule.judge(view, Limits()), self.rule.judge(view, Limits())
        assert_same(columns_of(first), columns_of(second))

    def test_a_candidate_alone_is_judged_as_among_others(self, view):
        together = said(self.rule.judge(view, Limits()))
        for row in range(N):
            alone = said(self.rule.judge(one_of(view, row), Limits()))
            assert_same({name: column[row : row + 1] for name, column in together.items()}, alone)

    def test_it_leaves_what_it_looks_at_alone(self, view):
        before = columns_of(view)
        self.rule.judge(view, Limits())
        assert_same(before, columns_of(view))

    def test_its_reason_code_is_registered(self):
        assert self.rule.reason_code in REGISTRY
        assert isinstance(self.rule.unit, Unit)
        assert self.rule.ground


class ShippedRuleContract(RuleContract):
    """Inherited by one class a rule, below."""

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_its_words_fit_a_customer_in_every_language(self, language):
        sentence = in_language(self.rule.sentence, translations()[language])
        assert len(sentence) <= CUSTOMER_SENTENCE_LENGTH
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert (sentence == self.rule.sentence) is (language == SOURCE)

    def examples(self) -> list[Case]:
        return [case for case in EXAMPLES if case.rule_id == self.rule.id]

    def test_its_examples_are_many_and_show_both_sides(self):
        effects = [case.effect for case in self.examples()]
        assert len(effects) >= FEWEST_EXAMPLES
        assert min(effects) < WITHHOLDING <= max(effects)

    def test_it_need_not_be_asked_of_what_is_harmless_but_is_asked_of_what_is_not(self):
        harmless = self.rule.is_silent(a_view(3), Limits())
        assert harmless is (self.rule.id != SCORE)
        assert not all(
            self.rule.is_silent(case.view, case.limits)
            for case in self.examples()
            if case.effect >= WITHHOLDING
        )

    def test_its_file_is_named_after_it(self):
        stem = inspect.getfile(type(self.rule)).rsplit("/", 1)[-1].removesuffix(".py")
        assert stem == f"{self.rule.id}_{self.rule.name}".lower()


def said(judgement: Judgement) -> dict[str, np.ndarray]:
    """The columns of a judgement; nothing asked for besides is nothing asked of anybody."""
    return {"obliges": np.zeros(judgement.effect.size, np.int8), **columns_of(judgement)}


def assert_same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert left.keys() == right.keys()
    for name, column in left.items():
        np.testing.assert_array_equal(column, right[name], err_msg=name)


for _rule in CATALOGUE:
    _name = f"Test{type(_rule).__name__}"
    globals()[_name] = type(_name, (ShippedRuleContract,), {"rule": _rule})


class TestADemotionOfAShop(RuleContract):
    rule = house_rules(
        a_policy(
            a_rule(
                when=All(
                    (
                        Atom("item.price_minor", Op.HAS, value=True),
                        Atom("item.price_minor", Op.MORE, 1_000),
                        Atom("item.brand", Op.UNEQUAL, None),
                    )
                ),
                effect=RuleEffect.DEMOTE,
                share_micro=700_000,
                obligations=(Obligation.EXPLAIN,),
            )
        )
    )[0][0]


class TestABlockOfAShop(RuleContract):
    rule = house_rules(a_policy(a_rule(when=Atom("evidence.from_history", Op.EQUAL, value=True))))[0][0]


def all_rules(base: type[Rule] = Rule) -> set[type[Rule]]:
    """Every concrete rule of the house, however deep it is derived."""
    found = {rule for child in base.__subclasses__() for rule in {child, *all_rules(child)}}
    return {
        rule for rule in found if rule.__module__.startswith("guardrails.") and not inspect.isabstract(rule)
    }


def test_no_rule_escapes_the_catalogue():
    assert {type(rule) for rule in CATALOGUE} == all_rules() - {ShopRule, NoPolicy}


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


def test_examples_are_told_of_rules_that_exist():
    assert {case.rule_id for case in EXAMPLES} == {rule.id for rule in CATALOGUE}


def withheld_by(view: View) -> set[str]:
    return {rule.id for rule in CATALOGUE if rule.judge(view, Limits()).effect[0] >= WITHHOLDING}


def test_where_nothing_is_known_what_sells_well_may_be_shown():
    assert withheld_by(a_view_of_nobody()) == set()


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS, Channel.PUSH, Channel.POST, Channel.PHONE])
def test_where_nothing_is_known_nobody_is_written_to(channel):
    assert {"G01", "G20"} <= withheld_by(a_view_of_nobody(channel=channel))


def test_where_nothing_is_known_nobody_is_interrupted():
    assert "G20" in withheld_by(a_view_of_nobody(interruptive=True))


def test_where_nothing_is_known_nothing_is_sold_up():
    assert "G17" in withheld_by(a_view_of_nobody(intent=Intent.UPSELL))


@pytest.mark.parametrize("because", Denial)
def test_where_nothing_is_known_no_history_counts_and_one_rule_says_so(because):
    nobody = a_view_of_nobody(from_history=True, history=denied(because), offers=denied(because))
    assert len(withheld_by(nobody) & {"G01", "G02", "G03"}) == 1
