"""What two versions of a policy treat differently, and that a mere rewriting treats nothing differently."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import orjson
import pytest
from support.policies import a_policy, a_rule

from guardrails.policy.boxes import box_of
from guardrails.policy.difference import Change, ChangedLimit, ChangedRule, as_plain, box_to_plain, compare
from guardrails.policy.language import All, AnyOf, Atom, Mode, Obligation, Op, RuleEffect
from guardrails.policy.limits import FrequencyLimits, Limits, PriceLimits
from guardrails.policy.meaning import fires, together

LATE = Atom("customer.open_delivery_delay", Op.EQUAL, value=True)
SPONSORED = Atom("item.sponsored", Op.EQUAL, value=True)
NOT_SPONSORED = Atom("item.sponsored", Op.EQUAL, value=False)
THERE = Atom("candidate.price_step", Op.HAS, value=True)

block_late = a_rule("late", when=LATE)
empty = a_policy()


def dearer_than(share_micro: int) -> All:
    return All((THERE, Atom("candidate.price_step", Op.MORE, share_micro)))


def changes(before, after):
    return {(region.change, region.rule) for region in compare(before, after).regions}


def test_a_policy_is_proven_equal_to_itself():
    policy = a_policy(block_late, a_rule("boundless", when=dearer_than(3)))
    difference = compare(policy, policy)
    assert difference.proven_equal
    assert difference.regions == difference.limits == difference.changed == ()


def test_a_rewriting_that_changes_nothing_is_proven_equal():
    before = a_policy(a_rule("all-late", when=LATE))
    after = a_policy(
        a_rule("dear", when=All((LATE, *dearer_than(99).of))),
        a_rule("late-rest", when=AnyOf((All((LATE, SPONSORED)), All((LATE, NOT_SPONSORED))))),
    )
    difference = compare(before, after)
    assert difference.proven_equal
    assert difference.removed == ("all-late",)
    assert difference.added == ("dear", "late-rest")


def test_what_says_something_else_about_itself_alone_is_proven_equal():
    difference = compare(a_policy(block_late), a_policy(replace(block_late, title="Said anew", owner="me")))
    assert difference.proven_equal
    assert difference.changed == (ChangedRule("late", ("title", "owner")),)


def test_a_new_block_withholds_where_nothing_blocked_before():
    before = a_policy(a_rule("sponsored", when=SPONSORED))
    after = a_policy(*before.rules, block_late)
    (region,) = compare(before, after).regions
    assert (region.change, region.rule, region.already) == (Change.WITHHELD, "late", ("sponsored",))
    assert region.within == (box_of([LATE]),)
    assert fires(block_late, region.example)
    assert region.before.verdict == together(before.rules, region.example)
    assert (region.before.rules, region.after.rules) == ((), ("late",))
    assert region.after.verdict.effect is RuleEffect.BLOCK


def test_a_block_that_goes_lets_through():
    assert changes(a_policy(block_late), empty) == {(Change.LET_THROUGH, "late")}
    for mode in (Mode.SHADOW, Mode.WARN, Mode.OFF):
        watched = a_policy(replace(block_late, mode=mode))
        assert changes(a_policy(block_late), watched) == {(Change.LET_THROUGH, "late")}
        assert changes(watched, empty) == set()


def test_a_bound_that_moves_changes_what_lies_between():
    before, after = (a_policy(a_rule("dear", when=dearer_than(share))) for share in (300_000, 250_000))
    (region,) = compare(before, after).regions
    assert region.change is Change.WITHHELD
    assert 250_000 < region.example["candidate.price_step"] <= 300_000


@pytest.mark.parametrize(
    ("effect", "share_micro", "came", "went"),
    [
        (RuleEffect.GENERALISE, 1_000_000, Change.GENERALISED, Change.NOT_GENERALISED),
        (RuleEffect.DEMOTE, 700_000, Change.DEMOTED, Change.NOT_DEMOTED),
        (RuleEffect.DEMOTE, 1_000_000, Change.DEMOTED, Change.NOT_DEMOTED),
    ],
)
def test_weaker_effects_come_and_go_too(effect, share_micro, came, went):
    policy = a_policy(a_rule("weak", when=LATE, effect=effect, share_micro=share_micro))
    assert changes(empty, policy) == {(came, "weak")}
    assert changes(policy, empty) == {(went, "weak")}


def test_what_is_blocked_now_is_not_generalised_besides():
    weak = a_rule("weak", when=LATE, effect=RuleEffect.GENERALISE)
    assert changes(empty, a_policy(weak, block_late)) == {(Change.WITHHELD, "late")}
    (wider,) = (
        region
        for region in compare(empty, a_policy(replace(weak, when=SPONSORED), block_late)).regions
        if region.change is Change.GENERALISED
    )
    assert wider.outdone == ("late",)


def test_obligations_come_and_go():
    asking = a_rule("ask", when=LATE, effect=RuleEffect.ALLOW, obligations=(Obligation.HAND_OFF,))
    (came,) = compare(empty, a_policy(asking)).regions
    assert (came.change, came.obligation) == (Change.OBLIGED, Obligation.HAND_OFF)
    assert came.after.rules == ("ask",)
    assert changes(a_policy(asking), empty) == {(Change.NOT_OBLIGED, "ask")}


def test_changed_limits_say_which_way():
    before = replace(empty, limits=Limits(price=PriceLimits(upsell_hard_micro=400_000)))
    tighter = replace(empty, limits=Limits(price=PriceLimits(upsell_hard_micro=300_000)))
    difference = compare(before, tighter)
    assert difference.limits == (ChangedLimit("G17.upsell_hard", 400_000, 300_000, tightened=True),)
    assert not difference.proven_equal
    assert compare(tighter, before).limits[0].tightened is False


def test_another_set_of_weights_is_neither_tighter_nor_looser():
    weights = replace(Limits().weights, version="2")
    difference = compare(empty, replace(empty, limits=replace(Limits(), weights=weights)))
    (limit,) = difference.limits
    assert (limit.name, limit.after, limit.tightened) == ("G31.weights_version", "2", None)


def test_days_that_begin_elsewhere_matter_only_to_rules_that_ask_for_the_day():
    undated, dated = a_policy(block_late), a_policy(replace(block_late, effective_from=date(2026, 12, 1)))
    moved = compare(undated, replace(undated, time_zone="Europe/Oslo"))
    assert moved.time_zone == ("UTC", "Europe/Oslo")
    assert moved.proven_equal
    assert not compare(dated, replace(dated, time_zone="Europe/Oslo")).proven_equal


def test_what_takes_too_much_work_is_not_called_equal():
    before, after = a_policy(block_late), a_policy(replace(block_late, when=All((LATE, LATE))))
    assert compare(before, after).proven_equal
    given_up = compare(before, after, work=0)
    assert (given_up.too_tangled, given_up.proven_equal) == (("late",), False)


def test_a_rule_of_too_many_alternatives_is_not_compared():
    boundless = a_policy(a_rule("boundless", when=All((AnyOf((SPONSORED, LATE)),) * 7)))
    difference = compare(empty, boundless)
    assert (difference.too_tangled, difference.regions, difference.proven_equal) == (
        ("boundless",),
        (),
        False,
    )


def test_a_difference_can_be_written_as_json():
    before = replace(
        a_policy(block_late, a_rule("old", when=dearer_than(500_000))),
        limits=Limits(price=PriceLimits(upsell_hard_micro=400_000)),
    )
    after = replace(
        a_policy(
            replace(block_late, title="Said anew"),
            a_rule(
                "new",
                when=SPONSORED,
                effect=RuleEffect.DEMOTE,
                share_micro=700_000,
                obligations=(Obligation.EXPLAIN,),
                effective_from=date(2026, 12, 1),
            ),
        ),
        limits=Limits(frequency=FrequencyLimits(inline_page=2)),
        time_zone="Europe/Oslo",
    )
    plain = orjson.loads(orjson.dumps(as_plain(compare(before, after))))
    assert plain["limits"] == [
        {"limit": "G20.inline_page", "before": 3, "after": 2, "tightened": True},
        {"limit": "G17.upsell_hard", "before": 0.4, "after": 0.5, "tightened": False},
    ]
    assert (plain["added"], plain["removed"]) == (["new"], ["old"])
    assert plain["changed"] == [{"rule": "late", "parts": ["title"]}]
    assert plain["time_zone"] == {"before": "UTC", "after": "Europe/Oslo"}
    assert plain["proven_equal"] is False
    demoted, obliged, freed = plain["regions"]
    assert demoted["change"] == "newly_demoted"
    assert demoted["within"] == [
        {"item.sponsored": {"in": [True]}, "request.date": {"between": [{"at_least": "2026-12-01"}]}}
    ]
    assert demoted["example"]["request.date"] == "2026-12-01"
    assert demoted["after"] == {
        "effect": "demote",
        "share": 0.7,
        "obligations": ["explain"],
        "rules": ["new"],
    }
    assert obliged["obligation"] == "explain"
    assert freed["within"] == [{"candidate.price_step": {"between": [{"at_least": 0.500001}]}}]


@pytest.mark.parametrize(
    ("atom", "plain"),
    [
        (Atom("item.price_minor", Op.HAS, value=False), {"between": [], "absent": True}),
        (Atom("item.price_minor", Op.HAS, value=True), {"between": [{}]}),
        (
            Atom("item.price_minor", Op.IN, (3, 5)),
            {"between": [{"at_least": 3, "at_most": 3}, {"at_least": 5, "at_most": 5}]},
        ),
        (Atom("item.brand", Op.NOT_IN, (None, "Acme")), {"not_in": ["Acme", None]}),
        (Atom("visit.entry", Op.HAS, value=False), {"in": [], "absent": True}),
        (Atom("item.categories", Op.CONTAINS_ANY, ("tea", "wine")), {"contains_any": [["tea", "wine"]]}),
    ],
)
def test_a_box_is_written_field_by_field(atom, plain):
    box = box_of([atom])
    assert box is not None
    assert box_to_plain(box) == {atom.field: plain}


def test_a_draft_that_asks_for_what_may_be_absent_can_be_compared_all_the_same():
    unguarded = a_rule("one", when=Atom("visit.n_pages", Op.AT_LEAST, 3))
    other = a_rule("two", when=Atom("item.sponsored", Op.EQUAL, value=True))
    difference = compare(a_policy(), a_policy(unguarded, other))
    assert {region.rule: region.after.rules for region in difference.regions} == {
        "one": ("one",),
        "two": ("two",),
    }
