"""Who agreed to what in the demo shop: a spread that is the same on every machine.

The data says nothing about consent, so every household is given a story by a digest of its number.
Out of a hundred: 40 agreed to everything, 25 to what happens on the site, 20 were never asked, 8
took it back a week ago, and with 7 it ran out. Of those who agreed to everything, one in ten of
those who buy goods of a class in ``ASKABLE_CLASSES`` has also agreed to that class, expressly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from engine.interactions import DAY_MS
from engine.vocabulary import Channel, word
from guardrails.consent.purposes import KEY_OF, Purpose, communications_key, sensitive_key
from guardrails.consent.settings import ConsentSettings

NOTICE_ID = "demo-shop"
NOTICE_VERSION = "1"
NOTICE_TEXT = (
    "We would like to remember what you look at and buy, in the shop and on this site, to choose what we "
    "show you (personalize.content), to pick offers for you (marketing.advertising.first_party.targeted) "
    "and to write to you (marketing.communications.email). You may agree to each by itself, to none, and "
    "take it back at any time; the shop works without."
)

JOINED_DAYS_AGO = 378
"""Before the oldest purchase: 364 days of data, the last at most seven days ago."""
WITHDREW_DAYS_AGO = 7
FORGOTTEN_DAYS_AGO = 426
"""Fourteen months: longer than any grant lasts."""
LONGEST_SINCE_RENEWAL_DAYS = 180

ASKABLE_CLASSES = ("parenthood", "alcohol", "health")
ONE_IN = 10

ONSITE_CHANNELS = (Channel.WEB, Channel.IN_STORE)
EVERY_CHANNEL = (Channel.WEB, Channel.APP, Channel.EMAIL, Channel.IN_STORE)

NOTICE_PURPOSES = (
    *(KEY_OF[each] for each in (Purpose.FUNCTIONAL_STORAGE, Purpose.PROFILING, Purpose.PROFILED_CONTENT)),
    KEY_OF[Purpose.TARGETED_OFFERS],
    communications_key(Channel.EMAIL),
    *map(sensitive_key, ASKABLE_CLASSES),
)
"""What the notice asks for, each by itself."""

_ONSITE_PURPOSES = (Purpose.FUNCTIONAL_STORAGE, Purpose.PROFILING, Purpose.PROFILED_CONTENT)
_WITHDRAWN_PURPOSES = (Purpose.PROFILING, Purpose.PROFILED_CONTENT)


class Story(StrEnum):
    """What a household has answered."""

    EVERYTHING = "everything"
    ON_SITE_ONLY = "on_site_only"
    NEVER_ASKED = "never_asked"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


SHARES: Mapping[Story, int] = {
    Story.EVERYTHING: 40,
    Story.ON_SITE_ONLY: 25,
    Story.NEVER_ASKED: 20,
    Story.WITHDRAWN: 8,
    Story.EXPIRED: 7,
}
"""Out of a hundred households."""


@dataclass(frozen=True, slots=True)
class Span:
    """When keeping the behaviour for a profile was permitted: from, and up to but not at, until."""

    from_ms: int
    until_ms: int


def story_of(household: int) -> Story:
    """Return the story of a household."""
    ticket = _draw("story", household) % 100
    for story, share in SHARES.items():
        if ticket < share:
            return story
        ticket -= share
    raise AssertionError("the shares do not add up to a hundred")


def profiling_span(story: Story, now_ms: int, settings: ConsentSettings) -> Span | None:
    """Return when the household's purchases may be kept for a profile; ``None`` for never.

    Of a household that took its consent back nothing may be, from before that neither.
    """
    joined_ms, far_ms = now_ms - JOINED_DAYS_AGO * DAY_MS, now_ms + DAY_MS
    match story:
        case Story.EVERYTHING | Story.ON_SITE_ONLY:
            return Span(joined_ms, far_ms)
        case Story.EXPIRED:
            given_ms = now_ms - FORGOTTEN_DAYS_AGO * DAY_MS
            return Span(given_ms, settings.expiry_ms(given_ms, None))
        case Story.NEVER_ASKED | Story.WITHDRAWN:
            return None


def consent_records(
    household: int, classes_bought: frozenset[str], now_ms: int
) -> Iterator[dict[str, object]]:
    """Yield the household's choices as records for ``tactful import consents``, oldest first.

    Args:
        household: its number.
        classes_bought: sensitive classes it has bought goods of.
        now_ms: the clock.
    """
    joined_ms = now_ms - JOINED_DAYS_AGO * DAY_MS
    match story_of(household):
        case Story.EVERYTHING:
            purposes = (*_ONSITE_PURPOSES, Purpose.TARGETED_OFFERS)
            yield from _kept_up(household, [KEY_OF[each] for each in purposes], EVERY_CHANNEL, now_ms)
            yield from _kept_up(household, [communications_key(Channel.EMAIL)], (Channel.EMAIL,), now_ms)
            for name in classes_agreed_to(household, classes_bought):
                agreed_ms = _renewed_ms(household, now_ms)
                yield _grant(household, sensitive_key(name), agreed_ms, EVERY_CHANNEL) | {"explicit": True}
        case Story.ON_SITE_ONLY:
            keys = [KEY_OF[each] for each in _ONSITE_PURPOSES]
            yield from _kept_up(household, keys, ONSITE_CHANNELS, now_ms)
        case Story.WITHDRAWN:
            for purpose in _WITHDRAWN_PURPOSES:
                yield _grant(household, KEY_OF[purpose], joined_ms, ONSITE_CHANNELS) | {
                    "valid_until_ms": now_ms + DAY_MS
                }
            for purpose in _WITHDRAWN_PURPOSES:
                yield _choice(household, KEY_OF[purpose], "withdrawn", now_ms - WITHDREW_DAYS_AGO * DAY_MS)
        case Story.EXPIRED:
            for purpose in _ONSITE_PURPOSES:
                yield _grant(
                    household, KEY_OF[purpose], now_ms - FORGOTTEN_DAYS_AGO * DAY_MS, ONSITE_CHANNELS
                )
        case Story.NEVER_ASKED:
            return


def classes_agreed_to(household: int, classes_bought: frozenset[str]) -> tuple[str, ...]:
    """Return the sensitive classes that a household which agreed to everything expressly agreed to."""
    return tuple(
        name
        for name in ASKABLE_CLASSES
        if name in classes_bought and _draw(f"class {name}", household) % ONE_IN == 0
    )


def _kept_up(
    household: int, keys: list[str], channels: tuple[Channel, ...], now_ms: int
) -> Iterator[dict[str, object]]:
    """Yield grants given on joining and renewed since."""
    for key in keys:
        yield _grant(household, key, now_ms - JOINED_DAYS_AGO * DAY_MS, channels)
    for key in keys:
        yield _grant(household, key, _renewed_ms(household, now_ms), channels) | {"status": "renewed"}


def _renewed_ms(household: int, now_ms: int) -> int:
    days_ago = WITHDREW_DAYS_AGO + _draw("renewed", household) % LONGEST_SINCE_RENEWAL_DAYS
    return now_ms - days_ago * DAY_MS


def _grant(household: int, key: str, at_ms: int, channels: tuple[Channel, ...]) -> dict[str, object]:
    return _choice(household, key, "given", at_ms) | {"channels": [word(channel) for channel in channels]}


def _choice(household: int, key: str, status: str, at_ms: int) -> dict[str, object]:
    return {
        "customer_id": str(household),
        "purpose": key,
        "status": status,
        "at_ms": at_ms,
        "notice_id": NOTICE_ID,
        "notice_version": NOTICE_VERSION,
        "method": "save_custom",
        "actor": "data_subject",
    }


def _draw(what: str, household: int) -> int:
    """Return a number that looks random and is the same for everybody."""
    return int.from_bytes(blake2b(f"{what} {household}".encode(), digest_size=8).digest(), "big")
