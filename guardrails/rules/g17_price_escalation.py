"""G17: a dearer suggestion goes one modest step up, not a climb."""

from __future__ import annotations

import numpy as np

from engine.vocabulary import Intent
from guardrails.creepiness.price import price_step
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import MICRO, Effect, Judgement, Rule, Unit, View, effect_where


class PriceEscalation(Rule):
    """Demote upsells above the soft limit, block what is above the hard one, allow one step a visit.

    An upsell is held against its anchor, an add-on (cross-sell) against the basket. Between the soft
    and the hard limit an upsell's rank score falls in a straight line from the whole to a half. An
    upsell whose own price or whose anchor's price is unknown is withheld as a gap: nobody could say
    how far up it goes. The same holds for an add-on of unknown price beside a basket; without a
    basket (none, empty or of unknown value) add-ons are not compared.

    Observed: the share above the anchor, or of the basket, in millionths; limit: the hard share.
    Where the step of the visit decides, both count steps, in millionths too.
    """

    id = "G17"
    name = "PRICE_ESCALATION"
    locked = False
    reason_code = ReasonCode.UPSELL_RATIO
    sentence = "It costs a good deal more than what you are looking at."
    ground = "UCPD 5(2); trade rule of thumb (weak)"
    unit = Unit.MICRO

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether nothing sells on."""
        return view.n_selling == 0

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say where a price goes too far up."""
        step = price_step(view, limits.price)
        upsell = view.intent == Intent.UPSELL.value
        too_dear = step.share_micro > step.hard_micro
        no_step_left = upsell & (view.n_upsell_steps_session >= limits.price.upsell_steps_session)
        withheld = too_dear | no_step_left | step.unknown
        demoted = upsell & (step.pressure_micro > 0) & ~withheld
        by_step = no_step_left & ~too_dear & ~step.unknown
        effect = effect_where(demoted, Effect.DEMOTE)
        effect[withheld] = Effect.BLOCK.value
        effect[step.unknown] = Effect.GAP.value
        return Judgement.of(
            effect,
            np.where(by_step, view.n_upsell_steps_session * MICRO, step.share_micro),
            np.where(by_step, limits.price.upsell_steps_session * MICRO, step.hard_micro),
            np.where(demoted, MICRO - step.pressure_micro // 2, MICRO),
        )
