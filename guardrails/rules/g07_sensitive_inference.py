"""G07: nothing a person did may propose what would give away a private matter."""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, blocked_where


class SensitiveInference(Rule):
    """Block what a person's evidence moved and what is too telling of a class not agreed to.

    ``guardrails.inference`` keeps proxies out of the evidence and out of the sums before anything is
    scored; this is the second line. It looks at the visit and the past: what the page or the basket
    proposes is the same for everybody. Telling goes both ways: that somebody has no need of something
    is as private as that they have.

    Without a model that knows lifts, every item counts as neutral (one million). So a limit below one
    million lets nothing through that a person's evidence moved, whatever is known.

    Observed: how much likelier the item makes the class, or its absence, among equally active
    customers; limit: how much it may.
    """

    id = "G07"
    name = "SENSITIVE_INFERENCE"
    locked = True
    reason_code = ReasonCode.SENSITIVE_INFERENCE
    sentence = "Suggesting this could give away something private about you."
    ground = "GDPR 9(1); CJEU C-184/20"
    unit = Unit.MICRO

    def is_silent(self, view: View, limits: Limits) -> bool:
        """Tell whether nothing tells more than it may."""
        return not np.count_nonzero(view.telling_lift_micro > limits.inference.lift_max_micro)

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say where a suggestion would tell more of a class than it may."""
        limit = limits.inference.lift_max_micro
        return Judgement.of(blocked_where(view.telling_lift_micro > limit), view.telling_lift_micro, limit)
