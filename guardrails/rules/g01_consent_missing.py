"""G01: nothing without the consent it needs."""

from __future__ import annotations

from guardrails.consent.permission import LAPSED, TAKEN_BACK, Denial
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged
from guardrails.rules.selling import has_every_consent, refused

NOT_GIVEN = frozenset(Denial) - TAKEN_BACK - LAPSED
"""Denials of what is no "yes" at all, or none for this channel or these goods."""


class ConsentMissing(Rule):
    """Block what needs a consent that was not given or could not be read.

    On an outbound channel every candidate needs the consent to be contacted there. Evidence from
    history needs the permission to read history; an upsell or cross-sell moved by it needs the
    offers purpose (P5) on top. Evidence was already kept out by ``guardrails.admit``: here the same
    promise is held a second time. A permission that nobody asked for counts as missing. What was
    taken back is told by G02 and what has lapsed by G03.

    Observed: 1 where a consent is missing; limit 0.
    """

    id = "G01"
    name = "CONSENT_MISSING"
    locked = True
    reason_code = ReasonCode.CONSENT_ABSENT
    sentence = "We do not have your consent to use your data for this."
    ground = "GDPR 6(1)(a), 7(1); ePrivacy 5(3), 13(1)"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether every candidate has the consents that it needs."""
        return has_every_consent(view)

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 consent has no number
        """Say where a consent is missing."""
        missing = refused(view, NOT_GIVEN)
        return flagged(missing)
