"""G06: sensitive purchases and views are no evidence without explicit consent."""

from __future__ import annotations

import numpy as np

from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, blocked_where

_HIGHEST_TIER = 3


class SensitiveEvidence(Rule):
    """Block what sensitive evidence moved when no sensitive class was agreed to at all.

    ``guardrails.admit`` keeps such evidence out class by class before anything is scored. This is
    the second line: it sees how sensitive the evidence was but not of which class, so it catches a
    failure of the first line for customers who agreed to no class, and stays silent for those who
    agreed to one. A candidate without evidence has tier 0 here and passes.

    Observed: the highest tier among the evidence; limit: the highest that may count.
    """

    id = "G06"
    name = "SENSITIVE_EVIDENCE"
    locked = True
    reason_code = ReasonCode.SENSITIVE_EVIDENCE
    sentence = "This came from something private that you have not asked us to use."
    ground = "GDPR 9(1), 9(2)(a); CJEU C-21/23"
    unit = Unit.TIER

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether neither item nor evidence is sensitive."""
        return view.greatest_tier < SENSITIVE_FROM_TIER

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 the tiers are law, not limits
        """Say where sensitive evidence counted although it could not have been agreed to."""
        limit = _HIGHEST_TIER if view.admission.sensitive_granted else SENSITIVE_FROM_TIER - 1
        return Judgement.of(blocked_where(np.asarray(view.evidence_tier > limit)), view.evidence_tier, limit)
