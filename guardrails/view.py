"""Lay out what the rules look at: one row a candidate, computed once for all rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import NO_CODE, UNKNOWN_PRICE, Catalogue
from engine.interactions import DAY_MS, Interactions, age_in_days
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Intent, Kind, Origin
from guardrails.admit import Admission, Admitted
from guardrails.house import House
from guardrails.policy.limits import EvidenceLimits, RepeatLimits
from guardrails.request import Exposure, Request
from guardrails.rules.base import MICRO, NEVER_DAYS, NO_EDGES, View

_WEEK_DAYS = 7
_SELLING = (Intent.UPSELL, Intent.CROSS_SELL)


def look(
    request: Request,
    admission: Admission,
    admitted: Admitted,
    exposures: tuple[Exposure, ...],
    candidates: Candidates,
    intent: NDArray[np.int8],
    house: House,
) -> View:
    """Compute every column that a rule may ask for."""
    catalogue, evidence = house.catalogue, admitted.evidence
    per_edge = _PerEdge(candidates, evidence, catalogue)
    strongest = per_edge.strongest()
    shown = _Shown(exposures, request.now_ms)
    returned_days, category_returned_days = _returned(
        admitted.returns, catalogue, candidates.item_idx, request.now_ms
    )
    repeat = house.limits.repeat
    return View(
        request=request,
        admission=admission,
        catalogue=catalogue,
        item_idx=candidates.item_idx,
        intent=intent,
        source=candidates.source,
        from_history=per_edge.any_of(evidence.origin[candidates.evidence] == Origin.HISTORY),
        evidence_tier=per_edge.highest(catalogue.tier[evidence.item_idx][candidates.evidence]),
        min_support=per_edge.fewest(candidates.support),
        min_sensitive_support=per_edge.fewest(np.where(per_edge.sensitive(), candidates.support, NO_EDGES)),
        evidence_age_micro=per_edge.oldest_micro(house.limits.evidence),
        evidence_channel_other=per_edge.of_strongest(
            strongest, (evidence.channel != request.channel) & (evidence.origin == Origin.HISTORY)
        ),
        same_item=per_edge.any_of(evidence.item_idx[candidates.evidence] == per_edge.item_of_edge),
        same_visit=per_edge.of_strongest(strongest, evidence.origin != Origin.HISTORY),
        stated=per_edge.of_strongest(strongest, evidence.kind == Kind.WISHLIST),
        latent=house.recommender.latent,
        dismissed_nearby=_dismissed_nearby(admission, catalogue, candidates.item_idx),
        reason_available=(np.diff(candidates.ptr) > 0) | (candidates.base > 0),
        anchor_price_minor=_anchor_prices(request, catalogue, candidates.item_idx),
        basket_minor=_basket_value(request, catalogue),
        n_ignored_short=shown.n_ignored(candidates.item_idx, repeat.window_days),
        n_ignored_long=shown.n_ignored(candidates.item_idx, repeat.hard_window_days),
        days_since_shown=shown.days_since(candidates.item_idx),
        returned_days=returned_days,
        category_returned_days=category_returned_days,
        n_interruptive_session=shown.n_slates(interruptive=True, same_session=True),
        n_interruptive_week=shown.n_slates(interruptive=True, days=_WEEK_DAYS),
        n_inline_upsells_session=shown.n_in_visit(_SELLING),
        n_upsell_steps_session=shown.n_in_visit((Intent.UPSELL,)),
        n_outbound_day=shown.n_slates(outbound=True, days=1),
        n_outbound_week=shown.n_slates(outbound=True, days=_WEEK_DAYS),
    )


def reads_back_days(repeat: RepeatLimits) -> int:
    """How many days of exposures the rules look at."""
    return max(repeat.window_days + repeat.cooldown_days, repeat.hard_window_days, _WEEK_DAYS)


@dataclass(frozen=True, slots=True, eq=False)
class _PerEdge:
    """Folds what is known of single contributions to one value a candidate."""

    candidates: Candidates
    evidence: Evidence
    catalogue: Catalogue

    @property
    def candidate_of_edge(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.candidates)), np.diff(self.candidates.ptr))

    @property
    def item_of_edge(self) -> NDArray[np.int32]:
        return self.candidates.item_idx[self.candidate_of_edge]

    def sensitive(self) -> NDArray[np.bool_]:
        """Whether either end of each edge has a tier of 1 or more."""
        tier = self.catalogue.tier
        return (tier[self.item_of_edge] > 0) | (tier[self.evidence.item_idx[self.candidates.evidence]] > 0)

    def any_of(self, holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
        found = np.zeros(len(self.candidates), np.bool_)
        found[self.candidate_of_edge[holds]] = True
        return found

    def highest(self, value: NDArray[np.int8]) -> NDArray[np.int8]:
        found = np.zeros(len(self.candidates), np.int8)
        np.maximum.at(found, self.candidate_of_edge, value)
        return found

    def fewest(self, support: NDArray[np.int32]) -> NDArray[np.int32]:
        found = np.full(len(self.candidates), NO_EDGES, np.int32)
        np.minimum.at(found, self.candidate_of_edge, support)
        return found

    def oldest_micro(self, limits: EvidenceLimits) -> NDArray[np.int64]:
        greatest = np.maximum(limits.max_age_days(), 1)
        share = self.evidence.age_days.astype(np.int64) * MICRO // greatest[self.evidence.kind]
        found = np.zeros(len(self.candidates), np.int64)
        np.maximum.at(found, self.candidate_of_edge, np.minimum(share, MICRO)[self.candidates.evidence])
        return found

    def strongest(self) -> NDArray[np.int64]:
        """Row of the evidence with the largest contribution to each candidate; -1 without any.

        Equal contributions go to the earlier row, so that reasons and columns agree.
        """
        found = np.full(len(self.candidates), -1, np.int64)
        order = np.lexsort((self.candidates.evidence, -self.candidates.contribution, self.candidate_of_edge))
        owners, first = np.unique(self.candidate_of_edge[order], return_index=True)
        found[owners] = self.candidates.evidence[order[first]]
        return found

    def of_strongest(self, strongest: NDArray[np.int64], holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
        found = np.zeros(len(self.candidates), np.bool_)
        has = strongest >= 0
        found[has] = holds[strongest[has]]
        return found


@dataclass(frozen=True, slots=True)
class _Shown:
    """Counts over what was shown before."""

    exposures: tuple[Exposure, ...]
    now_ms: int

    def _age_days(self, exposure: Exposure) -> int:
        return (self.now_ms - exposure.at_ms) // DAY_MS

    def n_ignored(self, item_idx: NDArray[np.int32], window_days: int) -> NDArray[np.int32]:
        """How often each item was shown and not acted on within the window; shape (n,)."""
        ignored = [
            exposure.item_idx
            for exposure in self.exposures
            if not exposure.acted_on and self._age_days(exposure) < window_days
        ]
        times = Counter(ignored)
        return np.array([times[int(idx)] for idx in item_idx], np.int32)

    def days_since(self, item_idx: NDArray[np.int32]) -> NDArray[np.int32]:
        """Whole days since each item was last shown; shape (n,)."""
        latest: dict[int, int] = {}
        for exposure in self.exposures:
            age = self._age_days(exposure)
            latest[exposure.item_idx] = min(age, latest.get(exposure.item_idx, age))
        return np.array([latest.get(int(idx), NEVER_DAYS) for idx in item_idx], np.int32)

    def n_in_visit(self, intents: Collection[Intent]) -> int:
        """Suggestions with one of the intents in this visit, interruptive ones not counted."""
        return sum(
            exposure.same_session and not exposure.interruptive and exposure.intent in intents
            for exposure in self.exposures
        )

    def n_slates(
        self,
        *,
        interruptive: bool = False,
        outbound: bool = False,
        same_session: bool = False,
        days: int | None = None,
    ) -> int:
        """Slates of the kind asked for, within so many days."""
        return len(
            {
                exposure.decision
                for exposure in self.exposures
                if (exposure.interruptive or not interruptive)
                and (exposure.outbound or not outbound)
                and (exposure.same_session or not same_session)
                and (days is None or self._age_days(exposure) < days)
            }
        )


def _returned(
    returns: Interactions, catalogue: Catalogue, item_idx: NDArray[np.int32], now_ms: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Days since the item, and since anything of its category, was returned; shape (n,) each."""
    by_item: dict[int, int] = {}
    by_category: dict[int, int] = {}
    for idx, age in zip(returns.item_idx, age_in_days(returns.at_ms, now_ms), strict=True):
        item, days, category = int(idx), int(age), int(catalogue.category[idx])
        by_item[item] = min(days, by_item.get(item, days))
        if category != NO_CODE:
            by_category[category] = min(days, by_category.get(category, days))
    return (
        np.array([by_item.get(int(idx), NEVER_DAYS) for idx in item_idx], np.int32),
        np.array([by_category.get(int(code), NEVER_DAYS) for code in catalogue.category[item_idx]], np.int32),
    )


def _dismissed_nearby(
    admission: Admission, catalogue: Catalogue, item_idx: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Whether the customer muted an item of the candidate's category; bool, shape (n,)."""
    rows = [catalogue.idx_of_id[name] for name in admission.muted.items if name in catalogue.idx_of_id]
    categories = catalogue.category[np.array(rows, np.int64)]
    return np.isin(catalogue.category[item_idx], categories[categories >= 0])


def _anchor_prices(request: Request, catalogue: Catalogue, item_idx: NDArray[np.int32]) -> NDArray[np.int64]:
    """Price of the dearest anchor of the candidate's own category, else of the page item; shape (n,).

    The dearest, because an upsell is a step up from the best that the customer already considers.
    """
    category = catalogue.category[item_idx]
    found = np.full(item_idx.size, UNKNOWN_PRICE, np.int64)
    same_kind = np.zeros(item_idx.size, np.bool_)
    for anchor in request.context.anchors:
        if catalogue.category[anchor] != NO_CODE:
            here = category == catalogue.category[anchor]
            found[here] = np.maximum(found[here], catalogue.price_minor[anchor])
            same_kind |= here
    if request.context.item_idx is not None:
        found[~same_kind] = catalogue.price_minor[request.context.item_idx]
    return found


def _basket_value(request: Request, catalogue: Catalogue) -> int:
    """Value of the basket in minor units; -1 when it is empty or a price in it is unknown."""
    prices = catalogue.price_minor[np.array(request.context.basket, np.int64)]
    if prices.size == 0 or bool(np.any(prices == UNKNOWN_PRICE)):
        return UNKNOWN_PRICE
    return int(prices.sum())
