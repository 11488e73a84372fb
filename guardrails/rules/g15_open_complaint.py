"""G15: the shop puts things right before it sells on."""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import NEVER_DAYS, Judgement, Rule, Unit, View, blocked_where
from guardrails.rules.selling import is_outbound, sells_on


class OpenComplaint(Rule):
    """Block upsells, cross-sells and everything the shop sends while it owes the customer something.

    That is while a complaint, a refund or a dispute is open, for ``holds.complaint_days`` after the
    last one was closed (a hold of N days covers day N), and while a delivery is late. On whatever
    channel the complaint came in, it holds on all. Where nobody told of any the rule stays silent: a
    shop that does not say that it is being complained about cannot be helped to behave.

    Observed: whole days since the last complaint was closed, 0 while something is open or late; limit:
    the days it holds. Blocked where observed is not above the limit.
    """

    id = "G15"
    name = "OPEN_COMPLAINT"
    locked = False
    reason_code = ReasonCode.RECENT_COMPLAINT
    sentence = "We would rather put things right first than offer you more."
    ground = "Moore et al. 2015: a violated norm is remembered"
    unit = Unit.DAYS

    def is_silent(self, view: View, limits: Limits) -> bool:
        """Tell whether there was no complaint, or long ago."""
        return _days_since(view) > limits.holds.complaint_days

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say what waits until things are put right."""
        days, limit = _days_since(view), limits.holds.complaint_days
        waits = (sells_on(view) | is_outbound(view)) & (days <= limit)
        return Judgement.of(blocked_where(waits), np.full(len(view), days, np.int64), limit)


def _days_since(view: View) -> int:
    holding = view.admission.holding
    if holding.complaint_open or holding.delivery_late:
        return 0
    return NEVER_DAYS if holding.complaint_closed_days is None else holding.complaint_closed_days
