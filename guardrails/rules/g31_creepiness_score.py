"""G31: what would feel like being watched is explained, made less specific, or left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from guardrails.creepiness.dimensions import observe
from guardrails.creepiness.score import creepiness
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits, ScoreLimits
from guardrails.rules.base import Effect, Judgement, Rule, Unit, View


class CreepinessScore(Rule):
    """Act on the creepiness score of every candidate.

    Below the first threshold a candidate is just shown, below the second only with its reason, below
    the third it is too specific as it stands, from there on it is blocked. "Only with its reason" is
    no way out where the placement interrupts, nor where no faithful reason can be given: from the
    first threshold on, such candidates are blocked.

    Observed: the score in millionths; limit: the threshold it reached, or the first one if none.
    """

    id = "G31"
    name = "CREEPINESS_SCORE"
    locked = True
    reason_code = ReasonCode.CREEPINESS
    sentence = "Suggesting this could feel as if we were watching you."
    ground = "Moore et al. 2015; Langer & König 2018; Kim, Barasz & John 2019"
    unit = Unit.MICRO

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Score every candidate and say what follows."""
        score = creepiness(observe(view, limits), limits.weights)
        effect, limit = effect_of(score, limits.score)
        if view.request.placement.interruptive:
            explainable = np.zeros(len(view), np.bool_)
        else:
            explainable = view.reason_available
        effect[(effect >= Effect.EXPLAIN.value) & ~explainable] = Effect.BLOCK.value
        return Judgement.of(effect, score, limit)


def effect_of(
    score: NDArray[np.int64], thresholds: ScoreLimits
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Return what a score asks for and the threshold it reached, both shape (n,).

    The most restrictive threshold that was reached counts, also when a shop lowered only that one.
    """
    effect = np.zeros(score.shape, np.int8)
    limit = np.full(score.shape, thresholds.show_micro, np.int64)
    for threshold, follows in (
        (thresholds.show_micro, Effect.EXPLAIN),
        (thresholds.with_reason_micro, Effect.GENERALISE),
        (thresholds.generalise_micro, Effect.BLOCK),
    ):
        reached = score >= threshold
        effect[reached] = follows.value
        limit[reached] = threshold
    return effect, limit
