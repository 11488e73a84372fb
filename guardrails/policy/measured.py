"""What rules did, counted from recorded decisions: shares only, nobody's data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from guardrails.judge import WITHHOLDING
from guardrails.policy.charter import Assumption, CharterEntry, Measure
from guardrails.policy.language import HouseAssumption
from guardrails.policy.review import Measured, Share

_NOTHING: Mapping[str, Any] = {"asked": (), "fired": {"rule": (), "row": (), "effect": ()}}
_ANY = 0
"""Stands for every intent; no intent has this number."""


class RuleCounts:
    """Counts what each rule did over many decisions.

    A rule that was only watched counts with what it would have done.

    Attributes:
        n_decisions: how many were counted.
    """

    def __init__(self, by_intent: Collection[str] = ()) -> None:
        """Begin at nothing.

        Args:
            by_intent: ids of rules that are counted for each intent besides.
        """
        self.n_decisions = 0
        self._by_intent = frozenset(by_intent)
        self._n_candidates = 0
        self._asked: Counter[tuple[str, int]] = Counter()
        self._acted: dict[Measure, Counter[tuple[str, int]]] = {measure: Counter() for measure in Measure}

    def add(self, sections: Mapping[str, bytes]) -> None:
        """Count one decision.

        Args:
            sections: canonical bytes of its sections, as ``guardrails.log.record.open_body`` returns them.
        """
        self.n_decisions += 1
        for kept in orjson.loads(sections["consent"])["kept_out"]:
            self._acted[Measure.KEPT_OUT][kept["rule"], _ANY] += 1
        rounds = orjson.loads(sections["rules"])["rounds"]
        for said, intents in zip(rounds, self._intents(sections, len(rounds)), strict=True):
            self._add_round(said, intents)

    def _intents(self, sections: Mapping[str, bytes], n_rounds: int) -> list[Sequence[int]]:
        """Return the intents of the candidates of each round, where somebody asks for them."""
        if not self._by_intent:
            return [()] * n_rounds
        return [considered["intent"] for considered in orjson.loads(sections["cand"])["rounds"]]

    def _add_round(self, said: Mapping[str, Any], intents: Sequence[int]) -> None:
        n_candidates = len(said["rank_score"])
        self._n_candidates += n_candidates
        touched: set[tuple[str, int]] = set()
        for part in (said, said.get("watched", _NOTHING)):
            ids = [asked["rule"] for asked in part["asked"]]
            for rule_id in ids:
                self._asked[rule_id, _ANY] += n_candidates
                if rule_id in self._by_intent:
                    self._asked.update((rule_id, intent) for intent in intents)
            fired = part["fired"]
            for rule, row, effect in zip(fired["rule"], fired["row"], fired["effect"], strict=True):
                touched.add((ids[rule], row))
                if effect >= WITHHOLDING:
                    self._count(Measure.WITHHELD, ids[rule], row, intents)
        for refused in said.get("slate", ()):
            touched.add((refused["rule_id"], refused["row"]))
            self._count(Measure.WITHHELD, refused["rule_id"], refused["row"], intents)
        for rule_id, row in touched:
            self._count(Measure.TOUCHED, rule_id, row, intents)

    def _count(self, measure: Measure, rule_id: str, row: int, intents: Sequence[int]) -> None:
        self._acted[measure][rule_id, _ANY] += 1
        if rule_id in self._by_intent:
            self._acted[measure][rule_id, intents[row]] += 1

    def share(self, rule_id: str, assumption: Assumption) -> Share:
        """Return the share that an assumption of a rule is about.

        A shipped rule about the whole list is not among those asked one by one: any candidate can come
        before it.
        """
        measure, of = assumption.measure, _ANY
        if measure is Measure.KEPT_OUT:
            return Share(self._acted[measure][rule_id, of], self.n_decisions)
        n_otherwise = self._n_candidates
        if isinstance(assumption, HouseAssumption):
            of, n_otherwise = assumption.of or _ANY, 0
        return Share(self._acted[measure][rule_id, of], self._asked.get((rule_id, of), n_otherwise))


def narrowed(charter: Mapping[str, CharterEntry]) -> frozenset[str]:
    """Return the rules that assume something of suggestions of one intent."""
    return frozenset(
        entry.id
        for entry in charter.values()
        for each in entry.assumes
        if isinstance(each, HouseAssumption) and each.of is not None
    )


def measured(
    charter: Mapping[str, CharterEntry], lately: RuleCounts, before: RuleCounts
) -> dict[str, tuple[Measured, ...]]:
    """Return what each rule did, for each of its assumptions; of reports and lints nothing is recorded."""
    return {
        rule_id: tuple(
            Measured(lately.share(entry.id, each), before.share(entry.id, each)) for each in entry.assumes
        )
        for rule_id, entry in charter.items()
        if all(each.measure is not Measure.REPORTED for each in entry.assumes)
    }
