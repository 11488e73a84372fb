"""The rule: one question, asked of all candidates of a request at once.

A rule looks at a ``View`` (columns, one row a candidate) and returns a ``Judgement`` (columns
again): what it says of each, the value it observed and the limit it held it against. It never
sees a customer id. A rule that raises is answered for by ``guardrails.judge``: it withholds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import Catalogue
from engine.vocabulary import Basis, Intent
from guardrails.admit import Admission
from guardrails.policy.limits import Limits
from guardrails.request import Request

_SELLING = np.isin(np.arange(max(Intent) + 1), (Intent.UPSELL, Intent.CROSS_SELL))  # by intent

MICRO = 1_000_000
"""Probabilities, shares and factors are recorded in millionths."""


class Effect(IntEnum):
    """What a rule says of one candidate; a higher number is more restrictive."""

    ALLOW = 0
    EXPLAIN = 1  # may be shown only together with its reason
    DEMOTE = 2
    GENERALISE = 3  # too specific as it stands: withheld in this form
    BLOCK = 4
    GAP = 5  # the rule could not tell; withholds


OBLIGES: Mapping[str, int] = MappingProxyType({"explain": 1, "disclose_sponsored": 2, "hand_off": 4})
"""What a rule may ask for besides its effect: bits that add up. The numbers are recorded."""


@lru_cache(maxsize=8)
def obligations(bits: int) -> tuple[str, ...]:
    """Return the words of what is asked for.

    >>> obligations(5)
    ('explain', 'hand_off')
    """
    return tuple(name for name, bit in OBLIGES.items() if bits & bit)


class Unit(StrEnum):
    """What ``observed`` and ``limit`` count."""

    FLAG = "flag"
    TIER = "tier"
    CUSTOMERS = "customers"
    DAYS = "days"
    MINUTES = "minutes"
    COUNT = "count"
    MICRO = "micro"


@dataclass(frozen=True, eq=False)
class View:
    """All that rules may look at: one row a candidate, plus what holds for the whole request.

    Arrays have shape (n,) unless said otherwise. What follows from other columns is worked out when a rule
    first asks for it, and kept as long as the view.

    Attributes:
        request: what was asked.
        admission: which purposes stand, what is muted.
        catalogue: the snapshot that ``item_idx`` points into.
        basis: how personal the step of the ladder is that is being judged.
        item_idx: int32 catalogue rows.
        intent: int8, ``Intent``.
        source: int8, ``Source``.
        from_history: bool: customer-keyed evidence moved the score.
        from_visit: bool: evidence of this visit moved the score.
        evidence_provenance: int8: the furthest ``Provenance`` of the evidence that moved the score.
        telling_lift_micro: int64: how much likelier the item makes a sensitive class that the customer
            has not agreed to, the greatest of them, where evidence of a person moved the score; else 0.
        evidence_tier: int8: highest tier among the evidence that moved the score; 0 without any.
        min_support: int32: fewest distinct customers behind any edge used; a large number without edges.
        min_sensitive_support: int32: the same over edges with a tier of 1 or more at either end.
        evidence_age_micro: int64: age of the strongest evidence, the one a reason names, as a share of
            its kind's greatest age, in millionths; every candidate has some old evidence that hardly counts.
        evidence_channel_other: bool: the strongest evidence came from another channel of the shop.
        same_item: bool: the candidate itself is among the evidence that was used, whatever it counted for.
        same_kind: bool: the strongest evidence is of the candidate's category; where it stands in for its
            brand, of its brand.
        looked_at_days: int32: whole days since the candidate itself was looked at, put in the cart or on a
            wish list, as far as that may be known, whatever the step rests on; a large number where it was
            not, or was bought.
        wanted: bool: the customer put the candidate itself in the cart or on a wish list, in this shop.
        same_visit: bool: the strongest evidence is the page, the basket or this visit.
        stated: bool: the customer put it, or its strongest evidence, on a wish list of this shop.
        latent: whether the model's edges are latent factors rather than counted pairs.
        dismissed_nearby: bool: something of its category or its sensitive class was muted or waved off.
        near_muted_occasion: bool: not made for an occasion that the customer muted, but something else of
            its category is.
        reason_available: bool: a faithful reason can be given.
        outside_outreach: bool: the permission to speak first is for other goods than this one (soft opt-in).
        anchor_price_minor: int64: price of the anchor an upsell is held against; -1 without one.
        basket_minor: int64 scalar: value of the basket; -1 when unknown.
        n_ignored_short: int32: shown and ignored within the short window (``repeat.window_days``) that
            ends when the item was last shown.
        n_ignored_long: int32: shown and ignored within the long window (``repeat.hard_window_days``).
        days_since_shown: int32: whole days since last shown; a large number when never.
        dismissed_days: int32: whole days since the item was waved off or called too personal, on
            whatever channel; a large number when never.
        returned_days: int32: whole days since the item was returned; a large number when never.
        category_returned_days: int32: the same for anything of its category.
        n_interruptive_session: int scalar: interruptive slates in this visit.
        n_interruptive_week: int scalar: interruptive slates in the last seven days.
        n_inline_upsells_session: int scalar: inline upsells and cross-sells shown in this visit.
        n_upsell_steps_session: int scalar: upsells shown in this visit.
        n_outbound_day: int scalar: outbound messages in the last day.
        n_outbound_week: int scalar: outbound messages in the last seven days.
        n_interruptive_dismissed_session: int scalar: interruptive slates waved off in this visit.
        n_supported: int scalar: pieces of evidence of which the model knows enough to propose something.
        top_score: int scalar: score of the best candidate that is new, or of the best where none is.
        usefulness_floor: int scalar: score from which on the model was measured to be of use.
        noticed: bool scalar: the permission to use history names the notice it was given under.
        category_bound: bool scalar: what is shown belongs to the page's item, basket or categories.
        recent_category: int scalar: category code of all that was shown lately, if it was one and the same
            and enough was shown to say so; else -1.
    """

    request: Request
    admission: Admission
    catalogue: Catalogue
    basis: Basis
    item_idx: NDArray[np.int32]
    intent: NDArray[np.int8]
    source: NDArray[np.int8]
    from_history: NDArray[np.bool_]
    from_visit: NDArray[np.bool_]
    evidence_provenance: NDArray[np.int8]
    telling_lift_micro: NDArray[np.int64]
    evidence_tier: NDArray[np.int8]
    min_support: NDArray[np.int32]
    min_sensitive_support: NDArray[np.int32]
    evidence_age_micro: NDArray[np.int64]
    evidence_channel_other: NDArray[np.bool_]
    same_item: NDArray[np.bool_]
    same_kind: NDArray[np.bool_]
    looked_at_days: NDArray[np.int32]
    wanted: NDArray[np.bool_]
    same_visit: NDArray[np.bool_]
    stated: NDArray[np.bool_]
    latent: bool
    dismissed_nearby: NDArray[np.bool_]
    near_muted_occasion: NDArray[np.bool_]
    reason_available: NDArray[np.bool_]
    outside_outreach: NDArray[np.bool_]
    anchor_price_minor: NDArray[np.int64]
    basket_minor: int
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
    n_supported: int
    top_score: int
    usefulness_floor: int
    noticed: bool
    category_bound: bool
    recent_category: int

    def __len__(self) -> int:
        return int(self.item_idx.size)

    @cached_property
    def tier(self) -> NDArray[np.int8]:
        """Tier of each candidate for this customer, 0 to 3; see ``Admission.tier_of``."""
        return self.admission.tier_of(self.catalogue, self.item_idx)

    @cached_property
    def greatest_tier(self) -> int:
        """Highest tier of any item and of any evidence; 0 where there is none."""
        return int(max(self.tier.max(initial=0), self.evidence_tier.max(initial=0)))

    @cached_property
    def age_restricted(self) -> NDArray[np.bool_]:
        """Whether each candidate is for adults only."""
        return self.catalogue.age_restricted[self.item_idx]

    @cached_property
    def n_selling(self) -> int:
        """How many candidates are upsells or cross-sells."""
        return int(np.count_nonzero(_SELLING[self.intent]))

    @cached_property
    def sponsored(self) -> NDArray[np.bool_]:
        """Whether somebody pays for each candidate's being suggested."""
        return self.catalogue.sponsored[self.item_idx]

    @cached_property
    def pressing(self) -> NDArray[np.bool_]:
        """Whether the title of each candidate presses the reader."""
        return self.catalogue.pressing[self.item_idx]

    @cached_property
    def unclassified(self) -> NDArray[np.bool_]:
        """Whether there is nothing but a title to tell how sensitive each candidate is."""
        return self.catalogue.unclassified[self.item_idx]

    @cached_property
    def occasion_muted(self) -> NDArray[np.bool_]:
        """Whether each candidate is made for an occasion that the customer muted."""
        return self.admission.muted.covers_occasion(self.catalogue, self.item_idx)

    @cached_property
    def sensitive_class(self) -> NDArray[np.int16]:
        """Class code of each candidate, -1 for none."""
        return self.catalogue.sensitive_class[self.item_idx]

    @cached_property
    def price_minor(self) -> NDArray[np.int64]:
        """Price of each candidate in minor units, -1 when unknown."""
        return self.catalogue.price_minor[self.item_idx]

    @cached_property
    def category(self) -> NDArray[np.int32]:
        """Category code of each candidate, -1 when unknown."""
        return self.catalogue.category[self.item_idx]

    @cached_property
    def brand(self) -> NDArray[np.int32]:
        """Brand code of each candidate, -1 when unknown."""
        return self.catalogue.brand[self.item_idx]


NEVER_DAYS = np.iinfo(np.int32).max
"""Stands for "never happened" in columns of days."""

NOT_COUNTED = -1
"""Stands for "nobody may count this" in counts; not the same as none."""

NO_EDGES = np.iinfo(np.int32).max
"""Stands for "no edge was used" in columns of support."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What one rule says of every candidate; arrays have shape (n,).

    Attributes:
        effect: int8, an ``Effect``.
        observed: int64, the value looked at, in the rule's unit.
        limit: int64, the value it was held against, in the rule's unit.
        factor_micro: int64, what a demotion multiplies the rank score by; ``MICRO`` where not demoted.
        obliges: int8, bits of ``OBLIGES``; ``None`` where nothing is asked for besides.
    """

    effect: NDArray[np.int8]
    observed: NDArray[np.int64]
    limit: NDArray[np.int64]
    factor_micro: NDArray[np.int64]
    obliges: NDArray[np.int8] | None = None

    def speaks_of(self, row: int) -> bool:
        """Tell whether it says more than "allow" of one candidate."""
        asks = self.obliges is not None and self.obliges[row] != 0
        return bool(self.effect[row] != Effect.ALLOW or asks)

    @classmethod
    def of(
        cls,
        effect: NDArray[np.int8],
        observed: NDArray[np.int64] | NDArray[np.int32] | NDArray[np.int8] | NDArray[np.bool_],
        limit: int | NDArray[np.int64],
        factor_micro: NDArray[np.int64] | None = None,
    ) -> Judgement:
        """Widen the columns and fill in what a plain rule leaves out."""
        n = effect.size
        return cls(
            effect=effect.astype(np.int8, copy=False),
            observed=observed.astype(np.int64, copy=False),
            limit=the_same(n, limit) if isinstance(limit, int) else limit,
            factor_micro=the_same(n, MICRO) if factor_micro is None else factor_micro,
        )


@lru_cache(maxsize=1024)
def the_same(n: int, number: int) -> NDArray[np.int64]:
    """Return ``n`` times the same number; read-only, and made once, since most rules hold one limit."""
    column = np.full(n, number, np.int64)
    column.setflags(write=False)
    return column


@lru_cache(maxsize=256)
def silent(n: int) -> Judgement:
    """Return what a rule says that has nothing to say of ``n`` candidates: allow, 0 against 0.

    Read-only and made once, so that judging can tell at a glance that there is nothing to look at.
    """
    allow = np.zeros(n, np.int8)
    allow.setflags(write=False)
    return Judgement(allow, the_same(n, 0), the_same(n, 0), the_same(n, MICRO))


_BYTE_OF = tuple(np.int8(effect) for effect in Effect)


def effect_where(condition: NDArray[np.bool_], effect: Effect) -> NDArray[np.int8]:
    """Return the effect where the condition, shape (n,), holds and ``ALLOW`` elsewhere, int8."""
    return condition.view(np.int8) * _BYTE_OF[effect]  # a bool is one byte, 0 or 1; half the time of choosing


def blocked_where(condition: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Return ``BLOCK`` where the condition, shape (n,), holds and ``ALLOW`` elsewhere, int8."""
    return effect_where(condition, Effect.BLOCK)


def flagged(condition: NDArray[np.bool_]) -> Judgement:
    """Block where the condition, shape (n,), holds: 1 against 0; silent where it holds of none."""
    if not np.count_nonzero(condition):  # several times faster than asking whether there is any
        return silent(condition.size)
    return Judgement.of(blocked_where(condition), condition, 0)


class Listed(ABC):
    """What every rule says of itself, whether it is asked of a candidate or of a list.

    Attributes:
        id: catalogue number, e.g. ``"G17"``; a rule of a list may be the part that only a list can keep.
        name: catalogue name, e.g. ``"PRICE_ESCALATION"``.
        locked: a shop may tighten it, never loosen it.
        reason_code: code of the closed registry in ``guardrails.log.codes``.
        sentence: what a customer is told, plain words, at most 140 characters.
        ground: the law or the research it rests on.
        unit: what ``observed`` and ``limit`` count.
    """

    id: str
    name: str
    locked: bool
    reason_code: str
    sentence: str
    ground: str
    unit: Unit


class Rule(Listed):
    """One question. Subclasses set the class variables and implement ``judge``."""

    def __init_subclass__(cls) -> None:
        """Let a rule that judges in its own way be asked always, unless it says otherwise itself."""
        super().__init_subclass__()
        if "judge" in vars(cls) and "is_silent" not in vars(cls):
            cls.is_silent = Rule.is_silent  # type: ignore[method-assign]  # what a parent says is not true of it

    @abstractmethod
    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say something of every candidate of ``view``, in the same order."""

    def is_silent(self, view: View, limits: Limits) -> bool:
        """Tell at a glance whether it has nothing to say of any candidate, so that it need not be asked.

        Where it tells so, ``judge`` allows every candidate, and demotes and asks for nothing. It need not
        find every case of that.
        """
        del view, limits
        return False


class WatchedRule(NamedTuple):
    """A rule whose verdicts are recorded and counted, and withhold nothing.

    Attributes:
        rule: the rule.
        warns: the answer names it beside what it would have acted on.
    """

    rule: Rule
    warns: bool
