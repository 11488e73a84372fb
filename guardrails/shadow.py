"""A policy beside the one in force: what it would have done with the same candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guardrails.compose import Slate, compose
from guardrails.house import ShadowPolicy
from guardrails.judge import judge
from guardrails.rules.base import View


@dataclass(frozen=True, slots=True)
class Beside:
    """What a policy in shadow would have made of one round.

    Attributes:
        version: SHA-256 of its document.
        withheld: rows that were shown and that it would not have shown, with the rule that it would have
            held them back by; ``""`` where others would have taken their place.
        shown: rows that it would have shown and that were not, in its order.
        failed: ids of its rules that raised.
    """

    version: str
    withheld: tuple[tuple[int, str], ...]
    shown: tuple[int, ...]
    failed: tuple[str, ...]


def ask_beside(shadow: ShadowPolicy, view: View, score: NDArray[np.int64], slate: Slate) -> Beside:
    """Ask a policy about candidates that were judged and composed already.

    It is asked about what was proposed: it proposes nothing itself, and columns that count something
    over a time of the policy in force (``repeat``, ``holds``) are those of that policy.

    Args:
        shadow: the policy.
        view: the candidates and all that rules may look at.
        score: shape (n,), int64, what demotions start from.
        slate: what was shown of them.
    """
    judged = judge(view, score, shadow.rules, shadow.limits, in_full=False)
    would = compose(judged, view, shadow.limits, shadow.slate_rules)
    held_back = dict(would.held_back)
    return Beside(
        version=shadow.version,
        withheld=tuple((row, held_back.get(row, "")) for row in slate.shown if row not in would.shown),
        shown=tuple(row for row in would.shown if row not in slate.shown),
        failed=tuple(rule_id for rule_id, _ in judged.failed),
    )
