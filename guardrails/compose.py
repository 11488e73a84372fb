"""Compose: from judged candidates to a slate, best first, within the limits of a whole list.

Never pads: when good candidates run out the slate is short. A candidate that a limit of the list
holds back is withheld like any other, with the rule that did it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import Intent
from guardrails.judge import Judged
from guardrails.policy.limits import Limits

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


def compose(
    judged: Judged, intent: NDArray[np.int8], count: int, limits: Limits, *, interruptive: bool
) -> Slate:
    """Fill a slate of at most ``count`` from the best candidate down.

    Args:
        judged: what the rules said.
        intent: shape (n,), int8, ``Intent`` of each candidate.
        count: most suggestions wanted.
        limits: the numbers of the active policy.
        interruptive: the inline cap on selling holds only where nothing is interrupted; there the
            frequency rule has already decided.
    """
    shown: list[int] = []
    held_back: list[tuple[int, str]] = []
    order = np.lexsort((np.arange(intent.size), -judged.rank_score))
    caps = _ListCaps(limits, count, interruptive=interruptive)
    for row in order.tolist():
        if len(shown) == count:
            break
        rule_id = _withheld_by(judged, row) or caps.refusal(Intent(intent[row]))
        if rule_id is None:
            shown.append(row)
        else:
            held_back.append((row, rule_id))
    return Slate(tuple(shown), tuple(held_back))


def _withheld_by(judged: Judged, row: int) -> str | None:
    deciding = int(judged.deciding[row])
    return None if deciding < 0 else judged.rules[deciding].id


class _ListCaps:
    """Counts down what a slate may hold of one intent; says which rule refuses the next."""

    def __init__(self, limits: Limits, count: int, *, interruptive: bool) -> None:
        self._selling_left = count if interruptive else limits.frequency.inline_page
        self._upsells_left = limits.price.upsell_steps_session

    def refusal(self, intent: Intent) -> str | None:
        """Return the id of the rule that refuses one more of ``intent``, or count it and return ``None``."""
        if intent is Intent.UPSELL and self._upsells_left == 0:
            return "G17"
        if intent in SELLING and self._selling_left == 0:
            return "G20"
        self._selling_left -= intent in SELLING
        self._upsells_left -= intent is Intent.UPSELL
        return None
