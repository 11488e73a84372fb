"""G24: nothing rests on so few customers that it would tell on one of them."""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, blocked_where


class SmallCohort(Rule):
    """Block a candidate when any edge behind it was made by too few distinct customers.

    Edges that touch anything of tier 1 or more need ``support.sensitive_edge`` customers, others
    ``support.edge``. A candidate that no edge was used for (popular items) rests on the whole shop
    and passes.

    Observed: fewest customers behind an edge, of a sensitive one where that decides; limit: the
    fewest there must be.
    """

    id = "G24"
    name = "SMALL_COHORT"
    locked = True
    reason_code = ReasonCode.SMALL_COHORT
    sentence = "Too few customers bought these together to suggest it without telling on them."
    ground = "Calandrino et al. 2011; GDPR 5(1)(f)"
    unit = Unit.CUSTOMERS

    def is_silent(self, view: View, limits: Limits) -> bool:
        """Tell whether enough customers stand behind everything."""
        too_few = view.min_support < limits.support.edge
        too_few_sensitive = view.min_sensitive_support < limits.support.sensitive_edge
        return not np.count_nonzero(too_few | too_few_sensitive)

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say where too few customers stand behind a candidate."""
        too_few = view.min_support < limits.support.edge
        too_few_sensitive = view.min_sensitive_support < limits.support.sensitive_edge
        by_sensitive = too_few_sensitive & ~too_few
        return Judgement.of(
            blocked_where(too_few | too_few_sensitive),
            np.where(by_sensitive, view.min_sensitive_support, view.min_support),
            np.where(by_sensitive, limits.support.sensitive_edge, limits.support.edge),
        )
