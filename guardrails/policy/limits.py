"""The numbers guardrails hold things against, in one block with one set of defaults.

Choices, not measurements, unless a source is named; all of them are data with a version.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import Kind
from guardrails.creepiness.score import DEFAULT_WEIGHTS, Weights

GREATEST_LIMIT = 1_000_000_000
"""Far above any sensible number of days, customers or millionths; what is computed from it fits 64 bits."""


@dataclass(frozen=True, slots=True)
class EvidenceLimits:
    """How old evidence may be, in days, by kind of interaction (CJEU C-446/21)."""

    view_days: int = 30
    cart_days: int = 30
    wishlist_days: int = 30
    purchase_days: int = 365
    rating_days: int = 730
    return_days: int = 180
    sensitive_days: int = 30
    session_hours: int = 12
    max_pieces: int = 100

    def max_age_days(self) -> NDArray[np.int64]:
        """Greatest age of each ``Kind``, by its number; 0 for what is no evidence; read-only."""
        return _max_age_days(self)


@lru_cache(maxsize=8)
def _max_age_days(limits: EvidenceLimits) -> NDArray[np.int64]:
    table = np.zeros(max(Kind) + 1, np.int64)
    table[[Kind.VIEW, Kind.CART, Kind.WISHLIST, Kind.PURCHASE, Kind.RATING, Kind.RETURN]] = (
        limits.view_days,
        limits.cart_days,
        limits.wishlist_days,
        limits.purchase_days,
        limits.rating_days,
        limits.return_days,
    )
    table.setflags(write=False)
    return table


@dataclass(frozen=True, slots=True)
class SupportLimits:
    """Distinct customers needed behind an edge (Calandrino et al. 2011)."""

    edge: int = 2
    sensitive_edge: int = 20
    named_crowd: int = 20


@dataclass(frozen=True, slots=True)
class ScoreLimits:
    """Ceilings of the creepiness score, in millionths: below the first a candidate is just shown."""

    show_micro: int = 350_000
    with_reason_micro: int = 550_000
    generalise_micro: int = 700_000


@dataclass(frozen=True, slots=True)
class RepeatLimits:
    """What follows when the same suggestion is ignored again and again (Li et al. 2014)."""

    discount_micro: int = 700_000
    cooldown_after: int = 3
    window_days: int = 14
    cooldown_days: int = 14
    hard_at: int = 5
    hard_window_days: int = 30


@dataclass(frozen=True, slots=True)
class FrequencyLimits:
    """How often the shop may speak, over all channels together."""

    interruptive_session: int = 1
    interruptive_week: int = 2
    inline_page: int = 3
    inline_session: int = 6
    outbound_day: int = 1
    outbound_week: int = 2


@dataclass(frozen=True, slots=True)
class PriceLimits:
    """How far above the anchor an upsell may go; shares in millionths."""

    upsell_soft_from_micro: int = 100_000
    upsell_hard_micro: int = 500_000
    addon_hard_of_basket_micro: int = 400_000
    upsell_steps_session: int = 1


@dataclass(frozen=True, slots=True)
class HoldLimits:
    """How long things stay off, in days."""

    item_mute_days: int = 180
    brand_mute_days: int = 180
    returned_item_days: int = 180
    returned_category_days: int = 30
    dismissed_days: int = 30
    complaint_days: int = 7
    life_event_topics_days: int = 365
    life_event_offers_days: int = 30
    exclusion_hours: int = 24


@dataclass(frozen=True, slots=True)
class KnowledgeLimits:
    """How much the model must know of somebody before it speaks from that."""

    min_pieces: int = 3


@dataclass(frozen=True, slots=True)
class InferenceLimits:
    """How much likelier an item may make a sensitive class before it counts as telling; millionths."""

    lift_max_micro: int = 2_000_000


@dataclass(frozen=True, slots=True)
class QuietLimits:
    """Between which minutes of the customer's day nothing rings or buzzes (Langer & König 2018)."""

    from_minute: int = 21 * 60
    to_minute: int = 8 * 60


@dataclass(frozen=True, slots=True)
class ErrandLimits:
    """When a visit is an errand: straight to the basket, in so few pages and seconds."""

    max_pages: int = 3
    max_seconds: int = 120


@dataclass(frozen=True, slots=True)
class VarietyLimits:
    """What a slate must leave room for: something that is not selling on, and a second category.

    A slate of ``from_count`` suggestions or more needs ``min_categories`` categories.
    """

    selling_share_micro: int = 500_000
    min_categories: int = 2
    from_count: int = 5


@dataclass(frozen=True, slots=True)
class OutboundLimits:
    """How long the very thing that was looked at may be written about (Bleier & Eisenbeiss 2015)."""

    exact_hours: int = 48


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit of the shipped guardrails."""

    evidence: EvidenceLimits = field(default_factory=EvidenceLimits)
    support: SupportLimits = field(default_factory=SupportLimits)
    score: ScoreLimits = field(default_factory=ScoreLimits)
    repeat: RepeatLimits = field(default_factory=RepeatLimits)
    frequency: FrequencyLimits = field(default_factory=FrequencyLimits)
    price: PriceLimits = field(default_factory=PriceLimits)
    holds: HoldLimits = field(default_factory=HoldLimits)
    knowledge: KnowledgeLimits = field(default_factory=KnowledgeLimits)
    inference: InferenceLimits = field(default_factory=InferenceLimits)
    quiet: QuietLimits = field(default_factory=QuietLimits)
    errand: ErrandLimits = field(default_factory=ErrandLimits)
    variety: VarietyLimits = field(default_factory=VarietyLimits)
    outbound: OutboundLimits = field(default_factory=OutboundLimits)
    weights: Weights = DEFAULT_WEIGHTS
