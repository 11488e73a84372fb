"""Ketch: what its consent webhook says, purpose by purpose, with the legal basis it goes by.

Source: Ketch, "Consent protocol" (``consent/v1``), the object under ``request``. Purpose codes are the
shop's own, so the settings say what each stands for; a code they do not know has no effect.

``granted`` under ``consent_optout`` is how an opt-out regime starts: nobody was asked. It is read as
"did not object", never as consent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from guardrails.consent.events import Status
from guardrails.consent.signals.reading import (
    Reading,
    SignalAnswer,
    SignalSettings,
    arranged,
    digest,
    fields_of,
)
from guardrails.errors import SignalError

_FIELDS = frozenset(
    {
        "purposes",
        "legalBasis",
        "collectedAt",
        "controller",
        "property",
        "environment",
        "regulation",
        "jurisdiction",
        "identities",
        "vendors",
        "context",
    }
)
_STATES = ("granted", "denied")
_SECOND_MS = 1000
_LAST_SECOND = 253_402_300_799  # the end of the year 9999

_GRANTED = {"consent_optin": Status.CONSENT_GIVEN, "consent_optout": Status.OBJECTION_NOT_RAISED}
_DENIED = {
    "consent_optin": Status.CONSENT_REFUSED,
    "consent_optout": Status.OBJECTION_RAISED,
    "disclosure": Status.OBJECTION_RAISED,
    "other": Status.OBJECTION_RAISED,
}
"""Status by legal basis; the keys of ``_DENIED`` are all the bases there are."""


def read_ketch(value: object, settings: SignalSettings) -> Reading:
    """Read the ``request`` object of a consent webhook.

    Raises:
        SignalError: it is malformed, or a state or legal basis is missing or not known.
    """
    fields = fields_of(value, _FIELDS, "the signal")
    sha256 = digest(fields)
    purposes, bases = _texts(fields.get("purposes")), _texts(fields.get("legalBasis"))
    at_ms = _collected_ms(fields.get("collectedAt"))
    statuses = {code: _status(state, bases.get(code)) for code, state in purposes.items()}
    return Reading(
        signal="ketch",
        version="1",
        answers=arranged(
            SignalAnswer(settings.ketch_purposes[code], status, at_ms=at_ms)
            for code, status in statuses.items()
            if status is not None and code in settings.ketch_purposes
        ),
        at_ms=at_ms,
        notes=tuple(_notes(statuses, settings.ketch_purposes)),
        sha256=sha256,
    )


def _texts(value: object) -> Mapping[str, str]:
    """Return a map of purpose codes to words."""
    if not isinstance(value, dict) or not all(isinstance(word, str) for word in value.values()):
        raise SignalError("the purposes or their legal bases are not a map of words")
    return value


def _status(state: str, basis: str | None) -> Status | None:
    """Return what a state says under a legal basis; ``None`` when that is not the customer's to say."""
    if basis not in _DENIED or state not in _STATES:
        raise SignalError("a purpose has a state or legal basis that is missing or not known")
    return _GRANTED.get(basis) if state == "granted" else _DENIED[basis]


def _collected_ms(seconds: object) -> int | None:
    if seconds is None:
        return None
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= _LAST_SECOND:
        raise SignalError("the time of collection is not in seconds since the epoch")
    return seconds * _SECOND_MS


def _notes(statuses: Mapping[str, Status | None], known: Mapping[str, str]) -> Iterator[str]:
    n_unknown = len(statuses.keys() - known.keys())
    if n_unknown:
        yield f"purpose codes that stand for nothing here: {n_unknown}"
    if None in statuses.values():
        yield "what is allowed on another basis than consent is not consent"
