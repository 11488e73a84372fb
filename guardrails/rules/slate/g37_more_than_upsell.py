"""G37: a list that only sells on shows what the shop is after."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from engine.vocabulary import Intent
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import MICRO, Unit
from guardrails.rules.slate.base import LETS_IN, SELLING, Draft, SlateRule, SlateVerdict


class MoreThanUpsell(SlateRule):
    """Leave a share of the slate to what sells nothing on, and never show upsells alone.

    Where there is any other candidate, upsells and cross-sells take at most ``selling_share_micro`` of the
    slate, and never all of it. Where all others are withheld they take what they might beside a single one,
    so that holding others back never makes room for selling. Where nothing else was proposed cross-sells go
    on, since a basket asks for them. An upsell needs something beside it that is none: alone it is not
    shown at all.

    Observed: what sells on with this one; limit: how many such the slate may hold. Of an upsell that would
    stand alone it is 1 against 0.
    """

    id = "G37"
    name = "MORE_THAN_UPSELL"
    locked = False
    reason_code = ReasonCode.SELLING_SHARE
    sentence = "There is enough here already that would have you spend more."
    ground = "UCPD 5(2); Moore et al. 2015: tactics are noticed"
    unit = Unit.COUNT
    tells_by_intent = True

    def intents(self, draft: Draft, limits: Limits) -> Collection[int]:
        """Return that it is about what sells on."""
        del draft, limits
        return SELLING

    def judge(self, draft: Draft, limits: Limits) -> SlateVerdict:
        """Say whether one more that sells on leaves room for the rest."""
        if not draft.sells:
            return LETS_IN
        n_before = draft.n_selling
        if draft.n_others == n_before == 0 and draft.intent[draft.asked] == Intent.UPSELL.value:
            return SlateVerdict(refuses=True, observed=1, limit=0)
        if draft.n_others_considered == 0:
            return LETS_IN
        most = most_selling(draft.size, max(draft.n_others, 1), limits.variety.selling_share_micro)
        return SlateVerdict(n_before >= most, n_before + 1, most)


@lru_cache(maxsize=1 << 12)
def most_selling(size: int, n_others: int, share_micro: int) -> int:
    """Return how many of a slate may sell on, so that their share of what is shown holds.

    A slate is as long as it can be filled: with few others it is short, and so is the share of it.
    """
    fits = (n for n in range(size) if n * MICRO <= share_micro * (n + min(n_others, size - n)))
    return max(fits, default=0)
