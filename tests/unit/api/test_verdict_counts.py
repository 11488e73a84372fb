"""What a rule of the list refuses is counted by rule and effect, as what is said of single candidates is."""

from __future__ import annotations

from dataclasses import replace

from support.shops import Choices, a_house, a_ledger, a_request, decided, on_page

from api.metrics import Metrics
from guardrails.policy.limits import Limits, VarietyLimits
from guardrails.rules.slate import SLATE_CATALOGUE


class Broken(type(SLATE_CATALOGUE[0])):
    id = "G99"

    def judge(self, draft, limits):
        raise RuntimeError


def counted(house) -> str:
    metrics = Metrics()
    request = a_request("product_page", context=on_page("lamp-0"), count=12)
    metrics.count_decision(decided(request, Choices(a_ledger()), house=house))
    return metrics.exposition().decode()


def test_a_refusal_is_counted_as_a_block():
    sparing = Limits(variety=replace(VarietyLimits(), selling_share_micro=0))
    assert 'tactful_verdicts_total{effect="block",rule="G37"}' in counted(a_house(sparing))


def test_a_rule_of_the_list_that_failed_is_counted_as_a_gap():
    broken = a_house(slate_rules=(Broken(), *SLATE_CATALOGUE))
    assert 'tactful_verdicts_total{effect="gap",rule="G99"}' in counted(broken)
