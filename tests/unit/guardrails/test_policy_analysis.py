"""What is found in the rules of a shop, finding by finding, as somebody would meet it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

import pytest
from support.policies import a_policy, a_rule

from guardrails.policy.analysis import analyse
from guardrails.policy.fields import FIELDS
from guardrails.policy.findings import Severity
from guardrails.policy.language import All, AnyOf, Atom, Mode, Obligation, Op, RuleEffect
from guardrails.policy.meaning import fires, together

LATE = Atom("customer.open_delivery_delay", Op.EQUAL, value=True)
SPONSORED = Atom("item.sponsored", Op.EQUAL, value=True)
NOT_SPONSORED = Atom("item.sponsored", Op.EQUAL, value=False)
BOTH = All((LATE, SPONSORED))

block_late = a_rule("block-late", when=LATE)
demote_both = a_rule("demote-both", when=BOTH, effect=RuleEffect.DEMOTE, share_micro=700_000)


def found(*rules, **options):
    policy = a_policy(*rules)
    return {(finding.pointer, finding.code): finding for finding in analyse(policy, **options)}


def test_nothing_is_found_where_nothing_is_wrong():
    assert analyse(a_policy()) == ()
    assert found(block_late, a_rule("sponsored", when=SPONSORED, effect=RuleEffect.GENERALISE)) == {}


def test_a_rule_that_contradicts_itself_never_acts():
    rule = a_rule(when=All((SPONSORED, NOT_SPONSORED)))
    finding = found(rule)["/rules/0/when", "never_fires"]
    assert finding.severity is Severity.ERROR
    assert "`item.sponsored`" in finding.message
    assert not finding.example


def test_a_rule_whose_days_are_over_before_they_begin_never_acts():
    rule = a_rule(effective_from=date(2026, 12, 2), effective_until=date(2026, 12, 1))
    assert set(found(rule)) == {("/rules/0", "never_fires")}


@pytest.mark.parametrize("mode", Mode)
def test_a_rule_without_a_condition_and_a_scope_acts_always(mode):
    rule = a_rule(mode=mode, effective_from=date(2026, 12, 1))
    finding = found(rule)["/rules/0", "always_fires"]
    assert finding.severity is Severity.ERROR
    assert fires(rule, finding.example)


def test_a_scope_is_enough():
    assert found(a_rule(applies_to=(("intent", ("upsell",)),))) == {}


@pytest.mark.parametrize("scope", [(), (("intent", ("upsell",)),)])
def test_a_condition_that_tells_nothing_apart_acts_always(scope):
    rule = a_rule(when=AnyOf((SPONSORED, NOT_SPONSORED)), applies_to=scope)
    finding = found(rule)["/rules/0/when", "always_fires"]
    assert fires(rule, finding.example)


def test_a_condition_that_asks_for_the_scope_again_tells_nothing_apart():
    upsells = Atom("candidate.intent", Op.IN, ("cross_sell", "upsell"))
    assert ("/rules/0/when", "always_fires") in found(
        a_rule(when=upsells, applies_to=(("intent", ("upsell",)),))
    )


def test_a_rule_is_shadowed_by_a_stronger_one_that_acts_wherever_it_does():
    finding = found(block_late, demote_both)["/rules/1/when", "shadowed"]
    assert finding.severity is Severity.WARNING
    assert finding.rules == ("block-late",)
    assert "`block-late`" in finding.message
    assert fires(demote_both, finding.example)
    assert fires(block_late, finding.example)


def test_a_deeper_demotion_is_stronger():
    deeper = a_rule("deeper", when=LATE, effect=RuleEffect.DEMOTE, share_micro=500_000)
    assert set(found(deeper, demote_both)) == {("/rules/1/when", "shadowed")}


def test_a_rule_that_asks_for_more_is_not_shadowed():
    asking = replace(demote_both, obligations=(Obligation.HAND_OFF,))
    assert found(block_late, asking) == {}
    asked = replace(block_late, obligations=(Obligation.HAND_OFF,))
    assert set(found(asked, asking)) == {("/rules/1/when", "shadowed")}


def test_two_rules_together_do_not_shadow_but_make_redundant():
    halves = [
        a_rule("half-one", when=SPONSORED, effect=RuleEffect.GENERALISE),
        a_rule("half-two", when=NOT_SPONSORED, effect=RuleEffect.GENERALISE),
    ]
    whole = a_rule("whole", when=LATE, effect=RuleEffect.GENERALISE)
    finding = found(*halves, whole)["/rules/2/when", "redundant"]
    assert finding.severity is Severity.WARNING
    assert finding.rules == ("half-one", "half-two")
    assert fires(whole, finding.example)
    assert together([*halves, whole], finding.example) == together(halves, finding.example)
    assert found(halves[0], whole) == {}


def test_no_more_rules_are_named_than_it_takes():
    others = [
        a_rule("a", when=SPONSORED, effect=RuleEffect.GENERALISE),
        a_rule("b", when=All((LATE, NOT_SPONSORED)), effect=RuleEffect.GENERALISE),
        a_rule("c", when=LATE, effect=RuleEffect.GENERALISE),
    ]
    whole = a_rule("whole", when=LATE, effect=RuleEffect.GENERALISE)
    assert found(*others, whole)["/rules/3/when", "redundant"].rules == ("c",)


def test_a_rule_that_could_be_spared_is_not_named():
    low, middle, high = (
        a_rule(name, when=Atom("item.tier", Op.IN, tiers), effect=RuleEffect.GENERALISE)
        for name, tiers in (("a-low", (0, 1)), ("b-middle", (1, 2)), ("c-high", (2, 3)))
    )
    whole = a_rule("whole", when=LATE, effect=RuleEffect.GENERALISE)
    assert found(low, middle, high, whole)["/rules/3/when", "redundant"].rules == ("a-low", "c-high")


def test_what_is_said_twice_is_redundant_both_times():
    again = replace(block_late, id="again")
    findings = found(again, block_late)
    assert findings["/rules/0/when", "redundant"].rules == ("block-late",)
    assert findings["/rules/1/when", "redundant"].rules == ("again",)


def test_every_thing_that_a_rule_adds_has_to_be_done_by_others():
    asking = a_rule(
        "asking",
        when=LATE,
        effect=RuleEffect.DEMOTE,
        share_micro=700_000,
        obligations=(Obligation.EXPLAIN,),
    )
    explaining = a_rule("explaining", when=LATE, effect=RuleEffect.ALLOW, obligations=(Obligation.EXPLAIN,))
    as_deep = a_rule("as-deep", when=LATE, effect=RuleEffect.DEMOTE, share_micro=600_000)
    assert ("/rules/0/when", "redundant") not in found(asking, explaining)
    finding = found(as_deep, asking, explaining)["/rules/1/when", "redundant"]
    assert finding.rules == ("as-deep", "explaining")


def test_allowing_what_nobody_holds_back_changes_nothing():
    finding = found(a_rule("open", when=LATE, effect=RuleEffect.ALLOW))["/rules/0/when", "redundant"]
    assert finding.rules == ()


def test_what_one_allows_and_another_stops_is_a_conflict():
    opening = a_rule(
        "open", when=SPONSORED, effect=RuleEffect.ALLOW, obligations=(Obligation.DISCLOSE_SPONSORED,)
    )
    generalising = a_rule("coarse", when=Atom("item.tier", Op.EQUAL, 1), effect=RuleEffect.GENERALISE)
    findings = found(block_late, generalising, opening, demote_both)
    finding = findings["/rules/3/when", "conflict"]
    assert finding.severity is Severity.WARNING
    assert finding.rules == ("block-late", "coarse")
    assert fires(opening, finding.example)
    assert fires(block_late, finding.example)
    assert [code for _, code in findings].count("conflict") == 1


def test_a_rule_that_watches_is_held_against_what_is_enforced():
    opening = a_rule("open", when=SPONSORED, effect=RuleEffect.ALLOW, obligations=(Obligation.EXPLAIN,))
    watching = replace(block_late, mode=Mode.SHADOW)
    findings = found(watching, opening)
    assert set(findings) == {("/rules/0/when", "conflict")}
    assert findings["/rules/0/when", "conflict"].rules == ("open",)
    assert found(replace(watching, mode=Mode.OFF), opening) == {}


def test_what_takes_too_much_work_is_named_and_the_rest_is_found():
    endless = a_rule("endless", when=AnyOf((SPONSORED, NOT_SPONSORED)))
    tangled = found(block_late, demote_both, endless, work=0)
    assert {code for _, code in tangled} == {"too_tangled"}
    assert all(finding.severity is Severity.ERROR for finding in tangled.values())
    boundless = a_rule("boundless", when=All((AnyOf((SPONSORED, LATE)),) * 7))
    findings = found(boundless, block_late, demote_both)
    assert set(findings) == {("/rules/1/when", "too_tangled"), ("/rules/2/when", "shadowed")}


def test_a_policy_made_to_be_tangled_is_given_up():
    chance = random.Random(1)
    names = ("request.channel", "candidate.intent", "candidate.source", "candidate.basis")
    more = ("customer.age_assurance", "item.sensitive_class", "request.language", "visit.entry")
    there = Atom("visit.entry", Op.HAS, value=True)

    def box():
        sides = chance.sample((*names, *more), 3)
        return All((there, *(Atom(name, Op.EQUAL, chance.choice(FIELDS[name].values[:4])) for name in sides)))

    first = tuple(Atom(name, Op.IN, FIELDS[name].values[:4]) for name in (*names, *more))
    rules = [
        *(a_rule(f"of-{n:02}", when=AnyOf(tuple(box() for _ in range(60)))) for n in range(12)),
        a_rule("whole", when=All((there, *first))),
    ]
    assert ("/rules/12/when", "too_tangled") in found(*rules, work=50_000)
