"""What would have flipped a verdict: every change that is told is true, and no part of it idle."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from support import shops
from support.otherwise import fate
from support.policies import policies
from support.scenes import Scene, any_scenes, scenes, watchful_scenes
from support.tries import tries
from support.views import a_mixed_view

from guardrails.judge import judge
from guardrails.log.canonical import canonical
from guardrails.log.counterfactual import Change, Counterfactual, State, counterfactuals
from guardrails.log.inputs import Case, Stand, inputs_of, laid_out
from guardrails.log.reading import sections_of, view_of
from guardrails.policy.compiled import house_rules
from guardrails.policy.language import Mode, Policy
from guardrails.policy.limits import Limits
from guardrails.rules import CATALOGUE
from guardrails.rules.base import Rule

Sections = dict[str, Any]
SHOP_FIELDS = (
    *("item.price_minor", "item.sponsored", "candidate.price_step", "candidate.n_ignored", "visit.entry"),
    *("visit.n_offers", "customer.payment_failed", "customer.holds", "evidence.tier", "item.tier"),
)


def recorded(scene: Scene, policy: Policy | None = None) -> tuple[Sections, tuple[Rule, ...], Limits]:
    """The sections of what is decided in a scene, with the rules and limits it is decided by."""
    rules = CATALOGUE if policy is None else (*CATALOGUE, *house_rules(policy)[0])
    limits = scene.house.limits if policy is None else policy.limits
    house = replace(scene.house, rules=rules, limits=limits)
    scene = replace(scene, house=house)
    record = shops.recorded(scene.decide(), scene.request, scene.known, house)
    return sections_of(record.body), rules, limits


def row_of(sections: Sections, found: Counterfactual) -> tuple[int, int]:
    return found.round, sections["cand"]["rounds"][found.round]["items"].index(found.item)


def check(sections: Sections, rules: tuple[Rule, ...], limits: Limits) -> None:
    out = sections["out"]
    told = counterfactuals(sections, rules, limits)
    assert [(each.item, each.rule) for each in told if each.was is State.WITHHELD] == [
        (each["item"], each["rule"]) for each in out["withheld"]
    ]
    assert [each.item for each in told if each.was is State.SHOWN] == [each["item"] for each in out["list"]]
    for found in told:
        canonical(found.to_plain())
        where = row_of(sections, found)
        before = fate(sections, where, (), rules, limits)
        assert (before[0], before[1]) == (found.rule, found.was is State.SHOWN)
        if found.change:
            assert_true(sections, found, where, rules, limits)
            assert_no_part_is_idle(sections, found, where, rules, limits)
            if len(found.change) > 1:
                assert_no_single_does(sections, found, where, rules, limits)


def assert_true(sections, found, where, rules, limits) -> None:
    by, is_shown = fate(sections, where, found.change, rules, limits)
    if found.was is State.SHOWN:
        assert found.flips_to is State.WITHHELD
        assert by == found.by != ""
        assert not is_shown
    elif found.flips_to is State.SHOWN:
        assert is_shown
    else:
        assert found.flips_to is State.ADMITTED
        assert by == found.by in {"", "G17", "G20", "G37", "G38"}
        assert not is_shown


def assert_no_part_is_idle(sections, found, where, rules, limits) -> None:
    for n_parts in range(1, len(found.change)):
        for some in combinations(found.change, n_parts):
            by, is_shown = fate(sections, where, some, rules, limits)
            assert by
            assert not is_shown


def assert_no_single_does(sections, found, where, rules, limits) -> None:
    """Try every single change again by all rules."""
    case = a_case(sections, found.round, rules, limits)
    row = where[1]
    for each in inputs_of(case):
        for to in each.options(case, row):
            stand = case.stand if each.write is None else each.write(case.stand, row, to)
            changed = {each.column: {0: to}} if each.column else {}
            laid = laid_out(stand, np.array([row]), changed)
            judged = judge(laid.view, case.score[[row]], laid.rules, laid.limits)
            assert judged.deciding[0] >= 0, (each.field, to)


def a_case(sections: Sections, number: int, rules, limits) -> Case:
    view = view_of(sections, number)
    score = np.array(sections["cand"]["rounds"][number]["score"], np.int64)
    return Case(Stand(view, limits, rules), score, judge(view, score, rules, limits), frozenset())


@tries(10)
@given(any_scenes() | watchful_scenes())
def test_what_is_told_of_any_decision_is_true_and_no_part_of_it_idle(scene: Scene):
    check(*recorded(scene))


@tries(10)
@given(any_scenes() | scenes(), policies(SHOP_FIELDS, modes=(Mode.ENFORCE,)))
def test_so_it_is_where_the_shop_has_rules_of_its_own(scene: Scene, policy: Policy):
    check(*recorded(scene, policy))


@tries(10)
@given(any_scenes(), st.data())
def test_an_input_is_changed_as_if_it_had_been_recorded_so(scene: Scene, data: st.DataObject):
    sections, rules, limits = recorded(scene)
    case = a_case(sections, 0, rules, limits)
    assume(len(case.stand.view) > 0)
    row = data.draw(st.integers(0, len(case.stand.view) - 1))
    is_shown = data.draw(st.booleans())
    case = Case(case.stand, case.score, case.judged, frozenset({row} if is_shown else ()))
    every = [(each, to) for each in inputs_of(case) for to in each.options(case, row)]
    for each, to in data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=20)):
        stand = case.stand if each.write is None else each.write(case.stand, row, to)
        laid = laid_out(stand, np.array([row]), {each.column: {0: to}} if each.column else {})
        judged = judge(laid.view, case.score[[row]], laid.rules, laid.limits)
        deciding = int(judged.deciding[0])
        by = laid.rules[deciding].id if deciding >= 0 else ""
        change = Change(each.field, each.now(case, row), to, each.who, each.what, each.kind)
        told, _ = fate(sections, (0, row), [change], rules, limits)
        assert told == by or (not by and told in {"G17", "G20", "G37", "G38"}), change


@tries(10)
@given(any_scenes())
def test_the_same_record_is_told_the_same(scene: Scene):
    sections, rules, limits = recorded(scene)
    once, again = (counterfactuals(sections, rules, limits) for _ in range(2))
    assert [each.to_plain() for each in once] == [each.to_plain() for each in again]


@tries(10)
@given(any_scenes(), st.integers(0, 300))
def test_with_few_tries_less_is_found_and_nothing_untrue(scene: Scene, most_tries: int):
    sections, rules, limits = recorded(scene)
    for found in counterfactuals(sections, rules, limits, most_tries=most_tries):
        if found.change:
            where = row_of(sections, found)
            assert_true(sections, found, where, rules, limits)
            assert_no_part_is_idle(sections, found, where, rules, limits)


@tries(10)
@given(st.integers(0, 2**32 - 1), st.data())
def test_no_rule_looks_at_an_input_that_is_not_among_its_readers(seed: int, data: st.DataObject):
    view, limits = a_mixed_view(seed), Limits()
    score = np.arange(len(view), dtype=np.int64)
    judged = judge(view, score, CATALOGUE, limits)
    shown = frozenset(range(0, len(view), 2))
    case = Case(Stand(view, limits, CATALOGUE), score, judged, shown)
    row = data.draw(st.integers(0, len(view) - 1))
    rows = np.arange(len(view))
    for each in inputs_of(case):
        for to in each.options(case, row):
            stand = case.stand if each.write is None else each.write(case.stand, row, to)
            laid = laid_out(stand, rows, {each.column: {row: to}} if each.column else {})
            again = judge(laid.view, score, laid.rules, laid.limits)
            for rule, one, other in zip(CATALOGUE, judged.judgements, again.judgements, strict=True):
                if rule.id not in each.readers:
                    assert np.array_equal(one.effect, other.effect), (rule.id, each.field, to)
