"""G27: alcohol, tobacco and their like for verified adults only, and never from what somebody did."""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.request import AgeAssurance
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged


class AgeRestricted(Rule):
    """Block age-restricted items unless the customer is a verified adult, and when they are personal.

    Personal is what history or this visit moved: who opens the shelf may see what is on it, and nobody is
    led to it. An unknown age and an age that was only declared are not a verified one.

    Observed: 1 where the item is age-restricted and one of the two fails; limit 0.
    """

    id = "G27"
    name = "AGE_RESTRICTED"
    locked = True
    reason_code = ReasonCode.AGE_RESTRICTED
    sentence = "This is sold to adults only; we do not suggest it from what you did."
    ground = "DSA 28; national law on alcohol, tobacco, weapons and gambling"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether everything may be sold to anybody."""
        return not np.count_nonzero(view.age_restricted)

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 the age is the law's
        """Say what is for verified adults only."""
        restricted = view.catalogue.age_restricted[view.item_idx]
        if view.admission.age_assurance is AgeAssurance.VERIFIED_ADULT:
            restricted = restricted & (view.from_history | view.from_visit)
        return flagged(restricted)
