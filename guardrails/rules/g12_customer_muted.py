"""G12: what a customer muted stays muted."""

from __future__ import annotations

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged


class CustomerMuted(Rule):
    """Block what the customer muted by item, brand, category or sensitive class.

    How long a mute lasts was settled when it was set. A muted thing is no evidence either; that
    half is done by ``guardrails.admit``. An item whose brand, category or class is unknown is not
    covered by a mute of that scope, only by its own.

    Observed: 1 where muted; limit 0.
    """

    id = "G12"
    name = "CUSTOMER_MUTED"
    locked = True
    reason_code = ReasonCode.MUTED
    sentence = "You asked us not to show you this."
    ground = "GDPR 21; Brockell 2018"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether no goods are muted."""
        return not view.admission.muted.goods

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 a mute carries its own end
        """Say what is muted."""
        muted = view.admission.muted.covers(view.catalogue, view.item_idx)
        return flagged(muted)
