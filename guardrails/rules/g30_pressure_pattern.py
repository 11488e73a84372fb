"""G30: nobody is pressed."""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, blocked_where


class PressurePattern(Rule):
    """Block what is presented so that it presses: by the shop, by its own title, by asking again.

    A way of presenting that the shop says it uses (unverified scarcity or urgency, a preselected
    add-on, a repeated prompt, guilt) blocks every candidate. A title that presses blocks its own item.
    Once an interruption was waved off in this visit, nothing interrupts again. What a shop does not
    say of its presentation, and what no word list finds in a title, is not known here and passes: the
    shop answers for what it tells.

    Observed: how many ways of pressing meet in it; limit 0.
    """

    id = "G30"
    name = "PRESSURE_PATTERN"
    locked = True
    reason_code = ReasonCode.URGENCY_COPY
    sentence = "We do not want to press you, and this would."
    ground = "DSA 25; UCPD 5(2) and annex I"
    unit = Unit.COUNT

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether nothing presses."""
        return not (_n_everywhere(view) or np.count_nonzero(view.pressing))

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 no pressure is a little pressure
        """Count what presses in each candidate."""
        n_patterns = view.pressing.astype(np.int64) + _n_everywhere(view)
        return Judgement.of(blocked_where(n_patterns > 0), n_patterns, 0)


def _n_everywhere(view: View) -> int:
    """Count what presses whatever is suggested."""
    again = view.request.placement.interruptive and view.n_interruptive_dismissed_session > 0
    return len(view.request.presentation.patterns) + int(again)
