"""What the customer's past says of the candidates themselves: what was done with them, shown, waved off.

Everything else that rules look at follows from request, admission, evidence, model and catalogue, and can be
computed again as long as those are kept. This cannot: a record holds what was counted, and not the
interactions and showings that it was counted from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import NO_CODE, Catalogue
from engine.interactions import DAY_MS, Interactions, age_in_days
from engine.serving.candidates import Evidence
from engine.vocabulary import Intent, Kind, Provenance
from guardrails.admit import Admission, Admitted
from guardrails.exposures import Exposures
from guardrails.house import House
from guardrails.request import Request
from guardrails.rules.base import NEVER_DAYS, NOT_COUNTED

WEEK_DAYS = 7
_SELLING = (Intent.UPSELL, Intent.CROSS_SELL)
_KINDS = np.arange(len(Kind) + 1)  # tables that a kind points into: several times faster than asking
_WANTED = (_KINDS == Kind.CART) | (_KINDS == Kind.WISHLIST)
_LOOKED_AT = (_KINDS == Kind.VIEW) | _WANTED

Value = TypeVar("Value", bound=np.generic)


class Past(NamedTuple):
    """Columns and counts of a ``View`` that come from the customer's past; described there."""

    looked_at_days: NDArray[np.int32]
    wanted: NDArray[np.bool_]
    dismissed_nearby: NDArray[np.bool_]
    n_ignored_short: NDArray[np.int32]
    n_ignored_long: NDArray[np.int32]
    days_since_shown: NDArray[np.int32]
    dismissed_days: NDArray[np.int32]
    returned_days: NDArray[np.int32]
    category_returned_days: NDArray[np.int32]
    n_interruptive_session: int
    n_interruptive_week: int
    n_inline_upsells_session: int
    n_upsell_steps_session: int
    n_outbound_day: int
    n_outbound_week: int
    n_interruptive_dismissed_session: int
    recent_category: int


class Recall(Protocol):
    """Tells the past of any candidates."""

    def __call__(self, rows: Rows, /) -> Past:
        """Return the past of the candidates of ``rows``, in their order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What was read of the customer, and what may be known of it.

    Attributes:
        request: the clock.
        admission: what may be counted.
        admitted: what was done, as far as it was admitted.
        exposures: what was shown, as far as that may be known.
        house: the catalogue, and the times of the policy.
    """

    request: Request
    admission: Admission
    admitted: Admitted
    exposures: Exposures
    house: House

    def recall(self, rows: Rows) -> Past:
        """Return what the past says of the candidates of ``rows``."""
        catalogue, limits, admission = self.house.catalogue, self.house.limits, self.admission
        trail = _trail(rows, self.admitted.trail)
        shown = _Shown.of(self.exposures, rows, self.request.now_ms)
        returned_days, category_returned_days = _returned(
            self.admitted.returns, catalogue, rows, self.request.now_ms
        )
        repeat, days_since_shown = limits.repeat, shown.days_since()
        counts_messages = admission.may_read_messages
        return Past(
            looked_at_days=trail.looked_at_days,
            wanted=trail.wanted,
            dismissed_nearby=_dismissed_nearby(
                admission, shown.waved_off(limits.holds.dismissed_days), catalogue, rows.item_idx
            ),
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
                shown.n_slates(interruptive=True, days=WEEK_DAYS) if counts_messages else NOT_COUNTED
            ),
            n_inline_upsells_session=shown.n_in_visit(_SELLING),
            n_upsell_steps_session=shown.n_in_visit((Intent.UPSELL,)),
            n_outbound_day=shown.n_slates(outbound=True, days=1) if counts_messages else NOT_COUNTED,
            n_outbound_week=(
                shown.n_slates(outbound=True, days=WEEK_DAYS) if counts_messages else NOT_COUNTED
            ),
            n_interruptive_dismissed_session=shown.n_slates(
                interruptive=True, same_session=True, dismissed=True
            ),
            recent_category=shown.one_category(catalogue, limits.variety.from_count),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
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
    def of(cls, item_idx: NDArray[np.int32]) -> Rows:
        """Sort the catalogue rows of candidates."""
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


class _Trail(NamedTuple):
    """What the customer did with the candidates themselves, whatever the step rests on; shape (n,) each."""

    looked_at_days: NDArray[np.int32]
    wanted: NDArray[np.bool_]


def _trail(rows: Rows, trail: Evidence) -> _Trail:
    """Look up what was done with each candidate, by the customer as far as it is wanted."""
    found = _Trail(np.full(len(rows), NEVER_DAYS, np.int32), np.zeros(len(rows), np.bool_))
    row, piece = rows.about(trail)
    if not piece.size:
        return found
    kind, here = trail.kind[piece], trail.provenance[piece] == Provenance.OWN.value
    looked_at = _LOOKED_AT[kind]
    found.wanted[row[_WANTED[kind] & here]] = True
    np.minimum.at(found.looked_at_days, row[looked_at], trail.age_days[piece[looked_at]])
    found.looked_at_days[row[kind == Kind.PURCHASE.value]] = NEVER_DAYS
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """Counts over what was shown before; columns for n candidates.

    Attributes:
        exposures: all that was shown, shape (k,).
        n: number of candidates.
        row: row of the candidate that each is, -1 where it is none of them; shape (k,).
        age_days: whole days since each; shape (k,).
        ignored: whether each was not acted on; shape (k,).
    """

    exposures: Exposures
    n: int
    row: NDArray[np.int64]
    age_days: NDArray[np.int64]
    ignored: NDArray[np.bool_]

    @classmethod
    def of(cls, exposures: Exposures, rows: Rows, now_ms: int) -> _Shown:
        return cls(
            exposures=exposures,
            n=len(rows),
            row=rows.find(exposures.item_idx),
            age_days=(now_ms - exposures.at_ms) // DAY_MS,
            ignored=~exposures.acted_on,
        )

    def n_ignored(self, window_days: int) -> NDArray[np.int32]:
        """How often each candidate was shown and not acted on within the window; shape (n,)."""
        return self._times(self.ignored & (self.age_days < window_days))

    def n_ignored_lately(self, window_days: int, days_since: NDArray[np.int32]) -> NDArray[np.int32]:
        """The same, with a window that ends when the candidate was last shown; shape (n,).

        Counted back from now, a pause would end early: while it lasts nothing is shown, and the
        showings that brought it about would leave the window one by one.
        """
        if not np.count_nonzero(self.ignored):
            return np.zeros(self.n, np.int32)
        since_last = np.append(days_since, 0)[self.row]  # none of the candidates reads the last place
        return self._times(self.ignored & (self.age_days - since_last < window_days))

    def days_since(self) -> NDArray[np.int32]:
        """Whole days since each candidate was last shown; shape (n,)."""
        return self._least_days(self.row >= 0)

    def days_since_dismissed(self) -> NDArray[np.int32]:
        """Whole days since each candidate was shown and waved off; shape (n,)."""
        return self._least_days(self.exposures.dismissed)

    def waved_off(self, days: int) -> list[int]:
        """Items that were waved off at most so many days ago; one may be there several times."""
        if not np.count_nonzero(self.exposures.dismissed):
            return []
        rows: list[int] = self.exposures.item_idx[self.exposures.dismissed & (self.age_days <= days)].tolist()
        return rows

    def one_category(self, catalogue: Catalogue, n_at_least: int) -> int:
        """Category of all that was shown in this visit and this week, if it was one; else ``NO_CODE``.

        Fewer than ``n_at_least`` suggestions say nothing of a tunnel, nor do items of no category.
        """
        if self.exposures.item_idx.size < n_at_least:
            return NO_CODE
        rows = self.exposures.item_idx[self.exposures.same_session | (self.age_days < WEEK_DAYS)]
        categories = set(catalogue.category[rows].tolist()) if rows.size >= max(n_at_least, 1) else set()
        return categories.pop() if len(categories) == 1 else NO_CODE

    def n_in_visit(self, intents: Collection[Intent]) -> int:
        """Suggestions with one of the intents in this visit, interruptive ones not counted."""
        if not np.count_nonzero(self.exposures.same_session):
            return 0
        here = self.exposures.same_session & ~self.exposures.interruptive
        inline: list[int] = self.exposures.intent[here].tolist()
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
            (interruptive, self.exposures.interruptive),
            (outbound, self.exposures.outbound),
            (same_session, self.exposures.same_session),
            (dismissed, self.exposures.dismissed),
        ):
            if asked:
                wanted &= holds
                if not np.count_nonzero(wanted):
                    return 0
        if days is not None:
            wanted &= self.age_days < days
        return len(set(self.exposures.decision[wanted].tolist()))

    def _times(self, holds: NDArray[np.bool_]) -> NDArray[np.int32]:
        """How often it holds of each candidate; shape (n,)."""
        if not np.count_nonzero(holds):
            return np.zeros(self.n, np.int32)
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
    returns: Interactions, catalogue: Catalogue, rows: Rows, now_ms: int
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
