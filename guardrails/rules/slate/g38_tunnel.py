"""G38: automatic choice must not narrow what a person gets to see to one category."""

from __future__ import annotations

from collections.abc import Collection

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import Unit
from guardrails.rules.slate.base import EVERY_INTENT, LETS_IN, NO_INTENT, Draft, SlateRule, SlateVerdict


class Tunnel(SlateRule):
    """Keep the last places of a slate for other categories, if anything of them can be shown.

    A slate of ``from_count`` or more is to hold ``min_categories``. Whatever its size, a slate does not go
    on with one category alone where all that was shown in this visit and this week was of it. The rule
    steps aside where the page, the basket or the search is about certain categories, and where nothing of
    another category is at hand. Items of no known category count for none.

    Observed: how many categories the slate can come to hold with this one in it (beyond the one shown
    lately, where that decides); limit: how many it is to hold, as far as they go round. Refused where
    observed is below the limit.
    """

    id = "G38"
    name = "TUNNEL"
    locked = False
    reason_code = ReasonCode.TUNNEL
    sentence = "You have seen much of this kind; there is more in the shop."
    ground = "DSA 27; Pariser 2011 on filter bubbles (disputed)"
    unit = Unit.COUNT

    def intents(self, draft: Draft, limits: Limits) -> Collection[int]:
        """Return nothing where it steps aside, or neither the slate nor what was shown lately is enough."""
        is_asked = draft.size >= limits.variety.from_count or draft.view.recent_category >= 0
        return EVERY_INTENT if is_asked and not draft.view.category_bound else NO_INTENT

    def judge(self, draft: Draft, limits: Limits) -> SlateVerdict:
        """Say whether a place must be left for another category."""
        if draft.view.category_bound:
            return LETS_IN
        verdict, variety = LETS_IN, limits.variety
        if draft.size >= variety.from_count:
            verdict = _held_against(draft, variety.min_categories, set())
        if not verdict.refuses and draft.view.recent_category >= 0:
            verdict = _held_against(draft, 1, {draft.view.recent_category})
        return verdict


def _held_against(draft: Draft, n_wanted: int, stale: set[int]) -> SlateVerdict:
    """Compare what the slate can come to hold with the one that is asked about, and without it."""
    there, before = draft.categories() - stale, draft.categories_shown() - stale
    n_places = draft.n_left_after
    if len(there) + n_places >= n_wanted:
        return LETS_IN  # whatever comes next, there is still room for it
    ahead = draft.categories_ahead() - stale
    n_with = len(there) + min(n_places, len(ahead - there))
    n_without = len(before) + min(n_places + 1, len(ahead - before))
    limit = min(n_wanted, n_without)
    return SlateVerdict(n_with < limit, n_with, limit)
