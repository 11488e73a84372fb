"""Collection: under which purpose something a customer did may be kept, and as what kind of data.

GDPR 5(1)(b) binds data to the purpose it was collected for, and 5(1)(c) to what that purpose
needs. So the purpose is settled when an event arrives, not when somebody would like to read it:
what may not be kept under a purpose that stands is not kept.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import Channel, Kind
from guardrails.consent.purposes import Purpose

ORDER_FACTS = frozenset({Kind.PURCHASE, Kind.RETURN})
"""What a shop keeps to fulfil a contract (GDPR 6(1)(b)), whatever the customer says to profiling."""

DATA_CATEGORY_OF = {
    Kind.VIEW: "user.behavior.browsing_history",
    Kind.CART: "user.behavior.cart",
    Kind.REMOVE_FROM_CART: "user.behavior.cart",
    Kind.WISHLIST: "user.behavior.wishlist",
    Kind.PURCHASE: "user.behavior.purchase_history",
    Kind.RATING: "user.content.public",
    Kind.RETURN: "user.behavior.returns",
}
"""Data category (fideslang, our own where it has none) that an interaction of a kind belongs to."""


_CATEGORIES = frozenset(DATA_CATEGORY_OF.values())


def purpose_of_collection(
    kind: Kind,
    profiling_permitted: bool,  # noqa: FBT001  the one fact that decides, and the call says its name
) -> Purpose | None:
    """Return the purpose that an interaction is stored under; ``None`` when it is not stored.

    With the customer's permission to profile, everything is stored for that. Without it, orders and
    returns are still kept as facts of the contract: under a purpose that is never evidence and
    never trained on. Everything else has no purpose left and is not kept under the customer.

    Args:
        kind: what the customer did.
        profiling_permitted: the check of ``Purpose.PROFILING`` at the time it happened permits.
    """
    if profiling_permitted:
        return Purpose.PROFILING
    return Purpose.ESSENTIAL_SERVICE if kind in ORDER_FACTS else None


def coverage(channels: frozenset[int] | None, data_categories: frozenset[str] | None) -> NDArray[np.bool_]:
    """Return what a grant that names these covers; few grants differ, so each is laid out once.

    Remembered is only which of our own categories a grant names: what else stands in it may be
    anybody's text, and is not kept in memory.

    Args:
        channels: ``Channel`` numbers; ``None`` when the grant is not bound to channels.
        data_categories: keys of ``DATA_CATEGORY_OF``; ``None`` when it is not bound to any.

    Returns:
        Read-only, bool, indexed [kind, channel] by the numbers of ``Kind`` and ``Channel``.
    """
    known = None if data_categories is None else data_categories & _CATEGORIES
    return _laid_out(channels, known)


@lru_cache(maxsize=1024)
def _laid_out(channels: frozenset[int] | None, data_categories: frozenset[str] | None) -> NDArray[np.bool_]:
    table = np.zeros((max(Kind) + 1, max(Channel) + 1), np.bool_)
    for kind in Kind:
        if data_categories is None or DATA_CATEGORY_OF[kind] in data_categories:
            table[kind, list(Channel if channels is None else channels)] = True
    table.setflags(write=False)
    return table
