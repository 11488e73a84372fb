"""G29: whoever wants no profile is suggested nothing from one."""

from __future__ import annotations

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged, silent


class NonProfiledMode(Rule):
    """Block what history or this visit moved, for a customer who asked for suggestions without a profile.

    ``guardrails.admit`` reads neither of them then; here the same promise is held a second time. What
    the page says, and what sells well, remain. Who did not ask is not taken to have asked: what may be
    used of them is a matter of consent (G01).

    Observed: 1 where the customer's own evidence moved it; limit 0.
    """

    id = "G29"
    name = "NON_PROFILED_MODE"
    locked = True
    reason_code = ReasonCode.NON_PROFILED
    sentence = "You asked for suggestions that are not based on you."
    ground = "DSA 38: a list without a profile; GDPR 21(2)"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether nobody asked for it."""
        return not view.admission.non_profiled

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say what the customer's own evidence moved although they asked for none."""
        if self.is_silent(view, limits):
            return silent(len(view))
        profiled = view.from_history | view.from_visit
        return flagged(profiled)
