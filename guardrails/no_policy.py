"""What is asked where the policy in force cannot be read, and none was read before it: it withholds all.

What ships would be lawful, but it is not what the shop decided on: it may forbid more. As long as nobody
can tell what that is, nothing is suggested, and what is asked is answered, recorded and counted all the
same.
"""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import REGISTRY, ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Effect, Judgement, Rule, Unit, View, the_same


class NoPolicy(Rule):
    """Nobody can tell what the shop's policy asks for."""

    id = "NO_POLICY"
    name = "NO_POLICY"
    locked = True
    reason_code = ReasonCode.POLICY_ERROR
    sentence = REGISTRY[ReasonCode.POLICY_ERROR].meaning
    ground = REGISTRY[ReasonCode.POLICY_ERROR].law
    unit = Unit.FLAG

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002  whatever the limits are
        """Withhold every candidate."""
        n = len(view)
        return Judgement.of(np.full(n, Effect.GAP, np.int8), the_same(n, 1), 0)
