"""G22: nobody is followed out of the shop by the very thing they looked at."""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import NEVER_DAYS, Effect, Judgement, Rule, Unit, View, effect_where, silent
from guardrails.rules.selling import is_outbound

_DAY_HOURS = 24


class ExactOutbound(Rule):
    """Generalise the exact item that was looked at, wherever the shop speaks first.

    It may be named only while ``outbound.exact_hours`` last and only if it was wanted: put into the
    cart or on a wish list. Anything else is withheld in this form; its category or its brand may
    speak for it. Ages are calendar days: a day difference of d can be anything short of d + 1 days,
    so an item passes while d + 1 whole days fit into the hours, and under a limit of less than a day
    never. What was bought is not meant here. An item that nobody is known to have looked at is
    nobody's trail and passes.

    Observed: whole days since it was looked at; limit: the days up to which it may be named, -1 where
    it may not be at all. Withheld where it was looked at and observed is above the limit.
    """

    id = "G22"
    name = "EXACT_OUTBOUND"
    locked = False
    reason_code = ReasonCode.EXACT_OUTBOUND
    sentence = "We do not write to you about the very thing you looked at."
    ground = "Bleier & Eisenbeiss 2015: what is exact wears off fast"
    unit = Unit.DAYS

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether the customer speaks first."""
        return not is_outbound(view)

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say what is too exact to be sent."""
        if self.is_silent(view, limits):
            return silent(len(view))
        longest = limits.outbound.exact_hours // _DAY_HOURS - 1
        limit = np.where(view.wanted, np.int64(longest), np.int64(-1))
        too_exact = (view.looked_at_days != NEVER_DAYS) & (view.looked_at_days > limit)
        effect = effect_where(too_exact, Effect.GENERALISE)
        return Judgement.of(effect, view.looked_at_days, limit)
