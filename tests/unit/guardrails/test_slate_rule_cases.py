from __future__ import annotations

from collections import Counter

import pytest
from support.slate_cases import SlateCase, composed, read_slate_cases

from guardrails.rules.slate import SLATE_CATALOGUE

CASES = list(read_slate_cases())
RULES = {rule.id: rule for rule in SLATE_CATALOGUE}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule_id}: {case.note}")
def test_the_rule_makes_of_a_list_what_the_example_says(case: SlateCase):
    slate = composed(case.view, case.limits, [RULES[case.rule_id]], withheld=case.withheld)
    assert slate.shown == case.shown
    assert tuple((each.row, each.observed, each.limit) for each in slate.refused) == case.refused


def test_every_rule_has_at_least_six_examples_on_both_sides():
    n_examples = Counter(case.rule_id for case in CASES)
    assert set(n_examples) == set(RULES)
    assert min(n_examples.values()) >= 6
    for rule_id in RULES:
        assert {bool(case.refused) for case in CASES if case.rule_id == rule_id} == {True, False}


def test_no_example_is_told_twice():
    n_told = Counter((case.rule_id, case.note) for case in CASES)
    assert max(n_told.values()) == 1
