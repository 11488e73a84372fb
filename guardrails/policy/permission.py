"""Which step may be taken when, and by whom; what is missing where one may not.

Rules are asked in order, and the first that objects says why. What they cannot see in the life of a
policy (whether a draft has errors, whether it was rehearsed) they are told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from guardrails.messages import Phrase
from guardrails.policy.charter import MICRO
from guardrails.policy.lifecycle import (
    AUDITOR,
    HOUR_MS,
    LONGEST_GLASS_MS,
    SYSTEM,
    Life,
    Step,
    StepKind,
    beneath,
    glass_since_ms,
    unless_of,
)

GREATEST_SHARE_MICRO = MICRO // 2
"""Greatest share of customers that a challenger may have."""

_MARKETER, _APPROVER, _ADMIN = "marketer", "approver", "admin"
_WRITERS = frozenset({_MARKETER, _APPROVER, _ADMIN})
_APPROVERS = frozenset({_APPROVER, AUDITOR, _ADMIN})
_NOBODY = frozenset({SYSTEM})

ROLES: Mapping[StepKind, frozenset[str]] = MappingProxyType(
    {
        StepKind.FOUND: _NOBODY,
        StepKind.DRAFTED: _WRITERS,
        StepKind.PROPOSED: _WRITERS,
        StepKind.APPROVED: _APPROVERS,
        StepKind.REJECTED: _APPROVERS,
        StepKind.SCHEDULED: _WRITERS,
        StepKind.ACTIVATED: _WRITERS | _NOBODY,
        StepKind.SUSPENDED: _NOBODY,
        StepKind.SHADOWED: _WRITERS,
        StepKind.CHALLENGED: _WRITERS,
        StepKind.ENDED: _WRITERS,
        StepKind.BROKE_GLASS: _WRITERS,
        StepKind.EXPIRED: _NOBODY,
    }
)
"""Roles that may take a step."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a version besides its life.

    Attributes:
        n_errors: findings that keep it from being put in force.
        n_failing_tests: its own tests that fail.
        report_sha256: report of a finished rehearsal against the base of the step; ``None`` without one.
        needs_auditor: it asks for what only an auditor may agree to.
    """

    n_errors: int = 0
    n_failing_tests: int = 0
    report_sha256: str | None = None
    needs_auditor: bool = False


SOUND = Facts()


class Because(StrEnum):
    """Why a step is refused."""

    ROLE = "role"
    UNKNOWN_VERSION = "unknown_version"
    ERRORS = "errors"
    FAILING_TESTS = "failing_tests"
    NOT_REHEARSED = "not_rehearsed"
    IN_FORCE = "in_force"
    NEVER_IN_FORCE = "never_in_force"
    OPEN_ALREADY = "open_already"
    NOT_PROPOSED = "not_proposed"
    OTHER_BASE = "other_base"
    BASE_MOVED = "base_moved"
    OWN_CHANGE = "own_change"
    APPROVED_ALREADY = "approved_already"
    NOT_APPROVED = "not_approved"
    NEEDS_AUDITOR = "needs_auditor"
    NO_REASON = "no_reason"
    TIME = "time"
    SHARE = "share"
    OCCUPIED = "occupied"
    NOTHING_RUNS = "nothing_runs"
    GLASS_SPENT = "glass_spent"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that may not be taken: which rule says so, and what is missing, in words."""

    because: Because
    message: Phrase


def refusal(life: Life, step: Step, facts: Facts = SOUND) -> Refusal | None:
    """Return why a step may not be taken; ``None`` when it may.

    Args:
        life: what follows from the steps so far, as of the time of the step (see ``next_due``).
        step: what is asked for; its number and name do not matter.
        facts: what is known of the version.
    """
    return next((found for rule in _RULES[step.kind] if (found := rule(life, step, facts))), None)


_Rule: TypeAlias = Callable[[Life, Step, Facts], Refusal | None]


def _refuse_if(wrong: object, because: Because, message: Phrase) -> Refusal | None:
    return Refusal(because, message) if wrong else None


def _role(_life: Life, step: Step, _facts: Facts) -> Refusal | None:
    may = ROLES[step.kind]
    roles = ", ".join(f"`{role}`" for role in sorted(may - _NOBODY) or may)
    return _refuse_if(
        step.role not in may,
        Because.ROLE,
        Phrase("the role `{role}` may not do this: it takes {roles}", role=step.role, roles=roles),
    )


def _is_known(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    unknown = step.version not in life.versions
    return _refuse_if(unknown, Because.UNKNOWN_VERSION, Phrase("there is no such version of this policy"))


def _no_errors(_life: Life, _step: Step, facts: Facts) -> Refusal | None:
    return _refuse_if(
        facts.n_errors,
        Because.ERRORS,
        Phrase("the draft has errors, {n} in all: mend them first", n=facts.n_errors),
    )


def _tests_pass(_life: Life, _step: Step, facts: Facts) -> Refusal | None:
    return _refuse_if(
        facts.n_failing_tests,
        Because.FAILING_TESTS,
        Phrase("tests of the draft fail, {n} in all", n=facts.n_failing_tests),
    )


def _is_rehearsed(_life: Life, _step: Step, facts: Facts) -> Refusal | None:
    return _refuse_if(
        facts.report_sha256 is None,
        Because.NOT_REHEARSED,
        Phrase("no rehearsal against what is in force was finished: run one first"),
    )


def _not_in_force(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    same = step.version == life.in_force
    return _refuse_if(same, Because.IN_FORCE, Phrase("this version is in force already"))


def _takes_a_place(life: Life, step: Step, facts: Facts) -> Refusal | None:
    """What is in force by broken glass alone may be proposed, so that it can stay."""
    by_glass = life.base_of(step.version) != life.in_force
    return None if by_glass else _not_in_force(life, step, facts)


def _base_is_current(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    return _refuse_if(
        step.base != life.base_of(step.version),
        Because.BASE_MOVED,
        Phrase("what is in force has changed since: propose it again, against what is in force now"),
    )


def _may_be_rolled_back_to(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    wrong = step.detail.is_rollback and not life.versions[step.version].was_in_force
    return _refuse_if(wrong, Because.NEVER_IN_FORCE, Phrase("this version was never in force"))


def _not_open(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    proposal = life.versions[step.version].proposal
    same = proposal is not None and proposal.base == step.base
    return _refuse_if(same, Because.OPEN_ALREADY, Phrase("this version is proposed already"))


def _is_proposed(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    missing = life.versions[step.version].proposal is None
    return _refuse_if(missing, Because.NOT_PROPOSED, Phrase("this version is not proposed"))


def _of_this_base(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    proposal = life.versions[step.version].proposal
    other = proposal is None or proposal.base != step.base
    return _refuse_if(other, Because.OTHER_BASE, Phrase("this version is proposed against another base"))


def _not_own(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    known = life.versions[step.version]
    proposer = None if known.proposal is None else known.proposal.proposer
    own = step.actor in known.authors or step.actor == proposer
    return _refuse_if(
        own,
        Because.OWN_CHANGE,
        Phrase("whoever wrote or proposed a change cannot approve it: somebody else has to"),
    )


def _not_twice(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    proposal = life.versions[step.version].proposal
    again = proposal is not None and any(each.actor == step.actor for each in proposal.approvals)
    return _refuse_if(again, Because.APPROVED_ALREADY, Phrase("this key has approved of it already"))


def _is_approved(life: Life, step: Step, facts: Facts) -> Refusal | None:
    proposal = life.versions[step.version].proposal
    needs_auditor = facts.needs_auditor or (proposal is not None and proposal.needs_auditor)
    if life.is_approved(step.version, needs_auditor=needs_auditor):
        return None
    if needs_auditor:
        return Refusal(Because.NEEDS_AUDITOR, Phrase("an auditor has to approve of this change"))
    return Refusal(Because.NOT_APPROVED, Phrase("nobody has approved of this version against this base"))


def _needs_no_auditor(_life: Life, _step: Step, facts: Facts) -> Refusal | None:
    return _refuse_if(
        facts.needs_auditor, Because.NEEDS_AUDITOR, Phrase("an auditor has to approve of this change")
    )


def _has_reason(_life: Life, step: Step, _facts: Facts) -> Refusal | None:
    return _refuse_if(not step.detail.reason.strip(), Because.NO_REASON, Phrase("a reason is needed"))


def _scheduled_ahead(_life: Life, step: Step, _facts: Facts) -> Refusal | None:
    at_ms = step.detail.scheduled_at_ms
    wrong = at_ms is None or at_ms <= step.at_ms
    return _refuse_if(wrong, Because.TIME, Phrase("it can be scheduled for the future only"))


def _ends_ahead(_life: Life, step: Step, _facts: Facts) -> Refusal | None:
    begins_ms, until_ms = step.detail.scheduled_at_ms or step.at_ms, step.detail.until_ms
    wrong = until_ms is not None and until_ms <= begins_ms
    return _refuse_if(wrong, Because.TIME, Phrase("it would be over before it begins"))


def _in_time(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    """The clock puts nothing in force before its time; people may."""
    proposal = life.versions[step.version].proposal
    schedule = None if proposal is None else proposal.schedule
    early = step.role == SYSTEM and (schedule is None or step.at_ms < schedule.at_ms)
    return _refuse_if(early, Because.TIME, Phrase("its time has not come"))


def _fair_share(_life: Life, step: Step, _facts: Facts) -> Refusal | None:
    share_micro = step.detail.share_micro
    wrong = share_micro is None or not 0 < share_micro <= GREATEST_SHARE_MICRO
    return _refuse_if(
        wrong,
        Because.SHARE,
        Phrase(
            "the share of a challenger is more than 0 and at most {greatest}",
            greatest=GREATEST_SHARE_MICRO / MICRO,
        ),
    )


def _no_shadow(life: Life, _step: Step, _facts: Facts) -> Refusal | None:
    return _refuse_if(life.shadow, Because.OCCUPIED, Phrase("there is a shadow already: end that one first"))


def _no_challenger(life: Life, _step: Step, _facts: Facts) -> Refusal | None:
    return _refuse_if(
        life.challenger, Because.OCCUPIED, Phrase("there is a challenger already: end that one first")
    )


def _something_runs(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    proposal = life.versions[step.version].proposal
    by_glass = life.standing is not None and life.standing.by_glass
    runs = (
        unless_of(life.shadow, step.version) is not life.shadow
        or unless_of(life.challenger, step.version) is not life.challenger
        or (proposal is not None and proposal.schedule is not None)
        or (by_glass and life.in_force == step.version)
    )
    return _refuse_if(
        not runs, Because.NOTHING_RUNS, Phrase("nothing runs of this version that could be ended")
    )


def _not_below(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    approved = beneath(life.standing)
    same = approved is not None and approved.version == step.version
    return _refuse_if(
        same, Because.IN_FORCE, Phrase("this version is what broken glass falls back to: end that instead")
    )


def _glass_is_short(_life: Life, step: Step, _facts: Facts) -> Refusal | None:
    until_ms = step.detail.until_ms
    wrong = until_ms is None or not step.at_ms < until_ms <= step.at_ms + LONGEST_GLASS_MS
    return _refuse_if(
        wrong,
        Because.TIME,
        Phrase("breaking the glass lasts {hours} hours at most", hours=LONGEST_GLASS_MS // HOUR_MS),
    )


def _glass_is_not_spent(life: Life, step: Step, _facts: Facts) -> Refusal | None:
    since_ms, until_ms = glass_since_ms(life, step.at_ms), step.detail.until_ms or step.at_ms
    spent = until_ms > since_ms + LONGEST_GLASS_MS
    return _refuse_if(
        spent,
        Because.GLASS_SPENT,
        Phrase(
            "the glass has been broken for {hours} hours: somebody has to approve now",
            hours=LONGEST_GLASS_MS // HOUR_MS,
        ),
    )


_RIPE = (_role, _is_known, _is_proposed, _base_is_current, _of_this_base, _is_approved, _no_errors)
"""What putting a version in force takes, for all or for some."""

_RULES: Mapping[StepKind, tuple[_Rule, ...]] = MappingProxyType(
    {
        StepKind.FOUND: (_role,),
        StepKind.DRAFTED: (_role,),
        StepKind.PROPOSED: (
            *(_role, _is_known, _takes_a_place, _base_is_current, _may_be_rolled_back_to, _not_open),
            *(_no_errors, _tests_pass, _is_rehearsed),
        ),
        StepKind.APPROVED: (
            *(_role, _is_known, _is_proposed, _of_this_base, _base_is_current, _not_own, _not_twice),
        ),
        StepKind.REJECTED: (_role, _is_known, _is_proposed, _has_reason),
        StepKind.SCHEDULED: (*_RIPE, _scheduled_ahead, _ends_ahead),
        StepKind.ACTIVATED: (*_RIPE, _ends_ahead, _in_time),
        StepKind.SUSPENDED: (_role, _is_known, _is_proposed),
        StepKind.SHADOWED: (
            _role,
            _is_known,
            _not_in_force,
            _no_errors,
            _tests_pass,
            _ends_ahead,
            _no_shadow,
        ),
        StepKind.CHALLENGED: (*_RIPE, _fair_share, _ends_ahead, _no_challenger),
        StepKind.ENDED: (_role, _is_known, _something_runs),
        StepKind.BROKE_GLASS: (
            *(
                _role,
                _is_known,
                _not_in_force,
                _not_below,
                _has_reason,
                _no_errors,
                _tests_pass,
                _needs_no_auditor,
            ),
            *(_glass_is_short, _glass_is_not_spent),
        ),
        StepKind.EXPIRED: (_role, _is_known),
    }
)
