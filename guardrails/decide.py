"""The way a decision is made, in one file: admit, score, judge, compose.

``decide`` is a pure function of (request, admission, what was read, house). It touches no
database, no clock and no randomness of its own; that is what makes replay, rehearsal and the
promises' property tests possible. The edge reads its inputs, stores its output, and only then
answers.

The basis steps down, never up: history, then this visit, then the page, then what sells well.
A step is taken when the step above has no evidence, or when nothing it proposed may be shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import Catalogue
from engine.serving.candidates import Candidates, Evidence, Mask
from engine.serving.intents import intents
from engine.vocabulary import Basis, Intent, Kind, Origin, Source
from guardrails.admit import Admission, select
from guardrails.compose import Slate, compose
from guardrails.consent.permission import LawfulBasis, Permission
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.exposures import Exposures
from guardrails.generalise import not_again, stand_ins
from guardrails.house import House
from guardrails.inference import telling_mask
from guardrails.judge import Judged, judge
from guardrails.past import Memory, Recall
from guardrails.reasons import Explainer, Reason
from guardrails.request import Known, Request
from guardrails.rules.base import View, obligations
from guardrails.shadow import Beside, ask_beside
from guardrails.view import look

REFILL_FACTOR = 4
"""How many times as many candidates are asked for when a slate stays short."""

MOST_CONSIDERED = 200
"""No more candidates than this are judged on one step, stand-ins aside."""

_EXPLAIN, _HAND_OFF = "explain", "hand_off"
_INTENTS = {intent.value: intent for intent in Intent}
_CATEGORY, _BRAND = Source.CATEGORY.value, Source.BRAND.value

_Step = TypeVar("_Step")

THE_SHOP_ITSELF = Permission(
    KEY_OF[Purpose.ESSENTIAL_SERVICE], permitted=True, because=None, basis=LawfulBasis.CONTRACT
)
"""What sells well is shown under to who wants nothing else: it uses nothing about anybody."""


class Action(StrEnum):
    """How a suggestion is to be shown."""

    SHOW = "show"
    SHOW_WITH_REASON = "show_with_reason"
    GENERALISE = "generalise"
    """It stands in for something too exact: shown as its category or brand, with its reason."""


class Outcome(StrEnum):
    """What came of a decision, as its public header says it."""

    PERSONALISED = "personalised"
    GENERIC = "generic"
    EMPTY = "empty"


class StandsFor(NamedTuple):
    """What a suggestion stands for instead of something too exact.

    Attributes:
        level: ``"category"`` or ``"brand"``.
        name: category path or brand name.
    """

    level: str
    name: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A candidate that is shown.

    Attributes:
        item_idx: catalogue row.
        rank: 1 for the first; on a further page of a list it goes on counting.
        score: the exact sum of its reason's parts.
        intent: what it is for.
        action: whether its reason must be shown with it.
        reason: why it is shown.
        rests_on: the purpose it is shown under, with its lawful basis (GDPR 5(1)(a), 6(1)).
        stands_for: the category or brand that it is shown as; ``None`` where it is shown as itself.
        obligations: what rules ask for beside it, words of ``OBLIGES``.
        warnings: ids of rules of the shop that only warn, and would have acted on it.
    """

    item_idx: int
    rank: int
    score: int
    intent: Intent
    action: Action
    reason: Reason
    rests_on: Permission
    stands_for: StandsFor | None = None
    obligations: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One step of the ladder: what was considered on one basis, and what came of it.

    Attributes:
        basis: how personal it is.
        evidence: what was scored on it.
        candidates: what was judged.
        view: what the rules looked at.
        judged: what they said.
        slate: what came of it.
        n_asked: how many candidates the sources were asked for.
    """

    basis: Basis
    evidence: Evidence
    candidates: Candidates
    view: View
    judged: Judged
    slate: Slate
    n_asked: int = 0

    @property
    def intent(self) -> NDArray[np.int8]:
        """``Intent`` of each candidate, shape (n,), int8."""
        return self.view.intent

    @property
    def failed(self) -> bool:
        """Whether a rule failed, and so withheld."""
        return bool(self.judged.failed) or any(refusal.failed for refusal in self.slate.refused)


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The whole answer and how it came about.

    Attributes:
        basis: how personal the evidence behind the slate is.
        suggestions: the slate, best first.
        rounds: every step of the ladder that was taken.
        admission: which purposes stood.
        kept_out: rule id to number of interactions that were kept out as evidence.
        degraded: why the answer is less than it might be: ``model_missing``, ``consent_unreadable``,
            ``rule_failed``.
        beside: what a policy in shadow would have made of the last step; ``None`` without one.
    """

    basis: Basis
    suggestions: tuple[Suggestion, ...]
    rounds: tuple[Round, ...]
    admission: Admission
    kept_out: tuple[tuple[str, int], ...]
    degraded: tuple[str, ...]
    beside: Beside | None = None

    @property
    def for_a_human(self) -> bool:
        """Whether a human is to take over: nothing may be said, or a rule asks for one beside it."""
        return self.basis is Basis.NONE or any(_HAND_OFF in each.obligations for each in self.suggestions)

    @property
    def outcome(self) -> Outcome:
        """The outcome as the record's header states it."""
        if not self.suggestions:
            return Outcome.EMPTY
        return Outcome.PERSONALISED if self.basis >= Basis.SESSION else Outcome.GENERIC


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step of the ladder before it is taken.

    Attributes:
        basis: how personal it is.
        evidence: what may be scored on it.
        categories: category codes to take what sells well from; empty for the whole shop.
    """

    basis: Basis
    evidence: Evidence
    categories: tuple[int, ...] = ()


def decide(request: Request, admission: Admission, known: Known, house: House) -> Decision:
    """Answer one request."""
    mask = telling_mask(admission, house)
    admitted = select(
        request, admission, known, house.catalogue, house.limits.evidence, house.weighting, mask
    )
    exposures = _admitted_exposures(admission, known.exposures)
    memory = Memory(request, admission, admitted, exposures, house)
    making = Making(request, admission, memory.recall, house, mask)
    rounds = climb(ladder(request, admission, admitted.evidence), making.take)
    return conclude(rounds, request, admission, admitted.kept_out, house)


def climb(steps: Iterable[_Step], take: Callable[[_Step], Round]) -> tuple[Round, ...]:
    """Take one step after the other, until something may be shown."""
    rounds: list[Round] = []
    for step in steps:
        rounds.append(take(step))
        if rounds[-1].slate.shown:
            break
    return tuple(rounds)


def conclude(
    rounds: tuple[Round, ...],
    request: Request,
    admission: Admission,
    kept_out: tuple[tuple[str, int], ...],
    house: House,
) -> Decision:
    """Say what came of the steps that were taken, and put it into words."""
    last = rounds[-1]
    suggestions = _suggestions(last, request, admission, house)
    return Decision(
        basis=last.basis if suggestions else Basis.NONE,
        suggestions=suggestions,
        rounds=rounds,
        admission=admission,
        kept_out=kept_out,
        degraded=_degraded(admission, rounds, house),
        beside=_beside(last, house),
    )


def _beside(last: Round, house: House) -> Beside | None:
    if house.shadow is None:
        return None
    return ask_beside(house.shadow, last.view, last.candidates.score, last.slate)


def ladder(request: Request, admission: Admission, evidence: Evidence) -> Iterator[Step]:
    """Yield each step that has something to go by, most personal first."""
    for basis, origin in (
        (Basis.PROFILE, Origin.HISTORY),
        (Basis.SESSION, Origin.SESSION),
        (Basis.CONTEXTUAL, Origin.CONTEXT),
    ):
        if bool(np.any(evidence.origin == origin.value)):
            yield Step(basis, evidence.where(evidence.origin <= origin.value))
    if admission.may_use_context and request.context.categories:
        yield Step(Basis.CONTEXTUAL, Evidence.empty(), request.context.categories)
    yield Step(Basis.POPULAR, Evidence.empty())


@dataclass(frozen=True, slots=True, eq=False)
class Making:
    """What every step of one decision is taken with.

    Attributes:
        request: what was asked.
        admission: what may be used.
        recall: tells the customer's past of candidates.
        house: model, catalogue and policy.
        mask: what evidence of a person may say nothing about; ``None`` for nothing.
    """

    request: Request
    admission: Admission
    recall: Recall
    house: House
    mask: Mask | None

    def take(self, step: Step) -> Round:
        """Propose, judge and compose on one step; once more with more candidates, if the slate is short.

        Asking again costs one more pass of the kernel and of the rules, over up to ``MOST_CONSIDERED``
        candidates: about as much again as the step itself. It is done only where the source may have more.
        The second pass replaces the first, whose candidates are among its own, if it shows more: so a
        record holds no candidate twice, and never more than ``MOST_CONSIDERED`` and the stand-ins of one
        slate. It need not: what stood in for a category may now be a candidate itself, and too exact.
        """
        n = self.house.n_considered
        proposed = self._propose(step, n)
        first = self._composed(step, proposed, n)
        n_more = min(REFILL_FACTOR * n, MOST_CONSIDERED)
        if len(first.slate.shown) >= self.request.count or len(proposed) < n or n_more <= n:
            return first
        again = self.take_with(step, n_more)
        return again if len(again.slate.shown) > len(first.slate.shown) else first

    def take_with(self, step: Step, n: int) -> Round:
        """Propose ``n`` candidates, judge and compose, once: how a step is taken again from its record."""
        return self._composed(step, self._propose(step, n), n)

    def _composed(self, step: Step, proposed: Candidates, n_asked: int) -> Round:
        """Judge, let stand in what may, judge that as well, and compose."""
        taken = self._judged(step, proposed)
        general = stand_ins(taken.candidates, step.evidence, taken.view, taken.judged, self.house)
        if len(general):
            taken = self._judged(step, Candidates.merged(taken.candidates, general))
        slate = compose(taken.judged, taken.view, self.house.limits, self.house.slate_rules)
        return replace(taken, slate=slate, n_asked=n_asked)

    def _judged(self, step: Step, proposed: Candidates) -> Round:
        """Ask the rules about what fits the placement; nothing is shown yet."""
        request, house = self.request, self.house
        intent = intents(proposed, step.evidence, request.context.anchors, house.catalogue)
        fits = np.flatnonzero(_fitting(request.placement.intents)[intent])
        candidates = proposed
        if fits.size < len(proposed):
            candidates, intent = proposed.take(fits), intent[fits]
        view = look(
            step.basis, request, self.admission, step.evidence, self.recall, candidates, intent, house
        )
        judged = judge(view, candidates.score, house.rules, house.limits, house.watched, in_full=False)
        return Round(step.basis, step.evidence, candidates, view, judged, Slate((), ()))

    def _propose(self, step: Step, n: int) -> Candidates:
        """Ask the sources that this step may use for ``n`` candidates.

        Buying again proposes at most half a slate, so that habits leave room for anything new.
        """
        request, recommender = self.request, self.house.offering(self.request.within)
        there = not_again(request, self.house)
        if step.categories:
            return recommender.popular_in(np.array(step.categories, np.int32), n, there)
        if len(step.evidence) == 0:
            return recommender.popular(n, there)
        bought = step.evidence.item_idx[
            (step.evidence.origin == Origin.HISTORY.value) & (step.evidence.kind == Kind.PURCHASE.value)
        ]
        again = Candidates.empty()
        if Intent.REPLENISH in request.placement.intents and bought.size:
            n_again = max(1, request.count // 2)
            again = recommender.buy_again(step.evidence, n_again + len(request.shown_before))
            again = again.take(np.flatnonzero(~np.isin(again.item_idx, there))[:n_again])
        exclude = np.concatenate([there, bought])
        new = recommender.goes_with(step.evidence, exclude, n - len(again), self.mask)
        return Candidates.merged(new, again)


@lru_cache(maxsize=64)
def _fitting(intents: frozenset[Intent]) -> NDArray[np.bool_]:
    """Return whether each intent, by its number, is one of a placement's; read-only."""
    fitting = np.zeros(max(Intent) + 1, np.bool_)
    fitting[list(intents)] = True
    fitting.setflags(write=False)
    return fitting


def _suggestions(last: Round, request: Request, admission: Admission, house: House) -> tuple[Suggestion, ...]:
    """Put the slate into words."""
    explainer = Explainer(
        candidates=last.candidates,
        evidence=last.evidence,
        catalogue=last.view.catalogue,
        admission=admission,
        request=request,
        named_crowd=house.limits.support.named_crowd,
    )
    shown, candidates = np.array(last.slate.shown, np.int64), last.candidates
    columns = (
        candidates.item_idx[shown].tolist(),
        candidates.score[shown].tolist(),
        candidates.source[shown].tolist(),
        last.intent[shown].tolist(),
        last.view.from_history[shown].tolist(),
        last.judged.obliges[shown].tolist(),
        explainer.reasons(last.slate.shown),
    )
    permissions = {permission.purpose: permission for permission in admission.permissions}
    suggestions = []
    for place, (item_idx, score, source, intent, of_history, obliges, reason) in enumerate(
        zip(*columns, strict=True)
    ):
        stands_for, asked_for = _stands_for(last.view.catalogue, item_idx, source), obligations(obliges)
        suggestions.append(
            Suggestion(
                item_idx=item_idx,
                rank=len(request.shown_before) + place + 1,
                score=score,
                intent=_INTENTS[intent],
                action=_action(stands_for, asked_for),
                stands_for=stands_for,
                reason=reason,
                rests_on=permissions[_purpose(request, of_history=of_history)] or THE_SHOP_ITSELF,
                obligations=asked_for,
                warnings=_warnings(last, last.slate.shown[place]),
            )
        )
    return tuple(suggestions)


def _action(stands_for: StandsFor | None, asked_for: tuple[str, ...]) -> Action:
    if stands_for is not None:
        return Action.GENERALISE
    return Action.SHOW_WITH_REASON if _EXPLAIN in asked_for else Action.SHOW


def _warnings(last: Round, row: int) -> tuple[str, ...]:
    return tuple(
        watched.asked.rule.id
        for watched in last.judged.watched
        if watched.asked.warns and watched.judgement.speaks_of(row)
    )


def _stands_for(catalogue: Catalogue, item_idx: int, source: int) -> StandsFor | None:
    if source == _CATEGORY:
        return StandsFor("category", catalogue.categories[int(catalogue.category[item_idx])])
    if source == _BRAND:
        return StandsFor("brand", catalogue.brands[int(catalogue.brand[item_idx])])
    return None


def _purpose(request: Request, *, of_history: bool) -> str:
    """Return the key of the purpose that one suggestion needs; the narrowest, where it needs several."""
    if not of_history:
        return KEY_OF[Purpose.LIMITED_CONTENT]
    return KEY_OF[Purpose.TARGETED_OFFERS if request.placement.anchored else Purpose.PROFILED_CONTENT]


def _admitted_exposures(admission: Admission, exposures: Exposures) -> Exposures:
    """Keep what may be known of earlier slates: all with the history, else this visit's and messages."""
    if admission.may_read_history:
        return exposures
    in_visit = exposures.same_session & admission.may_read_session
    return exposures.where(in_visit | (exposures.outbound & admission.may_read_messages))


def _degraded(admission: Admission, rounds: tuple[Round, ...], house: House) -> tuple[str, ...]:
    missing = ("model_missing",) if house.recommender.version is None else ()
    failed = ("rule_failed",) if any(taken.failed for taken in rounds) else ()
    return admission.degraded + missing + failed
