"""How far up a suggestion goes in price: shared by the price rule and the creepiness score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import Intent
from guardrails.creepiness.score import MICRO
from guardrails.policy.limits import PriceLimits

if TYPE_CHECKING:  # the catalogue of rules imports this module, so the view is a name here, not an import
    from guardrails.rules.base import View

MOST_MICRO = 1_000 * MICRO
"""A thousand times as much, or more, is recorded as a thousand times: beyond it the number says nothing."""

ADDON_SOFT_OF_BASKET_MICRO = 100_000
"""Up to this share of the basket an add-on is not felt as pressure (trade rule of thumb, weak)."""


@dataclass(frozen=True, slots=True, eq=False)
class PriceStep:
    """How far up each candidate goes; arrays have shape (n,).

    Attributes:
        share_micro: int64: for an upsell what it costs above its anchor, as a share of the anchor;
            for a cross-sell its price as a share of the basket; rounded up. 0 for everything else,
            and where nothing can be compared.
        hard_micro: int64: the share above which it is too much.
        pressure_micro: int64: 0 up to the soft limit, ``MICRO`` from the hard one on, linear between;
            ``MICRO`` where unknown.
        unknown: bool: a price that the comparison needs is missing.
    """

    share_micro: NDArray[np.int64]
    hard_micro: NDArray[np.int64]
    pressure_micro: NDArray[np.int64]
    unknown: NDArray[np.bool_]


_steps_of: WeakKeyDictionary[View, tuple[PriceLimits, PriceStep]] = WeakKeyDictionary()
"""The step of each view that is still looked at: two rules ask for it, and it is not computed twice."""


def price_step(view: View, limits: PriceLimits) -> PriceStep:
    """Return how far up each candidate of ``view`` goes, as held against ``limits``."""
    known = _steps_of.get(view)
    if known is None or known[0] is not limits:
        known = _steps_of[view] = (limits, _price_step(view, limits))
    return known[1]


def _price_step(view: View, limits: PriceLimits) -> PriceStep:
    """Hold upsells against their anchor, and cross-sells against the basket if there is one.

    An upsell is dearer than something by definition, so without both prices it is unknown. A
    cross-sell without a basket (none, empty, or of unknown value) burdens no basket and is not
    compared; with one, its own price must be known.
    """
    price = view.price_minor
    upsell = view.intent == Intent.UPSELL.value
    asked = upsell | ((view.intent == Intent.CROSS_SELL.value) & (view.basket_minor > 0))
    if not asked.any():
        nothing = np.zeros(len(view), np.int64)
        return PriceStep(nothing, nothing + limits.addon_hard_of_basket_micro, nothing, asked)
    against = np.where(upsell, view.anchor_price_minor, view.basket_minor)
    known = (price >= 0) & (against > 0)
    excess = price - against * upsell
    share = np.minimum(_share_micro(excess, np.maximum(against, 1)), MOST_MICRO) * (asked & known)
    unknown = asked & ~known
    soft = np.where(upsell, limits.upsell_soft_from_micro, ADDON_SOFT_OF_BASKET_MICRO)
    hard = np.where(upsell, limits.upsell_hard_micro, limits.addon_hard_of_basket_micro)
    pressure = (share - soft) * MICRO // np.maximum(hard - soft, 1)
    pressure = np.minimum(np.maximum(pressure, 0), MICRO)
    return PriceStep(share, hard, np.where(unknown, MICRO, pressure), unknown)


def _share_micro(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.int64]:
    """Round the share up, so that it is above a whole limit exactly when the true share is."""
    return -(-part * MICRO // whole)
