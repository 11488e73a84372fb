"""Generalise: what is too exact as it stands is shown as its category, or its brand.

Medium specificity outlasts the very item (Bleier & Eisenbeiss 2015). So where the rules find a candidate
too exact, the best seller of its category stands in for it; of its brand, where the category is unknown or
has nothing to offer. Nothing is made up: the stand-in keeps the evidence and the score of what it stands
for, is shown because of exactly that, says that it is a category, and is judged as a candidate of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import NO_CODE
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Source
from guardrails.house import House
from guardrails.judge import Judged
from guardrails.request import Request
from guardrails.rules.base import Effect, View

_LOOKED_AT = 20
"""Best sellers of a category that are looked at until one is harmless."""


def stand_ins(
    candidates: Candidates, evidence: Evidence, view: View, judged: Judged, house: House
) -> Candidates:
    """Return what stands in for those that the rules find too exact; often nothing.

    A stand-in is harmless (S0, for any age, not muted), no candidate already, not on the page, in the
    basket or on an earlier page of the list, and nothing that the customer did anything with. No category
    and no brand is stood for twice, and there are no more than the slate has places. What is sensitive has
    no stand-in: to name its shelf would say as much. Nor has what rests on nobody's evidence: it is no more
    exact than its category.
    """
    if not np.count_nonzero(judged.effect == Effect.GENERALISE.value):
        return Candidates.empty()
    known = [candidates.item_idx, evidence.item_idx, not_again(view.request, house)]
    exclude = np.unique(np.concatenate(known)).astype(np.int32)
    rows: list[int] = []
    items: list[int] = []
    sources: list[Source] = []
    stood_for: set[tuple[Source, int]] = set()
    for row in _too_exact(candidates, view, judged):
        for source, code in _levels(int(candidates.item_idx[row]), house):
            if (source, code) in stood_for:
                break
            item = _best_seller(source, code, exclude, view, house)
            if item is not None:
                stood_for.add((source, code))
                exclude = np.append(exclude, np.int32(item))
                rows.append(row)
                items.append(item)
                sources.append(source)
                break
        if len(rows) == view.request.count:
            break
    originals = candidates.take(np.array(rows, np.int64))
    return replace(
        originals,
        item_idx=np.array(items, np.int32),
        source=np.array(sources, np.int8),
        n_masked=0,  # counted with the originals
    )


def not_again(request: Request, house: House) -> NDArray[np.int32]:
    """Return the rows of what is there already: on the page, in the basket, on earlier pages of the list."""
    known = house.catalogue.idx_of_id
    before = (known[item_id] for item_id in request.shown_before if item_id in known)
    return np.array([*request.context.anchors, *before], np.int32)


def _too_exact(candidates: Candidates, view: View, judged: Judged) -> Iterator[int]:
    """Yield the rows that no rule asks more of than to be less exact, best first."""
    found = (judged.effect == Effect.GENERALISE.value) & (np.diff(candidates.ptr) > 0) & (view.tier == 0)
    for row in np.argsort(-judged.rank_score, kind="stable").tolist():
        if found[row]:
            yield row


def _levels(item_idx: int, house: House) -> Iterator[tuple[Source, int]]:
    """Yield what an item can be stood for by: its category, then its brand, as far as they are known."""
    for source, codes in ((Source.CATEGORY, house.catalogue.category), (Source.BRAND, house.catalogue.brand)):
        if codes[item_idx] != NO_CODE:
            yield source, int(codes[item_idx])


def _best_seller(
    source: Source, code: int, exclude: NDArray[np.int32], view: View, house: House
) -> int | None:
    recommender = house.offering(view.request.within)
    if source is Source.CATEGORY:
        found = recommender.popular_in(np.array([code], np.int32), _LOOKED_AT, exclude).item_idx
    else:
        found = recommender.popular_of_brand(code, _LOOKED_AT, exclude).item_idx
    catalogue, admission = house.catalogue, view.admission
    harmless = (admission.tier_of(catalogue, found) == 0) & ~catalogue.age_restricted[found]
    harmless &= ~admission.muted.covers(catalogue, found) & ~admission.muted.covers_occasion(catalogue, found)
    return int(found[harmless.argmax()]) if harmless.any() else None
