"""Everything that is said of a draft when it is saved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import cast

from guardrails.messages import Phrase
from guardrails.policy.analysis import analyse
from guardrails.policy.charter import charter
from guardrails.policy.check import check
from guardrails.policy.difference import point_to_plain
from guardrails.policy.findings import Finding, Severity, pointer_of
from guardrails.policy.language import HouseRule, Policy
from guardrails.policy.lints import lint
from guardrails.policy.meaning import Point
from guardrails.policy.mutants import Mutation, mutate
from guardrails.policy.names import KnownNames
from guardrails.policy.review import GRACE_DAYS, Overdue, entry_of, overdue
from guardrails.policy.testing import Coverage, Outcome, run

REVIEW_OVERDUE = "review_overdue"

_TOP = ("policy", "limits", "rules", "time_zone")
_ORDER = {name: index for index, name in enumerate((*_TOP, *HouseRule.__dataclass_fields__))}
"""Parts of a document in the order in which it is best read."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What is said of a draft.

    Attributes:
        findings: errors before warnings, each in the order of the document.
        outcomes: what came of its tests.
        mutation: what came of small changes to its rules.
        coverage: how much of its conditions its tests exercise.
    """

    findings: tuple[Finding, ...]
    outcomes: tuple[Outcome, ...]
    mutation: Mutation
    coverage: Coverage

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What keeps the draft from being proposed."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)


def examine(
    policy: Policy, known: KnownNames, today: date | None = None, *, signed_off: bool = False
) -> Examination:
    """Return everything that is to be said of a draft.

    Args:
        policy: the draft.
        known: what the shop has.
        today: the day of the examination; without it nothing is said of reviews that are over.
        signed_off: an auditor agreed to what only an auditor can agree to.
    """
    trials, mutation = run(policy), mutate(policy)
    findings = (
        *check(policy, known),
        *lint(policy, signed_off_by_auditor=signed_off, sensitive_categories=known.sensitive_categories),
        *map(_with_plain_example, analyse(policy)),
        *trials.findings,
        *mutation.findings,
        *(() if today is None else _overdue(policy, today)),
    )
    return Examination(tuple(sorted(findings, key=_place)), trials.outcomes, mutation, trials.coverage)


def _with_plain_example(finding: Finding) -> Finding:
    """Return a finding whose example is a point with that point as a document writes it."""
    return replace(finding, example=point_to_plain(cast("Point", finding.example)))


def _overdue(policy: Policy, today: date) -> Iterator[Finding]:
    """Yield rules past their review (G34).

    A shop cannot look again at what ships, so that never keeps its policy from being approved.
    """
    for row in overdue(charter(), today, {}):
        yield _past_review(row, Severity.WARNING, pointer_of("rules"))
    places = {rule.id: index for index, rule in enumerate(policy.rules)}
    for row in overdue({rule.id: entry_of(rule) for rule in policy.rules}, today, {}):
        index = places[row.rule_id]
        severity = Severity.ERROR if row.blocks_approval else Severity.WARNING
        yield _past_review(row, severity, pointer_of("rules", index, "review_by"))


def _past_review(row: Overdue, severity: Severity, pointer: str) -> Finding:
    message = Phrase(
        "`{id}` was to be looked at again by {day}: {owner} says whether it still fits, and sets another day",
        id=row.rule_id,
        day=row.review_by.isoformat(),
        owner=row.owner,
    )
    example = {"review_by": row.review_by.isoformat(), "grace_days": GRACE_DAYS}
    return Finding(REVIEW_OVERDUE, severity, pointer, message, example, (row.rule_id,))


def _place(finding: Finding) -> tuple[bool, list[tuple[int, str]]]:
    """Return where a finding stands: numbers in a pointer count, and parts have an order."""
    parts = finding.pointer.split("/")[1:]
    order = [(int(part), "") if part.isdigit() else (_ORDER.get(part, len(_ORDER)), part) for part in parts]
    return finding.severity is not Severity.ERROR, order
