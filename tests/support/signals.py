"""Writing consent signals for tests, and reading TC strings a second way.

Nothing here comes from the decoders: bits are put together and taken apart as whole numbers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from guardrails.consent.events import Status
from guardrails.consent.signals.reading import Reading, SignalAnswer

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

STORAGE = "functional.storage"
LIMITED = "personalize.content.limited"
PROFILING = "personalize.content.profiling"
PROFILED = "personalize.content.profiled"
OFFERS = "marketing.advertising.first_party.targeted"
EMAIL = "marketing.communications.email"
CONTACT = [f"marketing.communications.{channel}" for channel in ("email", "sms", "push", "post", "phone")]
PERFORMANCE = "analytics.reporting.content_performance"
ENRICHMENT = "third_party_enrichment"
SHARING = "third_party_sharing"

GIVEN, REFUSED, WITHDRAWN = Status.CONSENT_GIVEN, Status.CONSENT_REFUSED, Status.CONSENT_WITHDRAWN
UNKNOWN, REQUESTED = Status.CONSENT_UNKNOWN, Status.CONSENT_REQUESTED
OBJECTED, NOT_OBJECTED = Status.OBJECTION_RAISED, Status.OBJECTION_NOT_RAISED


def said(reading: Reading) -> dict[str, Status]:
    """What a reading says, by purpose."""
    return {answer.purpose: answer.status for answer in reading.answers}


def grants(reading: Reading) -> set[str]:
    """The purposes that a reading grants."""
    return {answer.purpose for answer in reading.answers if answer.grants}


def answer_to(reading: Reading, purpose: str) -> SignalAnswer:
    """The answer to one purpose."""
    return next(answer for answer in reading.answers if answer.purpose == purpose)


def letters(*fields: tuple[int, int]) -> str:
    """Write (number, bits) fields one behind the other, padded with zeros to whole letters."""
    total, n_bits = 0, 0
    for number, width in fields:
        assert 0 <= number < 2**width
        total, n_bits = total << width | number, n_bits + width
    padding = -n_bits % 6
    total, n_bits = total << padding, n_bits + padding
    return "".join(ALPHABET[total >> shift & 63] for shift in range(n_bits - 6, -1, -6))


def number_at(text: str, offset: int, width: int) -> int:
    """Read a field of a segment at an offset in bits; what lies behind the end is zero."""
    total = 0
    for letter in text:
        total = total * 64 + ALPHABET.index(letter)
    behind = len(text) * 6 - offset - width
    return (total >> behind if behind >= 0 else total << -behind) % 2**width


def bit_field(chosen: Collection[int], width: int = 24) -> tuple[int, int]:
    """A field with a bit for each of the numbers from 1, the first leftmost."""
    return sum(1 << (width - number) for number in chosen), width


def fibonacci(number: int) -> tuple[int, int]:
    """A number in Fibonacci coding, as a field."""
    row = [1, 2]
    while row[-1] <= number:
        row.append(row[-1] + row[-2])
    bits = [0] * len(row)
    for place in reversed(range(len(row))):
        if row[place] <= number:
            bits[place], number = 1, number - row[place]
    code = "".join(map(str, bits)).rstrip("0") + "1"
    return int(code, 2), len(code)


@dataclass(frozen=True)
class Tc:
    """What to write into a TC string."""

    version: int = 2
    updated_ds: int = 17_600_000_000  # tenths of a second
    language: tuple[int, int] = (4, 13)
    policy: int = 5
    specific: int = 1
    core_consent: frozenset[int] = frozenset()
    vendors: tuple[tuple[int, int], ...] = ((0, 17),)
    interests: tuple[tuple[int, int], ...] = ((0, 17),)
    restrictions: tuple[tuple[int, int], ...] = ((0, 12),)
    disclosed: str | None = letters((1, 3), (0, 17))
    publisher: str | None = None
    more: tuple[str, ...] = field(default=())

    def write(self) -> str:
        core = letters(
            (self.version, 6),
            (self.updated_ds, 36),
            (self.updated_ds, 36),
            (880, 12),
            (1, 12),
            (1, 6),
            (self.language[0], 6),
            (self.language[1], 6),
            (48, 12),
            (self.policy, 6),
            (self.specific, 1),
            (0, 1),
            (0, 12),
            bit_field(self.core_consent),
            (0, 24),
            (0, 1),
            (3, 6),
            (4, 6),
            *self.vendors,
            *self.interests,
            *self.restrictions,
        )
        segments = (self.disclosed, self.publisher, *self.more)
        return ".".join([core, *(segment for segment in segments if segment is not None)])


def publisher(consent: Collection[int], interest: Collection[int] = (), n_custom: int = 0) -> str:
    """The publisher segment; every purpose of the shop's own is agreed to."""
    custom = ((2 ** (2 * n_custom) - 1, 2 * n_custom),) if n_custom else ()
    return letters((3, 3), bit_field(consent), bit_field(interest), (n_custom, 6), *custom)


def purposes_said(text: str) -> tuple[set[int], set[int]] | None:
    """Read a TC string the second way: the publisher's consent and interest, if they are there."""
    for segment in text.split(".")[1:]:
        if number_at(segment, 0, 3) == 3:
            return tuple(
                {number for number in range(1, 25) if number_at(segment, start + number - 1, 1)}
                for start in (3, 27)
            )
    return None


def expected_of(consent: Collection[int], interest: Collection[int]) -> dict[str, Status]:
    """What our purposes are to be told of a publisher segment, straight from the table of the mapping."""

    def by(*needed: int, interest_counts: bool = False) -> Status:
        if set(needed) <= set(consent):
            return GIVEN
        return NOT_OBJECTED if interest_counts and set(needed) <= set(interest) else REFUSED

    return {
        STORAGE: by(1),
        LIMITED: by(11, interest_counts=True),
        PROFILING: by(5),
        PROFILED: by(6),
        OFFERS: by(3, 4),
        PERFORMANCE: by(8, interest_counts=True),
    }


def gpp_header(*ids: int) -> str:
    """The header for sections with these ids, ascending, each named alone."""
    fields, last = [], 0
    for section_id in ids:
        fields += [(0, 1), fibonacci(section_id - last)]
        last = section_id
    return letters((3, 6), (1, 6), (len(ids), 12), *fields)
