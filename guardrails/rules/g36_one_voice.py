"""G36: what was waved off once is off everywhere."""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, blocked_where


class OneVoice(Rule):
    """Block what the customer waved off, or called too personal, on whatever channel.

    A shop that hears a "no" at one counter and asks again at the next speaks with two tongues. Most of
    what holds back is one voice by construction: mutes (G12), holds (G15, G26), returns (G16), ignored
    showings (G19) and the caps (G20) are kept by customer and never by channel, and no rule that reads
    them asks where they came from. Only a suggestion waved off in passing has no store of its own; it
    is read from what was shown before, all channels together.

    A hold of N days covers day N; it counts from the showing that was waved off. Where showings may not
    be read none is known and the rule stays silent.

    Observed: whole days since it was waved off; limit: the days that holds. Blocked where observed is
    not above the limit.
    """

    id = "G36"
    name = "ONE_VOICE"
    locked = False
    reason_code = ReasonCode.DISMISSED
    sentence = "You waved this off, and that counts everywhere with us."
    ground = "GDPR 21; Moore et al. 2015: a violated norm is remembered"
    unit = Unit.DAYS

    def is_silent(self, view: View, limits: Limits) -> bool:
        """Tell whether nothing was waved off lately."""
        return not np.count_nonzero(view.dismissed_days <= limits.holds.dismissed_days)

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say what was waved off lately."""
        days = limits.holds.dismissed_days
        off = np.asarray(view.dismissed_days <= days)
        return Judgement.of(blocked_where(off), view.dismissed_days, days)
