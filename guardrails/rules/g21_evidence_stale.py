"""G21: what was done too long ago says nothing any more."""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import MICRO, Judgement, Rule, Unit, View, blocked_where


class EvidenceStale(Rule):
    """Block a candidate whose strongest evidence is older than its kind may be.

    ``guardrails.admit`` keeps such evidence out before anything is scored; how old each kind may be
    stands in ``limits.evidence`` and is already part of what is observed. This is the second line. A
    candidate without evidence has no age and passes.

    Observed: the age of the strongest evidence as a share of the greatest its kind may have, in
    millionths; limit: the whole of it.
    """

    id = "G21"
    name = "EVIDENCE_STALE"
    locked = False
    reason_code = ReasonCode.PURPOSE_MISMATCH
    sentence = "This came from something too long ago to say anything about you now."
    ground = "GDPR 5(1)(c), 5(1)(e); CJEU C-446/21"
    unit = Unit.MICRO

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether all evidence is young enough."""
        return not np.count_nonzero(view.evidence_age_micro > MICRO)

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 the view was measured by the limits
        """Say where the evidence is too old."""
        stale = np.asarray(view.evidence_age_micro > MICRO)
        return Judgement.of(blocked_where(stale), view.evidence_age_micro, MICRO)
