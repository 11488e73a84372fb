"""G14: after what changes a life, some topics and all selling rest for a while."""

from __future__ import annotations

from guardrails.admit import in_classes
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged
from guardrails.rules.selling import is_outbound, sells_on


class LifeEventHold(Rule):
    """Block the held topics while topics rest, and upsells, cross-sells and messages while offers do.

    The topics are pregnancy, parenthood and bereavement, always together, whichever of them it was
    about and whatever was agreed to; they are no evidence either, which is done by ``guardrails.admit``.
    What happened is kept nowhere: the rule sees two ends and no reason, and its words give none. How
    long each hold lasts was settled when it was set. Nobody having said anything, it stays silent; a
    sensitive item of no known class is G05's.

    Observed: 1 where held back; limit 0.
    """

    id = "G14"
    name = "LIFE_EVENT_HOLD"
    locked = True
    reason_code = ReasonCode.ON_HOLD
    sentence = "We are holding this back for now."
    ground = "GDPR 5(1)(c), 25; Brockell 2018"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether nothing rests."""
        return not (view.admission.holding.topics or view.admission.holding.offers)

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 a hold carries its own end
        """Say what rests."""
        holding = view.admission.holding
        held = in_classes(view.catalogue, view.item_idx, holding.held_topics)
        if holding.offers:
            held = held | sells_on(view) | is_outbound(view)
        return flagged(held)
