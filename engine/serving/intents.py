"""What each candidate is for, read off its relation to the page and the evidence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import NO_CODE, Catalogue
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Intent, Origin, Source


def intents(
    candidates: Candidates, evidence: Evidence, anchors: tuple[int, ...], catalogue: Catalogue
) -> NDArray[np.int8]:
    """Return the ``Intent`` of each candidate, shape (n,), int8.

    Against an anchor (the page item or a basket item): the same kind of item at a higher price is
    an upsell, otherwise similar; another kind that the anchor itself supports is a cross-sell.
    Without an anchor: a kind the evidence already holds is similar, another kind a discovery.
    """
    category = catalogue.category[candidates.item_idx]
    found = np.where(_of_kinds(category, evidence.item_idx, catalogue), Intent.SIMILAR, Intent.DISCOVER)
    if anchors:
        rows = np.array(anchors, np.int64)
        found[_anchored(candidates, evidence)] = Intent.CROSS_SELL
        found[_of_kinds(category, rows, catalogue)] = Intent.SIMILAR
        found[_dearer_of_kind(candidates, rows, catalogue)] = Intent.UPSELL
    found[candidates.source == Source.BUY_AGAIN] = Intent.REPLENISH
    found[np.isin(candidates.source, (Source.POPULAR, Source.POPULAR_IN_CATEGORY))] = Intent.POPULAR
    return found.astype(np.int8)


def _of_kinds(
    category: NDArray[np.int32], rows: NDArray[np.int32] | NDArray[np.int64], catalogue: Catalogue
) -> NDArray[np.bool_]:
    kinds = catalogue.category[rows]
    return np.isin(category, kinds[kinds != NO_CODE])


def _anchored(candidates: Candidates, evidence: Evidence) -> NDArray[np.bool_]:
    """Whether an anchor contributed to each candidate."""
    from_page = evidence.origin[candidates.evidence] == Origin.CONTEXT
    found = np.zeros(len(candidates), np.bool_)
    found[np.repeat(np.arange(len(candidates)), np.diff(candidates.ptr))[from_page]] = True
    return found


def _dearer_of_kind(
    candidates: Candidates, anchors: NDArray[np.int64], catalogue: Catalogue
) -> NDArray[np.bool_]:
    """Whether a candidate costs more than every priced anchor of its own kind."""
    price, category = catalogue.price_minor[candidates.item_idx], catalogue.category[candidates.item_idx]
    dearest = np.full(len(candidates), -1, np.int64)
    for anchor in anchors:
        if catalogue.category[anchor] != NO_CODE:
            same = category == catalogue.category[anchor]
            dearest[same] = np.maximum(dearest[same], catalogue.price_minor[anchor])
    return (dearest >= 0) & (price > dearest)
