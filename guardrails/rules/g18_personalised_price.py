"""G18: no price for one person alone, unless they agreed and are told so."""

from __future__ import annotations

import numpy as np

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.request import AgeAssurance
from guardrails.rules.base import Judgement, Rule, Unit, View, flagged


class PersonalisedPrice(Rule):
    """Block the whole slate where prices were set for this customer without consent or without saying so.

    Both are needed: the consent to it (P11) and the words beside the price. A minor has no such price,
    whatever was agreed to. A consent that was never asked for is missing. A shop that does not say
    that its prices are personal is taken at its word: they are those of everybody.

    Observed: 1 where a price is personal and one of the two fails; limit 0.
    """

    id = "G18"
    name = "PERSONALISED_PRICE"
    locked = True
    reason_code = ReasonCode.PERSONALISED_PRICE
    sentence = "The price would have been set for you alone, without your consent or without telling you."
    ground = "CRD 6(1)(ea); GDPR 6(1)(a), 22"
    unit = Unit.FLAG

    def is_silent(self, view: View, limits: Limits) -> bool:  # noqa: ARG002 its question has no number
        """Tell whether prices are those of everybody."""
        return not view.request.presentation.personalised_price

    def judge(self, view: View, limits: Limits) -> Judgement:  # noqa: ARG002 consent has no number
        """Say whether a price is personal that may not be."""
        shown, admission = view.request.presentation, view.admission
        fair = (
            bool(admission.pricing)
            and shown.price_disclosed
            and admission.age_assurance is not AgeAssurance.MINOR
        )
        unfair = np.full(len(view), shown.personalised_price and not fair, np.bool_)
        return flagged(unfair)
