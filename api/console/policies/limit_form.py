"""The numbers of a policy as a form: what ships, what the shop says instead, which way it may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.console.policies.controls import Control, Look, NotHeldError, Typed, shown, typed_number
from api.languages import say
from api.policies.schema import field_schema
from guardrails.messages import Phrase
from guardrails.policy.directions import Loosening, Stricter
from guardrails.policy.findings import pointer_of

LIMIT = "limit"
"""What names of the fields of limits begin with."""


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A limit.

    Attributes:
        name: how a policy writes it.
        rule: the rule that it feeds; empty for what is no number.
        control: what the shop says; empty for what ships.
        shipped: what ships, as it is written.
        unit: what it counts.
        may: which way it may go, and who may.
        is_locked: whether it may go one way only.
    """

    name: str
    rule: str
    control: Control
    shipped: str
    unit: str
    may: str
    is_locked: bool


def limit_rows(limits: Mapping[str, Any]) -> tuple[LimitRow, ...]:
    """Return every limit, with what a policy says of it."""
    schema = field_schema()
    known = {each["name"]: each for each in schema["limits"]}
    properties = schema["schema"]["properties"]["limits"]["properties"]
    return tuple(_row(name, known.get(name), limits.get(name, "")) for name in sorted({*properties, *limits}))


def typed_limits(typed: Typed, limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of a policy with what was typed; what was emptied is again as it ships."""
    changed = dict(limits)
    numbers = {limit["name"] for limit in field_schema()["limits"]}
    for name in typed.under(f"{LIMIT}."):
        text = typed.one(f"{LIMIT}.{name}")
        if text == _text_of(limits.get(name, "")):
            continue
        changed[name] = typed_number(text) if name in numbers else text
        if not text.strip():
            del changed[name]
    return changed


def _text_of(value: Any) -> str:
    try:
        return shown(value)
    except NotHeldError:
        return str(value)


def _row(name: str, known: Mapping[str, Any] | None, value: Any) -> LimitRow:
    label = name if known is None else known["description"]
    control = Control(f"{LIMIT}.{name}", pointer_of("limits", name), label, Look.TEXT, (_text_of(value),))
    if known is None:
        return LimitRow(name, "", control, "", "", "", is_locked=False)
    return LimitRow(
        name,
        known["rule"],
        control,
        shown(known["shipped"]),
        known["unit"],
        say(_MAY[known["stricter"], known["may_loosen"]]),
        is_locked=known["may_loosen"] == Loosening.NEVER,
    )


_MAY = {
    (Stricter.LOWER, Loosening.FREE): Phrase("lower is stricter"),
    (Stricter.HIGHER, Loosening.FREE): Phrase("higher is stricter"),
    (Stricter.LOWER, Loosening.AUDITOR): Phrase("lower is stricter; higher takes an auditor"),
    (Stricter.HIGHER, Loosening.AUDITOR): Phrase("higher is stricter; lower takes an auditor"),
    (Stricter.LOWER, Loosening.NEVER): Phrase("only lower"),
    (Stricter.HIGHER, Loosening.NEVER): Phrase("only higher"),
}
