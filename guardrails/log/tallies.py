"""What is counted of a decision, whoever it was for: how much was shown and withheld, where and why.

Sums of these say how the shop's rules work. They are kept for good, so nothing is counted that leads to
one person: no item, no reason, nothing of whom it was for, and no two things crossed with each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from engine.vocabulary import Intent, word
from guardrails.decide import Decision


class Part(StrEnum):
    """What sums are by."""

    PLACEMENT = "placement"
    BASIS = "basis"
    """Of a decision that of its slate; of what was withheld that of the step on which it was."""
    INTENT = "intent"
    RULE = "rule"
    OUTCOME = "outcome"
    DEGRADED = "degraded"
    """Why an answer was less than it might have been."""


class Tally(NamedTuple):
    """What one decision adds to one sum.

    Attributes:
        part: what the sum is by.
        name: of which placement, basis, intent, rule, outcome or reason.
        n_decisions: 1 where the decision as a whole belongs there, else 0.
        n_shown: suggestions.
        n_withheld: what would have been suggested but for a rule.
    """

    part: Part
    name: str
    n_decisions: int
    n_shown: int
    n_withheld: int


def tallies_of(decision: Decision, placement: str) -> tuple[Tally, ...]:
    """Return what a decision adds to the sums, one entry a sum, in order.

    Args:
        decision: the decision.
        placement: name of the placement it was for.
    """
    at, on = (Part.PLACEMENT, placement), (Part.BASIS, word(decision.basis))
    decisions: set[tuple[Part, str]] = {at, on, (Part.OUTCOME, decision.outcome.value)}
    decisions.update((Part.DEGRADED, why) for why in decision.degraded)
    n_of = Counter(suggestion.intent for suggestion in decision.suggestions)
    shown = {(Part.INTENT, word(intent)): n for intent, n in n_of.items()}
    shown |= dict.fromkeys((at, on), len(decision.suggestions))
    withheld = _withheld(decision, placement)
    return tuple(
        Tally(*of, int(of in decisions), shown.get(of, 0), withheld.get(of, 0))
        for of in sorted(decisions | shown.keys() | withheld.keys())
    )


def _withheld(decision: Decision, placement: str) -> Mapping[tuple[Part, str], int]:
    found: Counter[tuple[Part, str]] = Counter()
    for taken in decision.rounds:
        held_back = taken.slate.held_back
        if held_back:
            found[Part.PLACEMENT, placement] += len(held_back)
            found[Part.BASIS, word(taken.basis)] += len(held_back)
            found.update((Part.RULE, rule_id) for _, rule_id in held_back)
            found.update((Part.INTENT, word(Intent(taken.intent[row]))) for row, _ in held_back)
    return found
