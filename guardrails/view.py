"""Lay out what the rules look at: one row a candidate, computed once for all rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import NO_CODE, UNKNOWN_PRICE, Catalogue
from engine.interactions import DAY_MS, Interactions, age_in_days
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Basis, Intent, Kind, Origin, Provenance, Source
from guardrails.admit import Admission, Admitted, is_within
from guardrails.house import House
from guardrails.inference import telling_lift
from guardrails.policy.limits import EvidenceLimits, Limits, SupportLimits
from guardrails.request import Exposure, Request
from guardrails.rules.base import MICRO, NEVER_DAYS, NO_EDGES, NOT_COUNTED, View
from guardrails.sensitive.occasions import mask_of

_WEEK_DAYS = 7
_SELLING = (Intent.UPSELL, Intent.CROSS_SELL)
_KINDS = np.arange(len(Kind) + 1)  # tables that a kind points into: several times faster than asking
_WANTED = (_KINDS == Kind.CART) | (_KINDS == Kind.WISHLIST)
_LOOKED_AT = (_KINDS == Kind.VIEW) | _WANTED
_BIT_OF_HISTORY, _BIT_OF_VISIT = np.int8(1 << Origin.HISTORY), np.int8(1 << Origin.SESSION)
_AFTER_ALL = np.int32(np.iinfo(np.int32).max)  # row of no evidence: later than any

Value = TypeVar("Value", bound=np.generic)


def look(
    basis: Basis,
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
    edges = _Edges.of(candidates)
    origins = edges.united(np.left_shift(np.int8(1), evidence.origin))
    evidence_tier = admission.tier_of(catalogue, evidence.item_idx)
    of_history = evidence.origin == Origin.HISTORY.value
    rows = _Rows.of(candidates.item_idx)
    own, trail = _own(rows, evidence), _trail(rows, admitted.trail)
    strongest, min_support = edges.strongest(), edges.fewest(candidates.support)
    shown = _Shown.of(exposures, rows, request.now_ms)
    variety = house.limits.variety
    returned_days, category_returned_days = _returned(admitted.returns, catalogue, rows, request.now_ms)
    repeat, days_since_shown = house.limits.repeat, shown.days_since()
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
            edges.fewest(np.where((evidence_tier > 0)[edges.piece], candidates.support, NO_EDGES)),
        ),
        evidence_age_micro=_at_number(strongest, _age_micro(evidence, house.limits.evidence)),
        evidence_channel_other=_at(strongest, (evidence.channel != request.channel.value) & of_history),
        same_item=own.same_item,
        same_kind=_same_kind(strongest, evidence, candidates, catalogue),
        looked_at_days=trail.looked_at_days,
        wanted=trail.wanted,
        same_visit=_at(strongest, ~of_history),
        stated=own.stated | _at(strongest, _wished_for(evidence)),
        latent=house.recommender.latent,
        dismissed_nearby=_dismissed_nearby(
            admission, shown.waved_off(house.limits.holds.dismissed_days), catalogue, candidates.item_idx
        ),
        near_muted_occasion=_near_muted_occasion(admission, catalogue, candidates.item_idx),
        reason_available=(edges.n_of > 0) | (candidates.base > 0),
        outside_outreach=_outside_outreach(admission, catalogue, candidates.item_idx),
        anchor_price_minor=_anchor_prices(request, catalogue, candidates.item_idx),
        basket_minor=_basket_value(request, catalogue),
        n_ignored_short=shown.n_ignored_lately(repeat.window_days, days_since_shown),
        n_ignored_long=shown.n_ignored(repeat.hard_window_days),
        days_since_shown=days_since_shown,
        dismissed_days=shown.days_since_dismissed(),
        returned_days=returned_days,
        category_returned_days=category_returned_days,
        n_interruptive_session=(
            shown.n_slates(interruptive=True, same_session=True)
            if admission.may_read_session
            else NOT_COUNTED
        ),
        n_interruptive_week=(
            shown.n_slates(interruptive=True, days=_WEEK_DAYS) if admission.may_read_messages else NOT_COUNTED
        ),
        n_inline_upsells_session=shown.n_in_visit(_SELLING),
        n_upsell_steps_session=shown.n_in_visit((Intent.UPSELL,)),
        n_outbound_day=(
            shown.n_slates(outbound=True, days=1) if admission.may_read_messages else NOT_COUNTED
        ),
        n_outbound_week=(
            shown.n_slates(outbound=True, days=_WEEK_DAYS) if admission.may_read_messages else NOT_COUNTED
        ),
        n_interruptive_dismissed_session=shown.n_slates(interruptive=True, same_session=True, dismissed=True),
        n_supported=_n_supported(edges, evidence, house.limits.support),
        top_score=int(candidates.score.max(initial=0)),
        usefulness_floor=house.recommender.usefulness_floor,
        noticed=admission.history.notice_version is not None,
        category_bound=request.placement.anchored or bool(request.context.categories),
        recent_category=shown.one_category(catalogue, variety.from_count),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Finds items among n candidates; sorted once, because several things are looked up.

    Attributes:
        item_idx: shape (n,): catalogue row of each candidate.
        order: shape (n,): rows of the candidates by ascending catalogue row.
        ascending: shape (n,): those catalogue rows.
    """

    item_idx: NDArray[np.int32]
    order: NDArray[np.int64]
    ascending: NDArray[np.int32]

    @classmethod
    def of(cls, item_idx: NDArray[np.int32]) -> _Rows:
        order = np.argsort(item_idx, kind="stable")
        return cls(item_idx, order, item_idx[order])

    def __len__(self) -> int:
        return int(self.item_idx.size)

    def find(self, wanted: NDArray[Value]) -> NDArray[np.int64]:
        """Return the row of each wanted item, -1 where it is no candidate; shape like ``wanted``."""
        if not (len(self) and wanted.size):
            return np.full(wanted.size, -1, np.int64)
        place = np.minimum(self.ascending.searchsorted(wanted), len(self) - 1)
        return np.where(self.ascending[place] == wanted, self.order[place], -1)

    def about(self, evidence: Evidence) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the candidate and the piece of each piece of evidence that is about a candidate."""
        row = self.find(evidence.item_idx)
        piece = np.flatnonzero(row >= 0)
        return row[piece], piece


class _Own(NamedTuple):
    """What is known of the candidates themselves from the evidence of a step; shape (n,) each.

    Edges do not tell: no item goes with itself, so what was looked at and is proposed again is proposed
    because of something else.
    """

    same_item: NDArray[np.bool_]
    stated: NDArray[np.bool_]


def _own(rows: _Rows, evidence: Evidence) -> _Own:
    """Look every piece of evidence up among the candidates."""
    own = _Own(same_item=np.zeros(len(rows), np.bool_), stated=np.zeros(len(rows), np.bool_))
    row, piece = rows.about(evidence)
    own.same_item[row] = True
    own.stated[row[_wished_for(evidence)[piece]]] = True
    return own


class _Trail(NamedTuple):
    """What the customer did with the candidates themselves, whatever the step rests on; shape (n,) each."""

    looked_at_days: NDArray[np.int32]
    wanted: NDArray[np.bool_]


def _trail(rows: _Rows, trail: Evidence) -> _Trail:
    """Look up what was done with each candidate, by the customer as far as it is wanted."""
    found = _Trail(np.full(len(rows), NEVER_DAYS, np.int32), np.zeros(len(rows), np.bool_))
    row, piece = rows.about(trail)
    kind, here = trail.kind[piece], trail.provenance[piece] == Provenance.OWN.value
    looked_at = _LOOKED_AT[kind]
    found.wanted[row[_WANTED[kind] & here]] = True
    np.minimum.at(found.looked_at_days, row[looked_at], trail.age_days[piece[looked_at]])
    found.looked_at_days[row[kind == Kind.PURCHASE.value]] = NEVER_DAYS
    return found


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
        _WEEK_DAYS,
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


_NUMBERS = attrgetter("item_idx", "at_ms", "decision", "intent")
_FLAGS = attrgetter("acted_on", "same_session", "interruptive", "outbound", "dismissed")


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """Counts over what was shown before; one entry an exposure, shape (k,), and columns for n candidates.

    Attributes:
        item_idx: catalogue row that was shown.
        row: row of the candidate that it is, -1 where it is none of them.
        n: number of candidates.
        age_days: whole days since.
        decision: number that tells slates apart.
        intent: what it was shown for.
        ignored: it was not acted on.
        same_session: it was shown in this visit.
        interruptive: it stopped the customer.
        outbound: the shop spoke first.
        dismissed: it was waved off.
    """

    item_idx: NDArray[np.int64]
    row: NDArray[np.int64]
    n: int
    age_days: NDArray[np.int64]
    decision: NDArray[np.int64]
    intent: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    same_session: NDArray[np.bool_]
    interruptive: NDArray[np.bool_]
    outbound: NDArray[np.bool_]
    dismissed: NDArray[np.bool_]

    @classmethod
    def of(cls, exposures: tuple[Exposure, ...], rows: _Rows, now_ms: int) -> _Shown:
        numbers = np.fromiter(chain.from_iterable(map(_NUMBERS, exposures)), np.int64).reshape(-1, 4).T
        flags = np.fromiter(chain.from_iterable(map(_FLAGS, exposures)), np.bool_).reshape(-1, 5).T
        return cls(
            item_idx=numbers[0],
            row=rows.find(numbers[0]),
            n=len(rows),
            age_days=(now_ms - numbers[1]) // DAY_MS,
            decision=numbers[2],
            intent=numbers[3],
            ignored=~flags[0],
            same_session=flags[1],
            interruptive=flags[2],
            outbound=flags[3],
            dismissed=flags[4],
        )

    def n_ignored(self, window_days: int) -> NDArray[np.int32]:
        """How often each candidate was shown and not acted on within the window; shape (n,)."""
        return self._times(self.ignored & (self.age_days < window_days))

    def n_ignored_lately(self, window_days: int, days_since: NDArray[np.int32]) -> NDArray[np.int32]:
        """The same, with a window that ends when the candidate was last shown; shape (n,).

        Counted back from now, a pause would end early: while it lasts nothing is shown, and the
        showings that brought it about would leave the window one by one.
        """
        since_last = np.append(days_since, 0)[self.row]  # none of the candidates reads the last place
        return self._times(self.ignored & (self.age_days - since_last < window_days))

    def days_since(self) -> NDArray[np.int32]:
        """Whole days since each candidate was last shown; shape (n,)."""
        return self._least_days(self.row >= 0)

    def days_since_dismissed(self) -> NDArray[np.int32]:
        """Whole days since each candidate was shown and waved off; shape (n,)."""
        return self._least_days(self.dismissed)

    def waved_off(self, days: int) -> list[int]:
        """Items that were waved off at most so many days ago; one may be there several times."""
        rows: list[int] = self.item_idx[self.dismissed & (self.age_days <= days)].tolist()
        return rows

    def one_category(self, catalogue: Catalogue, n_at_least: int) -> int:
        """Category of all that was shown in this visit and this week, if it was one; else ``NO_CODE``.

        Fewer than ``n_at_least`` suggestions say nothing of a tunnel, nor do items of no category.
        """
        rows = self.item_idx[self.same_session | (self.age_days < _WEEK_DAYS)]
        categories = set(catalogue.category[rows].tolist()) if rows.size >= max(n_at_least, 1) else set()
        return categories.pop() if len(categories) == 1 else NO_CODE

    def n_in_visit(self, intents: Collection[Intent]) -> int:
        """Suggestions with one of the intents in this visit, interruptive ones not counted."""
        inline: list[int] = self.intent[self.same_session & ~self.interruptive].tolist()
        return sum(inline.count(intent.value) for intent in intents)

    def n_slates(
        self,
        *,
        interruptive: bool = False,
        outbound: bool = False,
        same_session: bool = False,
        dismissed: bool = False,
        days: int | None = None,
    ) -> int:
        """Slates of the kind asked for, within so many days."""
        wanted = np.ones(self.row.size, np.bool_)
        for asked, holds in (
            (interruptive, self.interruptive),
            (outbound, self.outbound),
            (same_session, self.same_session),
            (dismissed, self.dismissed),
        ):
            if asked:
                wanted &= holds
        if days is not None:
            wanted &= self.age_days < days
        return len(set(self.decision[wanted].tolist()))

    def _times(self, holds: NDArray[np.bool_]) -> NDArray[np.int32]:
        """How often it holds of each candidate; shape (n,)."""
        rows = self.row[holds]
        return np.bincount(rows[rows >= 0], minlength=self.n).astype(np.int32)

    def _least_days(self, holds: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Least age of each candidate where it holds; shape (n,)."""
        if not np.count_nonzero(holds):
            return np.full(self.n, NEVER_DAYS, np.int32)
        holds = holds & (self.row >= 0)
        least = np.full(self.n, NEVER_DAYS, np.int32)
        np.minimum.at(least, self.row[holds], self.age_days[holds].astype(np.int32))
        return least


def _least(keys: Iterable[int], values: Iterable[int]) -> dict[int, int]:
    """Return the least value of each key."""
    least: dict[int, int] = {}
    for key, value in zip(keys, values, strict=True):
        least[key] = min(value, least.get(key, value))
    return least


def _returned(
    returns: Interactions, catalogue: Catalogue, rows: _Rows, now_ms: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Days since the item, and since anything of its category, was returned; shape (n,) each."""
    of_item = np.full(len(rows), NEVER_DAYS, np.int32)
    of_category = of_item.copy()
    if len(returns):
        days = age_in_days(returns.at_ms, now_ms)
        row = rows.find(returns.item_idx)
        np.minimum.at(of_item, row[row >= 0], days[row >= 0].astype(np.int32))
        category = catalogue.category[rows.item_idx]
        for code, since in _least(catalogue.category[returns.item_idx].tolist(), days.tolist()).items():
            if code != NO_CODE:
                of_category[category == code] = since
    return of_item, of_category


def _dismissed_nearby(
    admission: Admission, dismissed: Iterable[int], catalogue: Catalogue, item_idx: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Whether an item of the candidate's category or class was muted or waved off; bool, shape (n,)."""
    known = catalogue.idx_of_id
    rows = [*dismissed, *(known[name] for name in admission.muted.items if name in known)]
    if not rows:
        return np.zeros(item_idx.size, np.bool_)
    near = np.zeros(item_idx.size, np.bool_)
    for codes in (catalogue.category, catalogue.sensitive_class):
        waved_off = codes[rows]
        near |= np.isin(codes[item_idx], waved_off[waved_off != NO_CODE])
    return near


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


def _basket_value(request: Request, catalogue: Catalogue) -> int:
    """Value of the basket in minor units; -1 when it is empty or a price in it is unknown."""
    prices: list[int] = catalogue.price_minor[list(request.context.basket)].tolist()
    return UNKNOWN_PRICE if not prices or UNKNOWN_PRICE in prices else sum(prices)
