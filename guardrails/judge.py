"""Judge: ask every rule about every candidate, and take the most restrictive answer.

All rules are asked, in the order of the catalogue, and all that fire are kept; the first that
withholds is the deciding one. A rule that raises yields a gap for every candidate: it withholds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import word
from guardrails.policy.limits import Limits
from guardrails.rules.base import (
    MICRO,
    OBLIGES,
    Effect,
    Judgement,
    Rule,
    View,
    WatchedRule,
    silent,
    the_same,
)

WITHHOLDING = Effect.GENERALISE
"""From this effect on a candidate is withheld."""

_EXPLAIN = OBLIGES[word(Effect.EXPLAIN)]

_Answer: TypeAlias = tuple[Judgement, str | None]


class Watched(NamedTuple):
    """What a rule said that withholds nothing.

    Attributes:
        asked: the rule, and whether the answer names it.
        judgement: what it said.
        error: name of what it raised; ``None`` where it answered.
    """

    asked: WatchedRule
    judgement: Judgement
    error: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What the rules said of the candidates of one round.

    Attributes:
        rules: the rules asked, in order.
        judgements: one each, in the same order.
        effect: shape (n,), int8: the most restrictive ``Effect`` of any rule.
        deciding: shape (n,), int16: index into ``rules`` of the first rule that withholds; -1 if none.
        rank_score: shape (n,), int64: the score after demotions; orders the slate, never shown as the score.
        failed: ids of rules that raised, with the name of what they raised.
        obliges: shape (n,), int8: bits of ``OBLIGES`` that any rule asks for.
        watched: what rules said that withhold nothing.
    """

    rules: tuple[Rule, ...]
    judgements: tuple[Judgement, ...]
    effect: NDArray[np.int8]
    deciding: NDArray[np.int16]
    rank_score: NDArray[np.int64]
    failed: tuple[tuple[str, str], ...]
    obliges: NDArray[np.int8]
    watched: tuple[Watched, ...] = ()

    @property
    def needs_reason(self) -> NDArray[np.bool_]:
        """Whether a rule lets each candidate pass only with its reason, whatever else another asks for."""
        return np.asarray(self.obliges & _EXPLAIN != 0)

    @property
    def withheld(self) -> NDArray[np.bool_]:
        """Whether each candidate is withheld; shape (n,), bool."""
        return self.effect >= WITHHOLDING

    def fired(self, row: int) -> tuple[int, ...]:
        """Indexes into ``rules`` of those that said more than "allow" of one candidate."""
        return tuple(index for index, judgement in enumerate(self.judgements) if judgement.speaks_of(row))


def judge(
    view: View,
    score: NDArray[np.int64],
    rules: Sequence[Rule],
    limits: Limits,
    watched: Sequence[WatchedRule] = (),
    *,
    in_full: bool = True,
) -> Judged:
    """Ask ``rules`` about every candidate of ``view``.

    Args:
        view: the candidates and all that rules may look at.
        score: shape (n,), int64, what demotions start from.
        rules: at least one; without any question asked nothing may be shown.
        limits: the numbers of the active policy.
        watched: rules that are asked as well, and whose answers change nothing.
        in_full: ask for what a rule observed even where it has nothing to say. No verdict depends on it.

    Raises:
        ValueError: there is no rule.
    """
    if not rules:
        raise ValueError("at least one rule is needed")
    asking = _Asking(view, limits, in_full=in_full)
    answers = [asking.ask(rule) for rule in rules]
    speaking = [place for place, (judgement, _) in enumerate(answers) if judgement is not asking.nothing]
    effects = _effects([answers[place] for place in speaking], asking.n)
    if effects.size and not Effect.ALLOW.value <= effects.min() <= effects.max() <= Effect.GAP.value:
        answers = [asking.sensible(answer) for answer in answers]
        effects = _effects([answers[place] for place in speaking], asking.n)
    said = [answers[place][0] for place in speaking]
    return Judged(
        rules=tuple(rules),
        judgements=tuple([judgement for judgement, _ in answers]),
        effect=effects.max(axis=0, initial=Effect.ALLOW.value),
        deciding=_deciding(effects, speaking),
        rank_score=_demoted(score, [judgement.factor_micro for judgement in said]),
        failed=tuple([(rule.id, error) for rule, (_, error) in zip(rules, answers, strict=True) if error]),
        obliges=_obliged(effects, said),
        watched=tuple([Watched(asked, *asking.sensible(asking.ask(asked.rule))) for asked in watched]),
    )


class _Asking:
    """Asks rules one by one about the same candidates.

    Attributes:
        n: how many candidates there are.
        nothing: the answer of a rule that has nothing to say of them.
    """

    def __init__(self, view: View, limits: Limits, *, in_full: bool) -> None:
        self._view, self._limits, self._in_full = view, limits, in_full
        self.n = len(view)
        self.nothing = silent(self.n)

    def ask(self, rule: Rule) -> _Answer:
        """Ask one rule; one that raises withholds everything."""
        view, limits = self._view, self._limits
        try:
            if not self._in_full and rule.is_silent(view, limits):
                return self.nothing, None
            judgement = rule.judge(view, limits)
            if judgement is not self.nothing:
                _check_columns(judgement, self.n)
        except Exception as error:  # noqa: BLE001 - whatever a rule raises, it must withhold
            return _failed(type(error).__name__, self.n)
        return judgement, None

    def sensible(self, answer: _Answer) -> _Answer:
        """Return the answer, or a gap where it holds an effect that does not exist."""
        effect = answer[0].effect
        unknown = (effect < Effect.ALLOW.value) | (effect > Effect.GAP.value)
        return _failed(ValueError.__name__, self.n) if unknown.any() else answer


def _deciding(effects: NDArray[np.int8], places: Sequence[int]) -> NDArray[np.int16]:
    """Return the place of the first rule that withholds each candidate, -1 where none does; shape (n,)."""
    withholds = effects >= WITHHOLDING.value
    deciding = np.full(effects.shape[1], -1, np.int16)
    for row in np.flatnonzero(withholds.any(axis=1))[::-1].tolist():
        deciding[withholds[row]] = places[row]  # the first that withholds is written last
    return deciding


def _obliged(effects: NDArray[np.int8], said: Iterable[Judgement]) -> NDArray[np.int8]:
    """Add up what all rules ask for besides, shape (n,); to explain is an effect of its own as well."""
    obliges = (effects == Effect.EXPLAIN.value).any(axis=0) * np.int8(_EXPLAIN)
    for judgement in said:
        if judgement.obliges is not None:
            obliges |= judgement.obliges.astype(np.int8, copy=False)
    return np.asarray(obliges)


def _check_columns(judgement: Judgement, n: int) -> None:
    """Refuse an answer of another shape, and one that would promote; effects are looked at all at once."""
    shape, factor = (n,), judgement.factor_micro
    obliges = () if judgement.obliges is None else (judgement.obliges,)
    for column in (judgement.effect, judgement.observed, judgement.limit, factor, *obliges):
        if column.shape != shape or column.dtype.kind != "i":
            raise ValueError("a rule answers with one whole number a candidate")
    if factor is not the_same(n, MICRO) and n and (factor.min() < 0 or factor.max() > MICRO):
        raise ValueError("a rule may demote and not promote")


def _effects(answers: Sequence[_Answer], n: int) -> NDArray[np.int8]:
    """Return the effects of some rules, shape (n_rules, n)."""
    if not answers:
        return np.empty((0, n), np.int8)
    return np.concatenate([judgement.effect for judgement, _ in answers]).reshape(len(answers), n)


def _failed(error: str, n: int) -> _Answer:
    """Return a gap for every candidate, with the name of what was raised."""
    return Judgement.of(np.full(n, Effect.GAP, np.int8), np.zeros(n, np.int64), 0), error


def _demoted(score: NDArray[np.int64], factors: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Multiply the demotions into the score, rule by rule, in integers.

    The score is split so that the product stays within 64 bits; the result is exact to the unit
    for factors in millionths.
    """
    ranked = score.copy()
    for factor in factors:
        if factor is not the_same(score.size, MICRO):
            ranked = ranked // MICRO * factor + ranked % MICRO * factor // MICRO
    return ranked
