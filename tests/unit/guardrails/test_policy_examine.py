"""Everything that is said of a draft at once: errors first, in the order of the document."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from support.drafts import read
from support.policies import TODAY, a_policy, a_rule, policies
from support.tries import tries

from api.policies.shipped import shipped_policy
from guardrails.policy.charter import MICRO, charter
from guardrails.policy.examine import REVIEW_OVERDUE, examine
from guardrails.policy.findings import Severity
from guardrails.policy.language import Atom, Op, RuleEffect, RuleTest
from guardrails.policy.names import KnownNames
from guardrails.policy.review import GRACE_DAYS

ANY_SHOP = KnownNames()
IN_REVIEW = min(entry.review_by for entry in charter().values())
TESTED = a_rule(
    when=Atom("customer.payment_failed", Op.EQUAL, value=True),
    tests=(
        RuleTest("failed", (("customer.payment_failed", True),), RuleEffect.BLOCK),
        RuleTest("paid", (), RuleEffect.ALLOW),
    ),
)


def test_of_a_rule_that_is_written_and_tested_well_nothing_is_said():
    examination = examine(a_policy(TESTED), ANY_SHOP, TODAY)
    assert examination.findings == examination.errors == ()
    assert [each.passed for each in examination.outcomes] == [True, True]
    assert examination.mutation.score_micro == examination.coverage.conditions_micro == MICRO


def test_the_house_policy_that_ships_is_without_a_flaw():
    examination = examine(shipped_policy(), ANY_SHOP, IN_REVIEW)
    assert [each.message for each in examination.findings] == []
    assert examination.mutation.score_micro == examination.coverage.boundaries_micro == MICRO


def test_errors_come_first_and_each_in_the_order_of_the_document():
    draft = {
        "limits": {"G31.suppress": 0.8, "G17.upsell_hard": 0.05},
        "rules": [
            {"id": "a", "effect": "block", "applies_to": {"placement": ["nowhere"]}},
            *({"id": f"b{n}", "effect": "block", "when": said("item.price_minor")} for n in range(10)),
            {"id": "c", "effect": "allow", "when": said("item.tier"), "mode": "shadow"},
        ],
    }
    found = examine(read(draft), KnownNames(placements=frozenset({"home"})), TODAY).findings
    severities = [each.severity for each in found]
    assert severities == sorted(severities, key=lambda severity: severity is Severity.WARNING)
    errors = [each.pointer for each in found if each.severity is Severity.ERROR]
    rules = [int(pointer.split("/")[2]) for pointer in errors if pointer.startswith("/rules")]
    assert rules == sorted(rules)
    assert errors[:2] == ["/limits/G17.upsell_hard", "/limits/G31.suppress"]
    of_first = [pointer for pointer in errors if pointer.startswith("/rules/0/")]
    assert of_first == ["/rules/0/applies_to/placement", "/rules/0/tests"]
    assert {"unguarded", "L2", "L3", "contradiction", "no_test"} <= {each.code for each in found}


def test_examples_are_told_as_a_document_writes_them():
    dear = [{"field": "candidate.price_step", "op": "has", "value": True}]
    dear.append({"field": "candidate.price_step", "op": ">", "value": 0.25})
    draft = {
        "rules": [
            {"id": "a", "effect": "demote(0.5)", "when": {"all": dear}, "effective_from": "2026-12-01"},
            {"id": "b", "effect": "block", "when": {"all": dear}},
        ],
    }
    found = examine(read(draft), ANY_SHOP).findings
    example = next(each.example for each in found if each.code == "shadowed")
    assert example["request.date"] == "2026-12-01"
    assert example["candidate.price_step"] == 0.250001
    assert example["item.categories"] == []


def said(field):
    return {"field": field, "op": ">=", "value": 2}


def test_what_an_auditor_signed_off_is_no_error():
    policy = read({"limits": {"G20.outbound_week": 3}})
    assert [each.code for each in examine(policy, ANY_SHOP).errors] == ["L4"]
    assert examine(policy, ANY_SHOP, signed_off=True).errors == ()


def test_what_categories_hold_is_looked_at():
    rule = {
        "id": "a",
        "effect": "allow",
        "when": {"field": "item.categories", "op": "contains_any", "value": ["beer"]},
    }
    known = KnownNames(sensitive_categories={"beer": "alcohol"})
    assert "L2" in {each.code for each in examine(read({"rules": [rule]}), known).errors}


@pytest.mark.parametrize(
    ("days", "severity"),
    [(0, None), (1, Severity.WARNING), (GRACE_DAYS, Severity.WARNING), (GRACE_DAYS + 1, Severity.ERROR)],
)
def test_a_rule_past_its_review_keeps_the_policy_from_being_approved_when_its_grace_is_over(days, severity):
    policy = a_policy(replace(TESTED, review_by=TODAY - timedelta(days=days)))
    found = examine(policy, ANY_SHOP, TODAY).findings
    assert [(each.code, each.severity, each.pointer) for each in found] == (
        [] if severity is None else [(REVIEW_OVERDUE, severity, "/rules/0/review_by")]
    )


def test_shipped_rules_past_their_review_are_warned_of_and_no_more():
    later = date(2040, 1, 1)
    policy = a_policy(replace(TESTED, review_by=later))
    examination = examine(policy, ANY_SHOP, later)
    assert examination.errors == ()
    assert {each.rules for each in examination.findings} == {(rule_id,) for rule_id in charter()}


def test_without_a_day_nothing_is_said_of_reviews():
    policy = a_policy(replace(TESTED, review_by=date(1999, 1, 1)))
    assert examine(policy, ANY_SHOP).findings == ()


@tries(30)
@given(policies())
def test_a_policy_is_examined_the_same_way_every_time(policy):
    first, second = (examine(policy, ANY_SHOP, TODAY) for _ in range(2))
    assert first == second
    assert len(first.outcomes) == sum(len(rule.tests) for rule in policy.rules)
