"""Admit: which evidence a decision may use. Everything else is removed before scoring.

Two steps, because what may be *read* must be known before anything is read:

1. ``admit`` holds the customer's choices against the purposes that the placement needs and says
   which stores the edge may read.
2. ``select`` goes through what was read, piece by piece, and keeps what may count.

Whatever is not kept never reaches the sum, so it cannot change one byte of the slate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import Catalogue
from engine.interactions import WEIGHT_ONE, Interactions, Weighting, age_in_days
from engine.serving.candidates import Evidence, Mask
from engine.vocabulary import Channel, Kind, Origin, Provenance
from guardrails.consent.check import check
from guardrails.consent.collection import coverage
from guardrails.consent.jurisdictions import raised_where
from guardrails.consent.ledger import Ledger
from guardrails.consent.permission import LAPSED, TAKEN_BACK, Denial, LawfulBasis, Permission
from guardrails.consent.purposes import KEY_OF, Purpose, outreach_key, sensitive_key
from guardrails.consent.settings import ConsentSettings
from guardrails.holding import Holding
from guardrails.policy.limits import EvidenceLimits
from guardrails.request import AgeAssurance, Choices, Known, Mute, MuteScope, Request, SubjectKind
from guardrails.sensitive.occasions import mask_of
from guardrails.sensitive.raising import raised

SENSITIVE_FROM_TIER = 2
"""From this tier on an item needs the explicit consent of its class."""

CONTEXT_WEIGHT = 8
"""What is on the page outweighs any single piece of history, in multiples of a purchase today."""

SESSION_WEIGHT = 3
"""What happened in this visit counts more than what happened before, in the same multiples."""

SESSION_PURPOSES = (Purpose.LIMITED_CONTENT, Purpose.PROFILING)
"""Purposes under which an interaction of this visit may be used during it."""

_HOUR_MS = 3_600_000

_ITEM_BIT, _ORIGIN_BIT = 8, 48  # kind or channel below, then an item or an age, then an origin


@dataclass(frozen=True, slots=True)
class Muted:
    """What is muted at this moment, by scope.

    Attributes:
        items: item ids.
        brands: brand names.
        categories: category paths; each covers everything below it.
        classes: sensitive classes.
        occasions: names of occasions.
    """

    items: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    occasions: frozenset[str] = frozenset()

    @classmethod
    def in_force(cls, mutes: Iterable[Mute], now_ms: int) -> Muted:
        """Sort the mutes that have not ended by their scope."""
        standing = [mute for mute in mutes if mute.until_ms is None or mute.until_ms > now_ms]
        by_scope = {
            scope: frozenset(mute.value for mute in standing if mute.scope is scope) for scope in MuteScope
        }
        return cls(
            items=by_scope[MuteScope.ITEM],
            brands=by_scope[MuteScope.BRAND],
            categories=by_scope[MuteScope.CATEGORY],
            classes=by_scope[MuteScope.SENSITIVE_CLASS],
            occasions=by_scope[MuteScope.OCCASION],
        )

    @property
    def goods(self) -> bool:
        """Whether anything but an occasion is muted."""
        return bool(self.items or self.brands or self.categories or self.classes)

    def covers(self, catalogue: Catalogue, item_idx: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return for each catalogue row, shape (n,), whether it is muted; bool.

        An occasion is a rule of its own, see ``covers_occasion``.
        """
        if not self.goods:
            return np.zeros(item_idx.shape, np.bool_)
        return np.fromiter(
            (self._covers_one(catalogue, int(idx)) for idx in item_idx), np.bool_, item_idx.size
        )

    def covers_occasion(self, catalogue: Catalogue, item_idx: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return for each catalogue row, shape (n,), whether it is made for a muted occasion; bool."""
        if not self.occasions:
            return np.zeros(item_idx.shape, np.bool_)
        return np.asarray(catalogue.occasions[item_idx] & mask_of(*self.occasions) != 0)

    def _covers_one(self, catalogue: Catalogue, idx: int) -> bool:
        brand, category = int(catalogue.brand[idx]), int(catalogue.category[idx])
        sensitive = int(catalogue.sensitive_class[idx])
        return (
            catalogue.item_ids[idx] in self.items
            or (brand >= 0 and catalogue.brands[brand] in self.brands)
            or (sensitive >= 0 and catalogue.sensitive_classes[sensitive] in self.classes)
            or (category >= 0 and is_within(catalogue.categories[category], self.categories))
        )


def is_within(path: str, above: Collection[str]) -> bool:
    """Tell whether a category is one of ``above`` or lies below one of them.

    >>> is_within("Food > Tea", {"Food"}), is_within("Foods", {"Food"})
    (True, False)
    """
    return any(path == each or path.startswith(f"{each} > ") for each in above)


def in_classes(
    catalogue: Catalogue, item_idx: NDArray[np.int32], names: Collection[str]
) -> NDArray[np.bool_]:
    """Return for each catalogue row, shape (n,), whether its sensitive class is one of ``names``; bool.

    An item of no class is in none.
    """
    if not names:
        return np.zeros(item_idx.shape, np.bool_)
    by_class = np.array([name in names for name in catalogue.sensitive_classes] + [False], np.bool_)
    return by_class[catalogue.sensitive_class[item_idx]]  # the code -1 reads the last place


@dataclass(frozen=True, slots=True)
class Admission:
    """What a decision may read and use.

    Attributes:
        permissions: every purpose that was asked, in the order asked.
        history: the permission that history stands or falls with: the first one missing, else the
            consent to keep it.
        covering: every permission whose grant must name the channel and the data category that a
            piece of history was collected through.
        may_read_history: the customer's own interactions and exposures may be read and used.
        may_read_session: this visit's interactions may be read and used.
        may_use_context: the page and the basket may be used.
        offers: why upsells and cross-sells from history are, or are not, permitted.
        outreach: the permission to speak first on this channel; ``None`` where none is needed. With it
            goes that messages sent before are remembered, or nobody could keep them few.
        sensitive_granted: sensitive classes with an explicit consent in force.
        muted: what the customer does not want to see.
        age_assurance: what is known of the customer's age.
        shared_audience: others may see what is shown.
        degraded: why less could be used than the customer permitted.
        history_from_ms: no older history may be used.
        raised_classes: sensitive classes whose goods of tier S1 count as S2 where the customer lives.
        holding: what is held back for the customer now.
        non_profiled: suggestions without a profile were asked for, now or for good.
        enrichment: the permission to use what others collected; ``None`` where it was never answered.
        pricing: the permission to set a price for this customer alone; ``None`` likewise.
        jurisdiction: code of the place where the customer lives; ``None`` when not known.
    """

    permissions: tuple[Permission, ...]
    history: Permission
    covering: tuple[Permission, ...]
    may_read_history: bool
    may_read_session: bool
    may_use_context: bool
    offers: Permission
    outreach: Permission | None
    sensitive_granted: frozenset[str] = frozenset()
    muted: Muted = field(default_factory=Muted)
    age_assurance: AgeAssurance = AgeAssurance.UNKNOWN
    shared_audience: bool = False
    degraded: tuple[str, ...] = ()
    history_from_ms: int = 0
    raised_classes: frozenset[str] = frozenset()
    holding: Holding = field(default_factory=Holding)
    non_profiled: bool = False
    enrichment: Permission | None = None
    pricing: Permission | None = None
    jurisdiction: str | None = None

    @property
    def may_read_messages(self) -> bool:
        """Whether messages that the customer was sent before may be read and remembered."""
        return self.may_read_history or bool(self.outreach)

    def tier_of(self, catalogue: Catalogue, item_idx: NDArray[np.int32]) -> NDArray[np.int8]:
        """Return the tier that each catalogue row, shape (n,), has for this customer; int8.

        Where the shop speaks first, an item with nothing but a title to go by counts as S1 at least:
        what nobody could tell sensitive is not sent out as if it were harmless.
        """
        tier = catalogue.tier[item_idx]
        if self.outreach is not None:
            tier = np.maximum(tier, catalogue.unclassified[item_idx].astype(np.int8))
        if not self.raised_classes:
            return tier
        sensitive_class = catalogue.sensitive_class[item_idx]
        return raised(tier, sensitive_class, catalogue.sensitive_classes, self.raised_classes)


@dataclass(frozen=True, slots=True, eq=False)
class Admitted:
    """Evidence that may be scored, and how much was kept out by which rule.

    Attributes:
        evidence: pieces to score, ordered by origin, item and kind.
        trail: all that was admitted, whatever a step rests on and however little it counts: it holds
            back what the customer looked at, and never speaks for anything.
        returns: admitted returns; they hold suggestions back and never speak for any.
        kept_out: rule id to number of interactions kept out, in order of the rule ids.
    """

    evidence: Evidence
    trail: Evidence
    returns: Interactions
    kept_out: tuple[tuple[str, int], ...]


def admit(
    request: Request, choices: Choices, sensitive_classes: tuple[str, ...], settings: ConsentSettings
) -> Admission:
    """Say what may be read and used for this request.

    A ledger that could not be read permits nothing personal (fail closed). A placement that sells
    on from an anchor needs the offers purpose (P5) before history may move it; elsewhere the use
    of the profile (P4) is enough. Keeping the behaviour (P3) is needed for both.

    Args:
        request: what was asked.
        choices: the customer's instructions, empty for nobody.
        sensitive_classes: class names of the catalogue, each a purpose of its own (P10).
        settings: validity, signals and their scope.
    """
    if request.subject_kind is SubjectKind.NONE:
        return _nobody(request, choices, Denial.NO_SUBJECT)
    if choices.ledger is None:
        return _nobody(request, choices, Denial.UNREADABLE)
    ask = _asker(choices.ledger, request, choices, settings)
    storage, limited = ask(KEY_OF[Purpose.FUNCTIONAL_STORAGE]), ask(KEY_OF[Purpose.LIMITED_CONTENT])
    profiling = ask(KEY_OF[Purpose.PROFILING], None)  # binds where data came from, not where it is used
    profiled = ask(KEY_OF[Purpose.PROFILED_CONTENT])
    offers = ask(KEY_OF[Purpose.TARGETED_OFFERS])
    outreach = _outreach(request, ask)
    sensitive = {
        name: ask(sensitive_key(name))
        for name in sensitive_classes
        if choices.ledger.get(sensitive_key(name)) is not None  # never answered means no
    }
    enrichment, pricing = (
        ask(KEY_OF[purpose]) if choices.ledger.get(KEY_OF[purpose]) is not None else None
        for purpose in (Purpose.ENRICHMENT, Purpose.PERSONALISED_PRICE)
    )
    needed = (profiling, profiled, *((offers,) if request.placement.anchored else ()))
    profile_off = request.non_profiled or choices.non_profiled
    return Admission(
        permissions=_asked(
            storage, limited, profiling, profiled, offers, outreach, enrichment, pricing, *sensitive.values()
        ),
        history=next((permission for permission in needed if not permission), profiling),
        covering=(profiling, replace(profiled, channels=None)),
        may_read_history=request.subject_kind is SubjectKind.ACCOUNT and all(needed) and not profile_off,
        may_read_session=bool(storage and limited) and not profile_off,
        may_use_context=bool(limited),
        offers=offers,
        outreach=outreach,
        sensitive_granted=frozenset(
            name for name, permission in sensitive.items() if permission and not choices.limit_sensitive
        ),
        muted=Muted.in_force(choices.mutes, request.now_ms),
        age_assurance=choices.age_assurance,
        shared_audience=request.shared_device or choices.shared_device,
        history_from_ms=choices.history_from_ms,
        raised_classes=raised_where(choices.jurisdiction),
        holding=Holding.in_force(choices.holds, request.now_ms),
        non_profiled=profile_off,
        enrichment=enrichment,
        pricing=pricing,
        jurisdiction=choices.jurisdiction,
    )


def select(
    request: Request,
    admission: Admission,
    known: Known,
    catalogue: Catalogue,
    limits: EvidenceLimits,
    weighting: Weighting,
    mask: Mask | None = None,
) -> Admitted:
    """Keep what may count as evidence and fold it to one piece per (item, origin, kind).

    Interactions with items that the catalogue does not hold are passed over.

    Args:
        request: what was asked.
        admission: what may be read and used.
        known: what was read.
        catalogue: the snapshot that rows point into.
        limits: how old evidence may be, and how much of it counts.
        weighting: what an interaction is worth.
        mask: items too telling of a sensitive class that was not agreed to; ``None`` for none.
    """
    kept_out: Counter[str] = Counter()
    judge = _EvidenceJudge(request, admission, catalogue, limits, mask, kept_out)
    session = judge.session(_of_known_items(known.session))
    history = judge.history(_of_known_items(known.history))
    trail = _fold(
        (
            judge.context(),
            _weighted(session, Origin.SESSION, request.now_ms, weighting, SESSION_WEIGHT),
            _weighted(history, Origin.HISTORY, request.now_ms, weighting, 1),
        )
    )
    return Admitted(
        evidence=_strongest(trail, limits.max_pieces),
        trail=trail,
        returns=Interactions.joined(
            session.where(session.kind == Kind.RETURN.value), history.where(history.kind == Kind.RETURN.value)
        ),
        kept_out=tuple(sorted(kept_out.items())),
    )


def _nobody(request: Request, choices: Choices, because: Denial) -> Admission:
    """What may be used when nobody can be asked: the page, and what sells well.

    Instructions that only hold back, such as a mute, are followed where they are known. Of an age only
    that it is a minor's counts: being an adult opens something.
    """

    def denied(key: str) -> Permission:
        return Permission(key, permitted=False, because=because)

    limited_key = KEY_OF[Purpose.LIMITED_CONTENT]
    limited = Permission(limited_key, permitted=True, because=None, basis=LawfulBasis.LEGITIMATE_INTEREST)
    offers, profiling = denied(KEY_OF[Purpose.TARGETED_OFFERS]), denied(KEY_OF[Purpose.PROFILING])
    outreach = _outreach(request, denied)
    return Admission(
        permissions=_asked(limited, profiling, offers, outreach),
        history=profiling,
        covering=(profiling,),
        may_read_history=False,
        may_read_session=False,
        may_use_context=True,
        offers=offers,
        outreach=outreach,
        muted=Muted.in_force(choices.mutes, request.now_ms),
        age_assurance=AgeAssurance.MINOR if choices.minor else AgeAssurance.UNKNOWN,
        shared_audience=request.shared_device or choices.shared_device,
        degraded=("consent_unreadable",) if because is Denial.UNREADABLE else (),
        raised_classes=raised_where(choices.jurisdiction),
        holding=Holding.in_force(choices.holds, request.now_ms),
        non_profiled=request.non_profiled or choices.non_profiled,
        jurisdiction=choices.jurisdiction,
    )


class _Ask(Protocol):
    """Asks for one purpose, on the request's channel unless told otherwise."""

    def __call__(self, key: str, channel: Channel | None = ...) -> Permission: ...


def _asker(ledger: Ledger, request: Request, choices: Choices, settings: ConsentSettings) -> _Ask:
    def ask(key: str, channel: Channel | None = request.channel) -> Permission:
        return check(ledger, choices.question(key, request.now_ms, channel, gpc=request.gpc), settings)

    return ask


def _outreach(request: Request, ask: Callable[[str], Permission]) -> Permission | None:
    key = outreach_key(request.channel)
    return None if key is None else ask(key)


def _asked(*permissions: Permission | None) -> tuple[Permission, ...]:
    return tuple(permission for permission in permissions if permission is not None)


@dataclass(frozen=True, slots=True, eq=False)
class _EvidenceJudge:
    """Goes through interactions rule by rule; the first rule that keeps one out is counted."""

    request: Request
    admission: Admission
    catalogue: Catalogue
    limits: EvidenceLimits
    mask: Mask | None
    kept_out: Counter[str]

    def history(self, found: Interactions) -> Interactions:
        """Keep what may be used of the customer's own past."""
        if not len(found):
            return found
        if not self.admission.may_read_history:
            return self._keep(found, (self._history_denied_by(), np.zeros(len(found), np.bool_)))
        consented = (
            (found.purpose == Purpose.PROFILING.value)
            & (found.at_ms >= self.admission.history_from_ms)
            & self._covered(found)
        )
        return self._keep(found, ("G01", consented), *self._common(found), ("G21", self._fresh(found)))

    def _history_denied_by(self) -> str:
        because = self.admission.history.because
        if because in TAKEN_BACK:
            return "G02"
        return "G03" if because in LAPSED else "G01"

    def session(self, found: Interactions) -> Interactions:
        """Keep what may be used of this visit."""
        if not len(found):
            return found
        if not self.admission.may_read_session:
            return self._keep(found, ("G01", np.zeros(len(found), np.bool_)))
        in_visit = self.request.now_ms - found.at_ms <= self.limits.session_hours * _HOUR_MS
        consented = np.logical_or.reduce([found.purpose == each.value for each in SESSION_PURPOSES])
        return self._keep(found, ("G01", consented), *self._common(found), ("G21", in_visit))

    def context(self) -> _Weighted:
        """Keep what may be used of the page and the basket."""
        anchors = np.array(self.request.context.anchors, np.int32)
        if not self.admission.may_use_context:
            anchors = anchors[:0]
        if not anchors.size:
            return _NOTHING
        muted = self.admission.muted
        keep = ~self._sensitive(anchors) & ~muted.covers(self.catalogue, anchors)
        keep &= ~(muted.covers_occasion(self.catalogue, anchors) | self._held(anchors))
        keep &= ~self._excluded(anchors)
        anchors = anchors[keep]
        n = anchors.size
        return _Weighted(
            item_idx=anchors,
            weight=np.full(n, CONTEXT_WEIGHT * WEIGHT_ONE, np.int64),
            origin=np.full(n, Origin.CONTEXT, np.int8),
            kind=np.full(n, Kind.VIEW, np.int8),
            age_days=np.zeros(n, np.int64),
            channel=np.full(n, self.request.channel.value, np.int8),
            provenance=np.full(n, Provenance.OWN, np.int8),
        )

    def _covered(self, found: Interactions) -> NDArray[np.bool_]:
        """Whether the grants name what each kind and channel stand for; bool, shape (n,)."""
        named = [coverage(grant.channels, grant.data_categories) for grant in self.admission.covering]
        covered: NDArray[np.bool_] = np.logical_and.reduce(named)
        return covered[found.kind, found.channel]

    def _common(self, found: Interactions) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Yield what may be used by each rule that could keep anything out, in the order of the rules."""
        admission, catalogue, item_idx = self.admission, self.catalogue, found.item_idx
        sensitive = admission.tier_of(catalogue, item_idx) >= SENSITIVE_FROM_TIER
        if np.count_nonzero(sensitive):
            age_days = age_in_days(found.at_ms, self.request.now_ms)
            granted = in_classes(catalogue, item_idx, admission.sensitive_granted)
            yield "G06", ~sensitive | (granted & (age_days <= self.limits.sensitive_days))
        if self.mask is not None:
            yield "G07", ~self._telling(found, self.mask)
        if not admission.enrichment or self.request.gpc:
            yield "G09", self._at_home(found)
        yield "G11", ~found.is_gift
        if admission.muted.goods:
            yield "G12", ~admission.muted.covers(catalogue, item_idx)
        if admission.muted.occasions:
            yield "G13", ~admission.muted.covers_occasion(catalogue, item_idx)
        if admission.holding.held_topics:
            yield "G14", ~self._held(item_idx)
        if admission.holding.excluded:
            yield "G26", ~self._excluded(item_idx)

    def _at_home(self, found: Interactions) -> NDArray[np.bool_]:
        """Whether each came from the shop itself, and not from elsewhere.

        That needs the customer's consent (P8), and Global Privacy Control keeps it out even where consent
        stands against it.
        """
        return np.asarray(found.provenance == Provenance.OWN.value)

    def _sensitive(self, item_idx: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether each item is sensitive without the consent of its class; bool, shape like the rows."""
        tier = self.admission.tier_of(self.catalogue, item_idx)
        granted = in_classes(self.catalogue, item_idx, self.admission.sensitive_granted)
        return np.asarray((tier >= SENSITIVE_FROM_TIER) & ~granted)

    def _held(self, item_idx: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether each item is of a topic that is held back; bool, shape like the rows."""
        return in_classes(self.catalogue, item_idx, self.admission.holding.held_topics)

    def _telling(self, found: Interactions, mask: Mask) -> NDArray[np.bool_]:
        """Whether each is a proxy for a sensitive class; a return speaks for nothing, so it tells nothing."""
        return np.asarray(mask.items[found.item_idx] & (found.kind != Kind.RETURN.value))

    def _excluded(self, item_idx: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether each item is of a class that the customer shut out for themselves; bool."""
        return in_classes(self.catalogue, item_idx, self.admission.holding.excluded)

    def _fresh(self, found: Interactions) -> NDArray[np.bool_]:
        return age_in_days(found.at_ms, self.request.now_ms) <= self.limits.max_age_days()[found.kind]

    def _keep(self, found: Interactions, *tests: tuple[str, NDArray[np.bool_]]) -> Interactions:
        standing = np.ones(len(found), np.bool_)
        n_standing = len(found)
        for rule_id, passes in tests:
            standing &= passes
            n_left = int(np.count_nonzero(standing))
            if n_left < n_standing:
                self.kept_out[rule_id] += n_standing - n_left
                n_standing = n_left
        return found.where(standing)


def _of_known_items(found: Interactions) -> Interactions:
    return found.where(found.item_idx >= 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Weighted:
    """Weighted interactions before folding; the columns of ``Evidence``, ages still int64."""

    item_idx: NDArray[np.int32]
    weight: NDArray[np.int64]
    origin: NDArray[np.int8]
    kind: NDArray[np.int8]
    age_days: NDArray[np.int64]
    channel: NDArray[np.int8]
    provenance: NDArray[np.int8]


_COLUMNS = tuple(column.name for column in fields(_Weighted))

_NOTHING = _Weighted(
    item_idx=np.empty(0, np.int32),
    weight=np.empty(0, np.int64),
    origin=np.empty(0, np.int8),
    kind=np.empty(0, np.int8),
    age_days=np.empty(0, np.int64),
    channel=np.empty(0, np.int8),
    provenance=np.empty(0, np.int8),
)


def _weighted(
    found: Interactions, origin: Origin, now_ms: int, weighting: Weighting, times: int
) -> _Weighted:
    if not len(found):
        return _NOTHING
    age_days = age_in_days(found.at_ms, now_ms)
    return _Weighted(
        item_idx=found.item_idx,
        weight=weighting.weigh(found.kind, age_days) * times,
        origin=np.full(len(found), origin, np.int8),
        kind=found.kind,
        age_days=age_days,
        channel=found.channel,
        provenance=found.provenance,
    )


def _fold(parts: tuple[_Weighted, ...]) -> Evidence:
    """Add up the weights per (origin, item, kind); the youngest interaction lends age and channel.

    The furthest provenance counts, so that what others told is never passed off as the shop's own.
    """
    several = [part for part in parts if part.item_idx.size]
    if not several:
        return Evidence.empty()
    weighed = several[0] if len(several) == 1 else _joined(several)
    piece = (weighed.origin.astype(np.int64) << _ORIGIN_BIT) | (
        weighed.item_idx.astype(np.int64) << _ITEM_BIT
    )
    piece |= weighed.kind
    order = np.lexsort(((weighed.age_days << _ITEM_BIT) | weighed.channel, piece))
    order = order[weighed.weight[order] > 0]
    if order.size == 0:
        return Evidence.empty()
    piece = piece[order]
    first = np.flatnonzero(piece[1:] != piece[:-1])
    first = np.concatenate([[0], first + 1])
    youngest = order[first]
    return Evidence(
        item_idx=weighed.item_idx[youngest],
        weight=np.add.reduceat(weighed.weight[order], first),
        origin=weighed.origin[youngest],
        kind=weighed.kind[youngest],
        age_days=weighed.age_days[youngest].astype(np.int32),
        channel=weighed.channel[youngest],
        provenance=np.maximum.reduceat(weighed.provenance[order], first),
    )


def _joined(parts: Sequence[_Weighted]) -> _Weighted:
    return _Weighted(*[np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS])


def _strongest(evidence: Evidence, max_pieces: int) -> Evidence:
    """Keep the heaviest pieces, earlier rows winning ties, in their order: bounds the work of a score."""
    if len(evidence) <= max_pieces:
        return evidence
    keep = np.zeros(len(evidence), np.bool_)
    keep[np.argsort(-evidence.weight, kind="stable")[:max_pieces]] = True
    return evidence.where(keep)
