"""Read the creepiness dimensions off the view of a decision.

The levels below are judgement, like the weights they are multiplied by, and change with the version
of ``Weights``. Sources stand beside each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import Channel, Source
from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.consent.purposes import OUTBOUND
from guardrails.creepiness.price import price_step
from guardrails.creepiness.score import MICRO, Dimensions
from guardrails.policy.limits import Limits

if TYPE_CHECKING:  # the catalogue of rules imports this module, so the view is a name here, not an import
    from guardrails.rules.base import View

_TIERS = np.array([0.0, 0.35, 0.7, 1.0])
"""K1 by tier (Dolin et al. 2018)."""

_EARLIER, _OTHER_CHANNEL = 0.1, 0.4
"""K2: an earlier visit, another channel of the shop (Kim, Barasz & John 2019)."""

_SAME_ITEM, _ONE_HOP, _LATENT = 0.15, 0.3, 0.45
"""K3: the item itself was seen, bought together with it, a hidden factor (Kim, Barasz & John 2019)."""

_UNEXPLAINED = 0.4
"""K4: consented, but no reason is shown (Aguirre et al. 2015)."""

_IN_CATEGORY, _SIMILAR, _EXACT = 0.3, 0.5, 1.0
"""K5 before the placement's part: what sells in a category, something similar, the very item
(Bleier & Eisenbeiss 2015)."""

_SHARED, _PUBLIC, _NOT_LOGGED_IN = 0.7, 1.0, 0.3
"""K8: a shared device, a public surface, recognised but not logged in (Nissenbaum)."""

_SEEN_BY_OTHERS = (Channel.PUSH, Channel.SMS, Channel.POST, Channel.IN_STORE)
"""Channels that end on a lock screen, a doormat or a wall."""

_JUST_RETURNED = 0.5
"""K9: something of the category was just sent back."""

_WAVED_OFF = 0.6
"""K11: something of the category was dismissed (Brockell 2018)."""


def observe(view: View, limits: Limits) -> Dimensions:
    """Return the dimensions of every candidate of ``view``, in the same order.

    What has no column is 0 and does not raise the score: failed payments and the local hour (K9),
    third parties and sister shops (K2; such evidence is not admitted at all). A missing price counts
    as full pressure on an upsell. What sells well without any help of the customer's data has no
    inference distance and nothing that could leak to others.
    """
    nobodys = _is_popular(view) & ~view.from_history
    tier = np.maximum(view.tier, view.evidence_tier)
    just_returned = view.category_returned_days <= limits.holds.returned_category_days
    repeat = limits.repeat
    return Dimensions(
        sensitivity=_TIERS[tier],
        context_distance=_context_distance(view),
        inference_distance=_inference_distance(view, nobodys),
        covertness=_where(~view.reason_available, _UNEXPLAINED),
        exactness=_specificity(view, nobodys) * (view.request.placement.prominence_micro / MICRO),
        evidence_age=np.minimum(view.evidence_age_micro / MICRO, 1.0),
        repetition=np.minimum(view.n_ignored_long / max(repeat.hard_at, 1), 1.0),
        audience=_where(~nobodys, _audience(view)),
        vulnerable_moment=_where(just_returned, _JUST_RETURNED),
        price_pressure=price_step(view, limits.price).pressure_micro / MICRO,
        ignored_control=_where(view.dismissed_nearby, _WAVED_OFF),
        same_visit=view.same_visit,
        stated=view.stated,
        reason_given=view.reason_available,
        controls=np.full(len(view), view.request.channel not in OUTBOUND),
        sensitive=tier >= SENSITIVE_FROM_TIER,
    )


def _where(holds: NDArray[np.bool_], level: float) -> NDArray[np.float64]:
    """Return ``level`` where the condition holds and 0 elsewhere."""
    return np.multiply(holds, level, dtype=np.float64)


def _is_popular(view: View) -> NDArray[np.bool_]:
    return np.asarray(
        (view.source == Source.POPULAR.value) | (view.source == Source.POPULAR_IN_CATEGORY.value)
    )


def _context_distance(view: View) -> NDArray[np.float64]:
    """Only history travels; where the page or this visit counts most, nothing did."""
    travelled = view.from_history & ~view.same_visit
    return np.where(travelled, np.where(view.evidence_channel_other, _OTHER_CHANNEL, _EARLIER), 0.0)


def _inference_distance(view: View, nobodys: NDArray[np.bool_]) -> NDArray[np.float64]:
    concluded = np.where(view.same_item, _SAME_ITEM, _LATENT if view.latent else _ONE_HOP)
    return np.where(nobodys | view.stated, 0.0, concluded)


def _specificity(view: View, nobodys: NDArray[np.bool_]) -> NDArray[np.float64]:
    of_popular = np.where(view.source == Source.POPULAR_IN_CATEGORY.value, _IN_CATEGORY, 0.0)
    return np.where(view.same_item, _EXACT, np.where(nobodys, of_popular, _SIMILAR))


def _audience(view: View) -> float:
    request = view.request
    if request.placement.public or request.channel in _SEEN_BY_OTHERS:
        return _PUBLIC
    if view.admission.shared_audience:
        return _SHARED
    return _NOT_LOGGED_IN if request.recognised_only else 0.0
