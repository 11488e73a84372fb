"""What a policy means, said as plainly as can be: one point at a time.

A *point* is one candidate in one request: value by field name. What is not in it is absent; what is
``None`` is null; a field of texts has a tuple of texts. This is the reference that the algebra, the
compiled form and the tests of a policy are held against; nothing here is meant to be fast.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, TypeAlias

from guardrails.errors import PolicyError, TooTangledError
from guardrails.policy.charter import MICRO
from guardrails.policy.fields import SCOPES
from guardrails.policy.language import (
    All,
    AnyOf,
    Atom,
    Condition,
    HouseRule,
    Mode,
    Obligation,
    Op,
    RuleEffect,
    Value,
)

Point: TypeAlias = Mapping[str, Value]

STRENGTH: Mapping[RuleEffect, int] = MappingProxyType(
    {effect: strength for strength, effect in enumerate(RuleEffect)}
)
"""How strong each effect is: of several the strongest counts."""

_EPOCH = date(1970, 1, 1)

_COMPARE: Mapping[Op, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        Op.EQUAL: operator.eq,
        Op.UNEQUAL: operator.ne,
        Op.LESS: operator.lt,
        Op.AT_MOST: operator.le,
        Op.MORE: operator.gt,
        Op.AT_LEAST: operator.ge,
        Op.IN: lambda value, values: value in values,
        Op.NOT_IN: lambda value, values: value not in values,
        Op.CONTAINS_ANY: lambda texts, values: not set(texts).isdisjoint(values),
    }
)


@dataclass(frozen=True, slots=True)
class HouseVerdict:
    """What the rules of a shop say together of one point.

    Attributes:
        effect: the strongest effect of any.
        share_micro: share of the rank score that is left: the smallest that any demotion leaves.
        obligations: all that any asks for.
    """

    effect: RuleEffect = RuleEffect.ALLOW
    share_micro: int = MICRO
    obligations: frozenset[Obligation] = frozenset()


def day_number(day: date) -> int:
    """Return the days since 1970-01-01, which is what dates are kept as.

    >>> day_number(date(1970, 1, 2))
    1
    """
    return (day - _EPOCH).days


def holds(condition: Condition | None, point: Point) -> bool:
    """Tell whether a condition holds of a point; ``None`` holds of everything.

    Raises:
        PolicyError: it has no answer there: it asks for something that is absent, or for the order of null.
    """
    answer = condition is None or _answer(condition, point)
    if answer is None:
        raise PolicyError("a condition asks for something that is absent, or for the order of null")
    return answer


def _answer(condition: Condition, point: Point) -> bool | None:
    """Answer in three values (Kleene), so that the order of the parts means nothing."""
    if isinstance(condition, Atom):
        return _meets(condition, point)
    decisive = isinstance(condition, AnyOf)
    answers = [_answer(part, point) for part in condition.of]
    if decisive in answers:
        return decisive
    return None if None in answers else not decisive


def _meets(atom: Atom, point: Point) -> bool | None:
    if atom.op is Op.HAS:
        return (atom.field in point) is atom.value
    if atom.field not in point:
        return None
    try:
        return _COMPARE[atom.op](point[atom.field], atom.value)
    except TypeError:  # null is neither less nor more than anything
        return None


def scope_of(rule: HouseRule) -> All | None:
    """Return where a rule applies as a condition: its scope and its days; ``None`` for everywhere."""
    parts: list[Condition] = [Atom(SCOPES[name], Op.IN, words) for name, words in rule.applies_to]
    if rule.effective_from is not None:
        parts.append(Atom("request.date", Op.AT_LEAST, day_number(rule.effective_from)))
    if rule.effective_until is not None:
        parts.append(Atom("request.date", Op.AT_MOST, day_number(rule.effective_until)))
    return All(tuple(parts)) if parts else None


def whole_condition(rule: HouseRule) -> All | None:
    """Return where a rule acts as a condition: scope, days and its own; ``None`` for everywhere."""
    whole = tuple(part for part in (scope_of(rule), rule.when) if part is not None)
    return All(whole) if whole else None


def fires(rule: HouseRule, point: Point) -> bool:
    """Tell whether a rule acts on a point, whatever its mode.

    Raises:
        PolicyError: its condition has no answer there.
    """
    return holds(whole_condition(rule), point)


def together(rules: Iterable[HouseRule], point: Point) -> HouseVerdict:
    """Return what all enforced rules say of a point; their order means nothing.

    Raises:
        PolicyError: the condition of one has no answer there.
    """
    acting = [rule for rule in rules if rule.mode is Mode.ENFORCE and fires(rule, point)]
    if not acting:
        return HouseVerdict()
    return HouseVerdict(
        effect=max((rule.effect for rule in acting), key=STRENGTH.__getitem__),
        share_micro=min(rule.share_micro for rule in acting),
        obligations=frozenset(obligation for rule in acting for obligation in rule.obligations),
    )


MOST_BOXES = 64
"""Most conjunctions that a rule may come to."""


def conjuncts(rule: HouseRule) -> tuple[tuple[Atom, ...], ...]:
    """Return what a rule is about in disjunctive normal form: it acts where one conjunction holds.

    Scope and days stand first in each.

    Raises:
        TooTangledError: these would be more than ``MOST_BOXES``.
    """
    scope, where = scope_of(rule), ((),) if rule.when is None else _disjuncts(rule.when)
    first = () if scope is None else _disjuncts(scope)[0]
    return tuple((*first, *atoms) for atoms in where)


def _disjuncts(condition: Condition) -> tuple[tuple[Atom, ...], ...]:
    if isinstance(condition, Atom):
        return ((condition,),)
    parts = [_disjuncts(part) for part in condition.of]
    if isinstance(condition, AnyOf):
        found = tuple(conjunct for part in parts for conjunct in part)
        _refuse_tangle(len(found))
        return found
    found = ((),)
    for part in parts:
        _refuse_tangle(len(found) * len(part))
        found = tuple((*one, *other) for one in found for other in part)
    return found


def _refuse_tangle(n: int) -> None:
    if n > MOST_BOXES:
        raise TooTangledError(f"a rule comes to more than {MOST_BOXES} alternatives: split it")
