"""Adobe Experience Data Model: the "Consents and Preferences" data type.

Source: Adobe, XDM schema ``datatypes/consent/consent-preferences``, as plain JSON: ``{"consents": {...}}``.
Values: ``y`` and ``n`` are what the customer chose; ``p`` waits to be verified; ``u`` is not known; ``dn``
and ``dy`` are defaults that nobody chose, and ``dy`` is the start of an opt-out regime, so "did not
object" at most; LI, CT, CP, VI and PI name another legal basis than consent.

Personalising content covers profiling only where the shop declared that the text beside that choice
did, and the collecting it needs must be agreed to as well where it is asked about. A refusal kept
under a single identifier of the customer counts for the customer; a grant under one counts for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from engine.vocabulary import Channel
from guardrails.consent.events import Status
from guardrails.consent.purposes import KEY_OF, Purpose, communications_key
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

_STATUS_OF = {
    "y": Status.CONSENT_GIVEN,
    "n": Status.CONSENT_REFUSED,
    "p": Status.CONSENT_REQUESTED,
    "u": Status.CONSENT_UNKNOWN,
    "dy": Status.OBJECTION_NOT_RAISED,
    "dn": Status.CONSENT_UNKNOWN,
}
_OTHER_BASES = frozenset({"LI", "CT", "CP", "VI", "PI"})

_CHOICE_FIELDS = frozenset({"val", "time", "reason", "idType", "subscriptions"})
_KEY_OF = {
    "share": KEY_OF[Purpose.SHARING],
    "marketing.email": communications_key(Channel.EMAIL),
    "marketing.commercialEmail": communications_key(Channel.EMAIL),
    "marketing.sms": communications_key(Channel.SMS),
    "marketing.push": communications_key(Channel.PUSH),
    "marketing.postalMail": communications_key(Channel.POST),
    "marketing.call": communications_key(Channel.PHONE),
}
_GROUPS = {
    "personalize": ("content",),
    "marketing": (
        "preferred",
        "any",
        "email",
        "commercialEmail",
        "sms",
        "push",
        "postalMail",
        "call",
        "fax",
        "whatsApp",
    ),
}
_CHOSEN = ("collect", "share", "adID", *_GROUPS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Choice:
    """One value and its time; the status is ``None`` when it names another basis than consent."""

    status: Status | None
    at_ms: int | None

    @property
    def refuses(self) -> bool:
        return self.status is Status.CONSENT_REFUSED

    def answers(self, *keys: str) -> Iterator[SignalAnswer]:
        """Yield the same answer to each of the purposes, none without a status."""
        if self.status is not None:
            for key in keys:
                yield SignalAnswer(key, self.status, at_ms=self.at_ms)


def read_xdm(value: object, settings: SignalSettings) -> Reading:
    """Read consents and preferences.

    Raises:
        SignalError: a field, value or time is malformed or not known.
    """
    outer = fields_of(value, ("consents",), "the signal")
    sha256 = digest(outer)
    consents = dict(fields_of(outer.get("consents"), (*_CHOSEN, "metadata", "idSpecific"), "the consents"))
    at_ms = _time_ms(fields_of(consents.pop("metadata", {}), ("time",), "the metadata").get("time"))
    of_identifiers = consents.pop("idSpecific", {})
    choices = _choices(consents, at_ms)
    declared = settings.profiling_declaration is not None
    return Reading(
        signal="xdm",
        version=None,
        answers=arranged(
            [*_answers(choices, declared=declared), *_refusals_of_identifiers(of_identifiers, at_ms)]
        ),
        at_ms=at_ms,
        notes=tuple(_notes(choices, declared=declared)),
        sha256=sha256,
    )


def _choices(fields: Mapping[str, object], at_ms: int | None) -> dict[str, _Choice]:
    """Return every choice by its path; one without a time of its own has that of the whole."""
    choices: dict[str, _Choice] = {}
    for name, field in fields.items():
        if name not in _GROUPS:
            choices[name] = _choice(field, at_ms)
            continue
        for inner, value in fields_of(field, _GROUPS[name], f"`{name}`").items():
            if inner != "preferred":  # which channel the customer likes best allows none
                choices[f"{name}.{inner}"] = _choice(value, at_ms)
    return choices


def _choice(value: object, at_ms: int | None) -> _Choice:
    fields = fields_of(value, _CHOICE_FIELDS, "a choice")
    chosen, own_ms = fields.get("val"), _time_ms(fields.get("time"))
    if not isinstance(chosen, str) or (chosen not in _STATUS_OF and chosen not in _OTHER_BASES):
        raise SignalError("a choice has no value that is known")
    return _Choice(_STATUS_OF.get(chosen), at_ms if own_ms is None else own_ms)


def _answers(choices: Mapping[str, _Choice], *, declared: bool) -> Iterator[SignalAnswer]:
    for path, choice in choices.items():
        if path in _KEY_OF:
            yield from choice.answers(_KEY_OF[path])
        elif path == "marketing.any" and choice.refuses:
            yield from choice.answers(KEY_OF[Purpose.TARGETED_OFFERS], *COMMUNICATIONS_KEYS)
        elif path == "collect" and choice.refuses:
            yield from choice.answers(KEY_OF[Purpose.PROFILING])
        elif path == "personalize.content" and (declared or choice.refuses):
            yield from choice.answers(KEY_OF[Purpose.PROFILED_CONTENT])
            if choice.refuses or _may_collect(choices):
                yield from choice.answers(KEY_OF[Purpose.PROFILING])


def _may_collect(choices: Mapping[str, _Choice]) -> bool:
    return "collect" not in choices or choices["collect"].status is Status.CONSENT_GIVEN


def _refusals_of_identifiers(namespaces: object, at_ms: int | None) -> Iterator[SignalAnswer]:
    """Yield what is refused under any identifier; namespaces and identifiers are names of any kind."""
    for identifiers in _named(namespaces):
        for fields in _named(identifiers):
            choices = _choices(fields_of(fields, _CHOSEN, "the consents of an identifier"), at_ms)
            refused = {path: choice for path, choice in choices.items() if choice.refuses}
            yield from _answers(refused, declared=False)


def _named(value: object) -> Iterable[object]:
    if not isinstance(value, dict):
        raise SignalError("the consents of identifiers are not an object")
    return value.values()


def _time_ms(value: object) -> int | None:
    """Return an ISO 8601 time with its offset as milliseconds since the epoch."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or at < _EPOCH:
        raise SignalError("a time is not one of ISO 8601 with its offset")
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _notes(choices: Mapping[str, _Choice], *, declared: bool) -> Iterator[str]:
    content = choices.get("personalize.content")
    if content and content.status is Status.CONSENT_GIVEN and not declared:
        yield "personalising grants no profiling: the shop declared no text that covers it"
    if any(choice.status is None for choice in choices.values()):
        yield "what rests on another basis than consent is not consent"
    any_marketing = choices.get("marketing.any")
    if any_marketing and any_marketing.status is Status.CONSENT_GIVEN:
        yield "contact needs consent for each channel: marketing at large grants none"
