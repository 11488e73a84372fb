"""Runs the examples in ``tests/cases/policy/checks.yaml``, and what else a check promises."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from support.drafts import read
from support.policies import a_policy, a_rule, points, policies, rules

from guardrails.messages import Phrase
from guardrails.policy.check import UNGUARDED, check, is_guarded
from guardrails.policy.findings import Severity
from guardrails.policy.language import All, AnyOf, Atom, Op
from guardrails.policy.meaning import fires, holds
from guardrails.policy.names import KnownNames
from guardrails.policy.testing import deed

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "policy" / "checks.yaml").read_text("utf-8"))[
    "cases"
]
SHOP = {
    "placements": ["home", "cart"],
    "categories": ["bread", "beer", "cheese"],
    "brands": ["Acme"],
    "items": ["b-1", "b-2"],
}
NOT_NULL = Atom("item.brand", Op.UNEQUAL, None)
ORDERED = Atom("item.brand", Op.LESS, "M")


def known_of(case):
    names = SHOP | case.get("known", {})
    return KnownNames(**{name: None if has is None else frozenset(has) for name, has in names.items()})


@pytest.mark.parametrize("case", CASES, ids=[case["note"] for case in CASES])
def test_a_check_finds_what_the_example_says(case):
    found = check(read(case["draft"]), known_of(case))
    said = [{"code": each.code, "severity": each.severity.value, "at": each.pointer} for each in found]
    assert said == case["finds"]
    for each in found:
        assert isinstance(each.message, Phrase)
        assert each.example


def test_what_is_missing_can_be_copied_from_the_finding():
    (found,) = check(a_policy(a_rule(when=Atom("visit.n_pages", Op.LESS, 3))), KnownNames())
    assert found.example == {"add": {"field": "visit.n_pages", "op": "has", "value": True}}


@pytest.mark.parametrize(
    ("when", "is_safe"),
    [
        (ORDERED, False),
        (All((NOT_NULL, ORDERED)), True),
        (All((ORDERED, NOT_NULL)), True),
        (AnyOf((NOT_NULL, ORDERED)), False),
        (All((Atom("item.brand", Op.UNEQUAL, "Acme"), ORDERED)), False),
        (All((AnyOf((NOT_NULL, NOT_NULL)), ORDERED)), True),
    ],
)
def test_the_order_of_what_may_be_null_is_asked_only_where_it_is_not(when, is_safe):
    rule = a_rule(when=when)
    assert is_guarded(rule) is is_safe
    found = check(a_policy(rule), KnownNames())
    assert [each.code for each in found] == ([] if is_safe else [UNGUARDED])
    assert all(each.example["add"] == {"field": "item.brand", "op": "!=", "value": None} for each in found)


def test_a_misspelt_name_is_told_the_closest_ones():
    policy = a_policy(a_rule(applies_to=(("placement", ("chekout",)),)))
    (found,) = check(policy, KnownNames(placements=frozenset({"checkout", "cart", "home", "modal"})))
    assert found.example["closest"][0] == "checkout"
    assert "`checkout`" in found.message


@given(policies())
def test_random_policies_are_in_order(policy):
    assert [each for each in check(policy, KnownNames()) if each.severity is Severity.ERROR] == []


@given(rules(), points())
def test_a_guarded_rule_has_an_answer_everywhere(rule, point):
    assert is_guarded(rule)
    assert fires(rule, point) in {True, False}
    assert deed(rule, point) is not None


@given(points())
def test_what_is_not_guarded_has_none_where_it_is_absent(point):
    rule = a_rule(when=Atom("visit.entry", Op.EQUAL, "search"))
    assert not is_guarded(rule)
    if "visit.entry" in point:
        assert holds(rule.when, point) in {True, False}
    else:
        assert deed(rule, point) is None
