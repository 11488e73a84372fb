"""Read the creepiness dimensions off the view of a decision.

The levels below are judgement, like the weights they are multiplied by, and change with the version
of ``Weights``. Sources stand beside each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import Channel, Provenance, Source
from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.creepiness.price import price_step
from guardrails.creepiness.score import MICRO, Dimensions
from guardrails.policy.limits import Limits

if TYPE_CHECKING:  # the catalogue of rules imports this module, so the view is a name here, not an import
    from guardrails.rules.base import View

_TIERS = np.array([0.0, 0.35, 0.7, 1.0])
"""K1 by tier (Dolin et al. 2018)."""

_EARLIER, _OTHER_CHANNEL = 0.1, 0.4
"""K2: an earlier visit, another channel of the shop (Kim, Barasz & John 2019)."""

_FROM_ELSEWHERE = np.array([0.0, 0.6, 0.6, 1.0])
"""K2 by ``Provenance``: the shop's own, a sister shop's, another device's or household member's, a third
party's (Kim, Barasz & John 2019). What was linked stands with the sister shop: somebody the customer knows
saw it, yet not here and perhaps not of them, while nobody sold it on."""

_SAME_ITEM, _ONE_HOP, _LATENT, _INFERRED = 0.15, 0.3, 0.45, 1.0
"""K3: the item itself was seen, bought together with it, a hidden factor, concluded by others (Kim,
Barasz & John 2019)."""

_UNEXPLAINED, _UNNOTICED = 0.4, 1.0
"""K4: consented, but no reason is shown; used under a notice that nobody can name (Aguirre et al. 2015)."""

_OF_BRAND, _SIMILAR, _EXACT = 0.3, 0.5, 1.0
"""K5 before the placement's part: what sells of a brand, something similar, the very item (Bleier &
Eisenbeiss 2015). What sells in the shop or in a category has none."""

_SHARED, _PUBLIC, _NOT_LOGGED_IN = 0.7, 1.0, 0.3
"""K8: a shared device, a public surface, recognised but not logged in (Nissenbaum)."""

_SEEN_BY_OTHERS = (Channel.PUSH, Channel.SMS, Channel.POST, Channel.IN_STORE)
"""Channels that end on a lock screen, a doormat or a wall."""

_PAYMENT_FAILED, _JUST_RETURNED, _AT_NIGHT, _NEAR_MUTED_OCCASION = 0.6, 0.5, 0.2, 0.1
"""K9: a payment failed in this visit (AI Act 5(1)(b)), something of the category was just sent back, the
small hours (Langer & König 2018), next to an occasion that was muted (Brockell 2018)."""

_NIGHT_ENDS_MINUTE = 5 * 60
"""The small hours run from midnight to five."""

_WAVED_OFF = 0.6
"""K11: something of the category or the class was dismissed (Brockell 2018)."""

_WITH_CONTROLS = (Channel.WEB, Channel.APP, Channel.EMAIL, Channel.AGENT_CHAT)
"""Channels on which "why" and "mute" can stand beside an item, as links at least."""


def observe(view: View, limits: Limits) -> Dimensions:
    """Return the dimensions of every candidate of ``view``, in the same order.

    What is not known does not raise the score, with two exceptions: a missing price counts as full
    pressure on an upsell, and a permission without a notice as one that was never explained. Where the
    local time is not known it is day. What sells well without any help of the customer's data has no
    inference distance and nothing that could leak to others.
    """
    nobodys = _is_popular(view) & ~view.from_history
    tier = np.maximum(view.tier, view.evidence_tier)
    return Dimensions(
        sensitivity=_TIERS[tier],
        context_distance=_context_distance(view),
        inference_distance=_inference_distance(view, nobodys),
        covertness=_covertness(view),
        exactness=_specificity(view, nobodys) * (view.request.placement.prominence_micro / MICRO),
        evidence_age=np.minimum(view.evidence_age_micro / MICRO, 1.0),
        repetition=np.minimum(view.n_ignored_long / max(limits.repeat.hard_at, 1), 1.0),
        audience=_where(~nobodys, _audience(view)),
        vulnerable_moment=_vulnerable_moment(view, limits),
        price_pressure=price_step(view, limits.price).pressure_micro / MICRO,
        ignored_control=_where(view.dismissed_nearby, _WAVED_OFF),
        same_visit=view.same_visit,
        stated=view.stated,
        reason_given=view.reason_available,
        controls=view.reason_available & (view.request.channel in _WITH_CONTROLS),
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
    """Only history travels; where the page or this visit counts most, nothing of the shop's own did.

    What came from elsewhere keeps its distance however little it counted: it is a flow of its own.
    """
    travelled = view.from_history & ~view.same_visit
    own = np.where(travelled, np.where(view.evidence_channel_other, _OTHER_CHANNEL, _EARLIER), 0.0)
    if not np.count_nonzero(view.evidence_provenance):
        return own
    distance: NDArray[np.float64] = np.maximum(own, _FROM_ELSEWHERE[view.evidence_provenance])
    return distance


def _inference_distance(view: View, nobodys: NDArray[np.bool_]) -> NDArray[np.float64]:
    """From a thing to its own category or brand is no further than from a thing to itself."""
    stands_in = (view.source == Source.CATEGORY.value) | (view.source == Source.BRAND.value)
    near = view.same_item | (stands_in & view.same_kind)
    concluded = np.where(near, _SAME_ITEM, _LATENT if view.latent else _ONE_HOP)
    concluded[nobodys | view.stated] = 0.0
    concluded[view.evidence_provenance == Provenance.THIRD_PARTY.value] = _INFERRED
    return concluded


def _covertness(view: View) -> NDArray[np.float64]:
    unexplained = _where(~view.reason_available, _UNEXPLAINED)
    return unexplained if view.noticed else np.where(view.from_history, _UNNOTICED, unexplained)


def _specificity(view: View, nobodys: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A stand-in is as exact as what it stands for: a category not at all, a brand a little."""
    specific = np.where(view.same_item, _EXACT, _SIMILAR)
    specific[nobodys | (view.source == Source.CATEGORY.value)] = 0.0
    specific[view.source == Source.BRAND.value] = _OF_BRAND
    return specific


def _audience(view: View) -> float:
    request = view.request
    if request.placement.public or request.channel in _SEEN_BY_OTHERS:
        return _PUBLIC
    if view.admission.shared_audience:
        return _SHARED
    return _NOT_LOGGED_IN if request.recognised_only else 0.0


def _vulnerable_moment(view: View, limits: Limits) -> NDArray[np.float64]:
    """The worst of what makes this a bad moment."""
    minute = view.request.local_minute
    at_night = minute is not None and minute < _NIGHT_ENDS_MINUTE
    for_all = max(_PAYMENT_FAILED * view.admission.holding.payment_failed, _AT_NIGHT * at_night)
    just_returned = view.category_returned_days <= limits.holds.returned_category_days
    moment = np.where(view.near_muted_occasion, _NEAR_MUTED_OCCASION, 0.0)
    moment[just_returned] = _JUST_RETURNED
    worst: NDArray[np.float64] = np.maximum(moment, for_all)
    return worst
