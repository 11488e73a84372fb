"""What happens by itself when its time has come."""

from __future__ import annotations

from dataclasses import replace

from guardrails.messages import Phrase
from guardrails.policy.lifecycle import (
    SYSTEM,
    Detail,
    Life,
    Schedule,
    Step,
    StepKind,
    VersionLife,
    ends_by,
)

MOVED = Phrase("what it was approved against is no longer in force")
"""The reason of a suspension that the clock comes upon."""


def next_due(life: Life, now_ms: int) -> Step | None:
    """Return the step that time itself takes next; ``None`` when nothing is due.

    What is over ends first, then what was scheduled begins, in the order of their times; a challenger
    whose base is gone is suspended at once. The step has no number or name yet. Take it, unless it is
    refused with what is known of the version (then suspend it), and ask again.
    """
    standing, challenger = life.standing, life.challenger
    due: list[tuple[int, int, Step]] = []
    if challenger is not None and challenger.base != life.base_of(challenger.version):
        due.append((0, 0, _by_itself(life, challenger.version, StepKind.SUSPENDED, now_ms, MOVED)))
    due.extend(
        (running.until_ms or 0, 1, _by_itself(life, running.version, StepKind.EXPIRED, now_ms))
        for running in (standing, life.shadow, challenger)
        if running is not None and ends_by(running, now_ms)
    )
    for known in life.versions.values():
        schedule = None if known.proposal is None else known.proposal.schedule
        if schedule is not None and schedule.at_ms <= now_ms:
            due.append((schedule.at_ms, 2, _begin(life, known, schedule, now_ms)))
    earliest = min(due, key=lambda each: (*each[:2], each[2].version), default=None)
    return None if earliest is None else earliest[2]


def _begin(life: Life, known: VersionLife, schedule: Schedule, now_ms: int) -> Step:
    """Return the step of a schedule whose time has come; nothing begins that is over by now."""
    proposal = known.proposal
    if proposal is None or proposal.base != life.base_of(known.version):
        return _by_itself(life, known.version, StepKind.SUSPENDED, now_ms, MOVED)
    step = _by_itself(life, known.version, StepKind.ACTIVATED, now_ms)
    return replace(step, detail=Detail(until_ms=schedule.until_ms))


def _by_itself(life: Life, version: str, kind: StepKind, now_ms: int, reason: str = "") -> Step:
    known, base = life.versions[version], life.base_of(version) or version
    return Step(0, known.name, version, base, kind, SYSTEM, SYSTEM, now_ms, Detail(reason=reason))
