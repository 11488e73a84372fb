"""What rules did, counted from recorded decisions: shares only, nobody's data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from guardrails.judge import WITHHOLDING
from guardrails.policy.charter import CharterEntry, Measure
from guardrails.policy.review import Measured, Share


class RuleCounts:
    """Counts what each rule did over many decisions.

    Attributes:
        n_decisions: how many were counted.
    """

    def __init__(self) -> None:
        self.n_decisions = 0
        self._n_candidates = 0
        self._asked: Counter[str] = Counter()
        self._acted: dict[Measure, Counter[str]] = {measure: Counter() for measure in Measure}

    def add(self, sections: Mapping[str, bytes]) -> None:
        """Count one decision.

        Args:
            sections: canonical bytes of its sections, as ``guardrails.log.record.open_body`` returns them.
        """
        self.n_decisions += 1
        for kept in orjson.loads(sections["consent"])["kept_out"]:
            self._acted[Measure.KEPT_OUT][kept["rule"]] += 1
        for said in orjson.loads(sections["rules"])["rounds"]:
            self._add_round(said)

    def _add_round(self, said: Mapping[str, Any]) -> None:
        ids = [asked["rule"] for asked in said["asked"]]
        n_candidates = len(said["rank_score"])
        self._n_candidates += n_candidates
        for rule_id in ids:
            self._asked[rule_id] += n_candidates
        fired = said["fired"]
        touched = {(ids[rule], row) for rule, row in zip(fired["rule"], fired["row"], strict=True)}
        for rule, effect in zip(fired["rule"], fired["effect"], strict=True):
            if effect >= WITHHOLDING:
                self._acted[Measure.WITHHELD][ids[rule]] += 1
        for refused in said.get("slate", ()):
            touched.add((refused["rule_id"], refused["row"]))
            self._acted[Measure.WITHHELD][refused["rule_id"]] += 1
        self._acted[Measure.TOUCHED].update(rule_id for rule_id, _ in touched)

    def share(self, entry: CharterEntry) -> Share:
        """Return the share that a rule's assumption is about.

        A rule about the whole list is not among those asked one by one: any candidate can come before it.
        """
        measure = entry.assumes.measure
        if measure is Measure.KEPT_OUT:
            return Share(self._acted[measure][entry.id], self.n_decisions)
        return Share(self._acted[measure][entry.id], self._asked.get(entry.id, self._n_candidates))


def measured(
    charter: Mapping[str, CharterEntry], lately: RuleCounts, before: RuleCounts
) -> dict[str, Measured]:
    """Return what each rule of a charter did, by id; of reports and lints nothing is recorded."""
    return {
        rule_id: Measured(lately.share(entry), before.share(entry))
        for rule_id, entry in charter.items()
        if entry.assumes.measure is not Measure.REPORTED
    }
