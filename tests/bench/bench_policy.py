"""Fifty rules of a shop over fifty candidates, beside Cedar and Rego asking the same rules of a single one.

The peers are given the same conditions, translated, and the same values, and have to come to the same
answer. Rego is asked for every rule that acts, as is recorded here; Cedar only whether there is any.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date

import cedarpy
import numpy as np
import regopy

from engine.vocabulary import Basis
from guardrails.judge import judge
from guardrails.past import Memory
from guardrails.policy.columns import ABSENT, Column, Columns, Named, columns_of
from guardrails.policy.compiled import compile_policy, house_rules
from guardrails.policy.fields import FIELDS, FieldKind
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
)
from guardrails.policy.limits import Limits
from guardrails.policy.meaning import Point, conjuncts, fires
from guardrails.rules import CATALOGUE
from guardrails.rules.base import MICRO, View
from guardrails.view import look
from tests.bench import bench_rules

N_CANDIDATES = 50
N_RULES = 50
N_RULES_OF_THE_FEW = 20
N_ROWS = 100_000

_SELLING = (("intent", ("cross_sell", "upsell")),)
_ON_PAGES = (("placement", ("cart", "checkout", "product_page")),)


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return a row for each part of asking, and one for each peer with how many times longer it takes."""
    times = 100 if quick else 2_000
    view, limits, score = _view(), Limits(), np.full(N_CANDIDATES, 10**9)
    policy, few = Policy(rules=shop_rules(N_RULES)), Policy(rules=shop_rules(N_RULES_OF_THE_FEW))
    rules = house_rules(policy)[0]
    compiled = compile_policy(policy)
    columns = columns_of(view, compiled.time_zone)
    fields = sorted(frozenset[str]().union(*compiled.fields))
    kept, many = Kept(columns, fields, N_CANDIDATES), Kept(columns, fields, N_ROWS)
    # A fresh copy of the view a time: no decision judges one twice, and what rules share is kept by view.
    rows = [
        _row(what, n, n_rules, _median_us(part, times))
        for what, n, n_rules, part in (
            (f"lay out {len(fields)} columns", N_CANDIDATES, 0, lambda: [*map(columns.column, fields)]),
            ("evaluate", N_CANDIDATES, N_RULES, lambda: compiled.evaluate(kept)),
            ("lay out and evaluate", N_CANDIDATES, N_RULES, lambda: compiled.evaluate(columns)),
            ("judge", N_CANDIDATES, N_RULES, lambda: judge(replace(view), score, rules, limits)),
            (
                "judge, what ships",
                N_CANDIDATES,
                len(CATALOGUE),
                lambda: judge(replace(view), score, CATALOGUE, limits),
            ),
            (
                "judge, both",
                N_CANDIDATES,
                len(CATALOGUE) + N_RULES,
                lambda: judge(replace(view), score, (*CATALOGUE, *rules), limits),
            ),
        )
    ]
    rows.append(_row("evaluate", N_ROWS, N_RULES, _median_us(lambda: compiled.evaluate(many), times // 100)))
    for asked in (policy, few):
        rows += _beside_peers(asked, Kept(columns, fields, 1), times)
    return rows


def _beside_peers(policy: Policy, one: Kept, times: int) -> list[dict[str, object]]:
    """One candidate, the values given: no peer is asked to fetch them."""
    compiled, point, n_rules = compile_policy(policy), _point(one), len(policy.rules)
    acting = sorted(rule.id for rule in policy.rules if fires(rule, point))
    ours = _median_us(lambda: compiled.evaluate(one), times)
    rows = [_row("evaluate", 1, n_rules, ours)]
    for name, peer in (("cedarpy", _one_by_cedar), ("regopy", _one_by_rego)):
        theirs = _median_us(peer(policy.rules, point, acting), times // 10)
        rows.append({**_row(name, 1, n_rules, theirs), "times ours": theirs / ours})
    return rows


def _row(what: str, n: int, n_rules: int, median_us: float) -> dict[str, object]:
    return {
        "what": what,
        "rules": n_rules,
        "candidates": n,
        "median us": median_us,
        "us a candidate": median_us / n,
    }


def _median_us(part: Callable[[], object], times: int) -> float:
    for _ in range(times // 10 + 1):
        part()
    taken = []
    for _ in range(max(times, 3)):
        start = time.perf_counter()
        part()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e6


class Kept:
    """Columns laid out beforehand: the first so many rows, over and over where there are fewer."""

    def __init__(self, columns: Columns, fields: Iterable[str], n: int) -> None:
        self.n = n
        self.columns = {name: _of_length(columns.column(name), n) for name in fields}

    def column(self, field: str) -> Column:
        """Return one field."""
        return self.columns[field]


def _of_length(column: Column, n: int) -> Column:
    if isinstance(column, Named):
        return Named(np.resize(column.codes, n), column.names)
    return np.resize(column, n) if isinstance(column, np.ndarray) else column


def _point(one: Kept) -> Point:
    """Return a single candidate as a point; what is absent is left out."""
    found: dict[str, Value] = {}
    for name, column in one.columns.items():
        if isinstance(column, Named):
            found[name] = column.names.entries[column.codes[0]]
        elif isinstance(column, np.ndarray):
            is_flag = FIELDS[name].kind is FieldKind.BOOL
            found[name] = bool(column[0]) if is_flag else int(column[0])
        else:
            found[name] = column
    return {name: value for name, value in found.items() if value != ABSENT}


def _view() -> View:
    candidates = bench_rules._candidates().take(np.arange(N_CANDIDATES))
    request, admission, house = bench_rules._request(), bench_rules._admission(), bench_rules._house()
    admitted = bench_rules._admitted()
    recall = Memory(request, admission, admitted, bench_rules._exposures(), house).recall
    intent = bench_rules._intent()[:N_CANDIDATES]
    return look(Basis.PROFILE, request, admission, admitted.evidence, recall, candidates, intent, house)


def _is(name: str, value: Value = True) -> Atom:
    return Atom(name, Op.EQUAL, value)


def _known(name: str, op: Op, value: Value) -> All:
    """Ask a field that may be absent."""
    return All((Atom(name, Op.HAS, value=True), Atom(name, op, value)))


def _season(day: int, *parts: Condition) -> All:
    """Within ten weeks, the dates of which differ from rule to rule."""
    first = (date(2024, 7, 1) - date(1970, 1, 1)).days + day
    return All(
        (Atom("request.date", Op.AT_LEAST, first), Atom("request.date", Op.AT_MOST, first + 70), *parts)
    )


def shop_rules(n: int) -> tuple[HouseRule, ...]:
    """Rules as a shop writes them, of ten kinds, each with numbers and names of its own."""
    made = [_rule(number, *_KINDS[number % len(_KINDS)](number)) for number in range(n)]
    return tuple(sorted(made, key=lambda rule: rule.id))


_KINDS: tuple[Callable[[int], tuple[Condition, RuleEffect, bool]], ...] = (
    lambda _: (
        AnyOf((_is("customer.open_delivery_delay"), _is("customer.open_complaint"))),
        RuleEffect.BLOCK,
        True,
    ),
    lambda k: (Atom("item.brand", Op.IN, _names("Brand", k, 6)), RuleEffect.DEMOTE, False),
    lambda k: (
        _season(
            k,
            Atom("item.categories", Op.CONTAINS_ANY, _names("Category", k, 8)),
            _known("item.price_minor", Op.MORE, 4_000 + 50 * k),
        ),
        RuleEffect.BLOCK,
        False,
    ),
    lambda k: (
        All((_known("candidate.price_step", Op.MORE, (10 + k) * MICRO // 20), _is("request.channel", "web"))),
        RuleEffect.BLOCK,
        True,
    ),
    lambda k: (
        All((_known("visit.n_offers", Op.AT_LEAST, 2 + k % 3), _known("request.basket_minor", Op.LESS, 900))),
        RuleEffect.DEMOTE,
        True,
    ),
    lambda k: (Atom("item.id", Op.IN, _names("item", k, 40)), RuleEffect.BLOCK, False),
    lambda k: (
        All((Atom("candidate.n_ignored", Op.AT_LEAST, 1 + k % 4), Atom("item.tier", Op.AT_LEAST, 1))),
        RuleEffect.GENERALISE,
        False,
    ),
    lambda k: (
        All((_known("request.local_minute", Op.AT_LEAST, 1_200 + k), _is("request.channel", "push"))),
        RuleEffect.BLOCK,
        False,
    ),
    lambda k: (
        All(
            (
                _is("evidence.from_history"),
                _known("candidate.days_since_shown", Op.LESS, 2 + k % 5),
                Atom("candidate.source", Op.NOT_IN, ("buy_again", "popular")),
            )
        ),
        RuleEffect.DEMOTE,
        False,
    ),
    lambda k: (
        All(
            (
                Atom("item.sensitive_class", Op.UNEQUAL, None),
                AnyOf((_is("customer.shared_device"), Atom("evidence.tier", Op.AT_LEAST, 1 + k % 3))),
            )
        ),
        RuleEffect.BLOCK,
        False,
    ),
)


def _names(prefix: str, first: int, n: int) -> tuple[str, ...]:
    if prefix == "item":
        return tuple(
            sorted(f"item-{(first * 397 + step * 31) % bench_rules.N_ITEMS:06d}" for step in range(n))
        )
    return tuple(sorted(f"{prefix} {(first * 7 + step * 3) % 300}" for step in range(n)))


def _rule(number: int, when: Condition, effect: RuleEffect, sells_on: bool) -> HouseRule:
    return HouseRule(
        id=f"rule-{number:02d}",
        title="Something the shop wants",
        when=when,
        applies_to=_SELLING if sells_on else _ON_PAGES,
        effect=effect,
        share_micro=MICRO // 2 if effect is RuleEffect.DEMOTE else MICRO,
        obligations=(Obligation.EXPLAIN,) if number % 7 == 0 else (),
        mode=Mode.ENFORCE,
        rationale="It is kinder.",
        owner="customer-care",
        review_by=date(2027, 6, 1),
        assumes=(),
        customer_sentence="We hold this back for you.",
    )


def _flat(field: str) -> str:
    return field.replace(".", "_")


def _one_by_cedar(rules: tuple[HouseRule, ...], point: Point, acting: list[str]) -> Callable[[], object]:
    """Every rule forbids where it acts; null is the empty text, which nothing else is."""
    policies = cedarpy.PolicySet.from_str(
        "\n".join(
            [
                "permit(principal, action, resource);",
                *(f"forbid(principal, action, resource) when {{ {_in_cedar(rule)} }};" for rule in rules),
            ]
        )
    )
    context = {_flat(name): "" if value is None else value for name, value in point.items()}
    context = {name: list(value) if isinstance(value, tuple) else value for name, value in context.items()}
    asked = {
        "principal": 'Customer::"one"',
        "action": 'Action::"suggest"',
        "resource": 'Item::"one"',
        "context": context,
    }

    def decide() -> object:
        return cedarpy.is_authorized(asked, policies, [])

    if decide().allowed is bool(acting):
        raise RuntimeError("Cedar should come to the same answer")
    return decide


def _in_cedar(rule: HouseRule) -> str:
    return " || ".join(f"({' && '.join(map(_cedar_atom, atoms))})" for atoms in conjuncts(rule))


def _cedar_atom(atom: Atom) -> str:
    name, value = f"context.{_flat(atom.field)}", _literal(atom.value)
    match atom.op:
        case Op.HAS:
            return f"context has {_flat(atom.field)}"
        case Op.IN:
            return f"{value}.contains({name})"
        case Op.NOT_IN:
            return f"!{value}.contains({name})"
        case Op.CONTAINS_ANY:
            return f"{name}.containsAny({value})"
        case Op.EQUAL:
            return f"{name} == {value}"
    return f"{name} {atom.op} {value}"


def _literal(value: Value) -> str:
    return json.dumps("" if value is None else value)


def _one_by_rego(rules: tuple[HouseRule, ...], point: Point, acting: list[str]) -> Callable[[], object]:
    """Every rule adds its id where it acts; what is absent is undefined, which makes a rule not act."""
    bodies = [
        f'acting contains "{rule.id}" if {{ {"; ".join(map(_rego_atom, atoms))} }}'
        for rule in rules
        for atoms in conjuncts(rule)
    ]
    source = regopy.Interpreter()
    source.add_module("shop", "\n".join(["package shop", *bodies]))
    bundle = source.build("x=data.shop.acting")
    asked = {_flat(name): "" if value is None else value for name, value in point.items()}
    asked = {name: list(value) if isinstance(value, tuple) else value for name, value in asked.items()}
    interpreter = regopy.Interpreter()
    interpreter.set_input(asked)

    def decide() -> object:
        return interpreter.query_bundle(bundle)

    found = json.loads(str(decide()))["bindings"]["x"]
    if sorted(found) != acting:
        raise RuntimeError("Rego should come to the same answer")
    return decide


def _rego_atom(atom: Atom) -> str:
    name, value = f"input.{_flat(atom.field)}", _literal(atom.value)
    match atom.op:
        case Op.HAS:
            return f"is_number({name})"
        case Op.IN:
            return f"{name} in {value}"
        case Op.NOT_IN:
            return f"not {name} in {value}"
        case Op.CONTAINS_ANY:
            return f"some each in {name}; each in {value}"
        case Op.EQUAL:
            return f"{name} == {value}"
    return f"{name} {atom.op} {value}"
