"""Analysing the rules of a shop, beside z3 answering the same questions about the same rules.

The questions are those of ``guardrails.policy.analysis``: which rules never act, always act, are
shadowed or redundant, and which conflict. The peer is asked each of them as a formula; both answers are
compared. The peer is asked once, as it takes its time.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import z3

from guardrails.policy.analysis import analyse
from guardrails.policy.charter import MICRO
from guardrails.policy.difference import compare
from guardrails.policy.language import (
    All,
    AnyOf,
    Atom,
    Condition,
    HouseRule,
    Mode,
    Obligation,
    Op,
    Policy,
    RuleEffect,
)
from guardrails.policy.meaning import day_number, scope_of
from tests.support.solver import STRENGTH, Solver

DAY = date(2026, 12, 1)
STOPPING = {RuleEffect.GENERALISE, RuleEffect.BLOCK}

Asked = dict[str, dict[str, tuple[str, ...]]]
"""By code and rule: the rules named; of redundant ones nothing, as more than one answer is right."""


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return a row for each size analysed, the peer beside it, and one for comparing two versions."""
    rows: list[dict[str, object]] = []
    for n_rules, peer_too in ((20, True), (50, True)) if quick else ((20, True), (200, True), (500, False)):
        policy = realistic(n_rules)
        rows.append(
            {
                "what": "analyse",
                "rules": n_rules,
                "median ms": _median_ms(lambda policy=policy: analyse(policy), 3 if quick else 9),
                "findings": len(analyse(policy)),
            }
        )
        if peer_too:
            start = time.perf_counter()
            answers = asked_of_z3(policy)
            taken = time.perf_counter() - start
            if answers != asked_of_boxes(policy):
                raise RuntimeError("the peer says otherwise")
            rows.append({"what": "z3, the same questions", "rules": n_rules, "median ms": taken * 1e3})
    former = realistic(20 if quick else 200)
    rows.append(
        {
            "what": "compare, one rule in ten changed",
            "rules": len(former.rules),
            "median ms": _median_ms(lambda: compare(former, changed(former)), 3 if quick else 9),
        }
    )
    return rows


def _median_ms(part: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        part()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e3


def asked_of_boxes(policy: Policy) -> Asked:
    """Return what the analysis finds."""
    found: Asked = {}
    for finding in analyse(policy):
        rule = policy.rules[int(finding.pointer.split("/")[2])]
        found.setdefault(finding.code, {})[rule.id] = () if finding.code == "redundant" else finding.rules
    return found


def asked_of_z3(policy: Policy) -> Asked:
    """Put the same questions to z3, in the order that spares it most."""
    found: Asked = {}
    solver = Solver()
    acts = {rule.id: solver.fires(rule) for rule in policy.rules}
    enforced = [rule for rule in policy.rules if rule.mode is Mode.ENFORCE]
    for rule in policy.rules:
        if not solver.possible(acts[rule.id]):
            found.setdefault("never_fires", {})[rule.id] = ()
            continue
        whole = solver.holds(None if rule.when is None else scope_of(rule))
        if not solver.possible(whole, z3.Not(acts[rule.id])):
            found.setdefault("always_fires", {})[rule.id] = ()
        if rule.mode is Mode.OFF:
            continue
        meeting = [
            other
            for other in enforced
            if other is not rule and solver.possible(acts[rule.id], acts[other.id])
        ]
        for code, named in _beside_others(rule, meeting, acts, solver):
            found.setdefault(code, {})[rule.id] = named
    return found


def _beside_others(rule: HouseRule, others: list[HouseRule], acts: dict[str, z3.BoolRef], solver: Solver):
    strength = STRENGTH[rule.effect], -rule.share_micro
    shadowing = tuple(
        other.id
        for other in others
        if (STRENGTH[other.effect], -other.share_micro) > strength
        and set(rule.obligations) <= set(other.obligations)
        and not solver.possible(acts[rule.id], z3.Not(acts[other.id]))
    )
    if shadowing:
        yield "shadowed", shadowing
    elif not solver.possible(acts[rule.id], solver.verdicts_differ([*others, rule], others)):
        yield "redundant", ()
    opposed = tuple(other.id for other in others if _opposite(rule, other))
    if opposed:
        yield "conflict", opposed


def _opposite(rule: HouseRule, other: HouseRule) -> bool:
    if rule.effect is RuleEffect.ALLOW:
        return other.effect in STOPPING
    return rule.effect in STOPPING and other.effect is RuleEffect.ALLOW and rule.mode is not Mode.ENFORCE


def realistic(n_rules: int) -> Policy:
    """Build a policy as a shop's marketers might over the years: some rules overlap, a few are mistakes."""
    chance = random.Random(n_rules)
    return Policy(rules=tuple(_rule(f"rule-{number:03d}", chance) for number in range(n_rules)))


def changed(policy: Policy) -> Policy:
    """Return it with every tenth rule written anew."""
    chance = random.Random(len(policy.rules) + 1)
    return replace(
        policy,
        rules=tuple(
            _rule(rule.id, chance) if position % 10 == 0 else rule
            for position, rule in enumerate(policy.rules)
        ),
    )


def _rule(rule_id: str, chance: random.Random) -> HouseRule:
    effect = chance.choices(list(RuleEffect), (2, 4, 2, 6))[0]
    from_day = DAY + timedelta(days=chance.randrange(0, 300, 10)) if chance.random() < 0.2 else None
    return HouseRule(
        id=rule_id,
        title="What the shop wants",
        when=_condition(chance),
        applies_to=_scope(chance),
        effect=effect,
        share_micro=chance.randrange(1, 9) * MICRO // 10 if effect is RuleEffect.DEMOTE else MICRO,
        obligations=(chance.choice(list(Obligation)),) if chance.random() < 0.25 else (),
        mode=chance.choices(list(Mode), (1, 2, 1, 16))[0],
        rationale="It is kinder.",
        owner="customer-care",
        review_by=DAY + timedelta(days=365),
        assumes=(),
        customer_sentence="We hold this back for you.",
        effective_from=from_day,
        effective_until=from_day and from_day + timedelta(days=chance.randrange(10, 90)),
    )


def _scope(chance: random.Random) -> tuple[tuple[str, tuple[str, ...]], ...]:
    intents = chance.choice(((), ("upsell",), ("cross_sell", "upsell"), ("discover",)))
    places = chance.choice(((), (), ("cart", "checkout"), ("email",), ("home", "search")))
    return tuple((name, words) for name, words in (("intent", intents), ("placement", places)) if words)


def _condition(chance: random.Random) -> Condition:
    parts = tuple(chance.choice(_PARTS)(chance) for _ in range(chance.choice((1, 1, 2, 2, 3))))
    if chance.random() < 0.2:
        parts = (*parts, AnyOf((chance.choice(_PARTS)(chance), chance.choice(_PARTS)(chance))))
    return All(parts)


def _flag(chance: random.Random) -> Condition:
    name = chance.choice(
        (
            *("customer.open_delivery_delay", "customer.open_complaint", "customer.payment_failed"),
            *("item.sponsored", "item.unclassified", "customer.shared_device", "item.age_restricted"),
        )
    )
    return Atom(name, Op.EQUAL, value=chance.random() < 0.8)


def _number(chance: random.Random) -> Condition:
    name, step = chance.choice(
        (
            *(("item.price_minor", 500), ("request.basket_minor", 1_000), ("visit.n_offers", 1)),
            *(("candidate.days_since_shown", 1), ("candidate.price_step", 50_000), ("visit.n_pages", 1)),
        )
    )
    op = chance.choice((Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST))
    return All((Atom(name, Op.HAS, value=True), Atom(name, op, step * chance.randrange(1, 40))))


def _brand(chance: random.Random) -> Condition:
    brands = sorted({f"Brand {chance.randrange(30)}" for _ in range(chance.randrange(1, 5))})
    return Atom("item.brand", chance.choice((Op.IN, Op.IN, Op.NOT_IN)), tuple(brands))


def _categories(chance: random.Random) -> Condition:
    categories = sorted({f"Category {chance.randrange(40)}" for _ in range(chance.randrange(1, 6))})
    return Atom("item.categories", Op.CONTAINS_ANY, tuple(categories))


def _holds(chance: random.Random) -> Condition:
    return Atom("customer.holds", Op.CONTAINS_ANY, (chance.choice(("complaint", "delivery", "payment")),))


def _season(chance: random.Random) -> Condition:
    first = day_number(DAY) + chance.randrange(0, 300, 10)
    days = Atom("request.date", Op.AT_LEAST, first), Atom("request.date", Op.AT_MOST, first + 30)
    return All(days)


_PARTS = (_flag, _flag, _number, _number, _brand, _categories, _categories, _holds, _season)
