from __future__ import annotations

from collections import Counter

import pytest
from support.rule_cases import Case, read_cases

from guardrails.rules import CATALOGUE
from guardrails.rules.base import Effect

CASES = list(read_cases())
RULES = {rule.id: rule for rule in CATALOGUE}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule_id}: {case.note}")
def test_the_rule_says_what_the_example_says(case: Case):
    judgement = RULES[case.rule_id].judge(case.view, case.limits)
    said = Effect(judgement.effect[0])
    assert (said, judgement.observed[0], judgement.limit[0]) == (case.effect, case.observed, case.limit)
    if case.factor_micro is not None:
        assert judgement.factor_micro[0] == case.factor_micro


def test_no_example_is_told_twice():
    n_told = Counter((case.rule_id, case.note) for case in CASES)
    assert max(n_told.values()) == 1
