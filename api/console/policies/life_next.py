"""What comes next for a version, and who can do it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from api.console.policies.life_case import Case
from api.policies.service import Actor
from guardrails.policy.lifecycle import AUDITOR, State, StepKind


class Next(StrEnum):
    """What comes next."""

    MEND = "mend"
    """It has errors."""
    REHEARSE = "rehearse"
    STUCK = "stuck"
    """What it would be rehearsed against cannot be read any more."""
    WAIT = "wait"
    """A rehearsal is under way."""
    PROPOSE = "propose"
    DECIDE = "decide"
    """Somebody has to approve or to reject."""
    ACTIVATE = "activate"
    SCHEDULED = "scheduled"
    """It comes into force by itself."""
    NOTHING = "nothing"
    """It is in force; what can be done is to write another version from it."""


_KIND = {
    Next.REHEARSE: StepKind.PROPOSED,
    Next.PROPOSE: StepKind.PROPOSED,
    Next.DECIDE: StepKind.APPROVED,
    Next.ACTIVATE: StepKind.ACTIVATED,
}


class Outlook(NamedTuple):
    """What comes next for a version.

    Attributes:
        next: what it is.
        is_mine: whoever looks can do it.
        others: names of the others who can.
    """

    next: Next
    is_mine: bool
    others: tuple[str, ...]


def outlook_of(case: Case) -> Outlook:
    """Return what comes next for a version, and who can do it."""
    following = _next_of(case)
    if following in (Next.MEND, Next.NOTHING):
        return Outlook(following, case.may_write(case.me), case.names_of(case.may_write))
    kind = _KIND.get(following)
    if kind is None:
        return Outlook(following, is_mine=False, others=())
    if following is Next.REHEARSE:
        return Outlook(following, case.may_rehearse(case.me), case.names_of(case.may_rehearse))
    if following is Next.DECIDE and case.needs_auditor:
        return Outlook(following, _settles(case, case.me), case.names_of(lambda each: _settles(case, each)))
    return Outlook(following, case.may(kind), case.who_may(kind))


def _settles(case: Case, who: Actor) -> bool:
    """Tell whether the approval of somebody would settle what takes an auditor."""
    return who.role == AUDITOR and case.prospects.why_not(who, StepKind.APPROVED) is None


def _next_of(case: Case) -> Next:
    if case.state is State.ACTIVE and not case.is_by_glass:
        return Next.NOTHING
    if case.prospects.examined.refusing:
        return Next.MEND
    if case.proposal is None or case.has_moved:
        return _towards_a_proposal(case)
    if case.proposal.schedule is not None:
        return Next.SCHEDULED
    return Next.ACTIVATE if case.is_approved else Next.DECIDE


def _towards_a_proposal(case: Case) -> Next:
    if case.is_rehearsing:
        return Next.WAIT
    if case.is_rehearsed:
        return Next.PROPOSE
    return Next.STUCK if case.before is None else Next.REHEARSE
