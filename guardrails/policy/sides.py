"""Exact sets of values of one field: the sides of a box.

There are three kinds. What has an order is kept as *spans* of integers, words and open texts as a finite
set or as everything but a finite set, and fields of texts as conditions on which texts are among them.
That a value is absent, or null, is one more value of its field, beside all others.

Sides of different fields are never held against each other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Self, TypeAlias, cast

from guardrails.errors import PolicyError
from guardrails.policy.fields import FIELDS, ORDERED, Field, FieldKind
from guardrails.policy.language import Atom, Op, Scalar


class Missing(Enum):
    """What stands for a value where there is none."""

    ABSENT = "absent"


ABSENT = Missing.ABSENT
"""Nobody knows the value, or may look. Not the same as null, which is ``None``."""

Known: TypeAlias = Scalar | Missing


class Side(ABC):
    """A set of values of one field."""

    __slots__ = ()

    @property
    @abstractmethod
    def empty(self) -> bool:
        """Whether nothing is in it."""

    @abstractmethod
    def meets(self, other: Self) -> bool:
        """Tell whether something is in both."""

    @abstractmethod
    def within(self, other: Self) -> bool:
        """Tell whether all of it is in the other."""

    @abstractmethod
    def meet(self, other: Self) -> Self:
        """Return what is in both."""

    @abstractmethod
    def without(self, other: Self) -> tuple[Self, ...]:
        """Return what is in it and not in the other: sets with nothing in common, none of them empty."""


@dataclass(frozen=True, slots=True)
class Spans(Side):
    """Integers of an ordered field.

    Attributes:
        spans: first and last integer of each run, ascending, with a gap between one and the next. Below
            the smallest number of a field, that less one stands for null and that less two for absent.
    """

    spans: tuple[tuple[int, int], ...]

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not self.spans

    def meets(self, other: Spans) -> bool:
        """Tell whether something is in both."""
        return any(low <= last and first <= high for low, high in self.spans for first, last in other.spans)

    def within(self, other: Spans) -> bool:
        """Tell whether all of it is in the other."""
        return all(
            any(first <= low and high <= last for first, last in other.spans) for low, high in self.spans
        )

    def meet(self, other: Spans) -> Spans:
        """Return what is in both."""
        return Spans(
            tuple(
                (max(low, first), min(high, last))
                for low, high in self.spans
                for first, last in other.spans
                if low <= last and first <= high
            )
        )

    def without(self, other: Spans) -> tuple[Spans, ...]:
        """Return what is in it and not in the other: one set, or none."""
        left = self.spans
        for first, last in other.spans:
            around = (((low, min(high, first - 1)), (max(low, last + 1), high)) for low, high in left)
            left = tuple(span for pair in around for span in pair if span[0] <= span[1])
        return (Spans(left),) if left else ()


@dataclass(frozen=True, slots=True)
class Words(Side):
    """Words, texts or booleans.

    Attributes:
        values: those in it, or those not in it.
        excluded: whether it is everything but these.
    """

    values: frozenset[Known]
    excluded: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing is in it; there is always one more text than any list names."""
        return not (self.values or self.excluded)

    def meets(self, other: Words) -> bool:
        """Tell whether something is in both."""
        if self.excluded:
            return other.excluded or not other.values <= self.values
        return not (self.values <= other.values if other.excluded else self.values.isdisjoint(other.values))

    def within(self, other: Words) -> bool:
        """Tell whether all of it is in the other."""
        if self.excluded:
            return other.excluded and other.values <= self.values
        return self.values.isdisjoint(other.values) if other.excluded else self.values <= other.values

    def meet(self, other: Words) -> Words:
        """Return what is in both."""
        if self.excluded:
            return Words(self.values | other.values, excluded=True) if other.excluded else other.meet(self)
        return Words(self.values - other.values if other.excluded else self.values & other.values)

    def without(self, other: Words) -> tuple[Words, ...]:
        """Return what is in it and not in the other: one set, or none."""
        left = self.meet(Words(other.values, excluded=not other.excluded))
        return () if left.empty else (left,)


_NONE_OF_NOTHING = frozenset({frozenset[str]()})


@dataclass(frozen=True, slots=True)
class Tokens(Side):
    """Sets of texts, by what must be among them and what must not.

    Attributes:
        groups: of each of these one text at least is among them; none of them holds a whole other one or
            a forbidden text.
        forbidden: none of these is among them.
    """

    groups: frozenset[frozenset[str]]
    forbidden: frozenset[str]

    @classmethod
    def of(cls, groups: Iterable[frozenset[str]], forbidden: frozenset[str] = frozenset()) -> Tokens:
        """Return the sets that meet some conditions, written in the one way each can be."""
        open_ones = {group - forbidden for group in groups} if forbidden else set(groups)
        if frozenset() in open_ones:
            return cls(_NONE_OF_NOTHING, frozenset())
        return cls(
            frozenset(group for group in open_ones if not any(other < group for other in open_ones)),
            forbidden,
        )

    @property
    def empty(self) -> bool:
        """Whether no set of texts is like that."""
        return self.groups == _NONE_OF_NOTHING

    def meets(self, other: Tokens) -> bool:
        """Tell whether some set of texts is in both."""
        mine = any(group <= other.forbidden for group in self.groups)
        return not (mine or any(group <= self.forbidden for group in other.groups))

    def within(self, other: Tokens) -> bool:
        """Tell whether all of it is in the other."""
        return other.forbidden <= self.forbidden and all(
            any(mine <= group for mine in self.groups) for group in other.groups
        )

    def meet(self, other: Tokens) -> Tokens:
        """Return what is in both."""
        return Tokens.of(self.groups | other.groups, self.forbidden | other.forbidden)

    def without(self, other: Tokens) -> tuple[Tokens, ...]:
        """Return what is in it and not in the other: where one condition of the other fails first."""
        found, rest = [], self
        for group in sorted(other.groups, key=sorted):
            found.append(rest.meet(Tokens.of((), group)))
            rest = rest.meet(Tokens.of((group,)))
        found.append(rest.meet(Tokens.of((other.forbidden,))))
        return tuple(part for part in found if not part.empty)


@cache
def everything(field: Field) -> Side:
    """Return all that a field can be, absent and null among it where it can be that."""
    if field.kind is FieldKind.TEXTS:
        return Tokens.of(())
    missing: tuple[Known, ...] = (
        *((ABSENT,) if field.optional else ()),
        *((None,) if field.nullable else ()),
    )
    if field.kind in ORDERED:
        return _spans((field.least, field.greatest), *(run_of(field, value) for value in missing))
    closed = (False, True) if field.kind is FieldKind.BOOL else field.values
    if closed:
        return Words(frozenset((*closed, *missing)))
    return Words(frozenset({ABSENT, None}.difference(missing)), excluded=True)


def side_of(atom: Atom) -> Side:
    """Return the values of its field that meet an atom; empty where none does.

    Where a field is absent no atom on it holds but ``has``: a checked condition asks that first.

    Raises:
        PolicyError: there is no such field, or nothing like that can be asked of it.
    """
    field = FIELDS.get(atom.field)
    if field is None:
        raise PolicyError(f"there is no field `{atom.field}`")
    if atom.op is Op.HAS:
        return _presence(field, there=atom.value is True)
    _refuse_nonsense(field, atom)
    if atom.op is Op.CONTAINS_ANY:
        group = frozenset(cast("tuple[str, ...]", atom.value))
        return Tokens.of((group.intersection(field.values) if field.values else group,))
    whole = _presence(field, there=True)
    if atom.op in _ORDER:
        return whole.meet(_spans(_run(field, atom.op, cast("int", atom.value))))
    values = cast("tuple[Scalar, ...]", atom.value if atom.op in {Op.IN, Op.NOT_IN} else (atom.value,))
    named = _exactly(field, values)
    return whole.meet(named) if atom.op in {Op.EQUAL, Op.IN} else _left(field, whole, named)


_ORDER = frozenset({Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST})


def _refuse_nonsense(field: Field, atom: Atom) -> None:
    of_texts = (field.kind is FieldKind.TEXTS) is (atom.op is Op.CONTAINS_ANY)
    of_order = atom.op not in _ORDER or (field.kind in ORDERED and isinstance(atom.value, int))
    if not (of_texts and of_order):
        raise PolicyError(f"`{atom.op}` with such a value cannot be asked of `{atom.field}`")


def _run(field: Field, op: Op, value: int) -> tuple[int, int]:
    """Return the first and the last number that are less, or more; the last before the first for none."""
    if op in {Op.LESS, Op.AT_MOST}:
        return field.least, min(value - (op is Op.LESS), field.greatest)
    return max(value + (op is Op.MORE), field.least), field.greatest


@cache
def _presence(field: Field, *, there: bool) -> Side:
    whole = everything(field)
    if field.kind is FieldKind.TEXTS:  # none of these is ever absent
        return whole if there else Tokens.of((frozenset(),))
    absent = _exactly(field, (ABSENT,))
    return _left(field, whole, absent) if there else whole.meet(absent)


def _left(field: Field, whole: Side, named: Side) -> Side:
    """Return what is left of a side, which is one set for everything but texts."""
    left = whole.without(named)
    return left[0] if left else _exactly(field, ())


def _exactly(field: Field, values: Iterable[Known]) -> Side:
    if field.kind in ORDERED:
        return _spans(*(run_of(field, value) for value in values))
    return Words(frozenset(values))


def _spans(*runs: tuple[int, int]) -> Spans:
    """Return spans written in the one way they can be."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(run for run in runs if run[0] <= run[1]):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return Spans(tuple(found))


def run_of(field: Field, value: Known) -> tuple[int, int]:
    """Return the run of what stands for one value among the spans of an ordered field."""
    if value is ABSENT:
        return field.least - 2, field.least - 2
    if value is None:
        return field.least - 1, field.least - 1
    number = cast("int", value)
    return max(number, field.least), min(number, field.greatest)
