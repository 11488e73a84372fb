"""Random policies of a shop, well formed as a checked draft is, and random points to hold them against.

Values are few and near each other, so that conditions touch, overlap, cover and contradict each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import strategies as st

from guardrails.policy.charter import MICRO
from guardrails.policy.fields import FIELDS, ORDERED, SCOPES, Field, FieldKind
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
    Value,
    atoms,
)
from guardrails.policy.limits import Limits, PriceLimits, ScoreLimits
from guardrails.policy.meaning import Point, day_number

FEW = (
    *("customer.payment_failed", "item.sponsored", "candidate.intent", "visit.entry", "item.sensitive_class"),
    *("item.price_minor", "evidence.tier", "candidate.price_step", "request.date", "item.brand"),
    *("customer.jurisdiction", "item.categories", "customer.holds"),
)
"""Fields of every kind: optional and nullable ones, and ones that are neither."""

TODAY = date(2026, 12, 1)

_WORDS = ("alpha", "beta", "gamma")
_ORDER_OPS = (Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST)
_SHARES = (500_000, 700_000)


def values_of(field: Field) -> tuple[Value, ...]:
    """Values that conditions and points take for a field; of texts single ones."""
    if field.kind is FieldKind.BOOL:
        return (False, True)
    if field.kind is FieldKind.DATE:
        return tuple(day_number(TODAY) + days for days in range(-2, 4))
    if field.kind in ORDERED:
        near = range(field.least, min(field.least + 5, field.greatest) + 1)
        return tuple(sorted({*near, field.greatest}))
    return field.values[:4] if field.values else _WORDS


def an_atom(field: Field) -> st.SearchStrategy[Condition]:
    """One condition on a field, with what has to stand beside it where the field may be absent."""
    values = values_of(field)
    if field.kind is FieldKind.TEXTS:
        return st.builds(Atom, st.just(field.name), st.just(Op.CONTAINS_ANY), _some(values))
    single = st.sampled_from((*values, None) if field.nullable else values)
    several = _some((*values, None) if field.nullable else values)
    name = st.just(field.name)
    plain = [
        st.builds(Atom, name, st.sampled_from((Op.EQUAL, Op.UNEQUAL)), single),
        st.builds(Atom, name, st.sampled_from((Op.IN, Op.NOT_IN)), several),
    ]
    if field.kind in ORDERED:
        plain.append(st.builds(Atom, name, st.sampled_from(_ORDER_OPS), st.sampled_from(values)))
    if not field.optional:
        return st.one_of(plain)
    there = Atom(field.name, Op.HAS, value=True)
    guarded = st.one_of(plain).map(lambda atom: All((there, atom)))
    return st.one_of(guarded, guarded, st.sampled_from((there, Atom(field.name, Op.HAS, value=False))))


def _some(values: Sequence[Value]) -> st.SearchStrategy[tuple[Value, ...]]:
    """A list as a policy keeps it: sorted, each once, null first."""
    return st.sets(st.sampled_from(values), min_size=1, max_size=3).map(
        lambda found: tuple(sorted(found, key=lambda value: (value is not None, value)))
    )


def conditions(names: Sequence[str] = FEW) -> st.SearchStrategy[Condition]:
    """Conditions on the fields named, nested a little."""
    leaf = st.sampled_from(names).flatmap(lambda name: an_atom(FIELDS[name]))
    few = st.lists(leaf, min_size=1, max_size=3).map(tuple)
    group = st.one_of(few.map(All), few.map(AnyOf))
    deep = st.lists(st.one_of(leaf, group), min_size=1, max_size=3).map(tuple)
    return st.one_of(leaf, group, deep.map(All), deep.map(AnyOf))


def scopes() -> st.SearchStrategy[tuple[tuple[str, tuple[str, ...]], ...]]:
    """What a rule may be narrowed to; mostly nothing."""
    intents = st.sampled_from((("upsell",), ("cross_sell", "upsell"))).map(lambda words: (("intent", words),))
    return st.one_of(st.just(()), st.just(()), intents, st.just((("placement", ("cart", "checkout")),)))


def a_rule(rule_id: str = "one", **parts: object) -> HouseRule:
    """Build an enforced rule that blocks everything, but for what is said otherwise."""
    return replace(
        HouseRule(
            id=rule_id,
            title="Something the shop wants",
            when=None,
            applies_to=(),
            effect=RuleEffect.BLOCK,
            share_micro=MICRO,
            obligations=(),
            mode=Mode.ENFORCE,
            rationale="It is kinder.",
            owner="customer-care",
            review_by=TODAY + timedelta(days=180),
            assumes=(),
            customer_sentence="We hold this back for you.",
        ),
        **parts,
    )


def a_policy(*rules: HouseRule, **parts: object) -> Policy:
    """Build a policy of these rules."""
    return Policy(rules=tuple(sorted(rules, key=lambda rule: rule.id)), **parts)


@st.composite
def rules(
    draw: st.DrawFn,
    rule_id: str = "one",
    names: Sequence[str] = FEW,
    modes: Sequence[Mode] = tuple(Mode),
) -> HouseRule:
    """One rule of the shop."""
    effect = draw(st.sampled_from(RuleEffect))
    days = st.none() | st.integers(-1, 2).map(lambda n: TODAY + timedelta(days=n))
    dated = draw(st.integers(0, 3)) == 0
    return a_rule(
        rule_id,
        when=draw(st.none() | conditions(names) | conditions(names) | conditions(names)),
        applies_to=draw(scopes()),
        effect=effect,
        share_micro=draw(st.sampled_from(_SHARES)) if effect is RuleEffect.DEMOTE else MICRO,
        obligations=tuple(sorted(draw(st.sets(st.sampled_from(Obligation), max_size=1)))),
        mode=draw(st.sampled_from(modes)),
        effective_from=draw(days) if dated else None,
        effective_until=draw(days) if dated else None,
    )


@st.composite
def policies(
    draw: st.DrawFn,
    names: Sequence[str] = FEW,
    modes: Sequence[Mode] = (Mode.ENFORCE, Mode.ENFORCE, Mode.ENFORCE, *Mode),
    max_rules: int = 5,
) -> Policy:
    """A few rules, mostly enforced, on few of the fields named, with other limits now and then."""
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
    ids = ("first", "fourth", "second", "sixth", "third", *(f"z-{n}" for n in range(max_rules)))[:max_rules]
    n_rules = draw(st.integers(0, max_rules))
    price = draw(st.sampled_from((500_000, 500_000, 300_000, 600_000)))
    suppress = draw(st.sampled_from((700_000, 700_000, 600_000)))
    return Policy(
        limits=Limits(
            price=PriceLimits(upsell_hard_micro=price), score=ScoreLimits(generalise_micro=suppress)
        ),
        rules=tuple(draw(rules(rule_id, chosen, modes)) for rule_id in ids[:n_rules]),
    )


@st.composite
def points(draw: st.DrawFn, names: Sequence[str] = tuple(FIELDS)) -> Point:
    """One candidate in one request: every field that is always there, and some of the others."""
    point: dict[str, Value] = {}
    for name in names:
        field = FIELDS[name]
        values = values_of(field)
        if field.kind is FieldKind.TEXTS:
            point[name] = tuple(sorted(draw(st.sets(st.sampled_from(values), max_size=2))))
        elif not (field.optional and draw(st.booleans())):
            found = draw(_scope_words(name) | st.sampled_from(values))
            point[name] = None if field.nullable and draw(st.integers(0, 2)) == 0 else found
    return point


def _scope_words(name: str) -> st.SearchStrategy[Value]:
    """What random rules are narrowed to, so that some points are within."""
    words = {SCOPES["intent"]: ("upsell", "cross_sell"), SCOPES["placement"]: ("cart", "checkout")}
    return st.sampled_from(words[name]) if name in words else st.nothing()


@st.composite
def versions_of(draw: st.DrawFn, policy: Policy) -> Policy:
    """A later version of a policy: rules kept, taken out, rewritten without or with a change, and added."""
    names = sorted({atom.field for rule in policy.rules for atom in atoms(rule.when)}) or FEW[:3]
    found: list[HouseRule] = []
    for rule in policy.rules:
        done = draw(st.sampled_from(("keep", "keep", "split", "rename", "drop", "change", "mode")))
        if done == "keep":
            found.append(rule)
        if done == "split":
            parts = rule.when.of if isinstance(rule.when, AnyOf) else (rule.when,)
            found.extend(replace(rule, id=f"{rule.id}-{n}", when=part) for n, part in enumerate(parts))
        if done == "rename":
            found.append(replace(rule, id=f"{rule.id}-again", title="Said anew"))
        if done == "change":
            found.append(draw(rules(rule.id, names)))
        if done == "mode":
            found.append(replace(rule, mode=draw(st.sampled_from(Mode))))
    if draw(st.integers(0, 2)) == 0:
        found.append(draw(rules("another", names)))
    return replace(policy, rules=tuple(sorted(found, key=lambda rule: rule.id)))
