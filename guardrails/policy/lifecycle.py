"""The life of a change: the steps it takes, and what follows from them.

Nothing here is stored but steps, one chain of them for all policies of a shop; everything else is
folded out of them. What is in force, what was approved and by whom, what is watched or tried out: all
of that is a ``Life``, and the same steps always come to the same ``Life``.

The rules that keep a change honest:

* An approval is of one version *against* one base, and of nothing else. What is edited has another
  hash, so nobody has approved of it; what is in force may have changed meanwhile, then nobody has
  approved of that change either, and it is suspended.
* Nobody approves of what they wrote or proposed.
* Breaking the glass puts a version in force without approval: with a reason, for 24 hours at most,
  whoever goes on with it. It falls back by itself to what was in force before.

What may be done is asked in ``guardrails.policy.permission``, what is due in ``guardrails.policy.due``,
and how steps are written down in ``guardrails.policy.chain``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import reduce
from types import MappingProxyType
from typing import Any

SYSTEM = "system"
"""The actor and the role of what happens by itself, when its time has come."""

AUDITOR = "auditor"
"""The role whose approval counts where an auditor has to agree."""

HOUR_MS = 3_600_000
LONGEST_GLASS_MS = 24 * HOUR_MS
"""How long a shop may go without approval, whoever breaks the glass, and how long that has to rest then."""


class StepKind(StrEnum):
    """What a step does."""

    FOUND = "found"
    """Notes what is in force without a step having put it there: what ships, or what was there before."""
    DRAFTED = "drafted"
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    SCHEDULED = "scheduled"
    ACTIVATED = "activated"
    SUSPENDED = "suspended"
    """What it was approved against is no longer in force, or it no longer passes."""
    SHADOWED = "shadowed"
    """From now on the version is evaluated beside the one in force, and withholds nothing."""
    CHALLENGED = "challenged"
    """From now on the version is in force for a share of customers."""
    ENDED = "ended"
    """Ends whatever runs of a version: its shadow, its challenge, its schedule, its broken glass."""
    BROKE_GLASS = "broke_glass"
    EXPIRED = "expired"


class State(StrEnum):
    """Where a version stands."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Detail:
    """What belongs to a step besides.

    Attributes:
        reason: why, in somebody's own words; empty when none was given.
        scheduled_at_ms: when a scheduled version is to come into force.
        until_ms: when what the step begins is over.
        share_micro: share of customers that a challenger has, in millionths.
        report_sha256: hash of the report of the rehearsal that a proposal rests on.
        is_rollback: the proposal is to return to a version that was in force before.
        needs_auditor: the proposal asks for what only an auditor may agree to.
    """

    reason: str = ""
    scheduled_at_ms: int | None = None
    until_ms: int | None = None
    share_micro: int | None = None
    report_sha256: str | None = None
    is_rollback: bool = False
    needs_auditor: bool = False


NO_DETAIL = Detail()


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done, or is asked for.

    Attributes:
        number: from 1, without a gap.
        name: which policy.
        version: which version of it.
        base: the version that it is to take the place of, or that was in force at the time.
        kind: what was done.
        actor: id of a key, or ``SYSTEM``.
        role: role of the key at the time.
        at_ms: when, milliseconds since the epoch.
        detail: what belongs to it.
    """

    number: int
    name: str
    version: str
    base: str
    kind: StepKind
    actor: str
    role: str
    at_ms: int
    detail: Detail = NO_DETAIL


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody agreed to a version taking the place of a base."""

    actor: str
    role: str
    base: str
    version: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a version is to come into force, and when that is over."""

    at_ms: int
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A version is to take the place of a base.

    Attributes:
        base: what was in force when it was proposed.
        version: what is to take its place.
        proposer: who proposed it.
        at_ms: when.
        needs_auditor: an auditor has to agree.
        is_rollback: it returns to a version that was in force before.
        report_sha256: hash of the report of the rehearsal that it rests on.
        approvals: who agreed, oldest first.
        schedule: when it is to come into force; ``None`` while that is open.
    """

    base: str
    version: str
    proposer: str
    at_ms: int
    needs_auditor: bool
    is_rollback: bool
    report_sha256: str | None
    approvals: tuple[Approval, ...] = ()
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True)
class VersionLife:
    """What became of one version.

    Attributes:
        name: which policy it is a version of.
        version: its hash.
        authors: whoever drafted it.
        at_ms: when it was first heard of.
        rest: where it stands while it is neither in force nor proposed.
        was_in_force: it is in force or was.
        proposal: the one that is open.
    """

    name: str
    version: str
    authors: frozenset[str]
    at_ms: int
    rest: State = State.DRAFT
    was_in_force: bool = False
    proposal: Proposal | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force.

    Attributes:
        version: which version.
        since_ms: since when.
        until_ms: until when; ``None`` for until something else takes its place.
        by_glass: nobody approved of it: the glass was broken.
        before: what it falls back to when it is over.
    """

    version: str
    since_ms: int
    until_ms: int | None = None
    by_glass: bool = False
    before: Standing | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A version that is watched beside the one in force, or in force for some.

    Attributes:
        version: which version.
        base: what was in force when it began.
        since_ms: since when.
        until_ms: until when; ``None`` until it is ended.
        share_micro: share of customers that it is in force for, in millionths; 0 for a shadow.
    """

    version: str
    base: str
    since_ms: int
    until_ms: int | None
    share_micro: int = 0


@dataclass(frozen=True, slots=True)
class GlassRun:
    """How long the glass has been broken, by whomever: since when, and until when at the latest."""

    since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Life:
    """What follows from all steps so far.

    Attributes:
        n_steps: how many these are.
        at_ms: when the last was taken.
        versions: every version, by its hash.
        standing: what is in force; ``None`` before the first step.
        shadow: what is watched beside it.
        challenger: what is in force for a share of customers.
        glass: how long the glass has been broken; ``None`` if it never was.
    """

    n_steps: int = 0
    at_ms: int = 0
    versions: Mapping[str, VersionLife] = field(default_factory=dict)
    standing: Standing | None = None
    shadow: Trial | None = None
    challenger: Trial | None = None
    glass: GlassRun | None = None

    @property
    def in_force(self) -> str | None:
        """The version in force; ``None`` before the first step."""
        return None if self.standing is None else self.standing.version

    def base_of(self, version: str) -> str | None:
        """Return what a version would take the place of now.

        That is what is in force. Of a version that is in force by broken glass it is what lies
        beneath, so that it can be approved of while it is.
        """
        standing = self.standing
        if standing is not None and standing.by_glass and standing.version == version:
            standing = standing.before
        return None if standing is None else standing.version

    def state_of(self, version: str) -> State:
        """Return where a version stands."""
        known = self.versions[version]
        if version == self.in_force:
            return State.ACTIVE
        if known.proposal is None:
            return known.rest
        if known.proposal.schedule is not None:
            return State.SCHEDULED
        return State.APPROVED if self.is_approved(version) else State.PROPOSED

    def is_approved(self, version: str, *, needs_auditor: bool = False) -> bool:
        """Tell whether the open proposal of a version has the approval that it needs.

        Only approvals of this very version against this very base count, and none by whoever wrote or
        proposed it.

        Args:
            version: which version.
            needs_auditor: an auditor has to agree, also if that was not so when it was proposed.
        """
        proposal = self.versions[version].proposal
        if proposal is None:
            return False
        own = self.versions[version].authors | {proposal.proposer}
        counting = [
            approval
            for approval in proposal.approvals
            if (approval.base, approval.version) == (proposal.base, version) and approval.actor not in own
        ]
        by_auditor = any(approval.role == AUDITOR for approval in counting)
        return by_auditor if proposal.needs_auditor or needs_auditor else bool(counting)


NO_LIFE = Life()


def fold(steps: Iterable[Step]) -> Life:
    """Return what follows from all steps, in the order of their numbers."""
    return reduce(advance, steps, NO_LIFE)


def advance(life: Life, step: Step) -> Life:
    """Return what follows from one more step; whether it may be taken is not asked here."""
    return replace(_ADVANCE[step.kind](life, step), n_steps=step.number, at_ms=step.at_ms)


def _with(life: Life, version: VersionLife) -> Life:
    return replace(life, versions=MappingProxyType({**life.versions, version.version: version}))


def _closed(life: Life, version: str, rest: State) -> Life:
    """Close the proposal of a version."""
    return _with(life, replace(life.versions[version], proposal=None, rest=rest))


def _proposed_anew(life: Life, step: Step, **changes: Any) -> Life:
    """Change the open proposal of a version."""
    known = life.versions[step.version]
    if known.proposal is None:
        return life
    return _with(life, replace(known, proposal=replace(known.proposal, **changes)))


def _known(life: Life, step: Step) -> VersionLife:
    found = life.versions.get(step.version)
    return found or VersionLife(step.name, step.version, frozenset(), step.at_ms)


def _draft(life: Life, step: Step) -> Life:
    known = _known(life, step)
    return _with(life, replace(known, authors=known.authors | {step.actor}))


def _propose(life: Life, step: Step) -> Life:
    proposal = Proposal(
        base=step.base,
        version=step.version,
        proposer=step.actor,
        at_ms=step.at_ms,
        needs_auditor=step.detail.needs_auditor,
        is_rollback=step.detail.is_rollback,
        report_sha256=step.detail.report_sha256,
    )
    return _with(life, replace(life.versions[step.version], proposal=proposal))


def _approve(life: Life, step: Step) -> Life:
    proposal = life.versions[step.version].proposal
    before = () if proposal is None else proposal.approvals
    approval = Approval(step.actor, step.role, step.base, step.version, step.at_ms)
    return _proposed_anew(life, step, approvals=(*before, approval))


def _reject(life: Life, step: Step) -> Life:
    return _taken_back(life, step.version, State.REJECTED)


def _schedule(life: Life, step: Step) -> Life:
    at_ms = step.at_ms if step.detail.scheduled_at_ms is None else step.detail.scheduled_at_ms
    return _proposed_anew(life, step, schedule=Schedule(at_ms, step.detail.until_ms))


def _suspend(life: Life, step: Step) -> Life:
    return _taken_back(life, step.version, State.SUSPENDED)


def _taken_back(life: Life, version: str, rest: State) -> Life:
    """Close a proposal, and what ran on the strength of it."""
    return _closed(replace(life, challenger=unless_of(life.challenger, version)), version, rest)


def beneath(standing: Standing | None) -> Standing | None:
    """Return what was in force by approval: broken glass is nothing to fall back to."""
    return standing.before if standing is not None and standing.by_glass else standing


def _put_in_force(life: Life, step: Step, standing: Standing) -> Life:
    """Put something in the place of what is in force; what was tried out of it is tried out no longer."""
    if life.standing is not None:
        former = life.versions[life.standing.version]
        rest = State.EXPIRED if life.standing.by_glass else State.SUPERSEDED
        life = _with(life, replace(former, rest=rest))
    known = replace(_known(life, step), was_in_force=True)
    return replace(
        _with(life, known),
        standing=standing,
        shadow=unless_of(life.shadow, step.version),
        challenger=unless_of(life.challenger, step.version),
    )


def unless_of(trial: Trial | None, version: str) -> Trial | None:
    """Return a trial, unless it is of this version."""
    return None if trial is not None and trial.version == version else trial


def _find(life: Life, step: Step) -> Life:
    found = _put_in_force(life, step, Standing(step.version, step.at_ms))
    return _closed(found, step.version, State.SUPERSEDED)


def _activate(life: Life, step: Step) -> Life:
    until_ms = step.detail.until_ms
    before = None if until_ms is None else beneath(life.standing)
    standing = Standing(step.version, step.at_ms, until_ms, before=before)
    return _closed(_put_in_force(life, step, standing), step.version, State.SUPERSEDED)


def _break_glass(life: Life, step: Step) -> Life:
    until_ms = step.at_ms if step.detail.until_ms is None else step.detail.until_ms
    standing = Standing(step.version, step.at_ms, until_ms, by_glass=True, before=beneath(life.standing))
    run = GlassRun(glass_since_ms(life, step.at_ms), until_ms)
    return replace(_put_in_force(life, step, standing), glass=run)


def _shadow(life: Life, step: Step) -> Life:
    return replace(life, shadow=Trial(step.version, step.base, step.at_ms, step.detail.until_ms))


def _challenge(life: Life, step: Step) -> Life:
    share_micro = step.detail.share_micro or 0
    trial = Trial(step.version, step.base, step.at_ms, step.detail.until_ms, share_micro)
    return replace(life, challenger=trial)


def _end(life: Life, step: Step) -> Life:
    life = replace(
        _proposed_anew(life, step, schedule=None),
        shadow=unless_of(life.shadow, step.version),
        challenger=unless_of(life.challenger, step.version),
    )
    standing = life.standing
    if standing is not None and standing.by_glass and standing.version == step.version:
        return _fall_back(life, standing)
    return life


def _expire(life: Life, step: Step) -> Life:
    life = replace(
        life,
        shadow=None if _is_over(life.shadow, step) else life.shadow,
        challenger=None if _is_over(life.challenger, step) else life.challenger,
    )
    standing = life.standing
    return _fall_back(life, standing) if standing is not None and _is_over(standing, step) else life


def _is_over(running: Standing | Trial | None, step: Step) -> bool:
    return running is not None and running.version == step.version and ends_by(running, step.at_ms)


def ends_by(running: Standing | Trial, now_ms: int) -> bool:
    """Tell whether what runs is over by now."""
    return running.until_ms is not None and running.until_ms <= now_ms


def _fall_back(life: Life, standing: Standing) -> Life:
    over = replace(life.versions[standing.version], rest=State.EXPIRED)
    return replace(_with(life, over), standing=standing.before)


_ADVANCE: Mapping[StepKind, Callable[[Life, Step], Life]] = MappingProxyType(
    {
        StepKind.FOUND: _find,
        StepKind.DRAFTED: _draft,
        StepKind.PROPOSED: _propose,
        StepKind.APPROVED: _approve,
        StepKind.REJECTED: _reject,
        StepKind.SCHEDULED: _schedule,
        StepKind.ACTIVATED: _activate,
        StepKind.SUSPENDED: _suspend,
        StepKind.SHADOWED: _shadow,
        StepKind.CHALLENGED: _challenge,
        StepKind.ENDED: _end,
        StepKind.BROKE_GLASS: _break_glass,
        StepKind.EXPIRED: _expire,
    }
)


def glass_since_ms(life: Life, now_ms: int) -> int:
    """Return since when the glass would have been broken, if it were broken now.

    Breaking it again before it has rested for as long as it may last, with whatever key, goes on with the
    time before.
    """
    run = life.glass
    return run.since_ms if run is not None and now_ms < run.until_ms + LONGEST_GLASS_MS else now_ms
