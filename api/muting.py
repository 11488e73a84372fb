"""What can be muted, and for how long where the customer does not say."""

from __future__ import annotations

from engine.interactions import DAY_MS
from guardrails.messages import Phrase
from guardrails.policy.limits import HoldLimits
from guardrails.request import MuteScope
from guardrails.sensitive.classes import CLASS_NAMES
from guardrails.sensitive.occasions import OCCASIONS

UNKNOWN = {
    MuteScope.SENSITIVE_CLASS: Phrase("unknown sensitive class"),
    MuteScope.OCCASION: Phrase("unknown occasion"),
}
"""What is said of a value that does not exist, by the scopes whose values are a closed list."""

_VALUES = {MuteScope.SENSITIVE_CLASS: frozenset(CLASS_NAMES), MuteScope.OCCASION: frozenset(OCCASIONS)}


def is_known(scope: MuteScope, value: str) -> bool:
    """Tell whether a value can be muted; a class or an occasion that does not exist protects from nothing.

    >>> is_known(MuteScope.OCCASION, "mothers_day"), is_known(MuteScope.OCCASION, "mothersday")
    (True, False)
    """
    return scope not in _VALUES or value in _VALUES[scope]


def end_of_mute(scope: MuteScope, from_ms: int, limits: HoldLimits) -> int | None:
    """Return when a mute ends of which nobody said so; ``None`` for one that holds until it is lifted.

    Tastes change, so an item and a brand come back; a topic is left alone for good.
    """
    days = {MuteScope.ITEM: limits.item_mute_days, MuteScope.BRAND: limits.brand_mute_days}
    return from_ms + days[scope] * DAY_MS if scope in days else None
