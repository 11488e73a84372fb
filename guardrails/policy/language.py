"""What a policy is made of: conditions, rules of the shop, limits. Plain data, nothing judged yet.

Values of conditions are kept as what they are compared with: booleans, words and texts as they are,
integers, shares in millionths, dates as days since 1970-01-01, ``None`` for null, and a tuple of these,
sorted and each of them once, for ``in``, ``not_in`` and ``contains_any``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TypeAlias

from engine.vocabulary import Intent
from guardrails.policy.charter import Assumption
from guardrails.policy.limits import Limits

Scalar: TypeAlias = bool | int | str | None
Value: TypeAlias = Scalar | tuple[Scalar, ...]


class Op(StrEnum):
    """How a field is held against a value; ``≠``, ``≤`` and ``≥`` are read as well."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    IN = "in"
    NOT_IN = "not_in"
    HAS = "has"
    """Of an optional field: it is there (``true``), or it is not (``false``)."""
    CONTAINS_ANY = "contains_any"
    """Of a field of texts: one of them at least is among the values."""


class RuleEffect(StrEnum):
    """What a rule of the shop does with what it is about, weakest first."""

    ALLOW = "allow"
    DEMOTE = "demote"
    GENERALISE = "generalise"
    BLOCK = "block"


class Obligation(StrEnum):
    """What a rule asks for besides; obligations of several rules add up."""

    EXPLAIN = "explain"
    """The suggestion is shown only together with its reason."""
    DISCLOSE_SPONSORED = "disclose_sponsored"
    """The answer says beside it that somebody pays."""
    HAND_OFF = "hand_off"
    """The answer offers a human beside the suggestions."""


class Mode(StrEnum):
    """Whether a rule is in force."""

    OFF = "off"
    SHADOW = "shadow"
    """Its verdicts are recorded and counted, and withhold nothing."""
    WARN = "warn"
    """As in shadow, and the answer names it beside what it would have acted on."""
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Atom:
    """One condition on one field."""

    field: str
    op: Op
    value: Value


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the conditions holds; at least one of them."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of the conditions holds; at least one of them."""

    of: tuple[Condition, ...]


Condition: TypeAlias = Atom | All | AnyOf


@dataclass(frozen=True, slots=True)
class RuleTest:
    """An example that a rule brings along.

    What it does not mention is taken as it ordinarily is: optional fields absent, flags down, and what
    ``applies_to`` names as its first value.

    Attributes:
        note: what it shows.
        given: value by field; of a field of texts a tuple. ``None`` is null.
        expect: what the rule is to do.
    """

    note: str
    given: tuple[tuple[str, Value], ...]
    expect: RuleEffect


@dataclass(frozen=True, slots=True)
class HouseAssumption(Assumption):
    """What a rule of the shop takes for granted; ``of`` narrows it to suggestions of one intent."""

    of: Intent | None = None


@dataclass(frozen=True, slots=True)
class HouseRule:
    """A rule of the shop's own.

    Attributes:
        id: lower-case words joined by ``-``; never that of a shipped rule.
        title: what it does, in a line.
        when: what it is about; ``None`` for everything within its scope.
        applies_to: scope (a key of ``fields.SCOPES``) and the words it is narrowed to.
        effect: what it does.
        share_micro: for ``demote``: the share of the rank score that is left; else the whole.
        obligations: what it asks for besides, in the order of ``Obligation``.
        mode: whether it is in force.
        rationale: why it is there.
        owner: role that answers for it.
        review_by: last day on which it may stand without having been looked at again.
        assumes: what it rests on.
        customer_sentence: what a customer is told, at most 140 characters.
        effective_from: first day it is in force, in the time zone of the policy; ``None`` from the start.
        effective_until: last day; ``None`` until it is taken out.
        tests: examples.
    """

    id: str
    title: str
    when: Condition | None
    applies_to: tuple[tuple[str, tuple[str, ...]], ...]
    effect: RuleEffect
    share_micro: int
    obligations: tuple[Obligation, ...]
    mode: Mode
    rationale: str
    owner: str
    review_by: date
    assumes: tuple[HouseAssumption, ...]
    customer_sentence: str
    effective_from: date | None = None
    effective_until: date | None = None
    tests: tuple[RuleTest, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What a shop lays down, on top of what ships.

    Attributes:
        name: which policy this is a version of.
        limits: every number, those that ship where the shop says nothing.
        rules: the shop's own rules, by ascending id: their order means nothing.
        time_zone: IANA name; where its days begin.
    """

    name: str = "house"
    limits: Limits = field(default_factory=Limits)
    rules: tuple[HouseRule, ...] = ()
    time_zone: str = "UTC"


def atoms(condition: Condition | None) -> Iterator[Atom]:
    """Yield every atom of a condition, in the order they are written."""
    if isinstance(condition, Atom):
        yield condition
    elif condition is not None:
        for part in condition.of:
            yield from atoms(part)
