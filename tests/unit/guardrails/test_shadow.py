"""What is asked beside the policy in force is recorded, and changes nothing."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import orjson
from support.scenes import agreeing
from support.shops import a_house, a_request, decided, did, knowing, recorded

from guardrails.decide import Action
from guardrails.house import Arm, ShadowPolicy
from guardrails.log.reading import sections_of
from guardrails.policy.limits import FrequencyLimits, Limits
from guardrails.rules import CATALOGUE
from guardrails.rules.base import OBLIGES, Effect, Judgement, Rule, Unit, WatchedRule

KNOWN = knowing([did("bread-0"), did("milk-1", age_days=20), did("wool-0"), did("cream-1")])
REQUEST = a_request("home", count=6)


class Picks(Rule):
    """Acts on every other candidate."""

    id = "every-other"
    name = "every-other"
    locked = False
    reason_code = "HOUSE_RULE"
    sentence = "Because."
    ground = "a test"
    unit = Unit.FLAG

    def __init__(self, effect, obliges=0):
        self.effect, self.obliges = effect, obliges

    def judge(self, view, limits):
        odd = np.arange(len(view)) % 2
        effect = (odd * self.effect.value).astype(np.int8)
        return replace(Judgement.of(effect, odd, 0), obliges=(odd * self.obliges).astype(np.int8))


class Fails(Picks):
    id = "fails"

    def judge(self, view, limits):
        raise KeyError("nothing")


def decision_of(**overrides):
    return decided(REQUEST, agreeing(), KNOWN, a_house(**overrides))


def shown(decision):
    return [suggestion.item_idx for suggestion in decision.suggestions]


def beside(limits=None, *more):
    shadow = ShadowPolicy("f" * 64, limits or Limits(), (*CATALOGUE, *more))
    return decision_of(shadow=shadow)


def test_a_policy_in_shadow_changes_no_suggestion():
    plain = decision_of()
    assert plain.suggestions
    assert plain.beside is None
    assert beside(None, Picks(Effect.BLOCK)).suggestions == plain.suggestions


def test_a_policy_that_says_the_same_would_have_done_the_same():
    found = beside().beside
    assert (found.version, found.withheld, found.shown, found.failed) == ("f" * 64, (), (), ())


def test_a_stricter_policy_is_said_to_withhold_by_the_rule_that_would_have_done_it():
    decision = beside(None, Picks(Effect.BLOCK))
    rows = decision.rounds[-1].slate.shown
    assert {row for row, rule in decision.beside.withheld if rule == "every-other"} == {
        row for row in rows if row % 2
    }
    assert not set(decision.beside.shown) & set(rows)


def test_what_others_would_have_taken_the_place_of_is_no_rule_s_doing():
    class Demotes(Picks):
        def judge(self, view, limits):
            first = np.arange(len(view)) < 1
            return Judgement.of(
                np.where(first, Effect.DEMOTE, Effect.ALLOW).astype(np.int8),
                first,
                0,
                np.where(first, 0, 1_000_000),
            )

    short = decided(replace(REQUEST, count=1), agreeing(), KNOWN, a_house())
    shadow = ShadowPolicy("f" * 64, Limits(), (*CATALOGUE, Demotes(Effect.DEMOTE)))
    decision = decided(replace(REQUEST, count=1), agreeing(), KNOWN, a_house(shadow=shadow))
    assert decision.suggestions == short.suggestions
    (row,) = decision.rounds[-1].slate.shown
    if row == 0:
        assert decision.beside.withheld == ((0, ""),)
        assert len(decision.beside.shown) == 1


def test_a_rule_that_raises_in_shadow_is_named():
    decision = beside(None, Fails(Effect.BLOCK))
    assert decision.beside.failed == ("fails",)
    assert decision.degraded == ()
    assert len(decision.beside.withheld) == len(decision.suggestions)


def test_limits_of_a_list_are_those_of_the_shadow():
    house = Limits(frequency=FrequencyLimits(inline_page=0))
    request = a_request("product_page", count=4)
    shadow = ShadowPolicy("f" * 64, house)
    decision = decided(request, agreeing(), KNOWN, a_house(shadow=shadow))
    assert decision.beside is not None


def test_a_rule_that_warns_is_named_beside_what_it_would_have_acted_on():
    watched = (
        WatchedRule(Picks(Effect.BLOCK), warns=True),
        WatchedRule(Fails(Effect.BLOCK), warns=False),
    )
    decision, plain = decision_of(watched=watched), decision_of()
    assert shown(decision) == shown(plain)
    rows = decision.rounds[-1].slate.shown
    expected = [("every-other",) if row % 2 else () for row in rows]
    assert [suggestion.warnings for suggestion in decision.suggestions] == expected
    assert any(expected)


def test_what_a_rule_asks_for_besides_is_said_and_a_human_offered():
    rule = Picks(Effect.ALLOW, OBLIGES["explain"] | OBLIGES["hand_off"])
    decision, plain = decision_of(rules=(*CATALOGUE, rule)), decision_of()
    assert shown(decision) == shown(plain)
    assert decision.for_a_human
    assert not plain.for_a_human
    for row, suggestion in zip(decision.rounds[-1].slate.shown, decision.suggestions, strict=True):
        if row % 2:
            assert suggestion.obligations == ("explain", "hand_off")
            assert suggestion.action is not Action.SHOW


def test_the_record_holds_what_was_watched_what_was_asked_for_and_the_arm():
    house = a_house(
        rules=(*CATALOGUE, Picks(Effect.ALLOW, OBLIGES["hand_off"])),
        watched=(WatchedRule(Picks(Effect.BLOCK), warns=True), WatchedRule(Fails(Effect.BLOCK), warns=False)),
        shadow=ShadowPolicy("f" * 64, Limits()),
        arm=Arm.CHALLENGER,
    )
    decision = decided(REQUEST, agreeing(), KNOWN, house)
    record = recorded(decision, REQUEST, KNOWN, house)
    assert orjson.loads(record.header)["arm"] == "challenger"
    rules = sections_of(record.body)["rules"]
    assert rules["shadow"] == orjson.loads(orjson.dumps(asdict(decision.beside)))
    n = len(decision.rounds[-1].candidates)
    said = rules["rounds"][-1]
    watched = said["watched"]
    assert watched["asked"] == [
        {"rule": "every-other", "warns": True, "error": None},
        {"rule": "fails", "warns": False, "error": "KeyError"},
    ]
    assert list(zip(watched["fired"]["rule"], watched["fired"]["row"], strict=True)) == [
        *((0, row) for row in range(1, n, 2)),
        *((1, row) for row in range(n)),
    ]
    asked_for = [
        row
        for rule, row, obliges in zip(
            said["fired"]["rule"], said["fired"]["row"], said["fired"]["obliges"], strict=True
        )
        if said["asked"][rule]["rule"] == "every-other" and obliges == OBLIGES["hand_off"]
    ]
    assert asked_for == list(range(1, n, 2))
