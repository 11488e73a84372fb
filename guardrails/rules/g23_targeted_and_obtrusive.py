"""G23: chosen for one person and put in their way: either, not both."""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import MICRO, Effect, Judgement, Rule, Unit, View, effect_where, silent

OBTRUSIVE_FACTOR_MICRO = 500_000
"""What the rank score of a targeted suggestion is multiplied by where it interrupts.

In the field study each of the two raised purchase intent and the two together did not, so what a
person's evidence adds has no more claim to the first place there than what the page or the whole shop
says. The study gives no factor for a rank: half is a choice, not a measurement.
"""

_HIGHEST_TIER = 3


class TargetedAndObtrusive(Rule):
    """Keep what a person's evidence moved out of places that interrupt, all the more if it is private.

    Where history or this visit moved a candidate and the placement interrupts, it is blocked when the
    item or its evidence has a tier of 1 or more (the effect was worst in private categories) and
    demoted otherwise. Elsewhere, and for what the page or nobody's evidence moved, the rule is silent.

    Observed: the higher tier of item and evidence; limit: the highest that may interrupt.
    """

    id = "G23"
    name = "TARGETED_AND_OBTRUSIVE"
    locked = False
    reason_code = ReasonCode.OBTRUSIVE
    sentence = "What we pick for you personally does not belong in your way."
    ground = "Goldfarb & Tucker 2011: each works, the two together do not"
    unit = Unit.TIER

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether nothing is interrupted."""
        return not view.request.placement.interruptive

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say what is too personal to interrupt with."""
        if self.is_silent(view, limits):
            return silent(len(view))
        targeted = view.from_history | view.from_visit
        tier = np.maximum(view.tier, view.evidence_tier)
        limit = np.where(targeted, np.int64(0), np.int64(_HIGHEST_TIER))
        blocked = tier > limit
        demoted = targeted & ~blocked
        effect = effect_where(demoted, Effect.DEMOTE)
        effect[blocked] = Effect.BLOCK.value
        return Judgement.of(effect, tier, limit, np.where(demoted, OBTRUSIVE_FACTOR_MICRO, MICRO))
