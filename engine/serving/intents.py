"""What each candidate is for, read off its relation to the page and the evidence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import NO_CODE, UNKNOWN_PRICE, Catalogue
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Intent, Origin, Source


def intents(
    candidates: Candidates, evidence: Evidence, anchors: tuple[int, ...], catalogue: Catalogue
) -> NDArray[np.int8]:
    """Return the ``Intent`` of each candidate, shape (n,), int8.

    Against an anchor (the page item or a basket item): the same kind of item at a higher price is
    an upsell, whoever proposed it, and otherwise similar; another kind that the anchor itself supports
    is a cross-sell. Without an anchor: a kind the evidence already holds is similar, another kind a
    discovery. What sells well is popular where it is no upsell, and what is due again is never one.
    """
    category, source = catalogue.category[candidates.item_idx], candidates.source
    known = _of_kinds(category, evidence.item_idx, catalogue)
    found = np.where(known, np.int8(Intent.SIMILAR), np.int8(Intent.DISCOVER))
    popular = (source == Source.POPULAR.value) | (source == Source.POPULAR_IN_CATEGORY.value)
    if anchors:
        found[_anchored(candidates, evidence)] = Intent.CROSS_SELL.value
        found[_of_kinds(category, np.array(anchors, np.int64), catalogue)] = Intent.SIMILAR.value
    found[popular] = Intent.POPULAR.value
    if anchors:
        found[_dearer_of_kind(candidates, anchors, catalogue)] = Intent.UPSELL.value
    found[source == Source.BUY_AGAIN.value] = Intent.REPLENISH.value
    return found


def _of_kinds(
    category: NDArray[np.int32], rows: NDArray[np.int32] | NDArray[np.int64], catalogue: Catalogue
) -> NDArray[np.bool_]:
    """Whether each category is that of one of the rows; an unknown one never is; bool, shape (n,)."""
    if not rows.size:
        return np.zeros(category.size, np.bool_)
    held = np.zeros(len(catalogue.categories) + 1, np.bool_)
    held[catalogue.category[rows]] = True
    held[NO_CODE] = False  # the last place
    return held[category]


def _anchored(candidates: Candidates, evidence: Evidence) -> NDArray[np.bool_]:
    """Whether an anchor contributed to each candidate."""
    from_page = evidence.origin[candidates.evidence] == Origin.CONTEXT.value
    owner = np.repeat(np.arange(len(candidates)), candidates.ptr[1:] - candidates.ptr[:-1])
    found = np.zeros(len(candidates), np.bool_)
    found[owner[from_page]] = True
    return found


def _dearer_of_kind(
    candidates: Candidates, anchors: tuple[int, ...], catalogue: Catalogue
) -> NDArray[np.bool_]:
    """Whether a candidate costs more than every priced anchor of its own kind."""
    price, category = catalogue.price_minor[candidates.item_idx], catalogue.category[candidates.item_idx]
    dearest_of: dict[int, int] = {}
    for anchor in anchors:
        kind, its_price = int(catalogue.category[anchor]), int(catalogue.price_minor[anchor])
        if kind != NO_CODE:
            dearest_of[kind] = max(its_price, dearest_of.get(kind, UNKNOWN_PRICE))
    dearest = np.full(len(candidates), UNKNOWN_PRICE, np.int64)
    for kind, its_price in dearest_of.items():
        dearest[category == kind] = its_price
    return (dearest >= 0) & (price > dearest)
