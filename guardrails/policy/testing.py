"""The tests that rules bring along: what they say, and what they leave out.

A test gives a point: what it does not mention is as it ordinarily is, within the scope of the rule and on
a day on which the rule is in force. Expected is what this rule does by itself, whatever its mode.

A condition is *exercised* when it holds of one test and not of another. A comparison has a *boundary*:
two values next to each other of which it holds of one only; a test each shows that it stands where it is
meant to.

A rule has to be seen acting and not acting, or its tests would pass as well with another that never acts,
or always does: each condition may be exercised by points out of its scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from guardrails.errors import PolicyError
from guardrails.messages import Phrase
from guardrails.policy.charter import MICRO
from guardrails.policy.document import value_to_plain
from guardrails.policy.fields import FIELDS, SCOPES
from guardrails.policy.findings import Finding, Severity, pointer_of
from guardrails.policy.language import Atom, Condition, HouseRule, Mode, Op, Policy, RuleEffect, RuleTest
from guardrails.policy.meaning import Point, day_number, fires, holds, whole_condition
from guardrails.policy.ordinary import ordinary
from guardrails.policy.places import Place, placed_atoms
from guardrails.policy.sides import Missing

FAILING_TEST, NO_TEST, UNEXERCISED, BOUNDARY = "failing_test", "no_test", "unexercised", "boundary"
ONE_SIDED = "one_sided"

_FIRST_OF_TWO = {Op.LESS: -1, Op.AT_MOST: 0, Op.MORE: 0, Op.AT_LEAST: -1}
"""Where the lesser of the two values at a boundary lies, seen from the value of the comparison."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one test.

    Attributes:
        rule_id: whose test.
        index: which of its tests.
        note: what it shows.
        expected: what the rule was to do.
        did: what it did; ``None`` where its condition had no answer.
    """

    rule_id: str
    index: int
    note: str
    expected: RuleEffect
    did: RuleEffect | None

    @property
    def passed(self) -> bool:
        """Whether it did as expected."""
        return self.did is self.expected


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the conditions the tests exercise.

    Attributes:
        n_outcomes: two for each condition: it holds, it does not.
        n_exercised: those that some test shows.
        n_boundary_values: two for each comparison, where both are values of the field.
        n_boundary_tested: those that some test takes.
    """

    n_outcomes: int = 0
    n_exercised: int = 0
    n_boundary_values: int = 0
    n_boundary_tested: int = 0

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(
            self.n_outcomes + other.n_outcomes,
            self.n_exercised + other.n_exercised,
            self.n_boundary_values + other.n_boundary_values,
            self.n_boundary_tested + other.n_boundary_tested,
        )

    @property
    def conditions_micro(self) -> int:
        """Share of the outcomes of conditions that are exercised, millionths; the whole of none."""
        return _share(self.n_exercised, self.n_outcomes)

    @property
    def boundaries_micro(self) -> int:
        """Share of the values at boundaries that are tested, millionths; the whole of none."""
        return _share(self.n_boundary_tested, self.n_boundary_values)


@dataclass(frozen=True, slots=True)
class Trials:
    """What came of all tests of a policy.

    Attributes:
        outcomes: one for each test, in order.
        findings: what failed, and what no test shows.
        coverage: how much they exercise.
    """

    outcomes: tuple[Outcome, ...]
    findings: tuple[Finding, ...]
    coverage: Coverage


def run(policy: Policy) -> Trials:
    """Run the tests of every rule."""
    outcomes: list[Outcome] = []
    findings: list[Finding] = []
    coverage = Coverage()
    for index, rule in enumerate(policy.rules):
        place = ("rules", index)
        points = [point_of(rule, test) for test in rule.tests]
        ran = [
            Outcome(rule.id, number, test.note, test.expect, deed(rule, point))
            for number, (test, point) in enumerate(zip(rule.tests, points, strict=True))
        ]
        outcomes.extend(ran)
        findings.extend(_failed(outcome, place) for outcome in ran if not outcome.passed)
        left_out: list[Finding] = []
        for atom, at in placed_atoms(rule.when, (*place, "when")):
            covered = _covered(atom, points)
            coverage += covered.counted
            left_out.extend(_left_out(atom, covered, _severity(rule), at))
        if not ran:
            left_out = [_none(rule, place)]
        elif all(finding.code == BOUNDARY for finding in left_out):
            left_out.extend(_one_sided(rule, points, place))
        findings.extend(left_out)
    return Trials(tuple(outcomes), tuple(findings), coverage)


def point_of(rule: HouseRule, test: RuleTest) -> Point:
    """Return the point that a test of a rule gives."""
    return MappingProxyType({**usual_point(rule), **dict(test.given)})


def usual_point(rule: HouseRule) -> Point:
    """Return what is ordinary within the scope of a rule, on a day on which it is in force."""
    point = dict(_ordinary_point())
    point["request.date"] = day_number(rule.effective_from or rule.effective_until or rule.review_by)
    for scope, words in rule.applies_to:
        point[SCOPES[scope]] = words[0]
    return MappingProxyType(point)


@cache
def _ordinary_point() -> Point:
    known = {name: ordinary(field) for name, field in FIELDS.items()}
    return MappingProxyType({name: value for name, value in known.items() if not isinstance(value, Missing)})


def deed(rule: HouseRule, point: Point) -> RuleEffect | None:
    """Return what a rule does at a point, whatever its mode; ``None`` where its condition has no answer."""
    try:
        return rule.effect if fires(rule, point) else RuleEffect.ALLOW
    except PolicyError:
        return None


def _severity(rule: HouseRule) -> Severity:
    """Return how much it matters that the tests of a rule leave something out."""
    return Severity.ERROR if rule.mode is Mode.ENFORCE else Severity.WARNING


def _failed(outcome: Outcome, place: Place) -> Finding:
    pointer = pointer_of(*place, "tests", outcome.index)
    example = {"expected": outcome.expected.value, "did": outcome.did and outcome.did.value}
    if outcome.did is None:
        message = Phrase("`{note}`: the condition asks for something that is absent here", note=outcome.note)
    else:
        message = Phrase(
            "`{note}`: the rule is to `{expected}`, and it does `{did}`",
            note=outcome.note,
            expected=outcome.expected.value,
            did=outcome.did.value,
        )
    return Finding(FAILING_TEST, Severity.ERROR, pointer, message, example)


def _one_sided(rule: HouseRule, points: Iterable[Point], place: Place) -> Iterator[Finding]:
    """Yield what is left out where no test has the rule acting, or none has it not acting."""
    acts = {_answer(whole_condition(rule), point) for point in points}
    pointer = pointer_of(*place, "tests")
    if True not in acts:
        message = Phrase("no test shows this rule acting: add one where it does")
        yield Finding(ONE_SIDED, _severity(rule), pointer, message, {"never": True})
    if False not in acts:
        message = Phrase("no test shows what this rule leaves alone: add one where it does not act")
        yield Finding(ONE_SIDED, _severity(rule), pointer, message, {"never": False})


def _none(rule: HouseRule, place: Place) -> Finding:
    message = Phrase("no test shows what this rule does: add one where it acts, and one where it does not")
    return Finding(NO_TEST, _severity(rule), pointer_of(*place, "tests"), message)


@dataclass(frozen=True, slots=True)
class _Covered:
    """What tests show of one condition: whether it holds, whether it does not, what lies at its boundary."""

    shown: frozenset[bool]
    boundary: tuple[int, ...]
    untested: tuple[int, ...]

    @property
    def counted(self) -> Coverage:
        n_values = len(self.boundary)
        return Coverage(2, len(self.shown), n_values, n_values - len(self.untested))


def _covered(atom: Atom, points: Iterable[Point]) -> _Covered:
    taken = list(points)
    answers = {_answer(atom, point) for point in taken}
    values = {point.get(atom.field) for point in taken}
    boundary = _boundary(atom)
    untested = tuple(value for value in boundary if value not in values)
    return _Covered(frozenset(answer for answer in answers if answer is not None), boundary, untested)


def _answer(condition: Condition | None, point: Point) -> bool | None:
    try:
        return holds(condition, point)
    except PolicyError:
        return None


def _boundary(atom: Atom) -> tuple[int, ...]:
    """Return the two values next to each other of which a comparison holds of one only."""
    if atom.op not in _FIRST_OF_TWO or not isinstance(atom.value, int):
        return ()
    field, first = FIELDS[atom.field], atom.value + _FIRST_OF_TWO[atom.op]
    return (first, first + 1) if field.least <= first < field.greatest else ()


def _left_out(atom: Atom, covered: _Covered, severity: Severity, place: Place) -> Iterator[Finding]:
    pointer = pointer_of(*place)
    if True not in covered.shown:
        message = Phrase("no test makes this condition on `{field}` hold", field=atom.field)
        yield Finding(UNEXERCISED, severity, pointer, message, {"never": True})
    if False not in covered.shown:
        message = Phrase("no test makes this condition on `{field}` fail", field=atom.field)
        yield Finding(UNEXERCISED, severity, pointer, message, {"never": False})
    if covered.untested:
        kind = FIELDS[atom.field].kind
        first, second = (value_to_plain(kind, value) for value in covered.boundary)
        message = Phrase(
            "the boundary is not tested: add tests with `{field}` {first} and {second}",
            field=atom.field,
            first=first,
            second=second,
        )
        missing = [value_to_plain(kind, value) for value in covered.untested]
        yield Finding(BOUNDARY, Severity.WARNING, pointer, message, {atom.field: missing})


def _share(n: int, of: int) -> int:
    return n * MICRO // of if of else MICRO
