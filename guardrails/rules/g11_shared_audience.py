"""G11: on a shared device nothing is shown that one of its users might mind."""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, blocked_where

_HIGHEST_TIER = 3


class SharedAudience(Rule):
    """Block items of tier 1 and up, and what evidence of tier 1 and up moved, where others look on.

    A neutral item can tell on its evidence, so the higher tier of the two counts. Gifts are kept
    out of the evidence by ``guardrails.admit``. A device that nobody called shared is taken as the
    customer's own: the shop's word is the only sign there is.

    Observed: the higher tier of item and evidence; limit: the highest that may be shown here.
    """

    id = "G11"
    name = "SHARED_AUDIENCE"
    locked = True
    reason_code = ReasonCode.SHARED_AUDIENCE
    sentence = "Others use this device too, so we keep personal things to ourselves."
    ground = "GDPR 5(1)(f), 25(2)"
    unit = Unit.TIER

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether nobody else looks on, or there is nothing that they might mind."""
        return not view.admission.shared_audience or view.greatest_tier == 0

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 any sensitivity at all counts
        """Say where something personal would be shown to others."""
        tier = np.maximum(view.tier, view.evidence_tier)
        limit = 0 if view.admission.shared_audience else _HIGHEST_TIER
        return Judgement.of(blocked_where(tier > limit), tier, limit)
