"""G19: what is ignored is shown less, then not at all for a while."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import MICRO, Effect, Judgement, Rule, Unit, View, effect_where

_MOST_COUNTED = 64
"""Ignored showings beyond this many change nothing: a discount of 0.7 has long reached zero."""


class RepeatAfterIgnore(Rule):
    """Demote by a factor per ignored showing, then pause, then stop.

    Each ignored showing of the short window multiplies the rank score (Li et al. 2014); after
    ``cooldown_after`` of them the item pauses until ``cooldown_days`` after it was last shown; after
    ``hard_at`` in the long window it stops until that window has moved on. A hold of N days covers
    day N. Where showings may not be read none is known and the rule stays silent. Waving
    something off is no mere ignoring: that rests by itself (G36), and a mute asked for is a mute (G12).

    Observed: ignored showings, of the long window where that decides, else of the short one;
    limit: the number at which it blocks.
    """

    id = "G19"
    name = "REPEAT_AFTER_IGNORE"
    locked = False
    reason_code = ReasonCode.REPEAT
    sentence = "We showed you this before and you passed it by."
    ground = "Li et al. 2014; Moore et al. 2015; UCPD annex I no 26"
    unit = Unit.COUNT

    def is_silent(self, view: View, limits: Limits) -> bool:
        """Tell whether nothing was ignored."""
        ignored = np.count_nonzero(view.n_ignored_short) or np.count_nonzero(view.n_ignored_long)
        return not ignored and limits.repeat.cooldown_after > 0 and limits.repeat.hard_at > 0

    def judge(self, view: View, limits: Limits) -> Judgement:
        """Say what was ignored too often."""
        repeat = limits.repeat
        stopped = view.n_ignored_long >= repeat.hard_at
        paused = (view.n_ignored_short >= repeat.cooldown_after) & (
            view.days_since_shown <= repeat.cooldown_days
        )
        demoted = (view.n_ignored_short > 0) & (view.days_since_shown <= repeat.window_days)
        n_ignored = np.where(demoted, np.minimum(view.n_ignored_short, _MOST_COUNTED), 0)
        effect = effect_where(demoted, Effect.DEMOTE)
        effect[stopped | paused] = Effect.BLOCK.value
        return Judgement.of(
            effect,
            np.where(stopped, view.n_ignored_long, view.n_ignored_short),
            np.where(stopped, repeat.hard_at, repeat.cooldown_after),
            _discounts(repeat.discount_micro)[n_ignored],
        )


@lru_cache(maxsize=8)
def _discounts(discount_micro: int) -> NDArray[np.int64]:
    """Powers of the discount in millionths, rounded down at every step; read-only, int64."""
    powers = [MICRO]
    for _ in range(_MOST_COUNTED):
        powers.append(powers[-1] * discount_micro // MICRO)
    table = np.array(powers, np.int64)
    table.setflags(write=False)
    return table
