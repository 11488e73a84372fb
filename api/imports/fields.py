"""Reading one field of one record.

A record comes from a line of text, a row of a table or a JSON object, so a number may be a number
or its text. What is absent (missing, null or empty) reads as ``None``; what cannot be used raises
``FieldError``. Reasons never repeat a value: in a file whose columns have slipped, any field may
hold somebody's id.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import TypeVar

from api.errors import FieldError
from engine.vocabulary import from_word, word
from guardrails.messages import Phrase

Record = Mapping[str, object]
Value = TypeVar("Value")
Member = TypeVar("Member", bound=IntEnum)

MAX_ID_LENGTH = 256
"""Longest id, in characters."""

MAX_TEXT_LENGTH = 2_000
"""Longest text of any other field, in characters; longer than what a product feed permits."""

MAX_QUANTITY = 1_000_000
MAX_MONEY_MINOR = 10**12

EARLIEST_MS = 631_152_000_000
"""1990-01-01T00:00:00Z. No shop has sent data from before; what says so has lost its clock."""

CONTROL_CHARACTERS = r"[\x00-\x1f\x7f]"
RFC_3339 = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$"
TRUE_WORDS = ("true", "yes", "1")
FALSE_WORDS = ("false", "no", "0")

MINOR_DIGITS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""Decimals of currencies that do not have two (ISO 4217, list one)."""

_CONTROL = re.compile(CONTROL_CHARACTERS)
_RFC_3339 = re.compile(RFC_3339, re.ASCII)
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Which times can be.

    Attributes:
        earliest_ms: first permitted millisecond since the epoch.
        latest_ms: last permitted one.
    """

    earliest_ms: int
    latest_ms: int

    @classmethod
    def around(cls, now_ms: int, max_future_s: int, earliest_ms: int = EARLIEST_MS) -> TimeLimits:
        """Return the limits at a time, with room for a clock that runs ahead."""
        return cls(earliest_ms, now_ms + max_future_s * 1000)

    def check(self, name: str, at_ms: int) -> int:
        """Return the time when it can be.

        Raises:
            FieldError: it cannot.
        """
        if at_ms < self.earliest_ms:
            raise FieldError(name, "is too long ago")
        if at_ms > self.latest_ms:
            raise FieldError(name, "lies in the future")
        return at_ms


def require(name: str, value: Value | None) -> Value:
    """Return a value that has to be there.

    Raises:
        FieldError: it is absent.
    """
    if value is None:
        raise FieldError(name, "is missing")
    return value


def read_id(record: Record, name: str) -> str | None:
    """Return an id as it is written, in Unicode form NFC; a whole number counts as its digits."""
    value = record.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and value in _INT64:
        return str(value)
    text = _text(name, value, MAX_ID_LENGTH)
    if text is not None and _CONTROL.search(text):
        raise FieldError(name, "holds a control character")
    return None if text is None else unicodedata.normalize("NFC", text)


def read_text(record: Record, name: str) -> str | None:
    """Return a text with its white space evened out, in Unicode normal form C as records need it."""
    text = _text(name, record.get(name), MAX_TEXT_LENGTH)
    if text is None:
        return None
    even = unicodedata.normalize("NFC", " ".join(text.split()))
    if _CONTROL.search(even):
        raise FieldError(name, "holds a control character")
    return even or None


def read_whole(record: Record, name: str, least: int, most: int) -> int | None:
    """Return a whole number within its range."""
    value = record.get(name)
    if value is None or value == "":
        return None
    number = _whole(value)
    if number is None:
        raise FieldError(name, "is not a whole number")
    if not least <= number <= most:
        raise FieldError(name, Phrase("is not between {least} and {most}", least=least, most=most))
    return number


def read_flag(record: Record, name: str) -> bool | None:
    """Return yes or no, written as a boolean or as one of the usual words."""
    value = record.get(name)
    if value is None or value == "":
        return None
    said = str(value).lower() if isinstance(value, bool | int | str) else ""
    if said in TRUE_WORDS:
        return True
    if said in FALSE_WORDS:
        return False
    raise FieldError(name, "is neither true nor false")


def read_word(record: Record, name: str, enum: type[Member]) -> Member | None:
    """Return the member that a word of the vocabulary names."""
    text = _text(name, record.get(name), MAX_TEXT_LENGTH)
    if text is None:
        return None
    try:
        return from_word(enum, text)
    except KeyError:
        words = ", ".join(word(member) for member in enum)
        raise FieldError(name, Phrase("is none of {words}", words=words)) from None


def read_moment_ms(record: Record, name: str, limits: TimeLimits | None = None) -> int | None:
    """Return a time from ``<name>`` (RFC 3339) or ``<name>_ms`` (milliseconds since the epoch)."""
    in_ms = f"{name}_ms"
    written, counted = record.get(name), read_whole(record, in_ms, 0, 2**53)
    if written is None or written == "":
        return counted if counted is None or limits is None else limits.check(in_ms, counted)
    if counted is not None:
        raise FieldError(in_ms, Phrase("repeats `{name}`", name=name))
    at_ms = _moment_ms(written)
    if at_ms is None:
        raise FieldError(name, "is not a time of RFC 3339 with its offset, as in 2026-03-01T12:00:00Z")
    return at_ms if limits is None else limits.check(name, at_ms)


def read_currency(record: Record, name: str = "currency") -> str | None:
    """Return a currency code of ISO 4217."""
    text = _text(name, record.get(name), MAX_TEXT_LENGTH)
    if text is not None and not _CURRENCY.fullmatch(text):
        raise FieldError(name, "is not a currency code of ISO 4217, as in EUR")
    return text


def read_money_minor(record: Record, name: str, currency: str | None) -> int | None:
    """Return money from ``<name>`` (decimal) or ``<name>_minor`` (minor units), in minor units.

    Args:
        record: the record.
        name: name of the decimal field.
        currency: what it is in; two decimals when unknown.
    """
    in_minor = f"{name}_minor"
    counted = read_whole(record, in_minor, 0, MAX_MONEY_MINOR)
    value = record.get(name)
    if value is None or value == "":
        return counted
    if counted is not None:
        raise FieldError(in_minor, Phrase("repeats `{name}`", name=name))
    return money_minor(name, value, currency)


def money_minor(name: str, value: object, currency: str | None) -> int:
    """Return an amount of money in minor units.

    A text must fit the currency; a binary fraction, which seldom can, is rounded.

    Raises:
        FieldError: it is no amount, below zero, too large or finer than the currency.
    """
    digits = minor_digits(currency)
    amount = _decimal(value)
    if amount is None:
        raise FieldError(name, "is not an amount of money, as in 12.50")
    minor = amount.scaleb(digits)
    if not 0 <= minor <= MAX_MONEY_MINOR:
        raise FieldError(name, "is below zero or too large")
    if isinstance(value, float):
        return round(value * int(10**digits))
    if minor != minor.to_integral_value():
        raise FieldError(name, Phrase("has more than {n} decimals", n=digits))
    return int(minor)


def minor_digits(currency: str | None) -> int:
    """Return how many decimals a currency has; two when it is unknown."""
    return MINOR_DIGITS.get(currency or "", 2)


def _text(name: str, value: object, limit: int) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise FieldError(name, "is not text")
    if len(value) > limit:
        raise FieldError(name, Phrase("is longer than {n} characters", n=limit))
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FieldError(name, "is not valid UTF-8") from None
    return value


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return None


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, str) and not re.fullmatch(r"-?\d{1,15}(\.\d{1,9})?", value, re.ASCII):
        return None
    amount = Decimal(repr(value) if isinstance(value, float) else value)
    return amount if amount.is_finite() else None


def _moment_ms(value: object) -> int | None:
    if isinstance(value, str):
        value = _parse_rfc_3339(value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    at_ms: int = (value - _EPOCH) // _MILLISECOND
    return at_ms


def _parse_rfc_3339(text: str) -> datetime | None:
    if not _RFC_3339.match(text):
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None
