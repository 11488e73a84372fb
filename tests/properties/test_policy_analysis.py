"""What is found in the rules of a shop is so, all of it, and nothing else is: an SMT solver says the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policies import points, policies, rules, versions_of
from support.solver import STRENGTH, Solver
from support.tries import many, tries

from guardrails.policy import boxes
from guardrails.policy.analysis import analyse
from guardrails.policy.boxes import EVERYWHERE, Region, region_of, regions_equal, subsumes
from guardrails.policy.difference import Change, ChangedRegion, compare
from guardrails.policy.findings import Finding
from guardrails.policy.language import HouseRule, Mode, Obligation, Policy, RuleEffect
from guardrails.policy.meaning import fires, scope_of, together

MANY = many(2_000)
"""Policies that the thorough run tries."""

STOPPING = {RuleEffect.GENERALISE, RuleEffect.BLOCK}


def by_rule(policy: Policy) -> dict[str, dict[str, Finding]]:
    """Findings by rule and code."""
    found = {rule.id: {} for rule in policy.rules}
    for finding in analyse(policy):
        _, rules_part, position, *_ = finding.pointer.split("/")
        assert rules_part == "rules"
        assert finding.code not in found[policy.rules[int(position)].id]
        found[policy.rules[int(position)].id][finding.code] = finding
    return found


def enforced(policy: Policy, *besides: HouseRule) -> list[HouseRule]:
    return [rule for rule in policy.rules if rule.mode is Mode.ENFORCE and rule not in besides]


def strength(rule: HouseRule):
    return STRENGTH[rule.effect], -rule.share_micro


def does_more(other: HouseRule, rule: HouseRule) -> bool:
    return strength(other) > strength(rule) and set(rule.obligations) <= set(other.obligations)


def opposite(rule: HouseRule, other: HouseRule) -> bool:
    if rule.effect is RuleEffect.ALLOW:
        return other.effect in STOPPING
    return rule.effect in STOPPING and other.effect is RuleEffect.ALLOW and rule.mode is not Mode.ENFORCE


def expected(policy: Policy, rule: HouseRule, solver: Solver) -> dict[str, tuple[str, ...] | None]:
    """Codes that a rule deserves, each with the rules that must be named, where these are one set only."""
    acts = solver.fires(rule)
    if not solver.possible(acts):
        return {"never_fires": ()}
    found = {}
    whole = solver.holds(None if rule.when is None else scope_of(rule))
    undated = solver.fires(replace(rule, effective_from=None, effective_until=None))
    if solver.certain(undated if rule.when is None else implies(whole, acts)):
        found["always_fires"] = ()
    if rule.mode is Mode.OFF:
        return found
    others = enforced(policy, rule)
    wider = {other.id for other in others if solver.certain(implies(acts, solver.fires(other)))}
    shadowing = tuple(other.id for other in others if other.id in wider and does_more(other, rule))
    if shadowing:
        found["shadowed"] = shadowing
    elif not solver.possible(solver.verdicts_differ([*others, rule], others)):
        found["redundant"] = None
    opposed = tuple(
        other.id for other in others if opposite(rule, other) and solver.possible(acts, solver.fires(other))
    )
    if opposed:
        found["conflict"] = opposed
    return found


def implies(one: z3.BoolRef, other: z3.BoolRef) -> z3.BoolRef:
    return z3.Or(z3.Not(one), other)


def check_against_the_solver(policy: Policy) -> None:
    solver, findings = Solver(), by_rule(policy)
    for rule in policy.rules:
        wanted = expected(policy, rule, solver)
        assert set(findings[rule.id]) == set(wanted)
        for code, finding in findings[rule.id].items():
            if wanted[code] is not None:
                assert finding.rules == wanted[code]
            check_example(policy, rule, finding)
            check_cover(policy, rule, finding, solver)


def check_example(policy: Policy, rule: HouseRule, finding: Finding) -> None:
    if finding.code == "never_fires":
        assert not finding.example
        return
    assert fires(rule, finding.example)
    together(policy.rules, finding.example)  # it has an answer for every rule
    named = {other.id: other for other in policy.rules if other.id in finding.rules}
    if finding.code == "shadowed":
        assert all(fires(other, finding.example) for other in named.values())
    if finding.code == "conflict":
        assert fires(named[finding.rules[0]], finding.example)


def check_cover(policy: Policy, rule: HouseRule, finding: Finding, solver: Solver) -> None:
    """Beside the rules named alone a redundant one changes nothing either, and no fewer of them do."""
    if finding.code == "redundant":
        named = [other for other in enforced(policy) if other.id in finding.rules]
        assert not solver.possible(solver.verdicts_differ([*named, rule], named))


@tries(40)
@given(policies())
def test_findings_are_those_of_a_solver(policy):
    check_against_the_solver(policy)


@pytest.mark.thorough
@settings(max_examples=MANY, deadline=None)
@given(policies(max_rules=7))
def test_findings_are_those_of_a_solver_in_thousands_of_policies(policy):
    check_against_the_solver(policy)


@tries(20)
@given(st.data())
def test_findings_do_not_depend_on_the_order_of_the_rules(data):
    policy = data.draw(policies())
    shuffled = replace(policy, rules=tuple(data.draw(st.permutations(policy.rules))))
    assert {
        rule_id: {code: replace(finding, pointer="") for code, finding in found.items()}
        for rule_id, found in by_rule(policy).items()
    } == {
        rule_id: {code: replace(finding, pointer="") for code, finding in found.items()}
        for rule_id, found in by_rule(shuffled).items()
    }


def inside(region: Region, solver: Solver) -> z3.BoolRef:
    return z3.Or([z3.BoolVal(val=False), *map(solver.inside, region)])


@tries(40)
@given(rules("one"), rules("other"))
def test_regions_are_what_a_solver_says_of_them(one, other):
    solver, region, others = Solver(), region_of(one), region_of(other)
    acts, acts_too = solver.fires(one), solver.fires(other)
    assert solver.certain(inside(region, solver) == acts)
    assert solver.certain(inside(boxes.meet(region, others), solver) == z3.And(acts, acts_too))
    assert subsumes(others, region) == solver.certain(implies(acts, acts_too))
    assert regions_equal(region, others) == solver.certain(acts == acts_too)
    left = boxes.difference(region, others)
    assert solver.certain(inside(left, solver) == z3.And(acts, z3.Not(acts_too)))
    assert not any(part.meets(another) for part in left for another in left if part is not another)
    around = boxes.difference((EVERYWHERE,), region)
    assert not any(part.meets(box) for part in around for box in region)


@tries(40)
@given(rules("one"), rules("other"))
def test_every_box_can_be_shown_by_a_point_in_it(one, other):
    region, others = region_of(one), region_of(other)
    assert all(fires(one, box.witness()) for box in region)
    assert all(not fires(one, box.witness()) for box in boxes.difference((EVERYWHERE,), region))
    for box in boxes.difference(region, others):
        assert fires(one, box.witness())
        assert not fires(other, box.witness())
    for box in boxes.meet(region, others):
        assert fires(one, box.witness())
        assert fires(other, box.witness())


BEYOND = {
    Change.WITHHELD: RuleEffect.BLOCK,
    Change.GENERALISED: RuleEffect.GENERALISE,
    Change.LET_THROUGH: RuleEffect.BLOCK,
    Change.NOT_GENERALISED: RuleEffect.GENERALISE,
}


def changed(
    change: Change, obligation: object, before: list[HouseRule], after: list[HouseRule], solver: Solver
) -> z3.BoolRef:
    """Where something of that kind has changed, straight from both verdicts."""
    if change in {Change.LET_THROUGH, Change.NOT_GENERALISED, Change.NOT_DEMOTED, Change.NOT_OBLIGED}:
        before, after = after, before
    if obligation is not None:
        return z3.And(solver.asked(obligation, after), z3.Not(solver.asked(obligation, before)))
    if change in BEYOND:
        place = STRENGTH[BEYOND[change]]
        return z3.And(solver.strength(after) == place, solver.strength(before) < place)
    return solver.share(after) < solver.share(before)


def exactly(
    region: ChangedRegion, before: list[HouseRule], after: list[HouseRule], solver: Solver
) -> z3.BoolRef:
    """The region that is described."""
    came = region.change in {Change.WITHHELD, Change.GENERALISED, Change.DEMOTED, Change.OBLIGED}
    own, other = (after, before) if came else (before, after)
    assert region.rule in {rule.id for rule in own}
    without = [
        *(rule for rule in other if rule.id in region.already),
        *(rule for rule in own if rule.id in region.outdone),
    ]
    return z3.And(inside(region.within, solver), z3.Not(solver.fires_any(without)))


def check_difference(former: Policy, later: Policy) -> None:
    solver, found = Solver(), compare(former, later)
    before, after = enforced(former), enforced(later)
    assert not found.too_tangled
    assert found.proven_equal is not solver.possible(solver.verdicts_differ(before, after))
    described: dict[tuple[Change, object], list[z3.BoolRef]] = {}
    for region in found.regions:
        check_changed_example(region, former, later)
        where = exactly(region, before, after, solver)
        assert solver.certain(
            implies(where, changed(region.change, region.obligation, before, after, solver))
        )
        described.setdefault((region.change, region.obligation), []).append(where)
    for change in Change:
        for obligation in Obligation if "oblig" in change else (None,):
            places = described.get((change, obligation), [])
            all_of_it = changed(change, obligation, before, after, solver)
            assert solver.certain(z3.Or([z3.BoolVal(val=False), *places]) == all_of_it)


def check_changed_example(region: ChangedRegion, former: Policy, later: Policy) -> None:
    assert region.before.verdict == together(former.rules, region.example)
    assert region.after.verdict == together(later.rules, region.example)
    assert region.before.verdict != region.after.verdict
    for decided, policy in ((region.before, former), (region.after, later)):
        deciding = [rule for rule in policy.rules if rule.id in decided.rules]
        assert all(fires(rule, region.example) for rule in deciding)
        assert together(deciding, region.example) == decided.verdict


@tries(40)
@given(st.data())
def test_differences_are_those_of_a_solver(data):
    former = data.draw(policies())
    check_difference(former, data.draw(versions_of(former)))


@pytest.mark.thorough
@settings(max_examples=MANY, deadline=None)
@given(st.data())
def test_differences_are_those_of_a_solver_in_thousands_of_policies(data):
    former = data.draw(policies())
    check_difference(former, data.draw(versions_of(former)))


@tries(20)
@given(policies(), policies(), points())
def test_policies_proven_equal_say_the_same_of_any_point(one, other, point):
    other = replace(other, limits=one.limits)
    if compare(one, other).proven_equal:
        assert together(one.rules, point) == together(other.rules, point)


@tries(20)
@given(policies())
def test_a_policy_is_proven_equal_to_itself_and_to_itself_in_another_order(policy):
    assert compare(policy, policy).proven_equal
    assert compare(policy, replace(policy, rules=policy.rules[::-1])).proven_equal


@tries(20)
@given(st.data())
def test_what_is_changed_back_is_changed_the_other_way_about(data):
    former = data.draw(policies())
    later = data.draw(versions_of(former))
    there, back = compare(former, later), compare(later, former)
    assert there.proven_equal == back.proven_equal
    assert {(each.rule, each.within) for each in there.regions} == {
        (each.rule, each.within) for each in back.regions
    }
