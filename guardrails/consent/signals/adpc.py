"""Advanced Data Protection Control: the ``ADPC`` request header.

Source: "Advanced Data Protection Control", unofficial draft of noyb and the Sustainable Computing Lab,
"HTTP-based interaction". A list, separated by commas, of ``consent=``, ``withdraw=`` and ``object=``,
each followed by one identifier or by several in double quotes.

A specific signal prevails over a general one: with ``withdraw=*`` beside it, ``consent=id`` stands.
What contradicts itself otherwise is not unambiguous, and the objection or withdrawal wins. Consent
is given to a request that was published: an identifier that is not known grants nothing, and there
is no ``consent=*``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from guardrails.consent.events import Status
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.signals.reading import (
    COMMUNICATIONS_KEYS,
    CONSENT_PURPOSES,
    Reading,
    SignalAnswer,
    SignalSettings,
    arranged,
    can_be_granted,
    digest,
    text_of,
)
from guardrails.errors import SignalError

_EVERYTHING = "*"
_DIRECT_MARKETING = "direct-marketing"
_MEMBER = re.compile(r' *(consent|withdraw|object)=(?:"([^"\\]*)"|([^ ,"\\]*)) *')


def read_adpc(value: object, settings: SignalSettings) -> Reading:
    """Read the header, or several joined with commas.

    Raises:
        SignalError: it is not the list described above, or consents to everything.
    """
    text = text_of(value)
    decisions = _decisions(text)
    essential = KEY_OF[Purpose.ESSENTIAL_SERVICE]
    known = {each: key for each, key in settings.known_requests.items() if key != essential}
    return Reading(
        signal="adpc",
        version=None,
        answers=arranged(_answers(decisions, known)),
        at_ms=None,
        notes=tuple(_notes(decisions, known)),
        sha256=digest(text),
    )


def _decisions(text: str) -> dict[str, set[str]]:
    """Return the identifiers given with each of the three words."""
    found: dict[str, set[str]] = {"consent": set(), "withdraw": set(), "object": set()}
    at = 0
    while True:
        member = _MEMBER.match(text, at)
        if member is None:
            raise SignalError("the header is not a list of decisions")
        word, quoted, bare = member.groups()
        found[word].update((bare if quoted is None else quoted).split())
        at = member.end()
        if at == len(text):
            break
        if text[at] != ",":
            raise SignalError("the header is not a list of decisions")
        at += 1
    if _EVERYTHING in found["consent"]:
        raise SignalError("nobody can consent to everything")
    return found


def _answers(decisions: Mapping[str, set[str]], known: Mapping[str, str]) -> Iterator[SignalAnswer]:
    consented = {known[each] for each in decisions["consent"] if each in known}
    granted = {key for key in consented if can_be_granted(key)}
    withdrawn = {known[each] for each in decisions["withdraw"] if each in known}
    if _EVERYTHING in decisions["withdraw"]:
        withdrawn |= set(CONSENT_PURPOSES) - granted
    for key in granted:
        yield SignalAnswer(key, Status.CONSENT_GIVEN)
    for key in withdrawn:
        yield SignalAnswer(key, Status.CONSENT_WITHDRAWN)
    if _DIRECT_MARKETING in decisions["object"]:
        for key in (KEY_OF[Purpose.TARGETED_OFFERS], *COMMUNICATIONS_KEYS):
            yield SignalAnswer(key, Status.OBJECTION_RAISED)


def _notes(decisions: Mapping[str, set[str]], known: Mapping[str, str]) -> Iterator[str]:
    n_unknown = len((decisions["consent"] | decisions["withdraw"]) - known.keys() - {_EVERYTHING})
    if n_unknown:
        yield f"consent requests that are not known here: {n_unknown}"
    if any(each in known and not can_be_granted(known[each]) for each in decisions["consent"]):
        yield "sensitive data needs an express statement: no signal grants it"
    if decisions["object"] - {_DIRECT_MARKETING}:
        yield "an objection of a kind that is not known has no effect"
