"""What rules say is counted by rule and effect, whether of one candidate, of the list, or watched."""

from __future__ import annotations

import re
from dataclasses import replace

from support.policies import a_policy, a_rule
from support.shops import Choices, a_house, a_ledger, a_request, decided, on_page

from api.houses import Policies, champions, loaded
from api.metrics import Metrics
from guardrails.policy.language import Atom, Mode, Op, Policy
from guardrails.policy.limits import Limits, VarietyLimits
from guardrails.rules.slate import SLATE_CATALOGUE


class Broken(type(SLATE_CATALOGUE[0])):
    id = "G99"

    def judge(self, draft, limits):
        raise RuntimeError


NO_LAMPS = a_rule("no-lamps", when=Atom("item.categories", Op.CONTAINS_ANY, ("Home",)))


def counted(house, metrics=None) -> str:
    metrics = metrics or Metrics()
    request = a_request("product_page", context=on_page("lamp-0"), count=12)
    metrics.count_decision(decided(request, Choices(a_ledger()), house=house), "decision-1")
    return metrics.exposition().decode()


def serving(metrics, policy, **others):
    """A house under a policy, which the metrics were told of."""
    policies = Policies(loaded(policy, "c" * 64), **others)
    metrics.serves(policies)
    return champions(a_house(), policies)


def test_a_refusal_is_counted_as_a_block():
    sparing = Limits(variety=replace(VarietyLimits(), selling_share_micro=0))
    assert 'tactful_verdicts_total{effect="block",rule="G37"}' in counted(a_house(sparing))


def test_a_rule_of_the_list_that_failed_is_counted_as_a_gap():
    broken = a_house(slate_rules=(Broken(), *SLATE_CATALOGUE))
    assert 'tactful_verdicts_total{effect="gap",rule="G99"}' in counted(broken)


def test_a_rule_of_the_shop_is_counted_like_any_other():
    metrics = Metrics()
    told = counted(serving(metrics, a_policy(NO_LAMPS)), metrics)
    assert 'tactful_verdicts_total{effect="block",rule="no-lamps"}' in told
    assert "tactful_watched_verdicts_total{" not in told


def test_a_rule_that_is_only_watched_is_counted_apart():
    metrics = Metrics()
    watched = (replace(NO_LAMPS, mode=Mode.SHADOW), replace(NO_LAMPS, id="warns", mode=Mode.WARN))
    told = counted(serving(metrics, a_policy(*watched)), metrics)
    assert 'tactful_verdicts_total{effect="block",rule="no-lamps"}' not in told
    for rule_id in ("no-lamps", "warns"):
        assert f'tactful_watched_verdicts_total{{effect="block",rule="{rule_id}"}}' in told


def test_what_a_policy_in_shadow_would_have_done_is_counted():
    metrics, shadow = Metrics(), loaded(a_policy(a_rule("nothing")), "5" * 64)
    told = counted(serving(metrics, Policy(), shadow=shadow), metrics)
    plain = decided(
        a_request("product_page", context=on_page("lamp-0"), count=12), Choices(a_ledger()), house=a_house()
    )
    assert f'tactful_shadow_suggestions_total{{change="withheld"}} {len(plain.suggestions)}.0' in told
    assert 'tactful_shadow_suggestions_total{change="shown"} 0.0' in told
    assert "tactful_watched_verdicts_total{" not in told


def test_a_rule_of_a_policy_in_shadow_that_fails_is_counted_as_a_gap():
    metrics = Metrics()
    fails = replace(loaded(a_policy(), "5" * 64), rules=(Broken(),))
    told = counted(serving(metrics, Policy(), shadow=fails), metrics)
    assert 'tactful_watched_verdicts_total{effect="gap",rule="G99"}' in told


def test_rules_of_policies_that_are_no_longer_served_are_not_told_of():
    metrics = Metrics()
    for number in range(20):
        rules = (
            replace(NO_LAMPS, id=f"no-lamps-{number}"),
            replace(NO_LAMPS, id=f"sees-lamps-{number}", mode=Mode.SHADOW),
        )
        told = counted(serving(metrics, a_policy(*rules)), metrics)
        assert set(re.findall(r"\w+-lamps-\d+", told)) == {f"no-lamps-{number}", f"sees-lamps-{number}"}


def test_every_policy_that_is_served_is_named_with_its_part():
    metrics = Metrics()
    others = {
        "challenger": loaded(a_policy(name="bold"), "a" * 64),
        "shadow": loaded(a_policy(name="shy"), "b" * 64),
    }
    told = counted(serving(metrics, a_policy(), **others), metrics)
    served = [("champion", "house", "c"), ("challenger", "bold", "a"), ("shadow", "shy", "b")]
    for part, name, letter in served:
        assert f'tactful_policy_info{{arm="{part}",name="{name}",version="{letter * 64}"}} 1.0' in told
    told = counted(serving(metrics, a_policy()), metrics)
    assert told.count("tactful_policy_info{") == 1
    assert "tactful_policy_ready 1.0" in told


def test_a_policy_that_cannot_be_read_shows_in_a_figure():
    metrics = Metrics()
    metrics.serves(Policies(loaded(a_policy(), "c" * 64), faults={"policy": "PolicyError"}))
    assert "tactful_policy_ready 0.0" in metrics.exposition().decode()


def test_however_few_figures_are_kept_at_hand_all_are_counted(monkeypatch):
    monkeypatch.setattr("api.metrics._MOST_FIGURES", 2)
    metrics = Metrics()
    for _ in range(2):
        for status in range(200, 205):
            metrics.count_request("/v1/recommendations", "POST", status, 0.001)
    told = metrics.exposition().decode()
    for status in range(200, 205):
        assert f'method="POST",route="/v1/recommendations",status="{status}"}} 2.0' in told
    assert 'tactful_request_seconds_count{route="/v1/recommendations"} 10.0' in told
    assert metrics._of_request.cache_info().currsize == 2
