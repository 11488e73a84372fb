"""G26: a weak moment is no opportunity."""

from __future__ import annotations

from engine.vocabulary import Intent
from guardrails.admit import in_classes
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged, silent


class VulnerableMoment(Rule):
    """Block upsells after a payment failed, and a class that the customer shut out for themselves.

    A payment that failed, or credit that was declined, in this visit ends every step up in price for
    the rest of it. A class that somebody excluded themselves from is off altogether: whatever they
    agreed to, and on its own shelf too. It is no evidence for anything else either; that half is done by
    ``guardrails.admit``. How long an exclusion lasts was settled when it was set. What
    the shop did not report is not known here, and the rule stays silent; an item of no class is
    covered by no exclusion.

    Observed: 1 where the moment forbids it; limit 0.
    """

    id = "G26"
    name = "VULNERABLE_MOMENT"
    locked = False
    reason_code = ReasonCode.VULNERABILITY_SIGNAL
    sentence = "This is not the moment to suggest this to you."
    ground = "AI Act 5(1)(b): no one's weakness is exploited"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether it is a moment like any other."""
        return not (view.admission.holding.payment_failed or view.admission.holding.excluded)

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 a hold carries its own end
        """Say what this moment forbids."""
        holding = view.admission.holding
        if not (holding.payment_failed or holding.excluded):
            return silent(len(view))
        off = (view.intent == Intent.UPSELL.value) & holding.payment_failed
        if holding.excluded:
            off = off | in_classes(view.catalogue, view.item_idx, holding.excluded)
        return flagged(off)
