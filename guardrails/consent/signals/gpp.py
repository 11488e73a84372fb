"""IAB Global Privacy Platform: the GPP string, its header and the sections a shop here can use.

Read are the European section (2, a TC string), the US Privacy text (6), and the US National (7) and
Californian (8) sections. The others are named as present and not read. Sources: IAB Tech Lab,
"Global Privacy Platform String"; "US National Technical Specification" (versions 1 and 2 of the
section); "California Privacy Technical Specification"; "U.S. Privacy String".

In the American sections ``1`` is an opt-out and closes. ``2`` is "did not opt out", which is not
consent: it says at most that no objection was raised. They tell no time. The order of the sensitive
kinds differs between the two, so each has its own table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from guardrails.consent.events import Status
from guardrails.consent.purposes import KEY_OF, Purpose, sensitive_key
from guardrails.consent.signals.bits import Bits
from guardrails.consent.signals.reading import (
    Reading,
    SignalAnswer,
    SignalSettings,
    arranged,
    digest,
    text_of,
)
from guardrails.consent.signals.tcf import tc_string, tcf_answers, tcf_notes
from guardrails.errors import SignalError

TCF_EU, US_PRIVACY, US_NATIONAL, US_CALIFORNIA = 2, 6, 7, 8
"""The sections that are read, by id."""

_HEADER_TYPE, _HEADER_VERSION = 3, 1
_GPC_SUBSECTION = 1
_CLOSED, _LEFT_OPEN = 1, 2  # opted out or no consent; did not opt out or consent
_CHOICES = (0, _CLOSED, _LEFT_OPEN)

_US_PRIVACY = re.compile(r"1[YNyn-]{3}")

_HEALTH = (
    "health",
    "mental_health",
    "disability",
    "health_intimate",
    "sexual_health",
    "pregnancy_fertility",
    "addiction_substance",
    "weight_body",
)
_SEX = ("sexual_health", "sex_life", "orientation")

NATIONAL_SENSITIVE: Mapping[int, tuple[str, ...]] = {
    1: ("ethnicity",),
    2: ("religion",),
    3: _HEALTH,
    4: _SEX,
    11: ("politics",),
    13: _HEALTH,
    15: ("ethnicity",),
    16: ("orientation",),
}
"""Our sensitive classes by place in the US National list: 1 origin, 2 belief, 3 health, 4 sex life,
11 union membership, 13 consumer health, 15 national origin, 16 gender. The rest (citizenship,
genes, biometrics, place, documents, accounts, messages, victims of crime) shows in no goods."""

CALIFORNIA_SENSITIVE: Mapping[int, tuple[str, ...]] = {
    4: ("ethnicity", "religion", "politics"),
    8: _HEALTH,
    9: _SEX,
}
"""Our sensitive classes by place in the Californian list: 4 origin, belief and union, 8 health, 9 sex
life. The rest (documents, accounts, place, messages, genes, biometrics) shows in no goods."""

_SHAPES_OF_NATIONAL = {1: (12, 2), 2: (16, 3)}
"""Lengths of the lists of sensitive data and of known children, by version of the section."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What one section says."""

    answers: tuple[SignalAnswer, ...] = ()
    notes: tuple[str, ...] = ()
    at_ms: int | None = None
    known_child: bool = False
    limit_sensitive: bool = False
    gpc: bool = False


@dataclass(frozen=True, slots=True)
class _Core:
    """The fields of an American core subsection that matter here.

    The list of known children is in the order of the section, which is not one of age.
    """

    sale: int
    sharing: int
    sensitive: tuple[int, ...]
    known_child: tuple[int, ...]
    targeted: int = 0


def read_gpp(value: object, settings: SignalSettings) -> Reading:
    """Read a GPP string.

    Raises:
        SignalError: the header or a section that is read is malformed, or they do not fit.
    """
    text = text_of(value)
    header, *sections = text.split("~")
    ids = _section_ids(Bits(header), len(sections))
    said = [_section(*each, settings) for each in zip(ids, sections, strict=True)]
    return Reading(
        signal="gpp",
        version=str(_HEADER_VERSION),
        answers=arranged(answer for each in said for answer in each.answers),
        at_ms=said[0].at_ms if len(said) == 1 else None,
        notes=tuple(note for each in said for note in each.notes),
        sha256=digest(text),
        known_child=True if any(each.known_child for each in said) else None,
        limit_sensitive=any(each.limit_sensitive for each in said),
        gpc=any(each.gpc for each in said),
    )


def _section_ids(bits: Bits, n_sections: int) -> list[int]:
    """Read the header; return the ids of the sections, ascending, one for each that follows."""
    if bits.number(6) != _HEADER_TYPE or bits.number(6) != _HEADER_VERSION:
        raise SignalError("the header is not one that is known")
    ids: list[int] = []
    last = 0
    for _ in range(bits.number(12)):
        is_group = bits.flag()
        first = last + bits.fibonacci()
        last = first + bits.fibonacci() if is_group else first
        if len(ids) + last - first >= n_sections:
            raise SignalError("the header names more sections than there are")
        ids.extend(range(first, last + 1))
    bits.finish()
    if len(ids) != n_sections:
        raise SignalError("the header names fewer sections than there are")
    return ids


def _section(section_id: int, text: str, settings: SignalSettings) -> _Said:
    if section_id == TCF_EU:
        string = tc_string(text, settings)
        return _Said(tuple(tcf_answers(string)), tuple(tcf_notes(string)), string.updated_ms)
    if section_id == US_PRIVACY:
        return _us_privacy(text)
    if section_id == US_NATIONAL:
        return _american(text, _national, NATIONAL_SENSITIVE, Status.CONSENT_REFUSED)
    if section_id == US_CALIFORNIA:
        return _american(text, _californian, CALIFORNIA_SENSITIVE, Status.OBJECTION_RAISED)
    return _Said(notes=(f"section {section_id} is present and not read",))


def _us_privacy(text: str) -> _Said:
    """Read "1", notice, opt-out of sale, and service provider agreement, a letter each."""
    if not _US_PRIVACY.fullmatch(text):
        raise SignalError("the text of section `6` is malformed")
    choice = {"Y": _CLOSED, "N": _LEFT_OPEN, "-": 0}[text[2].upper()]
    return _Said(tuple(_opt_out(choice, Purpose.SHARING)))


def _american(
    text: str,
    read_core: Callable[[Bits], _Core],
    sensitive: Mapping[int, tuple[str, ...]],
    closed: Status,
) -> _Said:
    """Read a section of a core subsection and perhaps one that repeats Global Privacy Control."""
    first, *others = text.split(".")
    if len(others) > 1:
        raise SignalError("a section has too many subsections")
    core_bits = Bits(first)
    core = read_core(core_bits)
    core_bits.finish()
    return _Said(
        answers=tuple(_answers(core, sensitive, closed)),
        known_child=any(core.known_child),
        limit_sensitive=_CLOSED in core.sensitive,
        gpc=any(_gpc(Bits(other)) for other in others),
    )


def _answers(core: _Core, sensitive: Mapping[int, tuple[str, ...]], closed: Status) -> Iterator[SignalAnswer]:
    yield from _opt_out(core.sale, Purpose.SHARING)
    yield from _opt_out(core.sharing, Purpose.SHARING)
    yield from _opt_out(core.targeted, Purpose.TARGETED_OFFERS)
    if core.targeted == _CLOSED:  # targeted advertising is fed from other shops: that is sharing
        yield from _opt_out(core.targeted, Purpose.SHARING)
    for place, choice in enumerate(core.sensitive, start=1):
        if choice == _CLOSED:
            for name in sensitive.get(place, ()):
                yield SignalAnswer(sensitive_key(name), closed)


def _opt_out(choice: int, purpose: Purpose) -> Iterator[SignalAnswer]:
    if choice == _CLOSED:
        yield SignalAnswer(KEY_OF[purpose], Status.OBJECTION_RAISED)
    if choice == _LEFT_OPEN:
        yield SignalAnswer(KEY_OF[purpose], Status.OBJECTION_NOT_RAISED)


def _national(bits: Bits) -> _Core:
    version = bits.number(6)
    if version not in _SHAPES_OF_NATIONAL:
        raise SignalError("the version of a section is not known")
    n_sensitive, n_known_child = _SHAPES_OF_NATIONAL[version]
    _choices(bits, 6)  # notices given
    sale, sharing, targeted = _choices(bits, 3)
    core = _Core(sale, sharing, _choices(bits, n_sensitive), _choices(bits, n_known_child), targeted)
    _choices(bits, 4)  # secondary use, three fields of the industry agreement
    return core


def _californian(bits: Bits) -> _Core:
    if bits.number(6) != 1:
        raise SignalError("the version of a section is not known")
    _choices(bits, 3)  # notices given
    sale, sharing = _choices(bits, 2)
    core = _Core(sale, sharing, _choices(bits, 9), _choices(bits, 2))
    _choices(bits, 4)  # secondary use, three fields of the industry agreement
    return core


def _choices(bits: Bits, n_choices: int) -> tuple[int, ...]:
    """Read choices of two bits each."""
    choices = tuple(bits.number(2) for _ in range(n_choices))
    if any(choice not in _CHOICES for choice in choices):
        raise SignalError("a section holds a choice that is not one")
    return choices


def _gpc(bits: Bits) -> bool:
    if bits.number(2) != _GPC_SUBSECTION:
        raise SignalError("a subsection is of a type that is not known")
    gpc = bits.flag()
    bits.finish()
    return gpc
