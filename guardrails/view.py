"""Lay out what the rules look at: one row a candidate, computed once for all rules."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import NO_CODE, UNKNOWN_PRICE, Catalogue
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Basis, Kind, Origin, Provenance, Source
from guardrails.admit import Admission, is_within
from guardrails.house import House
from guardrails.inference import telling_lift
from guardrails.past import WEEK_DAYS, Recall, Rows
from guardrails.policy.limits import EvidenceLimits, Limits, SupportLimits
from guardrails.request import Request
from guardrails.rules.base import MICRO, NO_EDGES, View
from guardrails.sensitive.occasions import mask_of

_BIT_OF_HISTORY, _BIT_OF_VISIT = np.int8(1 << Origin.HISTORY), np.int8(1 << Origin.SESSION)
_AFTER_ALL = np.int32(np.iinfo(np.int32).max)  # row of no evidence: later than any

Value = TypeVar("Value", bound=np.generic)


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
    catalogue = house.catalogue
    edges = _Edges.of(candidates)
    origins = edges.united(np.left_shift(np.int8(1), evidence.origin))
    evidence_tier = admission.tier_of(catalogue, evidence.item_idx)
    of_history = evidence.origin == Origin.HISTORY.value
    rows = Rows.of(candidates.item_idx)
    own = _own(rows, evidence)
    # What is told by texts alone tells on no customer, however few.
    support = np.where(candidates.support > 0, candidates.support, NO_EDGES)
    strongest, min_support = edges.strongest(), edges.fewest(support)
    return View(
        request=request,
        admission=admission,
        catalogue=catalogue,
        basis=basis,
        item_idx=candidates.item_idx,
        intent=intent,
        source=candidates.source,
        from_history=origins & _BIT_OF_HISTORY != 0,
        from_visit=origins & _BIT_OF_VISIT != 0,
        evidence_provenance=edges.highest(evidence.provenance),
        telling_lift_micro=telling_lift(
            admission, house, candidates.item_idx, origins & (_BIT_OF_HISTORY | _BIT_OF_VISIT) != 0
        ),
        evidence_tier=edges.highest(evidence_tier),
        min_support=min_support,
        min_sensitive_support=np.where(
            admission.tier_of(catalogue, candidates.item_idx) > 0,
            min_support,
            edges.fewest(np.where((evidence_tier > 0)[edges.piece], support, NO_EDGES)),
        ),
        evidence_age_micro=_at_number(strongest, _age_micro(evidence, house.limits.evidence)),
        evidence_channel_other=_at(strongest, (evidence.channel != request.channel.value) & of_history),
        same_item=own.same_item,
        same_kind=_same_kind(strongest, evidence, candidates, catalogue),
        same_visit=_at(strongest, ~of_history),
        stated=own.stated | _at(strongest, _wished_for(evidence)),
        latent=house.recommender.latent,
        near_muted_occasion=_near_muted_occasion(admission, catalogue, candidates.item_idx),
        reason_available=(edges.n_of > 0) | (candidates.base > 0),
        outside_outreach=_outside_outreach(admission, catalogue, candidates.item_idx),
        anchor_price_minor=_anchor_prices(request, catalogue, candidates.item_idx),
        basket_minor=_basket_value(request, catalogue),
        n_supported=_n_supported(edges, evidence, house.limits.support),
        top_score=_top_score(candidates),
        usefulness_floor=house.recommender.usefulness_floor,
        noticed=admission.history.notice_version is not None,
        category_bound=bool(request.placement.anchored or request.context.categories or request.within),
        **recall(rows)._asdict(),
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
    row, piece = rows.about(evidence)
    own.same_item[row] = True
    own.stated[row[_wished_for(evidence)[piece]]] = True
    return own


def _wished_for(evidence: Evidence) -> NDArray[np.bool_]:
    """Whether the customer put each piece on a wish list here; what others told is nobody's word."""
    return np.asarray((evidence.kind == Kind.WISHLIST.value) & (evidence.provenance == Provenance.OWN.value))


def _same_kind(
    strongest: NDArray[np.int32], evidence: Evidence, candidates: Candidates, catalogue: Catalogue
) -> NDArray[np.bool_]:
    """Whether the strongest evidence is of the category, or brand, of each candidate; bool, shape (n,)."""
    item_idx = np.append(evidence.item_idx, np.int32(0))[strongest]  # no evidence, -1, reads the last place
    theirs, its = catalogue.category[item_idx], catalogue.category[candidates.item_idx]
    of_brand = candidates.source == Source.BRAND.value
    if of_brand.any():
        theirs = np.where(of_brand, catalogue.brand[item_idx], theirs)
        its = np.where(of_brand, catalogue.brand[candidates.item_idx], its)
    return np.asarray((strongest >= 0) & (its == theirs) & (its != NO_CODE))


def _n_supported(edges: _Edges, evidence: Evidence, support: SupportLimits) -> int:
    """How many pieces of a person's own evidence propose something that enough customers stand behind.

    A purchase that proposes nothing but itself, to be bought again, is one of them, by the customers who
    came back for it. The page and the basket are none: they say what a person is looking at and not who
    it is, and speak for themselves on their own step of the ladder.
    """
    supported = np.zeros(len(evidence), np.bool_)
    supported[edges.piece[edges.candidates.support >= support.edge]] = True
    return int(np.count_nonzero(supported & (evidence.origin != Origin.CONTEXT.value)))


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


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    """Folds what is known of single contributions to one value a candidate.

    Attributes:
        candidates: n candidates with m contributions.
        n_of: shape (n,): how many contributions each candidate has.
        piece: shape (m,): row of the evidence that each contribution came from.
        with_any: rows of the candidates that have a contribution.
        starts: where the contributions of those begin.
    """

    candidates: Candidates
    n_of: NDArray[np.int64]
    piece: NDArray[np.int64]
    with_any: NDArray[np.int64]
    starts: NDArray[np.int32]

    @classmethod
    def of(cls, candidates: Candidates) -> _Edges:
        n_of = candidates.ptr[1:] - candidates.ptr[:-1]
        with_any = np.flatnonzero(n_of)
        return cls(
            candidates=candidates,
            n_of=n_of,
            piece=candidates.evidence.astype(np.int64),  # NumPy would widen it at every look-up
            with_any=with_any,
            starts=candidates.ptr[with_any],
        )

    def highest(self, value: NDArray[Value]) -> NDArray[Value]:
        """Greatest value of the evidence of each candidate; 0 without contributions; shape (n,)."""
        if not np.count_nonzero(value):
            return np.zeros(len(self.candidates), value.dtype)
        return self._folded(np.maximum, value[self.piece], 0)

    def united(self, bits: NDArray[np.int8]) -> NDArray[np.int8]:
        """All bits of the evidence of each candidate; 0 without contributions; shape (n,)."""
        return self._folded(np.bitwise_or, bits[self.piece], 0)

    def fewest(self, support: NDArray[np.int32]) -> NDArray[np.int32]:
        """Least support, shape (m,), per candidate; ``NO_EDGES`` without contributions; shape (n,)."""
        return self._folded(np.minimum, support, NO_EDGES)

    def strongest(self) -> NDArray[np.int32]:
        """Row of the evidence with the largest contribution to each candidate; -1 without any.

        Equal contributions go to the earlier row, so that reasons and columns agree.
        """
        contribution = self.candidates.contribution
        is_largest = contribution == np.repeat(self._folded(np.maximum, contribution, 0), self.n_of)
        return self._folded(np.minimum, np.where(is_largest, self.candidates.evidence, _AFTER_ALL), -1)

    def _folded(self, fold: np.ufunc, value: NDArray[Value], otherwise: int) -> NDArray[Value]:
        if self.starts.size == len(self.candidates) > 0:
            whole: NDArray[Value] = fold.reduceat(value, self.starts)
            return whole
        found = np.full(len(self.candidates), otherwise, value.dtype)
        if self.starts.size:
            found[self.with_any] = fold.reduceat(value, self.starts)
        return found


def _at(row: NDArray[np.int32], holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return ``holds`` at each row, shape (n,); no where the row is -1."""
    return np.append(holds, False)[row]  # -1 reads the last place


def _at_number(row: NDArray[np.int32], value: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``value`` at each row, shape (n,); 0 where the row is -1."""
    return np.append(value, 0)[row]


@lru_cache(maxsize=8)
def _greatest_ages(limits: EvidenceLimits) -> NDArray[np.int64]:
    """Greatest age of each kind, at least one day; read-only, and made once a policy."""
    greatest: NDArray[np.int64] = np.maximum(limits.max_age_days(), 1)
    greatest.setflags(write=False)
    return greatest


def _age_micro(evidence: Evidence, limits: EvidenceLimits) -> NDArray[np.int64]:
    """Age of each piece as a share of the greatest its kind may have, in millionths, at most a thousand."""
    greatest = _greatest_ages(limits)
    share: NDArray[np.int64] = evidence.age_days.astype(np.int64) * MICRO // greatest[evidence.kind]
    return np.minimum(share, 1_000 * MICRO)


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
    context, category = request.context, catalogue.category[item_idx]
    page_price = UNKNOWN_PRICE if context.item_idx is None else catalogue.price_minor[context.item_idx]
    found = np.full(item_idx.size, page_price, np.int64)
    anchors = list(context.anchors)
    dearest: dict[int, int] = {}
    for code, price in zip(
        catalogue.category[anchors].tolist(), catalogue.price_minor[anchors].tolist(), strict=True
    ):
        dearest[code] = max(price, dearest.get(code, UNKNOWN_PRICE))
    for code in dearest.keys() - {NO_CODE}:
        found[category == code] = dearest[code]
    return found


def _top_score(candidates: Candidates) -> int:
    """Return the score of the best candidate: of those that are new, as long as there are any.

    A model's usefulness is measured on what is new. What is bought again counts beside that as much as was
    learned, and would lift anybody over the floor.
    """
    new = candidates.score[candidates.source != Source.BUY_AGAIN.value]
    return int((new if new.size else candidates.score).max(initial=0))


def _basket_value(request: Request, catalogue: Catalogue) -> int:
    """Value of the basket in minor units; -1 when it is empty or a price in it is unknown."""
    prices: list[int] = catalogue.price_minor[list(request.context.basket)].tolist()
    return UNKNOWN_PRICE if not prices or UNKNOWN_PRICE in prices else sum(prices)
