"""Judge: ask every rule about every candidate, and take the most restrictive answer.

All rules are asked, in the order of the catalogue, and all that fire are kept; the first that
withholds is the deciding one. A rule that raises yields a gap for every candidate: it withholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guardrails.policy.limits import Limits
from guardrails.rules.base import MICRO, Effect, Judgement, Rule, View

WITHHOLDING = Effect.GENERALISE
"""From this effect on a candidate is withheld."""


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
    """

    rules: tuple[Rule, ...]
    judgements: tuple[Judgement, ...]
    effect: NDArray[np.int8]
    deciding: NDArray[np.int16]
    rank_score: NDArray[np.int64]
    failed: tuple[tuple[str, str], ...]

    @property
    def withheld(self) -> NDArray[np.bool_]:
        """Whether each candidate is withheld; shape (n,), bool."""
        return self.effect >= WITHHOLDING

    def fired(self, row: int) -> tuple[int, ...]:
        """Indexes into ``rules`` of those that said more than "allow" of one candidate."""
        return tuple(
            index for index, judgement in enumerate(self.judgements) if judgement.effect[row] != Effect.ALLOW
        )


def judge(view: View, score: NDArray[np.int64], rules: Sequence[Rule], limits: Limits) -> Judged:
    """Ask ``rules`` about every candidate of ``view``.

    Args:
        view: the candidates and all that rules may look at.
        score: shape (n,), int64, what demotions start from.
        rules: at least one; without any question asked nothing may be shown.
        limits: the numbers of the active policy.
    """
    failed: list[tuple[str, str]] = []
    judgements = tuple(_ask(rule, view, limits, failed) for rule in rules)
    effects = np.stack([judgement.effect for judgement in judgements])
    withholds = effects >= WITHHOLDING
    deciding = np.where(withholds.any(axis=0), withholds.argmax(axis=0), -1)
    return Judged(
        rules=tuple(rules),
        judgements=judgements,
        effect=effects.max(axis=0),
        deciding=deciding.astype(np.int16),
        rank_score=_demoted(score, judgements),
        failed=tuple(failed),
    )


def _ask(rule: Rule, view: View, limits: Limits, failed: list[tuple[str, str]]) -> Judgement:
    try:
        judgement = rule.judge(view, limits)
        _check_shape(judgement, len(view))
    except Exception as error:  # noqa: BLE001 - whatever a rule raises, it must withhold
        failed.append((rule.id, type(error).__name__))
        return _gap(len(view))
    return judgement


def _check_shape(judgement: Judgement, n: int) -> None:
    columns = (judgement.effect, judgement.observed, judgement.limit, judgement.factor_micro)
    if any(column.shape != (n,) for column in columns):
        raise ValueError("a rule answered for another number of candidates than it was asked about")


def _gap(n: int) -> Judgement:
    return Judgement.of(np.full(n, Effect.GAP, np.int8), np.zeros(n, np.int64), 0)


def _demoted(score: NDArray[np.int64], judgements: Sequence[Judgement]) -> NDArray[np.int64]:
    """Multiply the demotions into the score, rule by rule, in integers.

    The score is split so that the product stays within 64 bits; the result is exact to the unit
    for factors in millionths.
    """
    ranked = score.copy()
    for judgement in judgements:
        factor = judgement.factor_micro
        ranked = ranked // MICRO * factor + ranked % MICRO * factor // MICRO
    return ranked
