"""G20, the part of a list: so much that sells on fits one page, and one visit."""

from __future__ import annotations

from collections.abc import Collection

from guardrails.policy.limits import Limits
from guardrails.rules import g20_frequency
from guardrails.rules.slate.base import LETS_IN, NO_INTENT, SELLING, Draft, SlateRule, SlateVerdict


class Frequency(SlateRule):
    """Cap what sells on in one list, and in the visit with what this list adds.

    What was shown earlier in the visit counts, so that a slate cannot overdraw what is left. Where the
    placement interrupts, the rule about single candidates has already decided on the slate as a whole.

    Observed: what sells on so far, of the visit where that is the tighter cap, else of the list; limit:
    how many there may be. Refused where observed is not below the limit.
    """

    id = g20_frequency.Frequency.id
    name = g20_frequency.Frequency.name
    locked = g20_frequency.Frequency.locked
    reason_code = g20_frequency.Frequency.reason_code
    sentence = g20_frequency.Frequency.sentence
    ground = g20_frequency.Frequency.ground
    unit = g20_frequency.Frequency.unit
    tells_by_intent = True

    def intents(self, draft: Draft, limits: Limits) -> Collection[int]:
        """Return that it is about what sells on, unless the placement interrupts."""
        del limits
        return NO_INTENT if draft.view.request.placement.interruptive else SELLING

    def judge(self, draft: Draft, limits: Limits) -> SlateVerdict:
        """Say whether one more that sells on fits the page and the visit."""
        if not draft.sells or draft.view.request.placement.interruptive:
            return LETS_IN
        frequency, n_here = limits.frequency, draft.n_selling
        n_in_visit = max(draft.view.n_inline_upsells_session, 0) + n_here
        room, in_visit = frequency.inline_page - n_here, frequency.inline_session - n_in_visit
        if room <= in_visit:
            return SlateVerdict(room <= 0, n_here, frequency.inline_page)
        return SlateVerdict(in_visit <= 0, n_in_visit, frequency.inline_session)
