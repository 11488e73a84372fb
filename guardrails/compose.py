"""Compose: from judged candidates to a slate, best first, within the limits of a whole list.

Never pads: when good candidates run out the slate is short. A candidate that a limit of the list
holds back is withheld like any other, with the rule that did it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.vocabulary import Intent
from guardrails.judge import Judged
from guardrails.policy.limits import Limits
from guardrails.rules.base import View

SELLING = (Intent.UPSELL, Intent.CROSS_SELL)


@dataclass(frozen=True, slots=True)
class Slate:
    """Rows of the round's candidates.

    Attributes:
        shown: rows in the order shown.
        held_back: rows that would have been shown but for a rule, with that rule's id, in rank order.
    """

    shown: tuple[int, ...]
    held_back: tuple[tuple[int, str], ...]


def compose(judged: Judged, view: View, limits: Limits) -> Slate:
    """Fill a slate of at most as many as were asked for, from the best candidate down.

    Args:
        judged: what the rules said.
        view: the candidates, and how often the shop has spoken in this visit.
        limits: the numbers of the active policy.
    """
    shown: list[int] = []
    held_back: list[tuple[int, str]] = []
    caps = _ListCaps(view, limits)
    intents = view.intent.tolist()
    for row in np.argsort(-judged.rank_score, kind="stable").tolist():
        if len(shown) == view.request.count:
            break
        rule_id = _withheld_by(judged, row) or caps.refusal(intents[row])
        if rule_id is None:
            shown.append(row)
        else:
            held_back.append((row, rule_id))
    return Slate(tuple(shown), tuple(held_back))


def _withheld_by(judged: Judged, row: int) -> str | None:
    deciding = int(judged.deciding[row])
    return None if deciding < 0 else judged.rules[deciding].id


class _ListCaps:
    """Counts down what a slate may hold of one intent; says which rule refuses the next.

    What was shown earlier in the visit counts, so that a slate cannot overdraw what is left. Where
    the placement interrupts, the frequency rule has already decided on the slate as a whole.
    """

    def __init__(self, view: View, limits: Limits) -> None:
        frequency, n_sold = limits.frequency, max(view.n_inline_upsells_session, 0)
        inline_left = min(frequency.inline_page, frequency.inline_session - n_sold)
        self._selling_left = view.request.count if view.request.placement.interruptive else inline_left
        self._upsells_left = limits.price.upsell_steps_session - max(view.n_upsell_steps_session, 0)

    def refusal(self, intent: int) -> str | None:
        """Return the id of the rule that refuses one more of ``intent``, or count it and return ``None``."""
        if intent == Intent.UPSELL and self._upsells_left <= 0:
            return "G17"
        if intent in SELLING and self._selling_left <= 0:
            return "G20"
        self._selling_left -= intent in SELLING
        self._upsells_left -= intent == Intent.UPSELL
        return None
