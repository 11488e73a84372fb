"""G10: nothing private where a lock screen, a letter box or a wall shows it to others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from guardrails.admit import SENSITIVE_FROM_TIER, in_classes
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, blocked_where
from guardrails.rules.selling import is_outbound

_HIGHEST_TIER = 3


class ChannelLeak(Rule):
    """Block what is too private for the channel, even with the consent of its class (P10).

    Where others may look on, and in public placements, nothing of tier 2 and up is shown. Tier 3 is
    not sent out at all. Tier 2 goes into an e-mail only with the consent of its class given for
    e-mail, which is the one that is asked for there. A neutral item can tell on its evidence, so the
    tier of the evidence counts as well; of that the class is not known here, so any class agreed to
    for the channel lets it pass, G06 being the first line. Which channels evidence may come from is
    named in the grant and held in ``guardrails.admit``.

    An item with nothing but a title to go by counts as tier 1 where the shop speaks first, see
    ``Admission.tier_of``: enough for the score, the reasons and a shared audience, not for this rule.
    What stands in the subject of an e-mail is for the shop to write: it must name no suggestion.

    Observed: the higher tier of item and evidence; limit: the highest that may be shown there.
    """

    id = "G10"
    name = "CHANNEL_LEAK"
    locked = True
    reason_code = ReasonCode.CHANNEL_LEAK
    sentence = "This is private, and others could see it where we would have shown it."
    ground = "GDPR 5(1)(f), 9(1), 25(2); Nissenbaum 2004"
    unit = Unit.TIER

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether neither item nor evidence is sensitive."""
        return view.greatest_tier < SENSITIVE_FROM_TIER

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 the tiers are law, not limits
        """Say what would leak."""
        tier, limit = np.maximum(view.tier, view.evidence_tier), _highest_allowed(view)
        return Judgement.of(blocked_where(tier > limit), tier, limit)


def _highest_allowed(view: View) -> NDArray[np.int64]:
    harmless = np.full(len(view), SENSITIVE_FROM_TIER - 1, np.int64)
    if view.request.overheard:
        return harmless
    if not is_outbound(view):
        return np.full(len(view), _HIGHEST_TIER, np.int64)
    return harmless + _agreed_to(view)


def _agreed_to(view: View) -> NDArray[np.bool_]:
    """Whether what is sensitive about item and evidence was agreed to on the channel; bool, shape (n,)."""
    granted = view.admission.sensitive_granted
    item = (view.tier < SENSITIVE_FROM_TIER) | in_classes(view.catalogue, view.item_idx, granted)
    evidence = (view.evidence_tier < SENSITIVE_FROM_TIER) | bool(granted)
    return np.asarray(item & evidence)
