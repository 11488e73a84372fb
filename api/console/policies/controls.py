"""What a form asks with, and what is typed there as plain data: one control for each kind of value.

A value is shown as text and read back from text. What reads as nothing that the kind knows stays the text
it is, so that nothing that was typed is lost: the model of the policy says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from api.languages import say
from api.policies.values import operators_of
from guardrails.messages import Phrase
from guardrails.policy.fields import FIELDS, Field, FieldKind, FieldUnit
from guardrails.policy.language import Op
from guardrails.policy.sentences import operator_in_words, word_in_words

SEVERAL = frozenset({Op.IN.value, Op.NOT_IN.value, Op.CONTAINS_ANY.value})
"""Operators that hold a field against a list."""

YES, NO = "true", "false"

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,15})")
_DECIMAL = re.compile(r"-?[0-9]{1,9}\.[0-9]{1,6}")
_PLACE = re.compile(r"[0-9]{1,6}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Sent = Sequence[tuple[str, str]]
"""Names and values as a browser sends them."""


class Look(StrEnum):
    """What a control looks like."""

    TEXT = "text"
    NUMBER = "number"
    DAY = "day"
    AREA = "area"
    SELECT = "select"
    CHECKS = "checks"
    LINES = "lines"


class NotHeldError(Exception):
    """A form cannot show this part of a policy; its text can."""


@dataclass(frozen=True, slots=True)
class Control:
    """One thing that is asked.

    Attributes:
        name: of the field of the form.
        pointer: where its value stands in the document (RFC 6901).
        label: what is asked.
        look: what it looks like.
        values: what is filled in; one for all but checks and lines.
        options: value and text of everything that can be chosen.
        help: what helps to answer.
        most: most characters; 0 for no bound.
        required: whether a policy has to say it.
        null: whether "nothing" is chosen beside; ``None`` where it cannot be.
    """

    name: str
    pointer: str
    label: str
    look: Look
    values: tuple[str, ...] = ("",)
    options: tuple[tuple[str, str], ...] = ()
    help: str = ""
    most: int = 0
    required: bool = False
    null: bool | None = None

    @property
    def id(self) -> str:
        """Name of the control within the page."""
        return id_of(self.name)

    @property
    def slot(self) -> str:
        """Name of the place for what is found here."""
        return f"found-{id_of(self.pointer)}"

    def sent(self) -> Iterator[tuple[str, str]]:
        """Yield what a browser sends of it, untouched.

        Raises:
            NotHeldError: a browser would send something else than what is filled in.
        """
        known = {value for value, _ in self.options}
        if self.look in (Look.SELECT, Look.CHECKS) and not known.issuperset(self.values):
            raise NotHeldError
        if self.look is Look.LINES:
            if any(not each.strip() or each != each.strip() or _breaks(each) for each in self.values):
                raise NotHeldError
            yield self.name, "\n".join(self.values)
        elif self.look is Look.AREA:
            if "\r" in self.values[0]:
                raise NotHeldError
            yield self.name, self.values[0]
        elif any(_breaks(each) for each in self.values):
            raise NotHeldError
        else:
            yield from ((self.name, each) for each in self.values)
        if self.look in (Look.CHECKS, Look.LINES):
            yield self.name, ""  # so that an empty list is sent as well
        if self.null:
            yield f"{self.name}.null", "on"


def _breaks(text: str) -> bool:
    """Tell whether a text has line breaks, which a single line loses."""
    return len(text.splitlines()) > 1 or text.endswith(("\n", "\r"))


def id_of(name: str) -> str:
    """Return a name as pages can point at it.

    >>> id_of("/rules/0/when")
    'rules-0-when'
    """
    return re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")


@dataclass(frozen=True, slots=True)
class Typed:
    """What a form sent: every value by its name."""

    values: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, sent: Iterable[tuple[str, str]]) -> Typed:
        """Gather what was sent; a browser breaks lines as mail does."""
        gathered: dict[str, list[str]] = {}
        for name, value in sent:
            gathered.setdefault(name, []).append(value.replace("\r\n", "\n"))
        return cls(gathered)

    def one(self, name: str) -> str:
        """Return a value; empty where there is none."""
        return next(iter(self.values.get(name, ())), "")

    def many(self, name: str) -> list[str]:
        """Return the values of a list: chosen one by one, or a line each."""
        lines = (line.strip() for value in self.values.get(name, ()) for line in value.split("\n"))
        return [line for line in lines if line]

    def has(self, name: str) -> bool:
        """Tell whether anything was sent under a name."""
        return name in self.values

    def under(self, prefix: str) -> list[str]:
        """Return what follows a prefix in the names that begin with it, in the order of the form."""
        return [name.removeprefix(prefix) for name in self.values if name.startswith(prefix)]

    def indices(self, prefix: str) -> list[int]:
        """Return the numbers that follow a prefix, in ascending order."""
        firsts = (rest.partition(".")[0] for rest in self.under(prefix))
        return sorted({place for place in map(place_of, firsts) if place is not None})


@dataclass(frozen=True, slots=True)
class Shop:
    """What a form offers besides what the language of policies knows.

    Attributes:
        words: words of a field whose list is the shop's own, by field.
    """

    words: Mapping[str, tuple[str, ...]]

    def words_of(self, field: Field) -> tuple[str, ...]:
        """Return what can be chosen of a field; empty where anything can be typed."""
        if field.kind is FieldKind.BOOL:
            return YES, NO
        return field.values or self.words.get(field.name, ())


def place_of(text: str) -> int | None:
    """Return a place in a list that was sent; ``None`` for what is none.

    >>> place_of("12"), place_of("limits")
    (12, None)
    """
    return int(text) if _PLACE.fullmatch(text) else None


def shown(value: Any) -> str:
    """Return plain data as text to be changed.

    Raises:
        NotHeldError: it is a list or a mapping.
    """
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, int | str):
        return str(value)
    raise NotHeldError


def typed_number(text: str) -> int | float | str:
    """Return a number that was typed; any other text as it is.

    >>> typed_number(" 12 "), typed_number("0.25"), typed_number("a dozen")
    (12, 0.25, 'a dozen')
    """
    stripped = text.strip()
    if _WHOLE.fullmatch(stripped):
        return int(stripped)
    return float(stripped) if _DECIMAL.fullmatch(stripped) else text


def typed_scalar(field: Field, text: str) -> Any:
    """Return one value of a field that was typed."""
    if field.kind is FieldKind.BOOL:
        return {YES: True, NO: False}.get(text, text)
    if field.kind is FieldKind.INTEGER:
        number = typed_number(text)
        return number if isinstance(number, int) else text
    return typed_number(text) if field.kind is FieldKind.SHARE else text


def value_control(
    name: str, pointer: str, field: Field, value: Any, shop: Shop, *, several: bool, label: str = ""
) -> Control:
    """Return the control for a value of a field.

    Args:
        name: of the field of the form.
        pointer: where the value stands.
        field: what it is a value of.
        value: plain data; a list if ``several``.
        shop: what can be chosen.
        several: whether it is a list.
        label: what is asked, if not what the field says.

    Raises:
        NotHeldError: it is of another shape.
    """
    if several is not isinstance(value, list):
        raise NotHeldError
    given = list(value) if several else [value]
    texts = tuple(shown(each) for each in given if each is not None)
    control = Control(
        name,
        pointer,
        label or say(field.description),
        Look.TEXT,
        values=texts if several else (texts or ("",)),
        help=_help(field, several=several),
        null=(None in given) if field.nullable or None in given else None,
    )
    return _looking(control, field, shop, several=several)


def _looking(control: Control, field: Field, shop: Shop, *, several: bool) -> Control:
    """Give a control the look that fits its field, and what it holds."""
    words = shop.words_of(field)
    options = tuple((word, say(word_in_words(word))) for word in words)
    if several:
        if words and set(control.values) <= set(words):
            return replace(control, look=Look.CHECKS, options=options, help="")
        return replace(control, look=Look.LINES)
    value = control.values[0]
    if words and (value in words or not value):
        blank = () if value in words else (("", say("choose …")),)
        return replace(control, look=Look.SELECT, options=(*blank, *options), help="")
    if field.kind is FieldKind.DATE and (not value or is_day(value)):
        return replace(control, look=Look.DAY)
    numbers = (FieldKind.INTEGER, FieldKind.SHARE)
    return replace(control, look=Look.NUMBER) if field.kind in numbers else control


def is_day(text: str) -> bool:
    """Tell whether a text is written as days are."""
    return _DAY.fullmatch(text) is not None


def typed_value(field: Field, typed: Typed, name: str, *, several: bool) -> Any:
    """Return the value that was typed into ``value_control``."""
    null = typed.has(f"{name}.null")
    if several:
        return [*([None] if null else []), *(typed_scalar(field, each) for each in typed.many(name))]
    return None if null else typed_scalar(field, typed.one(name))


def operators(field: Field) -> tuple[tuple[str, str], ...]:
    """Return what may be asked of a field, and how that is said."""
    return tuple((op.value, say(operator_in_words(op))) for op in operators_of(field))


def grouped_fields() -> dict[str, list[tuple[str, str]]]:
    """Return every field by what it is a field of, with what it says."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for field in FIELDS.values():
        told = say(field.description).partition(";")[0]
        groups.setdefault(field.name.partition(".")[0], []).append((field.name, told))
    return groups


def _help(field: Field, *, several: bool) -> str:
    if several:
        return say("one a line")
    if field.kind is FieldKind.SHARE:
        return say("a share, such as `0.25` for a quarter")
    return say(_UNITS[field.unit]) if field.unit in _UNITS else ""


_UNITS = {
    FieldUnit.MINOR: Phrase("in minor units, such as cents"),
    FieldUnit.DAYS: Phrase("days"),
    FieldUnit.SECONDS: Phrase("seconds"),
    FieldUnit.MINUTES: Phrase("minutes since midnight"),
    FieldUnit.TIER: Phrase("0 for ordinary, up to 3 for what is most private"),
}
