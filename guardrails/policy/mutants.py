"""How sharp the tests of a rule are: of all small changes to it, how many would they notice?

Each *mutant* is the rule with one small change. It is killed when a test that passes fails with it. What
acts on the same points in the same way is no other rule, and is not counted; that is computed, not tried
(Budd and Angluin 1982 show that it cannot be in general; conditions are small enough that here it can).
Of every one that survives a point is named at which it differs: the test to add.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import TypeVar

import orjson

from guardrails.errors import TooTangledError
from guardrails.messages import Phrase
from guardrails.policy.boxes import (
    ENOUGH_WORK,
    Box,
    Region,
    Work,
    left_of,
    region_of,
)
from guardrails.policy.charter import MICRO
from guardrails.policy.check import is_guarded
from guardrails.policy.document import value_to_plain
from guardrails.policy.fields import FIELDS, ORDERED
from guardrails.policy.findings import Finding, Severity, pointer_of
from guardrails.policy.language import (
    All,
    AnyOf,
    Atom,
    Condition,
    HouseRule,
    Op,
    Policy,
    RuleEffect,
    Scalar,
    Value,
    atoms,
)
from guardrails.policy.meaning import fires
from guardrails.policy.places import Place, placed_parts
from guardrails.policy.testing import deed, point_of, usual_point

SURVIVING_MUTANTS = "surviving_mutants"

MOST_MUTANTS = 200
"""So many mutants of a rule are tried, in the order of the document."""

MOST_WORDS = 8
"""So many words of a list are left out one by one."""

ENOUGH_TO_TRY = 500_000
"""Pairs of boxes that are held against each other for all mutants of a policy, at most: seconds."""

_LONGEST_SHOWN = 80

_COMPARED_IN_A_PAIR = 8
"""So many comparisons of a test take as long as it takes to hold two boxes against each other."""

_NAMED_IN_A_PAIR = 256
"""So many values that a rule names make holding two of its boxes against each other take as long again."""

_OPPOSITE = MappingProxyType(
    {
        Op.EQUAL: Op.UNEQUAL,
        Op.UNEQUAL: Op.EQUAL,
        Op.LESS: Op.AT_LEAST,
        Op.AT_LEAST: Op.LESS,
        Op.MORE: Op.AT_MOST,
        Op.AT_MOST: Op.MORE,
        Op.IN: Op.NOT_IN,
        Op.NOT_IN: Op.IN,
    }
)

_NEXT = MappingProxyType(
    {Op.LESS: Op.AT_MOST, Op.AT_MOST: Op.LESS, Op.MORE: Op.AT_LEAST, Op.AT_LEAST: Op.MORE}
)

_STEPS = MappingProxyType(
    {
        Op.EQUAL: (-1, 1),
        Op.UNEQUAL: (-1, 1),
        Op.LESS: (-1,),
        Op.AT_LEAST: (-1,),
        Op.MORE: (1,),
        Op.AT_MOST: (1,),
    }
)
"""Changes of a number; those the other way are what ``_NEXT`` does."""


@dataclass(frozen=True, slots=True)
class Survivor:
    """A change that the tests of a rule do not notice.

    Attributes:
        rule_id: which rule.
        pointer: where the change is (RFC 6901).
        was: what stands there.
        now: what would stand there; ``None`` for nothing.
        given: what a test would give that notices: value by field, as a document writes it.
        expect: what it would expect.
    """

    rule_id: str
    pointer: str
    was: str
    now: str | None
    given: dict[str, object]
    expect: RuleEffect


@dataclass(frozen=True, slots=True)
class Mutation:
    """What came of all mutants of a policy.

    Attributes:
        n_killed: those that some test notices.
        n_equivalent: those that are the same rule in other words.
        n_undecided: those of which that takes too much work to tell.
        survivors: the others.
        findings: a warning for every rule with a survivor.
    """

    n_killed: int
    n_equivalent: int
    n_undecided: int
    survivors: tuple[Survivor, ...]
    findings: tuple[Finding, ...]

    @property
    def score_micro(self) -> int:
        """Share of the mutants that are killed, of those that could be, millionths; the whole of none."""
        n = self.n_killed + len(self.survivors)
        return self.n_killed * MICRO // n if n else MICRO


@dataclass(frozen=True, slots=True)
class _Mutant:
    """A rule with one change."""

    rule: HouseRule
    place: Place
    was: str
    now: str | None


def mutate(policy: Policy, *, work: int = ENOUGH_TO_TRY) -> Mutation:
    """Try every small change to every rule against its tests.

    Args:
        policy: a checked policy.
        work: pairs of boxes that may be held against each other; when no work is left, one change of
            each rule that is left counts as undecided, and no further one is tried.
    """
    counts = Counter[str]()
    survivors: list[Survivor] = []
    findings: list[Finding] = []
    for index, rule in enumerate(policy.rules):
        before = _Rule(rule)
        n_killed, alive = 0, list[Survivor]()
        for mutant in islice(_mutants(rule, ("rules", index)), MOST_MUTANTS):
            part = Work(min(ENOUGH_WORK, work) // before.weight)
            work -= part.left * before.weight
            try:
                noticed = before.notices(mutant.rule, part)
                box = None if noticed else before.difference(mutant.rule, part)
            except TooTangledError:
                counts["undecided"] += 1
                work += max(part.left, 0) * before.weight
                if work < before.weight:
                    break
                continue
            work += part.left * before.weight
            if noticed:
                n_killed += 1
            elif box is None:
                counts["equivalent"] += 1
            else:
                alive.append(_survivor(rule, mutant, box))
        counts["killed"] += n_killed
        survivors += alive
        if alive and rule.tests:
            findings.append(_finding(alive, n_killed + len(alive), ("rules", index)))
    return Mutation(
        n_killed=counts["killed"],
        n_equivalent=counts["equivalent"],
        n_undecided=counts["undecided"],
        survivors=tuple(survivors),
        findings=tuple(findings),
    )


class _Rule:
    """A rule to hold its mutants against: what is needed of it for each of them, computed once.

    Attributes:
        weight: how many times as long as usual it takes to hold two of its boxes against each other.
    """

    def __init__(self, rule: HouseRule) -> None:
        self._rule = rule
        points = ((test.expect, point_of(rule, test)) for test in rule.tests)
        self._passing = [(expect, point) for expect, point in points if deed(rule, point) is expect]
        n_compared = (len(self._passing) + 1) * sum(1 for _ in atoms(rule.when))
        self._n_pairs_to_try = 1 + n_compared // _COMPARED_IN_A_PAIR
        n_named = sum(len(atom.value) for atom in atoms(rule.when) if isinstance(atom.value, tuple))
        self.weight = 1 + n_named // _NAMED_IN_A_PAIR

    @cached_property
    def _region(self) -> Region:
        return region_of(self._rule)

    def notices(self, mutant: HouseRule, work: Work) -> bool:
        """Tell whether a test that passes fails of a mutant.

        Raises:
            TooTangledError: there is not that much work left.
        """
        work.spend(self._n_pairs_to_try)
        return any(deed(mutant, point) is not expect for expect, point in self._passing)

    def difference(self, mutant: HouseRule, work: Work) -> Box | None:
        """Return points at which a mutant does something else; ``None`` if there are none.

        Raises:
            TooTangledError: it takes too much work to tell.
        """
        if self._rule.effect is mutant.effect is RuleEffect.ALLOW:
            return None
        if self._rule.effect is not mutant.effect:
            return next(iter(self._region), None)
        work.spend(len(self._region) ** 2)  # to tell where the mutant acts
        other = region_of(mutant)
        return left_of(self._region, other, work) or left_of(other, self._region, work)


def _survivor(rule: HouseRule, mutant: _Mutant, box: Box) -> Survivor:
    usual, witness = usual_point(rule), box.witness()
    differs = {name: witness[name] for name in sorted(box.sides) if name in witness}
    given = {name: value for name, value in differs.items() if name not in usual or value != usual[name]}
    return Survivor(
        rule_id=rule.id,
        pointer=pointer_of(*mutant.place),
        was=mutant.was,
        now=mutant.now,
        given={name: value_to_plain(FIELDS[name].kind, value) for name, value in given.items()},
        expect=rule.effect if fires(rule, {**usual, **given}) else RuleEffect.ALLOW,
    )


def _finding(alive: list[Survivor], n: int, place: Place) -> Finding:
    first = alive[0]
    if first.now is None:
        message = Phrase(
            "the tests pass as well without `{was}`, and in all with {n} of {of} small changes",
            was=first.was,
            n=len(alive),
            of=n,
        )
    else:
        message = Phrase(
            "the tests pass as well with `{now}` for `{was}`, and in all with {n} of {of} small changes",
            now=first.now,
            was=first.was,
            n=len(alive),
            of=n,
        )
    example = {
        "was": first.was,
        "now": first.now,
        "at": first.pointer,
        "test": {"given": first.given, "expect": first.expect.value},
    }
    return Finding(SURVIVING_MUTANTS, Severity.WARNING, pointer_of(*place, "tests"), message, example)


def _mutants(rule: HouseRule, place: Place) -> Iterator[_Mutant]:
    """Yield every rule that is one change away, if it has an answer at every point as the rule has."""
    if not is_guarded(rule):
        return
    for effect in RuleEffect:
        if effect is not rule.effect:
            changed = replace(rule, effect=effect)
            yield _Mutant(changed, (*place, "effect"), rule.effect.value, effect.value)
    for number, (scope, words) in enumerate(rule.applies_to):
        at, others = (*place, "applies_to", scope), rule.applies_to
        rest = (*others[:number], *others[number + 1 :])
        yield _Mutant(replace(rule, applies_to=rest), at, f"applies_to.{scope}", None)
        for word, left in _one_left_out(words):
            narrower = tuple(sorted((*rest, (scope, left))))
            yield _Mutant(replace(rule, applies_to=narrower), at, str(word), None)
    if rule.when is not None:
        for when, at, was, now in _changes(rule.when, (*place, "when")):
            changed = replace(rule, when=when)
            if is_guarded(changed):
                yield _Mutant(changed, at, was, now)


_Change = tuple[Condition | None, Place, str, str | None]
"""A condition with one change, ``None`` for nothing left; where that is, what was there, what is."""


def _changes(condition: Condition, place: Place) -> Iterator[_Change]:
    if isinstance(condition, Atom):
        yield None, place, _said(condition), None
        for other in _other_atoms(condition):
            yield other, place, _said(condition), _said(other)
        if isinstance(condition.value, tuple):
            for word, left in _one_left_out(condition.value):
                yield replace(condition, value=left), place, _shown(condition.field, word), None
        return
    if len(condition.of) > 1:
        names = ("all", "any") if isinstance(condition, All) else ("any", "all")
        yield (AnyOf if isinstance(condition, All) else All)(condition.of), place, *names
    for index, (part, at) in enumerate(placed_parts(condition, place)):
        for changed, where, was, now in _changes(part, at):
            yield _with(condition, index, changed), where, was, now


def _with(group: All | AnyOf, index: int, changed: Condition | None) -> Condition | None:
    """Return a group with another part in the place of one, or without it; ``None`` for none left."""
    parts = (*group.of[:index], *(() if changed is None else (changed,)), *group.of[index + 1 :])
    return replace(group, of=parts) if parts else None


def _other_atoms(atom: Atom) -> Iterator[Atom]:
    if atom.op is Op.HAS:
        yield replace(atom, value=not atom.value)
    if atom.op in _NEXT:
        yield replace(atom, op=_NEXT[atom.op])
    if atom.op in _OPPOSITE:
        yield replace(atom, op=_OPPOSITE[atom.op])
    field = FIELDS[atom.field]
    if field.kind in ORDERED and atom.op in _STEPS and isinstance(atom.value, int):
        values = (atom.value + step for step in _STEPS[atom.op])
        yield from (replace(atom, value=value) for value in values if field.least <= value <= field.greatest)


_Words = TypeVar("_Words", bound=Scalar)


def _one_left_out(values: tuple[_Words, ...]) -> Iterator[tuple[_Words, tuple[_Words, ...]]]:
    """Yield every word of a list with the others, if there are others."""
    if len(values) > 1:
        for index, value in enumerate(values[:MOST_WORDS]):
            yield value, (*values[:index], *values[index + 1 :])


def _said(atom: Atom) -> str:
    value = atom.value if atom.op is not Op.HAS else bool(atom.value)
    return f"{atom.field} {atom.op.value} {_shown(atom.field, value)}"


def _shown(field: str, value: Value) -> str:
    """Return a value as JSON, cut short."""
    plain = value_to_plain(FIELDS[field].kind, value)
    return orjson.dumps(plain).decode()[:_LONGEST_SHOWN]
