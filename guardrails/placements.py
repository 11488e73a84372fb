"""The placements a shop starts with.

How prominent each is comes from the creepiness score's placement term (Bleier and Eisenbeiss 2015,
Goldfarb and Tucker 2011: the more obtrusive the place, the worse a targeted suggestion is taken).
Where the studies name no such place, the number is that of the nearest one.
"""

from __future__ import annotations

from engine.vocabulary import Intent
from guardrails.request import Placement

_SELLING_ON = (Intent.CROSS_SELL, Intent.UPSELL)


def _placement(
    name: str,
    prominence_micro: int,
    max_count: int,
    *intents: Intent,
    interruptive: bool = False,
    anchored: bool = False,
    public: bool = False,
) -> Placement:
    return Placement(
        name=name,
        prominence_micro=prominence_micro,
        interruptive=interruptive,
        anchored=anchored,
        public=public,
        max_count=max_count,
        intents=frozenset({*intents, Intent.POPULAR}),
    )


DEFAULT_PLACEMENTS: tuple[Placement, ...] = (
    _placement("home", 200_000, 20, Intent.DISCOVER, Intent.SIMILAR, Intent.REPLENISH),
    _placement("product_page", 300_000, 12, Intent.SIMILAR, *_SELLING_ON, anchored=True),
    _placement("cart", 600_000, 6, Intent.REPLENISH, *_SELLING_ON, anchored=True),
    _placement("checkout", 800_000, 3, Intent.REPLENISH, *_SELLING_ON, anchored=True),
    _placement("order_confirmation", 600_000, 6, Intent.REPLENISH, Intent.CROSS_SELL, anchored=True),
    _placement("search", 300_000, 20, Intent.SIMILAR, Intent.DISCOVER, Intent.REPLENISH),
    _placement("email", 700_000, 8, Intent.DISCOVER, Intent.SIMILAR, Intent.REPLENISH),
    _placement("push", 1_000_000, 1, Intent.DISCOVER, Intent.REPLENISH, interruptive=True, public=True),
    _placement("modal", 1_000_000, 3, Intent.DISCOVER, Intent.SIMILAR, interruptive=True),
    _placement("in_store", 700_000, 4, Intent.DISCOVER, public=True),
    _placement("agent_chat", 300_000, 5, Intent.DISCOVER, Intent.SIMILAR, Intent.REPLENISH),
)
"""What ``tactful db upgrade`` stores where it is missing; a shop may then change its own."""
