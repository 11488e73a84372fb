"""Shopify visitor consent: four choices of the Customer Privacy API.

Source: Shopify, "Customer Privacy API": ``VisitorConsent`` of the extensions (booleans, ``saleOfData``)
and ``currentVisitorConsent()`` of the storefront (``yes``, ``no`` or nothing, ``sale_of_data``). Null
and the empty text mean that the visitor has not answered.

Two choices are read more narrowly than their names. ``marketing`` is one yes to everything; contact
by e-mail, text message or telephone needs a yes for each, so it closes those and opens none of them.
``saleOfData`` is the default of an opt-out regime until somebody touches it, so it never is consent.
"""

from __future__ import annotations

from collections.abc import Iterator

from guardrails.consent.events import Status
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.signals.reading import (
    COMMUNICATIONS_KEYS,
    Reading,
    SignalAnswer,
    SignalSettings,
    arranged,
    digest,
    fields_of,
)
from guardrails.errors import SignalError

_ANALYTICS, _MARKETING, _PREFERENCES = "analytics", "marketing", "preferences"
_SALE = frozenset({"saleOfData", "sale_of_data"})
_CHOICES = frozenset({_ANALYTICS, _MARKETING, _PREFERENCES, *_SALE})
_PURPOSE_OF = {
    _ANALYTICS: Purpose.PERFORMANCE,
    _MARKETING: Purpose.TARGETED_OFFERS,
    _PREFERENCES: Purpose.FUNCTIONAL_STORAGE,
}


def read_shopify(value: object, settings: SignalSettings) -> Reading:  # noqa: ARG001  every decoder is called alike
    """Read a visitor's choices.

    Raises:
        SignalError: they are no object, or a choice or its value is not known.
    """
    fields = fields_of(value, _CHOICES, "the signal")
    if _SALE.issubset(fields):
        raise SignalError("the sale of data is answered twice")
    choices = {name: _choice(choice) for name, choice in fields.items()}
    notes = (
        ("contact needs consent for each channel: marketing grants none",) if choices.get(_MARKETING) else ()
    )
    return Reading(
        signal="shopify",
        version=None,
        answers=arranged(answer for name, choice in choices.items() for answer in _answers(name, choice)),
        at_ms=None,
        notes=notes,
        sha256=digest(dict(fields)),
    )


def _choice(value: object) -> bool | None:
    """Return yes, no, or ``None`` for not answered."""
    if value is None or isinstance(value, bool):
        return value
    if value not in ("yes", "no", ""):
        raise SignalError("a choice is neither yes nor no")
    return None if value == "" else value == "yes"


def _answers(name: str, choice: bool | None) -> Iterator[SignalAnswer]:  # noqa: FBT001  yes, no or neither
    if name in _SALE:
        yield SignalAnswer(
            KEY_OF[Purpose.SHARING], _status(choice, Status.OBJECTION_NOT_RAISED, Status.OBJECTION_RAISED)
        )
        return
    status = _status(choice, Status.CONSENT_GIVEN, Status.CONSENT_REFUSED)
    yield SignalAnswer(KEY_OF[_PURPOSE_OF[name]], status)
    if name == _MARKETING and not choice:
        for key in COMMUNICATIONS_KEYS:
            yield SignalAnswer(key, status)


def _status(choice: bool | None, yes: Status, no: Status) -> Status:  # noqa: FBT001  yes, no or neither
    if choice is None:
        return Status.CONSENT_UNKNOWN
    return yes if choice else no
