"""Anybody can read what suggestions are based on; the link in every answer leads there."""

from guardrails.policy.limits import EvidenceLimits
from guardrails.rules import CATALOGUE


def test_the_link_in_an_answer_leads_to_the_parameters_in_force(shop):
    answer = shop.recommend().json()
    found = shop.client.get(answer["parameters_url"])
    assert found.status_code == 200
    document = found.json()
    assert document["policy_version"] == answer["policy_version"]
    assert [rule["id"] for rule in document["rules"]] == [rule.id for rule in CATALOGUE]
    assert {each["kind"]: each["kept_days"] for each in document["parameters"]}["purchase"] == (
        EvidenceLimits().purchase_days
    )
    assert "personalize.content.profiling" in {purpose["key"] for purpose in document["purposes"]}
