"""Lay out what the rules look at: one row a candidate, computed once for all rules."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import NO_CODE, UNKNOWN_PRICE, Catalogue
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Basis, Kind, Origin, Provenance, Source
from guardrails.admit import Admission, is_within
from guardrails.behind import Behind, behind
from guardrails.house import House
from guardrails.inference import telling_lift
from guardrails.past import WEEK_DAYS, Recall, Rows
from guardrails.policy.limits import Limits
from guardrails.request import Request
from guardrails.rules.base import View
from guardrails.sensitive.occasions import mask_of

_BIT_OF_HISTORY, _BIT_OF_VISIT = np.int8(1 << Origin.HISTORY), np.int8(1 << Origin.SESSION)


def look(
    basis: Basis,
    request: Request,
    admission: Admission,
    evidence: Evidence,
    recall: Recall,
    candidates: Candidates,
    intent: NDArray[np.int8],
    house: House,
) -> View:
    """Compute every column that a rule may ask for.

    Args:
        basis: how personal the step of the ladder is.
        request: what was asked.
        admission: which purposes stand.
        evidence: what was scored.
        recall: tells the customer's past of the candidates.
        candidates: those to look at.
        intent: shape (n,), int8: what each is for.
        house: model, catalogue and limits.
    """
    catalogue, limits = house.catalogue, house.limits
    evidence_tier = admission.tier_of(catalogue, evidence.item_idx)
    found = behind(candidates, evidence, evidence_tier, limits.evidence, limits.support.edge)
    rows = Rows.of(candidates.item_idx)
    own, strongest = _own(rows, evidence), _strongest(found, evidence, request)
    tier = admission.tier_of(catalogue, candidates.item_idx)
    return View(
        request=request,
        admission=admission,
        catalogue=catalogue,
        basis=basis,
        item_idx=candidates.item_idx,
        intent=intent,
        source=candidates.source,
        from_history=found.origins & _BIT_OF_HISTORY != 0,
        from_visit=found.origins & _BIT_OF_VISIT != 0,
        evidence_provenance=found.provenance,
        telling_lift_micro=telling_lift(
            admission, house, candidates.item_idx, found.origins & (_BIT_OF_HISTORY | _BIT_OF_VISIT) != 0
        ),
        evidence_tier=found.tier,
        min_support=found.support,
        min_sensitive_support=np.where(tier > 0, found.support, found.sensitive_support),
        evidence_age_micro=found.age_micro,
        evidence_channel_other=strongest.channel_other,
        same_item=own.same_item,
        same_kind=_same_kind(found.strongest, evidence, candidates, catalogue),
        same_visit=strongest.same_visit,
        stated=own.stated | strongest.stated,
        latent=house.recommender.latent,
        near_muted_occasion=_near_muted_occasion(admission, catalogue, candidates.item_idx),
        reason_available=(found.strongest >= 0) | (candidates.base > 0),
        outside_outreach=_outside_outreach(admission, catalogue, candidates.item_idx),
        anchor_price_minor=_anchor_prices(request, catalogue, candidates.item_idx),
        basket_minor=_basket_value(request, catalogue),
        n_supported=found.n_supported,
        top_score=_top_score(candidates),
        usefulness_floor=house.recommender.usefulness_floor,
        noticed=admission.history.notice_version is not None,
        category_bound=bool(request.placement.anchored or request.context.categories or request.within),
        **recall(rows)._asdict(),
    )


class _Strongest(NamedTuple):
    """What the strongest evidence of each candidate is like; shape (n,) each, no without any."""

    channel_other: NDArray[np.bool_]
    same_visit: NDArray[np.bool_]
    stated: NDArray[np.bool_]


def _strongest(found: Behind, evidence: Evidence, request: Request) -> _Strongest:
    of_history = evidence.origin == Origin.HISTORY.value
    return _Strongest(
        channel_other=_at(found.strongest, (evidence.channel != request.channel.value) & of_history),
        same_visit=_at(found.strongest, ~of_history),
        stated=_at(found.strongest, _wished_for(evidence)),
    )


class _Own(NamedTuple):
    """What is known of the candidates themselves from the evidence of a step; shape (n,) each.

    Edges do not tell: no item goes with itself, so what was looked at and is proposed again is proposed
    because of something else.
    """

    same_item: NDArray[np.bool_]
    stated: NDArray[np.bool_]


def _own(rows: Rows, evidence: Evidence) -> _Own:
    """Look every piece of evidence up among the candidates."""
    own = _Own(same_item=np.zeros(len(rows), np.bool_), stated=np.zeros(len(rows), np.bool_))
    if len(evidence):
        row, piece = rows.about(evidence)
        own.same_item[row] = True
        own.stated[row[_wished_for(evidence)[piece]]] = True
    return own


def _wished_for(evidence: Evidence) -> NDArray[np.bool_]:
    """Whether the customer put each piece on a wish list here; what others told is nobody's word."""
    return np.asarray((evidence.kind == Kind.WISHLIST.value) & (evidence.provenance == Provenance.OWN.value))


def _same_kind(
    strongest: NDArray[np.int64], evidence: Evidence, candidates: Candidates, catalogue: Catalogue
) -> NDArray[np.bool_]:
    """Whether the strongest evidence is of the category, or brand, of each candidate; bool, shape (n,)."""
    if not len(evidence):
        return np.zeros(len(candidates), np.bool_)
    item_idx = evidence.item_idx[strongest]  # no evidence, -1, reads the last place
    theirs, its = catalogue.category[item_idx], catalogue.category[candidates.item_idx]
    of_brand = candidates.source == Source.BRAND.value
    if of_brand.any():
        theirs = np.where(of_brand, catalogue.brand[item_idx], theirs)
        its = np.where(of_brand, catalogue.brand[candidates.item_idx], its)
    return np.asarray((strongest >= 0) & (its == theirs) & (its != NO_CODE))


def _outside_outreach(
    admission: Admission, catalogue: Catalogue, item_idx: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Whether each candidate is of another category than the shop may write about; bool, shape (n,)."""
    paths = admission.outreach.item_categories if admission.outreach else None
    if paths is None:
        return np.zeros(item_idx.size, np.bool_)
    covered = np.array([is_within(path, paths) for path in catalogue.categories] + [False], np.bool_)
    return ~covered[catalogue.category[item_idx]]  # the last entry is for no category at all


def reads_back_days(limits: Limits) -> int:
    """How many days of exposures the rules look at.

    What was waved off rests for so many days and the last of them, which began on the day before.
    """
    repeat = limits.repeat
    return max(
        repeat.window_days + repeat.cooldown_days,
        repeat.hard_window_days,
        limits.holds.dismissed_days + 1,
        WEEK_DAYS,
    )


def _at(row: NDArray[np.int64], holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return ``holds`` at each row, shape (n,); no where the row is -1."""
    if not np.count_nonzero(holds):
        return np.zeros(row.size, np.bool_)
    return holds[row] & (row >= 0)


def _near_muted_occasion(
    admission: Admission, catalogue: Catalogue, item_idx: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Whether only others of the candidate's category are made for a muted occasion; bool, shape (n,)."""
    muted = mask_of(*admission.muted.occasions)
    if not muted:
        return np.zeros(item_idx.size, np.bool_)
    of_category = catalogue.occasions_by_category[catalogue.category[item_idx]]
    return np.asarray((of_category & muted != 0) & (catalogue.occasions[item_idx] & muted == 0))


def _anchor_prices(request: Request, catalogue: Catalogue, item_idx: NDArray[np.int32]) -> NDArray[np.int64]:
    """Price of the dearest anchor of the candidate's own category, else of the page item; shape (n,).

    The dearest, because an upsell is a step up from the best that the customer already considers.
    """
    context = request.context
    page_price = UNKNOWN_PRICE if context.item_idx is None else int(catalogue.price_minor[context.item_idx])
    found = np.full(item_idx.size, page_price, np.int64)
    dearest: dict[int, int] = {}
    for anchor in context.anchors:
        code, price = int(catalogue.category[anchor]), int(catalogue.price_minor[anchor])
        dearest[code] = max(price, dearest.get(code, UNKNOWN_PRICE))
    dearest.pop(NO_CODE, None)
    if dearest:
        category = catalogue.category[item_idx]
        for code, price in dearest.items():
            found[category == code] = price
    return found


def _top_score(candidates: Candidates) -> int:
    """Return the score of the best candidate: of those that are new, as long as there are any.

    A model's usefulness is measured on what is new. What is bought again counts beside that as much as was
    learned, and would lift anybody over the floor.
    """
    is_new = candidates.source != Source.BUY_AGAIN.value
    n_new = np.count_nonzero(is_new)
    scores = candidates.score[is_new] if 0 < n_new < len(candidates) else candidates.score
    return int(scores.max(initial=0))


def _basket_value(request: Request, catalogue: Catalogue) -> int:
    """Value of the basket in minor units; -1 when it is empty or a price in it is unknown."""
    prices = [int(catalogue.price_minor[each]) for each in request.context.basket]
    return UNKNOWN_PRICE if not prices or UNKNOWN_PRICE in prices else sum(prices)
