"""A policy compiled: what takes time is done once a version, and each rule asked of all candidates at once.

Conditions become whole numbers. A field that is a number, a flag or a day is one as it stands. A field of
words or texts is turned into marks: one bit for each list of texts that a condition holds it against, set
where the text is in that list; so a condition is one bit to look at, however long its list is. What the
texts of a catalogue come to is worked out once and kept as long as the catalogue lives.

What it says is what ``guardrails.policy.meaning`` says, point by point.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias
from weakref import ReferenceType, WeakKeyDictionary, ref
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from guardrails.errors import PolicyError
from guardrails.log.codes import ReasonCode
from guardrails.policy.columns import ABSENT, NULL, Column, Columns, Named, Names, columns_of
from guardrails.policy.fields import FIELDS, ORDERED, FieldKind
from guardrails.policy.kernel import LISTED, MARKED, UNKNOWN, WITHIN, YES, Program, answer
from guardrails.policy.language import Atom, HouseRule, Mode, Op, Policy, RuleEffect, Scalar, Value
from guardrails.policy.limits import Limits
from guardrails.policy.meaning import conjuncts
from guardrails.rules.base import (
    MICRO,
    OBLIGES,
    Effect,
    Judgement,
    Rule,
    Unit,
    View,
    WatchedRule,
    silent,
    the_same,
)

ROWS_AT_ONCE = 4_096
"""So many rows are laid out for the loop at a time: few enough to stay near the processor."""

_FAILED: Final = ABSENT - 1  # below every floor: a field that could not be told has no answer to anything
_MOST: Final = int(np.iinfo(np.int64).max)
_N_MARKS = 63  # bits of a number that is never negative

_SEVERAL = 2

_NUMBERS = ORDERED | {FieldKind.BOOL}
_ORDER_OPS = frozenset({Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST})
_SAME_OPS = frozenset({Op.EQUAL, Op.UNEQUAL, Op.IN, Op.NOT_IN})
_NEGATED = frozenset({Op.UNEQUAL, Op.NOT_IN})

_EFFECT_OF: Mapping[RuleEffect, Effect] = MappingProxyType(
    {
        RuleEffect.ALLOW: Effect.ALLOW,
        RuleEffect.DEMOTE: Effect.DEMOTE,
        RuleEffect.GENERALISE: Effect.GENERALISE,
        RuleEffect.BLOCK: Effect.BLOCK,
    }
)

_Conjunction: TypeAlias = tuple[Atom, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What every rule says of every row.

    Attributes:
        answer: shape (n_rules, n), int8: ``kernel.NO``, ``UNKNOWN`` or ``YES``.
        failed: fields that could not be told, with the name of what was raised.
    """

    answer: NDArray[np.int8]
    failed: Mapping[str, str]

    @property
    def fires(self) -> NDArray[np.bool_]:
        """Where each rule acts; shape (n_rules, n), bool."""
        return np.asarray(self.answer == YES)

    @property
    def unanswered(self) -> NDArray[np.bool_]:
        """Where the condition of each rule has no answer; shape (n_rules, n), bool."""
        return np.asarray(self.answer == UNKNOWN)


@dataclass(frozen=True, slots=True, eq=False)
class CompiledPolicy:
    """The rules of a policy, ready to be asked.

    Attributes:
        rules: all but those that are off, by ascending id.
        time_zone: where the days of the policy begin.
        fields: fields that each rule asks for.
    """

    rules: tuple[HouseRule, ...]
    time_zone: tzinfo
    fields: tuple[frozenset[str], ...]
    _program: Program
    _readers: tuple[_Numbers | _Marks, ...]
    _n_slots: int

    def evaluate(self, columns: Columns) -> Answers:
        """Ask every rule about every row.

        A field that cannot be told leaves without an answer what depends on it, and nothing else.

        What holds for a whole request is read first. Where that alone settles a rule, whatever the rows are
        like, they are not read for it: an answer in three values never changes when more becomes known.
        """
        failed: dict[str, str] = {}
        slots = _Slots(self._n_slots, columns.n)
        self._read([reader for reader in self._readers if reader.is_wide], columns, slots, failed)
        needed = [reader for reader in self._readers if not reader.is_wide]
        if needed and not slots.columns:
            settled = slots.ask_one(self._program)
            undecided = np.flatnonzero(settled == UNKNOWN).tolist()
            wanted = frozenset().union(*[self.fields[place] for place in undecided])
            needed = [reader for reader in needed if reader.field in wanted]
            if not needed:
                return Answers(np.repeat(settled[:, np.newaxis], columns.n, axis=1), failed)
        self._read(needed, columns, slots, failed)
        return Answers(slots.ask(self._program), failed)

    def _read(
        self,
        readers: Iterable[_Numbers | _Marks],
        columns: Columns,
        slots: _Slots,
        failed: dict[str, str],
    ) -> None:
        """Read fields into their slots."""
        for reader in readers:
            try:
                reader.read(columns.column(reader.field), slots)
            except Exception as error:  # noqa: BLE001 - whatever went wrong, only this field is unknown
                failed[reader.field] = type(error).__name__
                slots.fail(reader.first_slot, reader.n_slots)


class _Slots:
    """What the loop is going to look at: numbers by slot.

    Attributes:
        single: number of each slot that is the same for every row.
        is_single: 1 for these, 0 for the others.
        columns: slot, values by code or ``None``, and codes or numbers, shape (n,).
    """

    __slots__ = ("columns", "is_single", "n", "single")

    def __init__(self, n_slots: int, n: int) -> None:
        self.n = n
        self.single, self.is_single = [_FAILED] * n_slots, [1] * n_slots  # until it is read nothing is known
        self.columns: list[tuple[int, NDArray[np.int64] | None, NDArray[Any]]] = []

    def add(self, slot: int, by_code: NDArray[np.int64] | None, column: NDArray[Any]) -> None:
        """Take a column, numbers or codes of them."""
        if column.shape != (self.n,) or column.dtype.kind not in "bui":
            raise ValueError("a column has one whole number a row")
        self.columns.append((slot, by_code, column))
        self.is_single[slot] = 0

    def fail(self, first: int, n_slots: int) -> None:
        """Leave slots without an answer to anything."""
        self.single[first : first + n_slots] = [_FAILED] * n_slots
        self.is_single[first : first + n_slots] = [1] * n_slots

    def ask_one(self, program: Program) -> NDArray[np.int8]:
        """Return the answers where nothing is known but what is the same for every row, shape (n_rules,)."""
        single, nothing = np.array(self.single, np.int64), np.empty((len(self.single), 1), np.int64)
        return answer(program, single, nothing, np.ones(single.size, np.int64))[:, 0]

    def ask(self, program: Program) -> NDArray[np.int8]:
        """Return the answers, shape (n_rules, n), int8, worked out so many rows at a time."""
        single, is_single = np.array(self.single, np.int64), np.array(self.is_single, np.int64)
        parts = []
        for start in range(0, max(self.n, 1), ROWS_AT_ONCE):
            rows = slice(start, min(start + ROWS_AT_ONCE, self.n))
            numbers = np.empty((single.size, rows.stop - start), np.int64)
            for slot, by_code, column in self.columns:
                numbers[slot] = column[rows] if by_code is None else by_code[column[rows]]
            parts.append(answer(program, single, numbers, is_single))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


class _Test(NamedTuple):
    """One test of the loop; see ``guardrails.policy.kernel``."""

    slot: int
    kind: int
    low: int
    high: int
    negated: bool
    floor: int


def _is_wide(field: str) -> bool:
    """Whether a field holds for a whole request, and not for a candidate."""
    return not field.startswith(("candidate.", "evidence.", "item."))


class _Numbers:
    """Reads a field that is a number, a flag or a day."""

    n_slots = 1

    def __init__(self, name: str, first_slot: int, listed: list[int]) -> None:
        """Take a slot; ``listed`` is where numbers of lists are put."""
        self.field, self.first_slot, self._listed = name, first_slot, listed
        self.is_wide = _is_wide(name)

    def test(self, atom: Atom) -> _Test:
        """Return what an atom on the field asks."""
        if atom.op in _ORDER_OPS:
            low, high = _between(atom.op, _number(atom.value))
            return _Test(self.first_slot, WITHIN, low, high, negated=False, floor=NULL + 1)
        negated = atom.op in _NEGATED
        if not isinstance(atom.value, tuple):
            number = _number(atom.value)
            return _Test(self.first_slot, WITHIN, number, number, negated, floor=NULL)
        begin = len(self._listed)
        self._listed += sorted(_number(value) for value in atom.value)
        return _Test(self.first_slot, LISTED, begin, len(self._listed), negated, floor=NULL)

    def read(self, column: Column, slots: _Slots) -> None:
        """Put a column where the loop looks for it."""
        if isinstance(column, np.ndarray):
            slots.add(self.first_slot, None, column)
        else:
            slots.single[self.first_slot] = _number(column)


def _number(value: Column) -> int:
    """Return what a single value counts as among numbers."""
    if value is None:
        return NULL
    if not isinstance(value, int):
        raise TypeError("a number is needed")
    return int(value)


def _between(op: Op, number: int) -> tuple[int, int]:
    """Return the least and the greatest number that an order allows."""
    low = {Op.MORE: number + 1, Op.AT_LEAST: number}.get(op, NULL + 1)
    high = {Op.LESS: number - 1, Op.AT_MOST: number}.get(op, _MOST)
    return low, high


class _Marks:
    """Reads a field of words or texts as marks: which lists of texts it is in."""

    def __init__(self, name: str, first_slot: int, lists: Sequence[tuple[Scalar, ...]]) -> None:
        """Give every list a mark, and take as many slots as that needs."""
        self.field, self.first_slot = name, first_slot
        self.is_wide = _is_wide(name)
        self.n_slots = max(-(-len(lists) // _N_MARKS), 1)
        self._place = {texts: place for place, texts in enumerate(lists)}
        self._marks: tuple[dict[Scalar, int], ...] = tuple({ABSENT: ABSENT} for _ in range(self.n_slots))
        for texts, place in self._place.items():
            marks = self._marks[place // _N_MARKS]
            for text in texts:
                marks[text] = marks.get(text, 0) | 1 << place % _N_MARKS
        self._tables: WeakKeyDictionary[Names, tuple[NDArray[np.int64], ...]] = WeakKeyDictionary()

    def test(self, atom: Atom) -> _Test:
        """Return what an atom on the field asks."""
        place = self._place[_texts(atom.value)]
        mark, slot = 1 << place % _N_MARKS, self.first_slot + place // _N_MARKS
        return _Test(slot, MARKED, mark, 0, atom.op in _NEGATED, floor=NULL)

    def read(self, column: Column, slots: _Slots) -> None:
        """Put a column where the loop looks for it."""
        if isinstance(column, np.ndarray):
            raise TypeError("texts are needed")
        if not isinstance(column, Named):
            for slot, marks in enumerate(self._marks, self.first_slot):
                slots.single[slot] = _marked(column, marks)
            return
        for slot, by_code in enumerate(self._table(column.names), self.first_slot):
            slots.add(slot, by_code, column.codes)

    def _table(self, names: Names) -> tuple[NDArray[np.int64], ...]:
        """Return the marks of all that codes may stand for, shape (n_entries,) for each slot."""
        known = self._tables.get(names)
        if known is None:
            known = self._tables[names] = tuple(
                np.array([_marked(entry, marks) for entry in names.entries], np.int64)
                for marks in self._marks
            )
        return known


def _marked(value: Value, marks: Mapping[Scalar, int]) -> int:
    """Return the marks of a text, or all those of a set of texts."""
    if not isinstance(value, tuple):
        return marks.get(value, 0)
    found = 0
    for text in value:
        found |= marks.get(text, 0)
    return found


def _texts(value: Value) -> tuple[Scalar, ...]:
    return value if isinstance(value, tuple) else (value,)


def compile_policy(policy: Policy) -> CompiledPolicy:
    """Compile the rules of a policy that are not off.

    Raises:
        PolicyError: a rule comes to too many alternatives, asks for a field that there is none of, or in
            a way that its kind does not allow, or the time zone is unknown.
    """
    rules = tuple(
        sorted((rule for rule in policy.rules if rule.mode is not Mode.OFF), key=lambda rule: rule.id)
    )
    conjunctions = [conjuncts(rule) for rule in rules]
    atoms = [atom for of_rule in conjunctions for conjunction in of_rule for atom in conjunction]
    listed: list[int] = []
    readers = _readers(atoms, listed)
    return CompiledPolicy(
        rules=rules,
        time_zone=_zone(policy.time_zone),
        fields=tuple(
            frozenset(atom.field for conjunction in of_rule for atom in conjunction)
            for of_rule in conjunctions
        ),
        _program=_program(conjunctions, readers, listed),
        _readers=tuple(readers.values()),
        _n_slots=sum(reader.n_slots for reader in readers.values()),
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PolicyError(f"unknown time zone `{name}`") from error


def _readers(atoms: Iterable[Atom], listed: list[int]) -> dict[str, _Numbers | _Marks]:
    """Return a reader for each field that is asked for, and hand out the slots."""
    by_field: dict[str, dict[tuple[Scalar, ...], None]] = {}
    for atom in atoms:
        _refuse_nonsense(atom)
        lists = by_field.setdefault(atom.field, {})
        if atom.op is not Op.HAS:
            lists[_texts(atom.value)] = None
    readers: dict[str, _Numbers | _Marks] = {}
    n_slots = 0
    for name, lists in by_field.items():
        is_number = FIELDS[name].kind in _NUMBERS
        reader = _Numbers(name, n_slots, listed) if is_number else _Marks(name, n_slots, tuple(lists))
        readers[name] = reader
        n_slots += reader.n_slots
    return readers


def _refuse_nonsense(atom: Atom) -> None:
    if atom.field not in FIELDS:
        raise PolicyError(f"there is no field `{atom.field}`")
    kind = FIELDS[atom.field].kind
    allowed = {FieldKind.TEXTS: {Op.CONTAINS_ANY}}.get(kind, _SAME_OPS)
    if atom.op is not Op.HAS and atom.op not in (allowed | _ORDER_OPS if kind in ORDERED else allowed):
        raise PolicyError(f"`{atom.field}` cannot be asked for with `{atom.op}`")


def _program(
    conjunctions: Sequence[tuple[_Conjunction, ...]],
    readers: Mapping[str, _Numbers | _Marks],
    listed: list[int],
) -> Program:
    flat = [conjunction for of_rule in conjunctions for conjunction in of_rule]
    tests = [_test(atom, readers[atom.field]) for conjunction in flat for atom in conjunction]
    slot, kind, low, high, negated, floor = np.array(tests, np.int64).reshape(-1, len(_Test._fields)).T.copy()
    return Program(
        slot=slot,
        kind=kind,
        low=low,
        high=high,
        negated=negated,
        floor=floor,
        listed=np.array(listed, np.int64),
        first_test=_firsts(len(conjunction) for conjunction in flat),
        first_conjunction=_firsts(len(of_rule) for of_rule in conjunctions),
    )


def _test(atom: Atom, reader: _Numbers | _Marks) -> _Test:
    if atom.op is Op.HAS:
        return _Test(reader.first_slot, WITHIN, NULL, _MOST, negated=not atom.value, floor=ABSENT)
    return reader.test(atom)


def _firsts(lengths: Iterable[int]) -> NDArray[np.int64]:
    """Return where parts of these lengths begin when they stand one after another, and where all end."""
    return np.cumsum([0, *lengths], dtype=np.int64)


class _Asked:
    """A policy that was asked about a view: its rules are asked one by one, and it answers once."""

    def __init__(self, compiled: CompiledPolicy) -> None:
        self.compiled = compiled
        self._last: tuple[ReferenceType[View], _Told] | None = None

    def about(self, view: View) -> _Told:
        """Return what all rules say; the view asked about last is answered from memory.

        Another thread may ask about its own view in between; then it is worked out once more.
        """
        last = self._last
        if last is not None and last[0]() is view:
            return last[1]
        answers = self.compiled.evaluate(columns_of(view, self.compiled.time_zone))
        acts = answers.fires
        told = _Told(
            answers=answers,
            acts=acts,
            observed=acts.astype(np.int64),
            speaks=np.asarray(answers.answer.any(axis=1)).tolist(),
            demoted_by=_demoted_by(self.compiled.rules, acts),
        )
        self._last = ref(view), told
        return told


class _Told(NamedTuple):
    """What the rules of a policy say of a view.

    Attributes:
        answers: of every rule, of every candidate.
        acts: shape (n_rules, n), bool: where each rule acts.
        observed: the same as int64, which is what a rule says it saw.
        speaks: whether each rule has anything to say.
        demoted_by: shape (n,): place of the enforced rule that leaves each candidate the smallest share, the
            first of several; ``None`` where no more than one demotes.
    """

    answers: Answers
    acts: NDArray[np.bool_]
    observed: NDArray[np.int64]
    speaks: list[bool]
    demoted_by: NDArray[np.int64] | None


def _demoted_by(rules: Sequence[HouseRule], acts: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """Find whose demotion counts: of several the strongest, and not all of them multiplied."""
    demoting = [
        place
        for place, rule in enumerate(rules)
        if rule.effect is RuleEffect.DEMOTE and rule.mode is Mode.ENFORCE
    ]
    if len(demoting) < _SEVERAL:
        return None
    shares = np.array([[rules[place].share_micro] for place in demoting], np.int64)
    strongest = np.where(acts[demoting], shares, MICRO).argmin(axis=0)
    return np.asarray(np.array(demoting, np.int64)[strongest])


class ShopRule(Rule):
    """A rule of the shop, asked like any other.

    Attributes:
        house_rule: the rule as it is written.
    """

    locked = False
    reason_code = ReasonCode.HOUSE_RULE
    unit = Unit.FLAG

    def __init__(self, place: int, asked: _Asked) -> None:
        """Take the rule at a place of a compiled policy."""
        self.house_rule = rule = asked.compiled.rules[place]
        self.id, self.name = rule.id, rule.title
        self.sentence, self.ground = rule.customer_sentence, rule.rationale
        self._place, self._asked = place, asked
        self._effects = np.array([Effect.ALLOW, Effect.GAP, _EFFECT_OF[rule.effect]], np.int8)
        self._obliges = np.int8(sum(OBLIGES[obligation.value] for obligation in rule.obligations))

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 - its numbers stand in its condition
        """Act where its condition holds, and withhold where that has no answer.

        Raises:
            PolicyError: it has no answer because a field could not be told.
        """
        told, place = self._asked.about(view), self._place
        if not told.speaks[place]:
            return silent(len(view))
        said, acts = told.answers.answer[place], told.acts[place]
        if told.answers.failed:
            self._refuse_guesses(told)
        return Judgement(
            effect=self._effects[said],
            observed=told.observed[place],
            limit=the_same(said.size, 0),
            factor_micro=self._factor_micro(acts, told.demoted_by),
            obliges=acts * self._obliges if self._obliges else None,
        )

    def _refuse_guesses(self, told: _Told) -> None:
        failed = self._asked.compiled.fields[self._place].intersection(told.answers.failed)
        if failed and told.answers.unanswered[self._place].any():
            raise PolicyError(f"`{min(failed)}` could not be told")

    def _factor_micro(
        self, acts: NDArray[np.bool_], demoted_by: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        share_micro = self.house_rule.share_micro
        if share_micro == MICRO:
            return the_same(acts.size, MICRO)
        if demoted_by is not None and self.house_rule.mode is Mode.ENFORCE:
            acts = acts & (demoted_by == self._place)
        return np.where(acts, share_micro, MICRO)


def house_rules(policy: Policy) -> tuple[tuple[Rule, ...], tuple[WatchedRule, ...]]:
    """Return the rules of a policy that act, and those that are watched, each by ascending id.

    All of them share one evaluation of a view.

    Raises:
        PolicyError: see ``compile_policy``.
    """
    asked = _Asked(compile_policy(policy))
    rules = [ShopRule(place, asked) for place in range(len(asked.compiled.rules))]
    return (
        tuple(rule for rule in rules if rule.house_rule.mode is Mode.ENFORCE),
        tuple(
            WatchedRule(rule, warns=rule.house_rule.mode is Mode.WARN)
            for rule in rules
            if rule.house_rule.mode is not Mode.ENFORCE
        ),
    )
