"""Compose: from judged candidates to a slate, best first, within the limits of a whole list.

Never pads: when good candidates run out the slate is short. A candidate that a limit of the list
holds back is withheld like any other, with the rule that did it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from guardrails.judge import Judged
from guardrails.log.codes import ReasonCode
from guardrails.policy.limits import Limits
from guardrails.rules.base import View
from guardrails.rules.slate import SLATE_CATALOGUE
from guardrails.rules.slate.base import EVERY_INTENT, LETS_IN, Draft, SlateRule, SlateVerdict


class Refusal(NamedTuple):
    """What a rule of the whole list kept out.

    Attributes:
        row: row of the round's candidates.
        rule_id: the rule that did it.
        reason_code: its code, of the closed registry in ``guardrails.log.codes``.
        observed: the value it looked at, in its unit.
        limit: the value it held that against.
        failed: name of what the rule raised; empty where it answered.
    """

    row: int
    rule_id: str
    reason_code: str
    observed: int
    limit: int
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Slate:
    """Rows of the round's candidates.

    Attributes:
        shown: rows in the order shown.
        held_back: rows that would have been shown but for a rule, with that rule's id, in rank order.
        refused: what the rules of the list said of those of them that they held back, in the same order.
    """

    shown: tuple[int, ...]
    held_back: tuple[tuple[int, str], ...]
    refused: tuple[Refusal, ...] = ()


def compose(
    judged: Judged, view: View, limits: Limits, rules: Sequence[SlateRule] = SLATE_CATALOGUE
) -> Slate:
    """Fill a slate of at most as many as were asked for, from the best candidate down.

    Args:
        judged: what the rules said of each candidate.
        view: the candidates, and how often the shop has spoken in this visit.
        limits: the numbers of the active policy.
        rules: what is asked of each next candidate with the slate so far.
    """
    ranked = np.argsort(-judged.rank_score, kind="stable").tolist()
    deciding = judged.deciding.tolist()
    draft = Draft(view, [row for row in ranked if deciding[row] < 0])
    asked_of = _Asked(draft, rules, limits)
    size, shown = draft.size, draft.shown
    held_back: list[tuple[int, str]] = []
    refused: list[Refusal] = []
    for row in ranked:
        if len(shown) >= size:
            break
        if deciding[row] >= 0:
            held_back.append((row, judged.rules[deciding[row]].id))
            continue
        refusal = asked_of.refusal(row)
        if refusal is None:
            draft.take()
            asked_of.forget()
        else:
            refused.append(refusal)
            held_back.append((row, refusal.rule_id))
        draft.place += 1
    return Slate(tuple(shown), tuple(held_back), tuple(refused))


class _Asked:
    """The rules that may refuse something in a slate, by the intent of what they may refuse.

    A refusal that looked at no more than an intent goes for the next of that intent as well, until
    something is taken: of what sells on, dozens are refused one after the other.
    """

    def __init__(self, draft: Draft, rules: Sequence[SlateRule], limits: Limits) -> None:
        self._draft, self._limits = draft, limits
        self._told = [(rule, _intents(rule, draft, limits)) for rule in rules]
        self._rules: dict[int, tuple[SlateRule, ...]] = {}
        self._refused: dict[int, Refusal] = {}

    def refusal(self, row: int) -> Refusal | None:
        """Return what is said of the next candidate, ``row``, where it is refused."""
        intent = self._draft.intent[row]
        if intent in self._refused:
            return self._refused[intent]._replace(row=row)
        rules = self._asked_of(intent)
        refusal = _refusal(self._draft, rules, self._limits) if rules else None
        if refusal is not None and all(rule.tells_by_intent for rule in rules):
            self._refused[intent] = refusal
        return refusal

    def forget(self) -> None:
        """Take nothing for granted of a slate that has grown."""
        self._refused.clear()

    def _asked_of(self, intent: int) -> tuple[SlateRule, ...]:
        if intent not in self._rules:
            self._rules[intent] = tuple([rule for rule, intents in self._told if intent in intents])
        return self._rules[intent]


def _intents(rule: SlateRule, draft: Draft, limits: Limits) -> Collection[int]:
    """Return what a rule may refuse; one that raises is asked of everything."""
    try:
        return rule.intents(draft, limits)
    except Exception:  # noqa: BLE001 - whatever a rule raises, it must not let anything in
        return EVERY_INTENT


def _refusal(draft: Draft, rules: Sequence[SlateRule], limits: Limits) -> Refusal | None:
    """Return the word of the first rule that refuses the next candidate; one that raises does so."""
    for rule in rules:
        try:
            verdict = rule.judge(draft, limits)
            if verdict is LETS_IN:
                continue
            verdict = SlateVerdict(*verdict)
        except Exception as error:  # noqa: BLE001 - whatever a rule raises, it must withhold
            return Refusal(draft.asked, rule.id, ReasonCode.POLICY_ERROR, 0, 0, type(error).__name__)
        if verdict.refuses:
            return Refusal(draft.asked, rule.id, rule.reason_code, verdict.observed, verdict.limit)
    return None
