"""G16: what was sent back is not offered again, and its kind is not sold up."""

from __future__ import annotations

import numpy as np

from engine.vocabulary import Intent
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Judgement, Rule, Unit, View, blocked_where


class Returned(Rule):
    """Block a returned item, and for a shorter time every upsell in its category.

    A hold of N days covers day N: ages count calendar days, so anything less could end early. Where
    history may not be read no return is known and the rule stays silent; the softer unease about a
    category is part of the creepiness score.

    Observed: whole days since the return, the item's own or, where that decides, its category's;
    limit: the days it holds. Blocked where observed is not above the limit.
    """

    id = "G16"
    name = "RETURNED"
    locked = False
    reason_code = ReasonCode.RECENT_RETURN
    sentence = "You recently sent this, or something like it, back."
    ground = "Moore et al. 2015: a violated norm is remembered"
    unit = Unit.DAYS

    def is_silent(self, view: View, limits: Limits) -> bool:
        """Tell whether nothing was sent back lately."""
        holds = limits.holds
        item_off = view.returned_days <= holds.returned_item_days
        category_off = view.category_returned_days <= holds.returned_category_days
        return not np.count_nonzero(item_off | category_off)

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say where a return is too recent."""
        item_off = view.returned_days <= limits.holds.returned_item_days
        category_off = (view.intent == Intent.UPSELL.value) & (
            view.category_returned_days <= limits.holds.returned_category_days
        )
        by_category = category_off & ~item_off
        return Judgement.of(
            blocked_where(item_off | category_off),
            np.where(by_category, view.category_returned_days, view.returned_days),
            np.where(by_category, limits.holds.returned_category_days, limits.holds.returned_item_days),
        )
