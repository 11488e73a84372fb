"""IAB Transparency and Consent Framework, versions 2.2 and 2.3: the TC string.

Only the publisher segment speaks of the shop's own purposes; what was agreed to for vendors, in
the core string, grants the shop nothing. Source: IAB Tech Lab, "Consent string and vendor list
formats v2", "TC String Format".

Some readings that the format leaves to the reader:

* A consent bit of 0 is read as a refusal. The string is written when the dialogue closes, so the
  customer was asked and did not say yes; leaving it open would keep an older yes in force.
* Legitimate interest never carries purposes 3 to 6, and for others it says "told, and did not
  object": never consent.
* Neither bit for purpose 11 may mean an objection or that nothing was ever told. Both leave no
  basis, so it is read as a refusal and limited content is off too. It is not read as an objection:
  that is a right (GDPR 21) with duties attached, which nobody is known to have used.
* A flag for a feature never grants enrichment: a feature is not a purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guardrails.consent.events import Status
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.signals.bits import Bits
from guardrails.consent.signals.reading import (
    Reading,
    SignalAnswer,
    SignalSettings,
    arranged,
    digest,
    text_of,
)
from guardrails.errors import SignalError

_FORMAT = 2
_POLICIES = (4, 5)
_N_PURPOSES = 24
_DECISECOND_MS = 100
_LAST_LETTER = 25  # "z", counted from "a"
_DISCLOSED, _ALLOWED, _PUBLISHER = 1, 2, 3  # segment types; 2 is of versions before 2.3
_NO_INTEREST = frozenset({3, 4, 5, 6})
_NO_COUNTERPART = frozenset({2, 7, 9, 10})
_LAST_RESTRICTION = 2  # "require legitimate interest"


@dataclass(frozen=True, slots=True)
class PublisherSegment:
    """What the customer said to the shop itself.

    Attributes:
        consent: purposes consented to.
        interest: purposes told of under legitimate interest and not objected to.
        n_custom: how many purposes of the shop's own invention follow.
    """

    consent: frozenset[int]
    interest: frozenset[int]
    n_custom: int


@dataclass(frozen=True, slots=True)
class TcString:
    """What a TC string says, as far as it matters to a shop.

    Attributes:
        updated_ms: first moment of the day it was last updated, milliseconds since the epoch, UTC.
        core_consent: purposes consented to for vendors.
        disclosed: the segment of disclosed vendors is there.
        publisher: the publisher segment, if there is one.
    """

    updated_ms: int
    core_consent: frozenset[int]
    disclosed: bool
    publisher: PublisherSegment | None


def read_tcf(value: object, settings: SignalSettings) -> Reading:
    """Read a TC string.

    Raises:
        SignalError: it is malformed, of another version or policy, not service-specific, or
            without disclosed vendors where the settings demand them.
    """
    text = text_of(value)
    string = tc_string(text, settings)
    return Reading(
        signal="tcf",
        version="2.3" if string.disclosed else "2.2",
        answers=arranged(tcf_answers(string)),
        at_ms=string.updated_ms,
        notes=tuple(tcf_notes(string)),
        sha256=digest(text),
    )


def tc_string(text: str, settings: SignalSettings) -> TcString:
    """Decode a TC string, every bit of it.

    Raises:
        SignalError: as for ``read_tcf``.
    """
    core, *others = text.split(".")
    updated_ms, core_consent = _core(Bits(core))
    segments: dict[int, PublisherSegment | None] = {}
    for segment in others:
        kind, content = _segment(Bits(segment))
        if kind in segments:
            raise SignalError("a segment is there twice")
        segments[kind] = content
    if _DISCLOSED not in segments and not settings.accept_tcf_2_2_without_disclosed_vendors:
        raise SignalError("the disclosed vendors are missing")
    return TcString(updated_ms, core_consent, _DISCLOSED in segments, segments.get(_PUBLISHER))


def tcf_answers(string: TcString) -> Iterator[SignalAnswer]:
    """Yield what the publisher segment says to our purposes; nothing if there is none."""
    if string.publisher is None:
        return
    said = string.publisher
    statuses = {
        Purpose.FUNCTIONAL_STORAGE: _consent(said, 1),
        Purpose.LIMITED_CONTENT: _consent_or_interest(said, 11),
        Purpose.PROFILING: _consent(said, 5),
        Purpose.PROFILED_CONTENT: _consent(said, 6),
        Purpose.TARGETED_OFFERS: _consent(said, 3, 4),
        Purpose.PERFORMANCE: _consent_or_interest(said, 8),
    }
    for purpose, status in statuses.items():
        yield SignalAnswer(KEY_OF[purpose], status, at_ms=string.updated_ms)


def tcf_notes(string: TcString) -> Iterator[str]:
    """Yield what was read and has no effect."""
    if not string.disclosed:
        yield "the disclosed vendors are missing: read as version 2.2"
    if string.core_consent:
        yield "what was agreed to for vendors grants the shop nothing"
    said = string.publisher
    if said is None:
        yield "the string does not speak of the shop's own purposes"
        return
    if said.interest & _NO_INTEREST:
        yield "legitimate interest cannot carry purposes 3 to 6"
    if said.consent & _NO_COUNTERPART:
        yield "purposes 2, 7, 9 and 10 are agreed to and have no counterpart here"
    if 1 not in said.consent and said.consent & {5, 6}:
        yield "without purpose 1 a profile cannot be kept under an id of the device"
    if said.n_custom:
        yield "purposes of the shop's own invention are not read"


def _consent(said: PublisherSegment, *purposes: int) -> Status:
    return Status.CONSENT_GIVEN if said.consent.issuperset(purposes) else Status.CONSENT_REFUSED


def _consent_or_interest(said: PublisherSegment, purpose: int) -> Status:
    if purpose not in said.consent and purpose in said.interest:
        return Status.OBJECTION_NOT_RAISED
    return _consent(said, purpose)


def _core(bits: Bits) -> tuple[int, frozenset[int]]:
    """Read the core string; return when it was updated and the consent for vendors."""
    if bits.number(6) != _FORMAT:
        raise SignalError("the version of the string is not known")
    bits.skip(36)  # created
    updated_ms = bits.number(36) * _DECISECOND_MS
    bits.skip(12 + 12 + 6)  # consent platform, its version, its screen
    _country_or_language(bits)
    bits.skip(12)  # version of the vendor list
    if bits.number(6) not in _POLICIES:
        raise SignalError("the string is of a policy that is not in force")
    if not bits.flag():
        raise SignalError("the string is not specific to a service")
    bits.skip(1 + 12)  # texts of its own, special features
    consent = bits.chosen(_N_PURPOSES)
    bits.skip(_N_PURPOSES + 1)  # legitimate interest, treatment of purpose 1
    _country_or_language(bits)
    _skip_vendors(bits)
    _skip_vendors(bits)
    _skip_restrictions(bits)
    bits.finish()
    return updated_ms, consent


def _segment(bits: Bits) -> tuple[int, PublisherSegment | None]:
    """Read a segment behind the core; return its type and, for the publisher's, what it says."""
    kind = bits.number(3)
    if kind not in {_DISCLOSED, _ALLOWED, _PUBLISHER}:
        raise SignalError("a segment is of a type that is not known")
    content = None
    if kind == _PUBLISHER:
        content = _publisher(bits)
    else:
        _skip_vendors(bits)
    bits.finish()
    return kind, content


def _publisher(bits: Bits) -> PublisherSegment:
    consent, interest, n_custom = bits.chosen(_N_PURPOSES), bits.chosen(_N_PURPOSES), bits.number(6)
    bits.skip(2 * n_custom)
    return PublisherSegment(consent, interest, n_custom)


def _country_or_language(bits: Bits) -> None:
    if max(bits.number(6), bits.number(6)) > _LAST_LETTER:
        raise SignalError("a country or language is not in letters")


def _skip_vendors(bits: Bits) -> None:
    last_id = bits.number(16)
    if bits.flag():
        _skip_ranges(bits, last_id)
    else:
        bits.skip(last_id)


def _skip_restrictions(bits: Bits) -> None:
    for _ in range(bits.number(12)):
        purpose, restriction = bits.number(6), bits.number(2)
        if not 1 <= purpose <= _N_PURPOSES or restriction > _LAST_RESTRICTION:
            raise SignalError("a restriction is not known")
        _skip_ranges(bits, 2**16 - 1)


def _skip_ranges(bits: Bits, last_id: int) -> None:
    for _ in range(bits.number(12)):
        is_range, first = bits.flag(), bits.number(16)
        last = bits.number(16) if is_range else first
        if not 1 <= first <= last <= last_id:
            raise SignalError("a range of vendors is not a range")
