"""G17, the part of a list: one step up in price in a visit."""

from __future__ import annotations

from collections.abc import Collection

from engine.vocabulary import Intent
from guardrails.policy.limits import Limits
from guardrails.rules import g17_price_escalation
from guardrails.rules.base import Unit
from guardrails.rules.slate.base import LETS_IN, Draft, SlateRule, SlateVerdict

_UPSELLS = frozenset({Intent.UPSELL.value})


class PriceEscalation(SlateRule):
    """Count upsells, those shown earlier in the visit with those of the slate.

    Observed: upsells so far; limit: how many there may be. Refused where observed is not below the limit.
    """

    id = g17_price_escalation.PriceEscalation.id
    name = g17_price_escalation.PriceEscalation.name
    locked = g17_price_escalation.PriceEscalation.locked
    reason_code = g17_price_escalation.PriceEscalation.reason_code
    sentence = g17_price_escalation.PriceEscalation.sentence
    ground = g17_price_escalation.PriceEscalation.ground
    unit = Unit.COUNT
    tells_by_intent = True

    def intents(self, draft: Draft, limits: Limits) -> Collection[int]:
        """Return that it is about upsells."""
        del draft, limits
        return _UPSELLS

    def judge(self, draft: Draft, limits: Limits) -> SlateVerdict:
        """Say whether one more step up fits the visit."""
        if draft.intent[draft.asked] not in _UPSELLS:
            return LETS_IN
        n_so_far = max(draft.view.n_upsell_steps_session, 0) + draft.n_upsells
        n_allowed = limits.price.upsell_steps_session
        return SlateVerdict(n_so_far >= n_allowed, n_so_far, n_allowed)
