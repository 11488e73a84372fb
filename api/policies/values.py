"""Values as a policy writes them, turned into what they are compared with, by the kind of their field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from marshmallow import ValidationError

from api.policies.characters import odd_in_text, unknown_name
from api.policies.wrong import wrong
from guardrails.messages import Phrase
from guardrails.policy.charter import MICRO
from guardrails.policy.document import share_to_plain
from guardrails.policy.fields import GREATEST, Field, FieldKind, FieldUnit
from guardrails.policy.language import Op, Scalar, Value
from guardrails.policy.meaning import day_number

MOST_VALUES = 1_000
"""Most values that a list may have."""

LONGEST_TEXT = 256
"""Most characters of a text that is compared with."""

_PLACES = 6
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SINGLE = (Op.EQUAL, Op.UNEQUAL)
_ORDER = (Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST)
_LISTED = (Op.IN, Op.NOT_IN)

SIGNS: Mapping[str, Op] = MappingProxyType(
    {"≠": Op.UNEQUAL, "≤": Op.AT_MOST, "≥": Op.AT_LEAST, "==": Op.EQUAL}
)
"""Other ways to write some operators."""

OPERATORS: Mapping[FieldKind, tuple[Op, ...]] = MappingProxyType(
    {
        FieldKind.BOOL: (*_SINGLE, *_LISTED),
        FieldKind.ENUM: (*_SINGLE, *_LISTED),
        FieldKind.INTEGER: (*_SINGLE, *_ORDER, *_LISTED),
        FieldKind.SHARE: (*_SINGLE, *_ORDER, *_LISTED),
        FieldKind.DATE: (*_SINGLE, *_ORDER, *_LISTED),
        FieldKind.TEXT: (*_SINGLE, *_LISTED),
        FieldKind.TEXTS: (Op.CONTAINS_ANY,),
    }
)
"""What may be asked of each kind of field; ``has`` besides, of what may be absent."""


def operators_of(field: Field) -> tuple[Op, ...]:
    """Return what may be asked of a field."""
    return (*OPERATORS[field.kind], *((Op.HAS,) if field.optional else ()))


def read_operand(field: Field, op: Op, raw: Any) -> Value:
    """Return what a field is held against.

    Raises:
        ValidationError: it is no such value; the findings say what would be.
    """
    if op is Op.HAS:
        return read_flag(raw)
    if op in (*_LISTED, Op.CONTAINS_ANY):
        return read_values(field, raw)
    return read_scalar(field, raw)


def read_given(field: Field, raw: Any) -> Value:
    """Return the value that an example gives a field.

    Raises:
        ValidationError: it is no such value; the findings say what would be.
    """
    if field.kind is not FieldKind.TEXTS:
        return read_scalar(field, raw)
    return () if raw == [] else read_values(field, raw)


def read_values(field: Field, raw: Any) -> tuple[Scalar, ...]:
    """Return a list of values, sorted and each of them once.

    Raises:
        ValidationError: it is no list of such values.
    """
    if not isinstance(raw, list) or not 0 < len(raw) <= MOST_VALUES:
        raise wrong("wrong_type", Phrase("a list of 1 to {most} values is needed here", most=MOST_VALUES))
    values, errors = set[Scalar](), dict[int, Any]()
    for index, each in enumerate(raw):
        try:
            values.add(read_scalar(field, each))
        except ValidationError as error:
            errors[index] = error.messages
    if errors:
        raise ValidationError(errors)
    return in_order(values)


def in_order(values: set[Scalar]) -> tuple[Scalar, ...]:
    """Return values in the order in which they are kept: null first."""
    return tuple(sorted(values, key=lambda value: (value is not None, value)))


def read_scalar(field: Field, raw: Any) -> Scalar:
    """Return one value of a field.

    Raises:
        ValidationError: it is no value of that kind.
    """
    if raw is None:
        if field.nullable:
            return None
        raise wrong("never_null", Phrase("`{field}` is never null", field=field.name))
    return _READ[field.kind](field, raw)


def read_flag(raw: Any) -> bool:
    """Return a truth value; words and numbers that look like one are refused.

    Raises:
        ValidationError: it is none.
    """
    if not isinstance(raw, bool):
        raise wrong("wrong_type", Phrase("`true` or `false` is needed here"), found=_shown(raw))
    return raw


def read_whole(raw: Any, least: int, greatest: int, unit: FieldUnit = FieldUnit.NONE) -> int:
    """Return a whole number.

    Raises:
        ValidationError: it is none, or out of range.
    """
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise wrong("wrong_type", _whole(least, greatest, unit), found=_shown(raw))
    if not least <= raw <= greatest:
        raise wrong("out_of_range", _whole(least, greatest, unit), found=_shown(raw))
    return raw


def read_share(raw: Any, least_micro: int, greatest_micro: int) -> int:
    """Return a share in millionths; it is written as a decimal.

    Raises:
        ValidationError: it is no decimal, has more than six places, or is out of range.
    """
    message = Phrase(
        "a decimal from {least} to {greatest} with at most six places is needed here, such as `0.25`",
        least=share_to_plain(least_micro),
        greatest=share_to_plain(greatest_micro),
    )
    micro = _micro(raw)
    if micro is None:
        raise wrong("wrong_type", message, found=_shown(raw))
    if not least_micro <= micro <= greatest_micro:
        raise wrong("out_of_range", message, found=_shown(raw))
    return micro


def read_day(raw: Any) -> date:
    """Return a day.

    Raises:
        ValidationError: it is none, not written as ISO 8601 writes it, or before 1970.
    """
    message = Phrase("a day is needed here, written like `2026-12-01`")
    if not isinstance(raw, str) or not _DAY.fullmatch(raw) or not raw.isascii():
        raise wrong("wrong_type", message, found=_shown(raw))
    try:
        day = date.fromisoformat(raw)
    except ValueError:
        raise wrong("wrong_type", message, found=raw) from None
    if day_number(day) < 0:
        raise wrong("out_of_range", Phrase("days begin with `1970-01-01`"), found=raw)
    return day


def read_prose(raw: Any, most: int, *, lines: bool = False) -> str:
    """Return a text for people, of any language; blanks around it do not count.

    Raises:
        ValidationError: it is none, too long, or holds what does not show.
    """
    return read_string(raw.strip() if isinstance(raw, str) else raw, most, lines=lines)


def read_string(raw: Any, most: int = LONGEST_TEXT, *, lines: bool = False) -> str:
    """Return a text as it stands; it has to say something.

    Raises:
        ValidationError: it is none, too long, or holds what does not show.
    """
    if not isinstance(raw, str):
        raise wrong("wrong_type", Phrase("a text is needed here"), found=_shown(raw))
    if not raw.strip():
        raise wrong("missing", Phrase("an empty text says nothing"))
    if len(raw) > most:
        message = Phrase(
            "at most {most} characters are allowed here, and there are {n}", most=most, n=len(raw)
        )
        raise wrong("too_long", message)
    odd = odd_in_text(raw, lines=lines)
    if odd is not None:
        raise ValidationError([odd])
    return raw


def _micro(raw: Any) -> int | None:
    """Return a decimal in millionths; ``None`` for what is none, or is finer than that."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
        return None
    exact = Decimal(repr(raw)) if isinstance(raw, float) else Decimal(raw)
    if not exact.is_finite() or abs(exact) > MICRO or int(exact.as_tuple().exponent) < -_PLACES:
        return None
    return int(exact.scaleb(_PLACES))


def _enum(field: Field, raw: Any) -> str:
    if not isinstance(raw, str) or raw not in field.values:
        raise ValidationError([unknown_name("unknown_word", raw, field.values)])
    return raw


def _open_or_enum(field: Field, raw: Any) -> str:
    return _enum(field, raw) if field.values else read_string(raw)


def _whole(least: int, greatest: int, unit: FieldUnit) -> Phrase:
    return Phrase(_WHOLE.get(unit, _PLAIN_NUMBER).template, least=least, greatest=greatest)


_PLAIN_NUMBER = Phrase("a whole number from {least} to {greatest} is needed here", least="", greatest="")
_WHOLE = {
    FieldUnit.MINOR: Phrase(
        "a whole number of minor units, such as cents, from {least} to {greatest} is needed here",
        least="",
        greatest="",
    ),
    FieldUnit.DAYS: Phrase(
        "a whole number of days from {least} to {greatest} is needed here", least="", greatest=""
    ),
    FieldUnit.SECONDS: Phrase(
        "a whole number of seconds from {least} to {greatest} is needed here", least="", greatest=""
    ),
    FieldUnit.MINUTES: Phrase(
        "a whole number of minutes since midnight from {least} to {greatest} is needed here",
        least="",
        greatest="",
    ),
}

_READ: Mapping[FieldKind, Callable[[Field, Any], Scalar]] = {
    FieldKind.BOOL: lambda _, raw: read_flag(raw),
    FieldKind.ENUM: _enum,
    FieldKind.INTEGER: lambda field, raw: read_whole(raw, field.least, field.greatest, field.unit),
    FieldKind.SHARE: lambda field, raw: read_share(raw, field.least, field.greatest),
    FieldKind.DATE: lambda _, raw: day_number(read_day(raw)),
    FieldKind.TEXT: _open_or_enum,
    FieldKind.TEXTS: _open_or_enum,
}


def _shown(raw: Any) -> object:
    """Return what was found, as far as it can be told again as JSON."""
    if raw is None or (isinstance(raw, int) and abs(raw) <= GREATEST):
        return raw
    return str(raw)[:LONGEST_TEXT]
