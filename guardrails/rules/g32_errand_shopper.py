"""G32: whoever came for one thing is let through to the till."""

from __future__ import annotations

from engine.vocabulary import Intent
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import ErrandLimits, Limits
from guardrails.request import Entry, Visit
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged, silent
from guardrails.rules.selling import sells_on


class ErrandShopper(Rule):
    """Block upsells on an errand, and cross-sells as well where the placement interrupts.

    A visit is an errand while it has opened few pages and went to the basket within seconds of the
    first, or when it began with a search for one certain product. Pages or seconds that the shop does
    not tell make no errand as far as anybody knows, and the rule stays silent; the search alone is
    enough without them.

    Observed: 1 where it would hold the errand up; limit 0.
    """

    id = "G32"
    name = "ERRAND_SHOPPER"
    locked = False
    reason_code = ReasonCode.ERRAND
    sentence = "You came for one thing, and we do not want to hold you up."
    ground = "UCPD 5(2); trade experience: who is held up shops elsewhere (weak)"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:
        """Tell whether it is no errand."""
        return not is_errand(view.request.visit, limits.errand)

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say what would hold up somebody on an errand."""
        if self.is_silent(view, limits):
            return silent(len(view))
        if view.request.placement.interruptive:
            holds_up = sells_on(view)
        else:
            holds_up = view.intent == Intent.UPSELL.value
        return flagged(holds_up)


def is_errand(visit: Visit, errand: ErrandLimits) -> bool:
    """Tell whether a visit goes straight to one thing, as far as the shop tells."""
    if visit.entry is Entry.EXACT_SEARCH:
        return True
    if visit.n_pages is None or visit.basket_after_s is None:
        return False
    return visit.n_pages <= errand.max_pages and visit.basket_after_s <= errand.max_seconds
