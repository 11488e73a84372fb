"""Google Consent Mode, version 2: what a page tells Google's tags, as an object of toggles.

Source: Google, "Consent mode overview", "Consent types". Each toggle is ``granted`` or ``denied``; a
toggle that is missing or null says nothing.

The toggles ask whether something may be stored or sent, so a yes to ``personalization_storage`` is
necessary for a profile and not sufficient: it grants profiling only where the shop declared that the
text beside it covered that. What a toggle grants for Google's advertising is granted off-site only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.vocabulary import Channel
from guardrails.consent.events import Status
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.signals.reading import (
    Reading,
    SignalAnswer,
    SignalSettings,
    arranged,
    digest,
    fields_of,
)
from guardrails.errors import SignalError

_TOGGLES = frozenset(
    {
        "ad_storage",
        "ad_user_data",
        "ad_personalization",
        "analytics_storage",
        "functionality_storage",
        "personalization_storage",
        "security_storage",
    }
)
_OFF_SITE = frozenset({int(Channel.OFFSITE_ADS)})
_OWN_CHANNELS = frozenset(int(channel) for channel in Channel) - _OFF_SITE


def read_consent_mode(value: object, settings: SignalSettings) -> Reading:
    """Read an object of toggles.

    Raises:
        SignalError: it is no object, or has a toggle or a state that is not known.
    """
    toggles = _toggles(value)
    declared = settings.profiling_declaration is not None
    return Reading(
        signal="consent_mode",
        version="2",
        answers=arranged(_answers(toggles, declared=declared)),
        at_ms=None,
        notes=tuple(_notes(toggles, declared=declared)),
        sha256=digest(dict(toggles)),
    )


def _toggles(value: object) -> Mapping[str, bool]:
    """Return the toggles that say something, as whether they are granted."""
    states = {
        name: state for name, state in fields_of(value, _TOGGLES, "the signal").items() if state is not None
    }
    if any(state not in ("granted", "denied") for state in states.values()):
        raise SignalError("a toggle is neither granted nor denied")
    return {name: state == "granted" for name, state in states.items()}


def _answers(toggles: Mapping[str, bool], *, declared: bool) -> Iterator[SignalAnswer]:
    yield from _storage(toggles)
    yield from _answer(toggles.get("ad_user_data"), Purpose.SHARING, _OFF_SITE)
    yield from _answer(toggles.get("ad_personalization"), Purpose.TARGETED_OFFERS, _OFF_SITE)
    yield from _answer(toggles.get("analytics_storage"), Purpose.PERFORMANCE)
    remembers = toggles.get("personalization_storage")
    if declared or remembers is False:
        yield from _answer(remembers, Purpose.PROFILING)
        yield from _answer(remembers, Purpose.PROFILED_CONTENT)


def _storage(toggles: Mapping[str, bool]) -> Iterator[SignalAnswer]:
    """Three toggles speak of storage: each opens what it is about, a refusal of the shop's own wins."""
    adverts, preferences = toggles.get("ad_storage"), toggles.get("personalization_storage")
    channels = (_OWN_CHANNELS if preferences else frozenset()) | (_OFF_SITE if adverts else frozenset())
    refused = preferences is False or toggles.get("functionality_storage") is False
    if refused or (adverts is False and not channels):
        yield SignalAnswer(KEY_OF[Purpose.FUNCTIONAL_STORAGE], Status.CONSENT_REFUSED)
    elif channels:
        yield SignalAnswer(KEY_OF[Purpose.FUNCTIONAL_STORAGE], Status.CONSENT_GIVEN, channels)


def _answer(
    granted: bool | None,  # noqa: FBT001  the state of a toggle, the one thing an answer is made of
    purpose: Purpose,
    channels: frozenset[int] | None = None,
) -> Iterator[SignalAnswer]:
    if granted is not None:
        status = Status.CONSENT_GIVEN if granted else Status.CONSENT_REFUSED
        yield SignalAnswer(KEY_OF[purpose], status, channels if granted else None)


def _notes(toggles: Mapping[str, bool], *, declared: bool) -> Iterator[str]:
    if toggles.get("personalization_storage") and not declared:
        yield "storage for personalisation grants no profiling: the shop declared no text that covers it"
    if toggles.get("functionality_storage"):
        yield "storage for functions of the site grants nothing here"
    if "security_storage" in toggles:
        yield "storage for security needs no consent"
