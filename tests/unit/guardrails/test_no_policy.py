"""Without a policy that can be read nothing is suggested, and the record says why."""

from __future__ import annotations

from support.scenes import agreeing
from support.shops import a_house, a_request, decided, did, knowing, recorded

from guardrails.decide import Outcome
from guardrails.log.reading import sections_of
from guardrails.no_policy import NoPolicy
from guardrails.rules import CATALOGUE

KNOWN = knowing([did("bread-0"), did("milk-1", age_days=20)])
REQUEST = a_request("home", count=6)


def test_everything_is_withheld_and_a_human_offered():
    house = a_house(rules=(NoPolicy(), *CATALOGUE))
    assert decided(REQUEST, agreeing(), KNOWN, a_house()).suggestions
    decision = decided(REQUEST, agreeing(), KNOWN, house)
    assert decision.outcome is Outcome.EMPTY
    assert decision.for_a_human
    assert {rule_id for taken in decision.rounds for _, rule_id in taken.slate.held_back} == {"NO_POLICY"}


def test_the_record_says_that_the_policy_failed():
    house = a_house(rules=(NoPolicy(), *CATALOGUE))
    sections = sections_of(recorded(decided(REQUEST, agreeing(), KNOWN, house), REQUEST, KNOWN, house).body)
    said = sections["rules"]["rounds"][0]
    assert said["asked"][0] == {"rule": "NO_POLICY", "reason": "POLICY_ERROR"}
