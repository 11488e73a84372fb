"""The words every floor shares, as stable small integers.

The numbers are written to disk and into decision records. Never renumber; only append.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeVar

Member = TypeVar("Member", bound=IntEnum)


class Kind(IntEnum):
    """What a customer did with an item."""

    VIEW = 1
    CART = 2
    REMOVE_FROM_CART = 3
    WISHLIST = 4
    PURCHASE = 5
    RATING = 6
    RETURN = 7


class Channel(IntEnum):
    """Where an interaction happened, or where a suggestion is to be shown."""

    WEB = 1
    APP = 2
    EMAIL = 3
    SMS = 4
    PUSH = 5
    POST = 6
    PHONE = 7
    IN_STORE = 8
    OFFSITE_ADS = 9
    AGENT_CHAT = 10


class Intent(IntEnum):
    """What a suggestion is for."""

    SIMILAR = 1
    CROSS_SELL = 2
    UPSELL = 3
    REPLENISH = 4
    DISCOVER = 5
    POPULAR = 6


class Basis(IntEnum):
    """How personal the evidence behind a decision is. A higher number is more personal."""

    NONE = 0
    POPULAR = 1
    CONTEXTUAL = 2
    SESSION = 3
    PROFILE = 4


class Origin(IntEnum):
    """Where a piece of evidence comes from. A higher number is further from this page."""

    CONTEXT = 0
    SESSION = 1
    HISTORY = 2


class Provenance(IntEnum):
    """Through whose hands an interaction reached the shop. A higher number is further away."""

    OWN = 0
    SISTER = 1
    LINKED = 2
    THIRD_PARTY = 3


class Source(IntEnum):
    """Which candidate source proposed an item.

    ``CATEGORY`` and ``BRAND`` stand in for something that would have been too exact: the best seller
    of its category, or of its brand. ``BY_CATEGORY`` and ``BY_CONTENT`` go with the evidence as well, but
    what says so most is not customers who had both: see ``RowSource``.
    """

    GOES_WITH = 1
    BUY_AGAIN = 2
    POPULAR = 3
    POPULAR_IN_CATEGORY = 4
    CATEGORY = 5
    BRAND = 6
    BY_CATEGORY = 7
    BY_CONTENT = 8


class RowSource(IntEnum):
    """What the entries of a row of W rest on: customers who had both items, or what stands in for them."""

    LEARNED = 0
    CATEGORY = 1
    CONTENT = 2


LEARNED_FROM = (Kind.VIEW, Kind.CART, Kind.WISHLIST, Kind.PURCHASE, Kind.RATING)
"""Kinds that say something about taste; the others only limit what may be said."""


def word(member: IntEnum) -> str:
    """Return the word used outside the house: ``word(Kind.REMOVE_FROM_CART)`` is ``"remove_from_cart"``.

    >>> word(Intent.CROSS_SELL)
    'cross_sell'
    """
    return member._name_.lower()  # what `name` is, without its property: this is asked for every term


def from_word(enum: type[Member], text: str) -> Member:
    """Return the member that ``text`` names.

    Raises:
        KeyError: ``text`` is not one of the enum's words.

    >>> from_word(Kind, "purchase").name
    'PURCHASE'
    """
    if text != text.lower():
        raise KeyError(text)
    return enum[text.upper()]
