"""G02: a withdrawn consent or an objection holds at once."""

from __future__ import annotations

from guardrails.consent.permission import TAKEN_BACK
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged
from guardrails.rules.selling import has_every_consent, refused


class WithdrawnOrObjected(Rule):
    """Block what the customer said "no more" to.

    The questions of G01, where the answer is a withdrawal or an objection; a separate rule because
    a customer who took consent back is told so, and because an auditor counts the two apart. With
    no denial on record it stays silent: G01 speaks then.

    Observed: 1 where a consent was taken back; limit 0.
    """

    id = "G02"
    name = "WITHDRAWN_OR_OBJECTED"
    locked = True
    reason_code = ReasonCode.CONSENT_WITHDRAWN
    sentence = "You told us not to use your data for this."
    ground = "GDPR 7(3), 21(2)-(3)"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether every candidate has the consents that it needs."""
        return has_every_consent(view)

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 consent has no number
        """Say where a consent was taken back."""
        taken_back = refused(view, TAKEN_BACK)
        return flagged(taken_back)
