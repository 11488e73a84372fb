"""G03: a consent that has run out is asked for again, not stretched."""

from __future__ import annotations

from guardrails.consent.permission import LAPSED
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged
from guardrails.rules.selling import has_every_consent, refused


class ConsentExpired(Rule):
    """Block what rests on a consent that has run out, or whose notice no longer holds.

    The questions of G01, where the answer is a "yes" of old; a separate rule because a customer is
    told that it can be renewed, and because an auditor counts the three apart. How long a consent
    lasts and which notices have lost their force is decided in ``guardrails.consent.check``. With no
    denial on record it stays silent: G01 speaks then.

    Observed: 1 where a consent has lapsed; limit 0.
    """

    id = "G03"
    name = "CONSENT_EXPIRED"
    locked = True
    reason_code = ReasonCode.CONSENT_EXPIRED
    sentence = "Your consent to this has run out, or its terms have changed. You may renew it if you like."
    ground = "GDPR 4(11), 5(1)(e), 7(1); ISO/IEC TS 27560; IAB TCF (13 months)"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether every candidate has the consents that it needs."""
        return has_every_consent(view)

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 the consent carries its own end
        """Say where a consent has lapsed."""
        lapsed = refused(view, LAPSED)
        return flagged(lapsed)
