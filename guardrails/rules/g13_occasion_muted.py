"""G13: who asked not to be reminded of a day is not reminded of it."""

from __future__ import annotations

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged


class OccasionMuted(Rule):
    """Block what is made for a muted occasion, and everything where the occasion itself is the topic.

    A page or a message about a muted occasion is withheld as a whole: there is nothing on it that
    would not remind. Occasions are muted by the customer alone; none is ever concluded from anything,
    and nothing here invites to mute one, for the invitation would be the reminder. An item made for
    no known occasion, and a page that names none, are not covered.

    Observed: 1 where muted; limit 0.
    """

    id = "G13"
    name = "OCCASION_MUTED"
    locked = True
    reason_code = ReasonCode.OCCASION_MUTED
    sentence = "You asked us not to show you anything for this occasion."
    ground = "GDPR 21; Bloom & Wild 2019"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether no occasion is muted."""
        return not view.admission.muted.occasions

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 a mute carries its own end
        """Say what is for a muted occasion."""
        muted = view.occasion_muted | (view.request.context.occasion in view.admission.muted.occasions)
        return flagged(muted)
