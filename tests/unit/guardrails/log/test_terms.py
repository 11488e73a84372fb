"""Terms: exactly the rules that withheld, why they did, and why something was shown."""

import orjson
from hypothesis import given
from support.scenes import agreeing, any_scenes
from support.shops import a_house, a_request, decided, did, knowing, recorded, sections_of
from support.tries import tries

from guardrails.log.terms import REASON, RULE, SHOWN, terms_of
from guardrails.no_policy import NoPolicy
from guardrails.rules import CATALOGUE


def read_from_record(record):
    """What the terms are to be, by the record alone."""
    sections = {name: orjson.loads(content) for name, content in sections_of(record).items()}
    withheld = {each["rule"] for each in sections["out"]["withheld"]}
    reasons = {
        asked["reason"]
        for taken in sections["rules"]["rounds"]
        for asked in taken["asked"]
        if asked["rule"] in withheld
    }
    shown = {each["code"] for each in sections["out"]["list"]}
    return (
        {RULE + each for each in withheld}
        | {REASON + each for each in reasons}
        | {SHOWN + each for each in shown}
    )


@tries(60)
@given(any_scenes())
def test_terms_are_what_the_record_says(scene):
    decision = scene.decide()
    terms = terms_of(decision)
    assert set(terms) == read_from_record(recorded(decision, scene.request, scene.known, scene.house))
    assert list(terms) == sorted(set(terms))


def test_a_decision_that_shows_and_withholds_has_terms_of_each_kind():
    request = a_request()
    known = knowing([did("bread-0"), did("milk-1"), did("beer-0"), did("soap-0")])
    terms = terms_of(decided(request, agreeing(), known))
    assert {term.split(":")[0] + ":" for term in terms} == {RULE, REASON, SHOWN}


def test_of_a_rule_that_failed_the_reason_is_that_it_failed():
    house = a_house(rules=(NoPolicy(), *CATALOGUE))
    decision = decided(a_request(), agreeing(), knowing([did("bread-0")]), house)
    assert terms_of(decision) == (f"{REASON}POLICY_ERROR", f"{RULE}NO_POLICY")
