"""G08: nobody can pay for a place next to somebody's private matters."""

from __future__ import annotations

import numpy as np

from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, blocked_where

_HIGHEST_TIER = 3


class SponsoredSensitive(Rule):
    """Block paid suggestions of tier 2 and up, and those that evidence of tier 2 and up moved.

    Whatever was agreed to: the law forbids it outright, and knows no consent to it. An item that the
    catalogue does not call paid for is taken as the shop's own suggestion, since nobody but the shop
    knows; one with nothing but a title to go by has the tier that its title gives it.

    Observed: the higher tier of item and evidence; limit: the highest that may be shown.
    """

    id = "G08"
    name = "SPONSORED_SENSITIVE"
    locked = True
    reason_code = ReasonCode.SPONSORED_SENSITIVE
    sentence = "Nobody can pay us to suggest something on a private matter."
    ground = "DSA 26(3); GDPR 9(1)"
    unit = Unit.TIER

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether neither item nor evidence is sensitive."""
        return view.greatest_tier < SENSITIVE_FROM_TIER

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 the tiers are law, not limits
        """Say what is paid for and sensitive."""
        tier = np.maximum(view.tier, view.evidence_tier)
        limit = np.where(view.sponsored, SENSITIVE_FROM_TIER - 1, _HIGHEST_TIER)
        return Judgement.of(blocked_where(tier > limit), tier, limit)
