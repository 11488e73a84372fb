"""Runs the examples in ``tests/cases/policy/trials.yaml``, and what else the tests of rules promise."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from support.drafts import read
from support.policies import a_policy, a_rule, points, policies, rules

from guardrails.messages import Phrase
from guardrails.policy.charter import MICRO
from guardrails.policy.fields import FIELDS, SCOPES
from guardrails.policy.findings import Severity
from guardrails.policy.language import All, Atom, Op, RuleEffect, RuleTest
from guardrails.policy.meaning import day_number, fires, holds, scope_of
from guardrails.policy.testing import (
    BOUNDARY,
    ONE_SIDED,
    UNEXERCISED,
    Coverage,
    deed,
    point_of,
    run,
    usual_point,
)

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "policy" / "trials.yaml").read_text("utf-8"))[
    "cases"
]
DAY = date(2026, 12, 24)
IGNORED = Atom("candidate.n_ignored", Op.LESS, 3)


def an_example(expect=RuleEffect.BLOCK, **values):
    return RuleTest(
        "a test", tuple((name.replace("__", "."), value) for name, value in values.items()), expect
    )


@pytest.mark.parametrize("case", CASES, ids=[case["note"] for case in CASES])
def test_what_is_said_of_tests_is_what_the_example_says(case):
    found = run(read({"rules": [{"id": "one", **case["rule"]}]})).findings
    said = [
        {
            "code": each.code,
            "severity": each.severity.value,
            "at": each.pointer.removeprefix("/rules/0"),
        }
        for each in found
    ]
    assert said == case["finds"]
    assert all(isinstance(each.message, Phrase) for each in found)


def test_a_failing_test_says_what_the_rule_did():
    rule = a_rule(when=IGNORED, tests=(an_example(), an_example(RuleEffect.DEMOTE, candidate__n_ignored=3)))
    trials = run(a_policy(rule))
    assert [(each.did, each.passed) for each in trials.outcomes] == [
        (RuleEffect.BLOCK, True),
        (RuleEffect.ALLOW, False),
    ]
    assert trials.findings[0].example == {"expected": "demote", "did": "allow"}


@pytest.mark.parametrize(
    ("op", "values"),
    [(Op.LESS, [2, 3]), (Op.AT_MOST, [3, 4]), (Op.MORE, [3, 4]), (Op.AT_LEAST, [2, 3])],
)
def test_a_boundary_lies_between_two_values_of_which_one_holds(op, values):
    atom = Atom("candidate.n_ignored", op, 3)
    (found,) = [
        each
        for each in run(a_policy(a_rule(when=atom, tests=(an_example(candidate__n_ignored=9),)))).findings
        if each.code == BOUNDARY
    ]
    assert found.example == {"candidate.n_ignored": values}
    assert {holds(atom, {atom.field: value}) for value in values} == {False, True}


def test_values_at_a_boundary_are_written_as_the_document_writes_them():
    date_atom = Atom("request.date", Op.LESS, day_number(DAY))
    share = All(
        (Atom("candidate.price_step", Op.HAS, value=True), Atom("candidate.price_step", Op.MORE, 250_000))
    )
    policy = a_policy(
        a_rule("one", when=date_atom, tests=(an_example(request__date=0),)),
        a_rule("two", when=share, tests=(an_example(candidate__price_step=250_001),)),
    )
    found = {
        name: value
        for each in run(policy).findings
        if each.code == BOUNDARY
        for name, value in each.example.items()
    }
    assert found == {"request.date": ["2026-12-23", "2026-12-24"], "candidate.price_step": [0.25]}


def test_coverage_counts_what_is_shown():
    rule = a_rule(when=IGNORED, tests=(an_example(candidate__n_ignored=2),))
    coverage = run(a_policy(rule, replace(rule, id="two", when=None))).coverage
    assert coverage == Coverage(n_outcomes=2, n_exercised=1, n_boundary_values=2, n_boundary_tested=1)
    assert (coverage.conditions_micro, coverage.boundaries_micro) == (MICRO // 2, MICRO // 2)


def test_of_a_policy_without_conditions_nothing_is_left_out():
    assert run(a_policy()).coverage.conditions_micro == MICRO
    assert run(a_policy()).coverage.boundaries_micro == MICRO


@pytest.mark.parametrize(
    ("days", "taken"),
    [
        ({"effective_from": DAY}, DAY),
        ({"effective_until": DAY}, DAY),
        ({"review_by": DAY}, DAY),
    ],
)
def test_the_usual_day_is_one_on_which_the_rule_is_in_force(days, taken):
    assert usual_point(a_rule(**days))["request.date"] == day_number(taken)


@given(rules())
def test_the_usual_point_lies_within_the_scope_and_has_what_is_always_there(rule):
    point = usual_point(rule)
    if (
        rule.effective_from is None
        or rule.effective_until is None
        or rule.effective_from <= rule.effective_until
    ):
        assert holds(scope_of(rule), point)
    assert point.keys() == {name for name, field in FIELDS.items() if not field.optional}
    for scope, words in rule.applies_to:
        assert point[SCOPES[scope]] == words[0]


@given(rules(), points())
def test_a_test_that_gives_a_whole_point_tests_that_point(rule, point):
    example = RuleTest("a test", tuple(point.items()), RuleEffect.ALLOW)
    whole = point_of(rule, example)
    assert {name: whole[name] for name in point} == dict(point)
    assert whole.keys() == point.keys()
    assert deed(rule, whole) is (rule.effect if fires(rule, point) else RuleEffect.ALLOW)


@given(policies())
def test_whatever_is_tested_what_is_expected_of_it_passes(policy):
    told = [
        replace(rule, tests=(replace(an_example(), expect=deed(rule, usual_point(rule))),))
        for rule in policy.rules
    ]
    trials = run(replace(policy, rules=tuple(told)))
    assert all(each.passed for each in trials.outcomes)
    assert not [each for each in trials.findings if each.code not in {UNEXERCISED, ONE_SIDED, BOUNDARY}]
    of_enforced = {each.severity for each in trials.findings if each.code == BOUNDARY}
    assert of_enforced <= {Severity.WARNING}
