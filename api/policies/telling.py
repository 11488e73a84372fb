"""What is told of policies, as plain data: the same through the API and on pages.

Messages are in the language of the answer; everything else is as it is stored.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import orjson

from api.languages import say
from api.policies.located import Located
from api.storage.policies import Entry
from api.storage.rehearsals import StoredRehearsal
from guardrails.policy.chain import to_plain as detail_to_plain
from guardrails.policy.examine import Examination
from guardrails.policy.findings import Finding, Severity
from guardrails.policy.lifecycle import Life, Trial, VersionLife
from guardrails.policy.lints import Lint
from guardrails.policy.rehearsal_report import sentences_of


def told_tests(version: str, examination: Examination) -> dict[str, Any]:
    """Return how the tests of a version went, what they cover, and what share of changes they notice."""
    outcomes = examination.outcomes
    return {
        "version": version,
        "tests": [
            {
                "rule_id": outcome.rule_id,
                "index": outcome.index,
                "note": outcome.note,
                "expected": outcome.expected.value,
                "did": None if outcome.did is None else outcome.did.value,
                "passed": outcome.passed,
            }
            for outcome in outcomes
        ],
        "n_passed": sum(outcome.passed for outcome in outcomes),
        "conditions_micro": examination.coverage.conditions_micro,
        "boundaries_micro": examination.coverage.boundaries_micro,
        "mutation_micro": examination.mutation.score_micro,
    }


def told_step(entry: Entry) -> dict[str, Any]:
    """Return a step as it is written in the log, with the bytes that its hash is of."""
    step = entry.step
    return {
        "number": step.number,
        "name": step.name,
        "version": step.version,
        "base": step.base,
        "kind": step.kind.value,
        "actor": step.actor,
        "role": step.role,
        "at_ms": step.at_ms,
        **detail_to_plain(step.detail),
        "header_base64": base64.b64encode(entry.header).decode(),
        "sha256": entry.sha256,
    }


def told_rehearsal(found: StoredRehearsal) -> dict[str, Any]:
    """Return how far a rehearsal is, and what it found, with its sentences in the language of the answer."""
    report = None if found.report is None else orjson.loads(found.report)
    sentences = () if report is None else sentences_of(report)
    return {
        "rehearsal_id": found.rehearsal_id,
        "version": found.version,
        "base": found.base,
        "state": found.state.value,
        "n_done": found.n_done,
        "n_total": found.n_total,
        "started_at_ms": found.started_at_ms,
        "finished_at_ms": found.finished_at_ms,
        "report": report,
        "report_sha256": found.report_sha256,
        "sentences": {sentence: say(sentence) for sentence in sentences},
    }


def told_findings(version: str, findings: Iterable[Finding], text: Located | None) -> dict[str, Any]:
    """Return what is found in a version; with the text it was written as, each at its line and column."""
    told = list(findings)
    errors = [each for each in told if each.severity is Severity.ERROR]
    return {
        "version": version,
        "n_errors": len(errors),
        "n_warnings": len(told) - len(errors),
        "needs_auditor": any(each.code == Lint.CONTACT_CAPS for each in errors),
        "findings": [told_finding(each, text) for each in told],
    }


def told_finding(found: Finding, text: Located | None) -> dict[str, Any]:
    """Return one thing that is found, with its line and column where the text is given."""
    place = None if text is None else text.place(found.pointer)
    where = {} if place is None else {"line": place.line, "column": place.column}
    return {
        "code": str(found.code),
        "severity": found.severity.value,
        "pointer": found.pointer,
        **where,
        "message": say(found.message),
        "example": dict(found.example),
        "rules": list(found.rules),
    }


def told_standing(life: Life) -> dict[str, Any] | None:
    """Return what is in force, since and until when."""
    standing = life.standing
    if standing is None:
        return None
    return {
        "name": life.versions[standing.version].name,
        "version": standing.version,
        "since_ms": standing.since_ms,
        "until_ms": standing.until_ms,
        "by_glass": standing.by_glass,
        "falls_back_to": None if standing.before is None else standing.before.version,
    }


def told_trial(trial: Trial | None) -> dict[str, Any] | None:
    """Return what runs beside what is in force."""
    if trial is None:
        return None
    return {
        "version": trial.version,
        "since_ms": trial.since_ms,
        "until_ms": trial.until_ms,
        "share_micro": trial.share_micro,
    }


def told_version(life: Life, known: VersionLife) -> dict[str, Any]:
    """Return where a version stands."""
    return {
        "name": known.name,
        "version": known.version,
        "state": life.state_of(known.version).value,
        "authors": sorted(known.authors),
        "at_ms": known.at_ms,
        "was_in_force": known.was_in_force,
        "proposal": told_proposal(life, known),
    }


def told_proposal(life: Life, known: VersionLife) -> dict[str, Any] | None:
    """Return what is proposed, who approved of it and against what."""
    proposal = known.proposal
    if proposal is None:
        return None
    schedule = proposal.schedule
    return {
        "base": proposal.base,
        "base_in_force": proposal.base == life.base_of(known.version),
        "proposer": proposal.proposer,
        "at_ms": proposal.at_ms,
        "is_rollback": proposal.is_rollback,
        "needs_auditor": proposal.needs_auditor,
        "approved": life.is_approved(known.version),
        "approvals": [
            {"actor": each.actor, "role": each.role, "at_ms": each.at_ms} for each in proposal.approvals
        ],
        "scheduled_at_ms": None if schedule is None else schedule.at_ms,
        "until_ms": None if schedule is None else schedule.until_ms,
        "report_sha256": proposal.report_sha256,
    }
