"""G04: nobody under 18 is sold to from what is known of them."""

from __future__ import annotations

import numpy as np

from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.request import AgeAssurance
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged
from guardrails.rules.selling import sells_on


class Minor(Rule):
    """Block what nobody under 18 can agree to, whatever was agreed to.

    For a known minor these are upsells and cross-sells that history or the visit moved (P5), paid
    suggestions that they moved (P9), anything sensitive, even on its own shelf (P10), and the whole
    slate where prices are set for one person (P11). That a child too young to consent needs a parent
    for any profiling is settled before, in ``guardrails.consent.check``.

    An unknown age is not that of a minor: the law asks for no more data to find out (DSA 28(3)), and
    what only adults may see is kept by G27, which takes an unknown age for no proof.

    Observed: 1 where a minor would be shown it all the same; limit 0.
    """

    id = "G04"
    name = "MINOR"
    locked = True
    reason_code = ReasonCode.MINOR
    sentence = "We do not choose things like this for anybody under 18."
    ground = "DSA 28(2)-(3); GDPR 8, recital 38"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether it is nobody known to be under 18."""
        return view.admission.age_assurance is not AgeAssurance.MINOR

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 the age is the law's
        """Say what is not for minors."""
        barred = np.zeros(len(view), np.bool_)
        if view.admission.age_assurance is AgeAssurance.MINOR:
            profiled = view.from_history | view.from_visit
            sensitive = np.maximum(view.tier, view.evidence_tier) >= SENSITIVE_FROM_TIER
            barred |= (profiled & (sells_on(view) | view.sponsored)) | sensitive
            barred |= view.request.presentation.personalised_price
        return flagged(barred)
