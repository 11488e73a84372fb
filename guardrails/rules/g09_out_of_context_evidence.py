"""G09: what others told the shop moves nothing unless the customer agreed to that."""

from __future__ import annotations

import numpy as np

from engine.vocabulary import Provenance
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged


class OutOfContextEvidence(Rule):
    """Block what evidence from elsewhere moved without the consent to enrichment (P8).

    Elsewhere is a sister shop, another device or the household, or a third party. Under Global
    Privacy Control nothing from elsewhere counts, not even where a consent stands against the signal.
    ``guardrails.admit`` keeps such evidence out before anything is scored: here the same promise is
    held a second time. A consent that was never asked for is missing; evidence that names no origin
    is the shop's own, which is how the shop collected it.

    Observed: 1 where evidence from elsewhere counted although it may not; limit 0.
    """

    id = "G09"
    name = "OUT_OF_CONTEXT_EVIDENCE"
    locked = True
    reason_code = ReasonCode.PROVENANCE
    sentence = "This came from outside this shop, and you have not asked us to use that."
    ground = "GDPR 5(1)(b), 6(4); CCPA 1798.135; Kim, Barasz & John 2019"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether nothing came from elsewhere."""
        return not np.count_nonzero(view.evidence_provenance != Provenance.OWN.value)

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 consent has no number
        """Say where evidence from elsewhere counted."""
        permitted = bool(view.admission.enrichment) and not view.request.gpc
        unasked = np.logical_and(view.evidence_provenance > Provenance.OWN.value, not permitted)
        return flagged(unasked)
