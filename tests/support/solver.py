"""The same questions put to an SMT solver, which knows nothing of boxes: what the algebra is held against.

A field is an integer or a boolean within its bounds, with a boolean for its being there and one for its
being null; of a field of texts there is one boolean for each text. A condition is said in these words
straight from what it says, without a normal form.
"""

from __future__ import annotations

from collections.abc import Iterable

import z3

from guardrails.policy.boxes import Box
from guardrails.policy.charter import MICRO
from guardrails.policy.fields import FIELDS, ORDERED, FieldKind
from guardrails.policy.language import All, Atom, Condition, HouseRule, Obligation, Op, RuleEffect
from guardrails.policy.meaning import scope_of
from guardrails.policy.sides import ABSENT, Side, Spans, Tokens

STRENGTH = {effect: strength for strength, effect in enumerate(RuleEffect)}


class Solver:
    """Answers questions about rules."""

    def __init__(self) -> None:
        self._solver = z3.Solver()
        self._words: dict[object, int] = {}
        self._bounded: set[str] = set()

    def possible(self, *formulas: z3.BoolRef) -> bool:
        """Tell whether some point meets all of these."""
        answer = self._solver.check(*formulas)
        assert answer != z3.unknown
        return answer == z3.sat

    def certain(self, formula: z3.BoolRef) -> bool:
        return not self.possible(z3.Not(formula))

    def fires(self, rule: HouseRule) -> z3.BoolRef:
        return z3.And(self.holds(scope_of(rule)), self.holds(rule.when))

    def fires_any(self, rules: Iterable[HouseRule]) -> z3.BoolRef:
        return z3.Or([z3.BoolVal(val=False), *map(self.fires, rules)])

    def holds(self, condition: Condition | None) -> z3.BoolRef:
        if condition is None:
            return z3.BoolVal(val=True)
        if isinstance(condition, Atom):
            return self._atom(condition)
        return (z3.And if isinstance(condition, All) else z3.Or)([self.holds(part) for part in condition.of])

    def inside(self, box: Box) -> z3.BoolRef:
        return z3.And([z3.BoolVal(val=True), *(self._side(name, side) for name, side in box.sides.items())])

    def strength(self, rules: Iterable[HouseRule]) -> z3.ArithRef:
        """The strongest effect of any of these rules, as its place among effects."""
        found = z3.IntVal(0)
        for rule in sorted(rules, key=lambda rule: STRENGTH[rule.effect]):
            found = z3.If(self.fires(rule), STRENGTH[rule.effect], found)
        return found

    def share(self, rules: Iterable[HouseRule]) -> z3.ArithRef:
        found = z3.IntVal(MICRO)
        for rule in sorted(rules, key=lambda rule: -rule.share_micro):
            found = z3.If(self.fires(rule), rule.share_micro, found)
        return found

    def asked(self, obligation: Obligation, rules: Iterable[HouseRule]) -> z3.BoolRef:
        return self.fires_any(rule for rule in rules if obligation in rule.obligations)

    def verdicts_differ(self, one: Iterable[HouseRule], other: Iterable[HouseRule]) -> z3.BoolRef:
        one, other = tuple(one), tuple(other)
        return z3.Or(
            self.strength(one) != self.strength(other),
            self.share(one) != self.share(other),
            *(self.asked(each, one) != self.asked(each, other) for each in Obligation),
        )

    def _there(self, name: str) -> z3.BoolRef:
        return z3.Bool(f"{name} there") if FIELDS[name].optional else z3.BoolVal(val=True)

    def _null(self, name: str) -> z3.BoolRef:
        return z3.Bool(f"{name} null") if FIELDS[name].nullable else z3.BoolVal(val=False)

    def _value(self, name: str) -> z3.ArithRef:
        field, value = FIELDS[name], z3.Int(name)
        if name not in self._bounded:
            self._bounded.add(name)
            last = {FieldKind.BOOL: 1, FieldKind.ENUM: len(field.values) - 1}.get(field.kind)
            if field.kind in ORDERED:
                self._solver.add(value >= field.least, value <= field.greatest)
            elif last is not None:
                self._solver.add(value >= 0, value <= last)
        return value

    def _number(self, name: str, value: object) -> int:
        field = FIELDS[name]
        if field.kind is FieldKind.ENUM:
            return field.values.index(value)
        return int(value) if isinstance(value, int) else self._words.setdefault(value, len(self._words))

    def _is(self, name: str, value: object) -> z3.BoolRef:
        there, null = self._there(name), self._null(name)
        if value is ABSENT:
            return z3.Not(there)
        if value is None:
            return z3.And(there, null)
        return z3.And(there, z3.Not(null), self._value(name) == self._number(name, value))

    def _is_any(self, name: str, values: Iterable[object]) -> z3.BoolRef:
        return z3.Or([z3.BoolVal(val=False), *(self._is(name, value) for value in values)])

    def _token(self, name: str, text: str) -> z3.BoolRef:
        return z3.Bool(f"{name} has {text}")

    def _tokens(self, name: str, texts: Iterable[str]) -> z3.BoolRef:
        return z3.Or([z3.BoolVal(val=False), *(self._token(name, text) for text in texts)])

    def _atom(self, atom: Atom) -> z3.BoolRef:
        name, value = atom.field, atom.value
        there = self._there(name)
        if atom.op is Op.HAS:
            return there == z3.BoolVal(val=value)
        if atom.op is Op.CONTAINS_ANY:
            return self._tokens(name, value)
        if atom.op in {Op.EQUAL, Op.UNEQUAL}:
            same = self._is(name, value)
            return same if atom.op is Op.EQUAL else z3.And(there, z3.Not(same))
        if atom.op in {Op.IN, Op.NOT_IN}:
            among = self._is_any(name, value)
            return among if atom.op is Op.IN else z3.And(there, z3.Not(among))
        mine = self._value(name)
        compared = {
            Op.LESS: mine < value,
            Op.AT_MOST: mine <= value,
            Op.MORE: mine > value,
            Op.AT_LEAST: mine >= value,
        }
        return z3.And(there, z3.Not(self._null(name)), compared[atom.op])

    def _side(self, name: str, side: Side) -> z3.BoolRef:
        if isinstance(side, Tokens):
            groups = [self._tokens(name, group) for group in side.groups]
            return z3.And([*groups, z3.Not(self._tokens(name, side.forbidden))])
        if isinstance(side, Spans):
            return z3.Or([self._span(name, *span) for span in side.spans])
        named = self._is_any(name, side.values)
        return z3.Not(named) if side.excluded else named

    def _span(self, name: str, first: int, last: int) -> z3.BoolRef:
        field = FIELDS[name]
        beside = {field.least - 2: ABSENT, field.least - 1: None}
        missing = [self._is(name, value) for number, value in beside.items() if first <= number <= last]
        value = self._value(name)
        known = z3.And(self._there(name), z3.Not(self._null(name)), value >= first, value <= last)
        return z3.Or([*missing, known])
