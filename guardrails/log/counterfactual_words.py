"""A counterfactual in a sentence, in every language the house speaks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from guardrails.log.counterfactual import Change, Counterfactual, State, Unflipped
from guardrails.log.inputs import GRANTED, Value, ValueKind, Who
from guardrails.messages import Phrase, in_language, translations
from guardrails.rules.base import MICRO

_UP_TO: Mapping[Who, str] = MappingProxyType(
    {
        Who.CUSTOMER: Phrase("up to the customer"),
        Who.SHOP: Phrase("up to the shop"),
        Who.TIME: Phrase("a matter of time"),
    }
)
_YES, _NO = Phrase("yes"), Phrase("no")
_UNKNOWN, _NOTHING = Phrase("not known or never"), Phrase("nothing")
_AGREED, _NOT_AGREED = Phrase("agreed to"), Phrase("not agreed to")

_ASIDE = ";"
"""What follows it in a description says when something is absent, which its value says as well."""


def sentence(found: Counterfactual, language: str) -> str:
    """Return a counterfactual in words, each change with what it was and on whom it depends.

    Args:
        found: what would have flipped a verdict.
        language: one of ``guardrails.messages.LANGUAGES``.
    """
    changes = "; ".join(_change(change, language) for change in found.change)
    return in_language(_whole(found, changes), translations()[language])


def _whole(found: Counterfactual, changes: str) -> Phrase:
    if found.unflipped is Unflipped.OUT_OF_TRIES:
        return Phrase("The search for what would have been enough ended before anything was found")
    if found.flips_to is State.SHOWN:
        return Phrase("It would have been shown, had this been otherwise: {changes}", changes=changes)
    if found.flips_to is State.ADMITTED:
        return Phrase(
            "It would have come up for the list, had this been otherwise: {changes}", changes=changes
        )
    if found.flips_to is State.WITHHELD:
        return Phrase("It would have been held back, had this been otherwise: {changes}", changes=changes)
    return Phrase("Nothing was found that anybody could change and that would have been enough")


def _change(change: Change, language: str) -> str:
    said = translations()[language]
    phrase = Phrase(
        "{what}: {to} rather than {was} ({who})",
        what=in_language(change.what, said).split(_ASIDE)[0],
        to=_value(change.to, change.kind, language),
        was=_value(change.was, change.kind, language),
        who=in_language(_UP_TO[change.who], said),
    )
    return in_language(phrase, said)


def _value(value: Value, kind: ValueKind, language: str) -> str:
    """Return a value in words: numbers in the unit of the record, shares as decimals."""
    text: str
    if kind is ValueKind.CONSENT:
        text = _AGREED if value == GRANTED else _NOT_AGREED
    elif value is None:
        text = _UNKNOWN
    elif isinstance(value, bool):
        text = _YES if value else _NO
    elif isinstance(value, tuple):
        text = ", ".join(value) or _NOTHING
    elif isinstance(value, int) and kind is ValueKind.SHARE:
        return f"{value / MICRO:.6f}".rstrip("0").rstrip(".")
    else:
        return str(value)
    return in_language(text, translations()[language])
