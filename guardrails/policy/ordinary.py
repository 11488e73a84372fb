"""What a request and an item ordinarily are: what examples take where nothing asks for anything else."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from types import MappingProxyType
from typing import cast

from guardrails.placements import DEFAULT_PLACEMENTS
from guardrails.policy.fields import Field, FieldKind
from guardrails.policy.language import Value
from guardrails.policy.sides import ABSENT, Known, Missing, Side, Spans, Tokens, Words, everything, run_of

_NUMBERS: Mapping[str, int] = MappingProxyType(
    {
        "request.date": 20_454,  # 2026-01-01
        "request.local_minute": 12 * 60,
        "request.basket_minor": 5_000,
        "visit.n_pages": 5,
        "visit.basket_after_s": 300,
        "candidate.days_since_shown": 7,
        "item.price_minor": 2_500,
    }
)
"""What is not ordinarily as small as can be."""

_TEXTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "request.placement": tuple(placement.name for placement in DEFAULT_PLACEMENTS),
        "item.id": ("item-1", "item-2"),
        "customer.jurisdiction": ("DK", "NO", "SE", "DE"),
    }
)


def ordinary(field: Field, side: Side | None = None) -> Value | Missing:
    """Return the most ordinary value of a field, of those in a side of it if one is given.

    What may be absent is absent, what may be null is null, a flag is down, a list of texts is short.
    """
    side = everything(field) if side is None else side
    if isinstance(side, Tokens):
        return _texts(side)
    return _word(field, side) if isinstance(side, Words) else _number(field, cast("Spans", side))


def _texts(side: Tokens) -> tuple[str, ...]:
    found: set[str] = set()
    for group in sorted(side.groups, key=sorted):
        if found.isdisjoint(group):
            found.add(min(group))
    return tuple(sorted(found))


def _word(field: Field, side: Words) -> Value | Missing:
    flags = (False, True) if field.kind is FieldKind.BOOL else ()
    usual: tuple[Known, ...] = (ABSENT, None, *flags, *_TEXTS.get(field.name, ()), *field.values)
    for value in usual:
        if (value in side.values) is not side.excluded:
            return value
    if not side.excluded:
        return cast("str", min(side.values, key=str))
    stem = field.name.rpartition(".")[2]
    return next(text for n in count(1) if (text := f"{stem}-{n}") not in side.values)


def _number(field: Field, side: Spans) -> Value | Missing:
    for missing in (ABSENT, None):
        if any(first <= run_of(field, missing)[0] <= last for first, last in side.spans):
            return missing
    usual = _NUMBERS.get(field.name, field.least)
    near = (min(max(usual, first), last) for first, last in side.spans)
    return min(near, key=lambda number: abs(number - usual))
