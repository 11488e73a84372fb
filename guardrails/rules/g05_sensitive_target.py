"""G05: a sensitive item is shown only to who agreed, or to who opened its very category."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from guardrails.admit import SENSITIVE_FROM_TIER, in_classes
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, blocked_where
from guardrails.rules.selling import is_outbound

_HIGHEST_TIER = 3


class SensitiveTarget(Rule):
    """Block items of tier 2 and 3 without the explicit consent of their class (P10).

    Exception: the page shows an item of the same category and the same sensitive class, and history
    did not move the candidate. There the customer walked to the shelf. The exception is never made
    where the shop speaks first or where others may see it. An item of unknown category gets no
    exception, and a sensitive item of no class has no consent that could cover it.

    Observed: the tier; limit: the highest tier that may be shown here.
    """

    id = "G05"
    name = "SENSITIVE_TARGET"
    locked = True
    reason_code = ReasonCode.SENSITIVE_CATEGORY
    sentence = "This is a private matter, and you have not asked us to suggest things of this kind."
    ground = "GDPR 9(1), 9(2)(a); CJEU C-184/20"
    unit = Unit.TIER

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether neither item nor evidence is sensitive."""
        return view.greatest_tier < SENSITIVE_FROM_TIER

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 the tiers are law, not limits
        """Say where a sensitive item may not be shown."""
        tier = view.tier
        free = _granted(view) | _on_its_own_shelf(view)
        limit = np.where(free, _HIGHEST_TIER, SENSITIVE_FROM_TIER - 1)
        return Judgement.of(blocked_where(tier > limit), tier, limit)


def _granted(view: View) -> NDArray[np.bool_]:
    """Whether the class of each candidate was agreed to; an item of no class never is."""
    return in_classes(view.catalogue, view.item_idx, view.admission.sensitive_granted)


def _on_its_own_shelf(view: View) -> NDArray[np.bool_]:
    page = view.request.context.item_idx
    seen_by_others = view.admission.shared_audience or view.request.placement.public
    if page is None or seen_by_others or is_outbound(view):
        return np.zeros(len(view), np.bool_)
    category, sensitive_class = view.catalogue.category[page], view.catalogue.sensitive_class[page]
    if category < 0 or sensitive_class < 0:
        return np.zeros(len(view), np.bool_)
    same_shelf = (view.category == category) & (view.sensitive_class == sensitive_class)
    return np.asarray(same_shelf & ~view.from_history)
