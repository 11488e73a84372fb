"""G25: what cannot be explained truthfully is not sold."""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import MICRO, Effect, Judgement, Rule, Unit, View, effect_where, silent
from guardrails.rules.selling import is_outbound, sells_on

UNEXPLAINED_FACTOR_MICRO = 500_000
"""What the rank score of an unexplained suggestion is multiplied by: a choice, not a measurement."""


class NoFaithfulReason(Rule):
    """Block unexplained offers, demote other unexplained suggestions.

    A reason is faithful when it names evidence that moved the rank. Without one, an upsell or
    cross-sell moved by history (P5) and anything the shop sends (P6) is blocked; the rest is
    demoted by half.

    Observed: 1 where no reason can be given; limit 0.
    """

    id = "G25"
    name = "NO_FAITHFUL_REASON"
    locked = False
    reason_code = ReasonCode.NO_REASON
    sentence = "We could not tell you truthfully why we would suggest this."
    ground = "White et al. 2008; Kim, Barasz & John 2019; GDPR 13(2)(f)"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether everything can be explained."""
        return not np.count_nonzero(~view.reason_available)

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 a reason is there or it is not
        """Say what cannot be explained."""
        unexplained = ~view.reason_available
        if not np.count_nonzero(unexplained):
            return silent(len(view))
        offered = (sells_on(view) & view.from_history) | is_outbound(view)
        demoted = unexplained & ~offered
        effect = effect_where(demoted, Effect.DEMOTE)
        effect[unexplained & offered] = Effect.BLOCK.value
        return Judgement.of(effect, unexplained, 0, np.where(demoted, UNEXPLAINED_FACTOR_MICRO, MICRO))
