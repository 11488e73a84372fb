"""The house policy that ships: sound, tried to the last boundary, and below no floor."""

from __future__ import annotations

from api.policies.shipped import shipped_policy
from guardrails.placements import DEFAULT_PLACEMENTS
from guardrails.policy.analysis import analyse
from guardrails.policy.check import check
from guardrails.policy.floor import below_floor
from guardrails.policy.language import Mode
from guardrails.policy.lints import lint
from guardrails.policy.mutants import mutate
from guardrails.policy.names import KnownNames
from guardrails.policy.testing import run

KNOWN = KnownNames(placements=frozenset(placement.name for placement in DEFAULT_PLACEMENTS))


def test_nothing_is_wrong_with_it():
    policy = shipped_policy()
    assert lint(policy) == ()
    assert check(policy, KNOWN) == ()
    assert analyse(policy) == ()
    assert below_floor(policy.limits) == ()


def test_its_tests_pass_and_would_notice_every_small_change():
    policy = shipped_policy()
    assert run(policy).findings == ()
    assert mutate(policy).findings == ()


def test_every_rule_of_it_acts_and_somebody_answers_for_it():
    rules = shipped_policy().rules
    assert 5 <= len(rules) <= 8
    assert {rule.mode for rule in rules} == {Mode.ENFORCE}
    assert all(rule.review_by.year == 2027 and rule.assumes and rule.tests for rule in rules)
