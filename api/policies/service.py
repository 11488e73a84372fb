"""Every step in the life of a policy, for HTTP and the command line alike.

A step is judged and stored in one writing transaction in which nobody else takes one; what takes long,
examining the draft, comes before. What time itself has brought about is always stored first, so that a
step is judged by what is so now and not by what was when the clock of some process last looked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from sqlalchemy import Connection, Engine

from api.errors import EdgeError, ForbiddenError, PolicyDocumentError, PolicyRefusedError, UnknownPolicyError
from api.policies.examining import Examined, examined
from api.policies.shipped import shipped_policy
from api.storage.connection import reading, writing
from api.storage.log import MINUTE_MS
from api.storage.policies import (
    Entry,
    add_step,
    finished_rehearsal,
    life_since,
    show,
    take_turn,
)
from api.storage.versions import POLICY, active, put_draft, read_policy_version
from guardrails.errors import PolicyError
from guardrails.policy.document import to_document, version_of
from guardrails.policy.due import next_due
from guardrails.policy.findings import Finding
from guardrails.policy.language import Policy
from guardrails.policy.lifecycle import (
    NO_DETAIL,
    SYSTEM,
    Detail,
    Life,
    Step,
    StepKind,
    advance,
)
from guardrails.policy.permission import SOUND, Because, Facts, Refusal, refusal

Clock = Callable[[], int]
"""Tells the time in milliseconds since the epoch."""

_EXAMINED = frozenset(
    {
        *(StepKind.PROPOSED, StepKind.SCHEDULED, StepKind.ACTIVATED),
        *(StepKind.SHADOWED, StepKind.CHALLENGED, StepKind.BROKE_GLASS),
    }
)
"""Steps that a draft with errors cannot take."""

_OF_A_PROPOSAL = frozenset({StepKind.SCHEDULED, StepKind.ACTIVATED, StepKind.CHALLENGED})
"""Steps that carry out what was approved, and are suspended where that has become something else."""

_SOME = "-"
"""Stands for any reason."""

_BY_FINDINGS = frozenset({Because.ERRORS, Because.FAILING_TESTS})


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts.

    Attributes:
        key_id: id of the key.
        role: what the key may be used for.
    """

    key_id: str
    role: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken.

    Attributes:
        version: the version it is about.
        life: what follows from it.
        entry: the step, as it is stored; ``None`` where it had been taken before.
    """

    version: str
    life: Life
    entry: Entry | None


@cache
def shipped_version() -> str:
    """Return the version of the house policy that ships."""
    return version_of(to_document(shipped_policy()))


def draft(engine: Engine, actor: Actor, clock: Clock, policy: Policy) -> Taken:
    """Store a draft; drafted before by the same key, it stays as it is.

    Raises:
        ForbiddenError: the role may not.
        PolicyError: it cannot be written.
    """
    settle(engine, clock)
    with writing(engine) as conn:
        take_turn(conn)
        life = life_since(conn)
        version = put_draft(conn, policy, clock())
        known = life.versions.get(version)
        if known is not None and actor.key_id in known.authors:
            return Taken(version, life, None)
        step = Step(
            number=0,
            name=policy.name,
            version=version,
            base=life.base_of(version) or version,
            kind=StepKind.DRAFTED,
            actor=actor.key_id,
            role=actor.role,
            at_ms=_now_ms(clock, life),
        )
        refused = refusal(life, step)
        if refused is not None:
            raise _error(refused, ())
        return _add(conn, life, step)


def propose(engine: Engine, actor: Actor, clock: Clock, version: str, *, reason: str = "") -> Taken:
    """Propose that a version takes the place of what is in force.

    Args:
        engine: the database.
        actor: who proposes it.
        clock: tells the time.
        version: what is to take its place.
        reason: why, for whoever is to approve of it.

    Raises:
        UnknownPolicyError: there is no such version.
        ForbiddenError: the role may not.
        PolicyRefusedError: something is missing; the error says what.
    """
    return _take(engine, clock, _Asked(actor, StepKind.PROPOSED, version, Detail(reason=reason)))


def rollback(engine: Engine, actor: Actor, clock: Clock, version: str, *, reason: str = "") -> Taken:
    """Propose to return to a version that was in force before; a change like any other.

    Raises:
        UnknownPolicyError, ForbiddenError, PolicyRefusedError: as for ``propose``.
    """
    detail = Detail(reason=reason, is_rollback=True)
    return _take(engine, clock, _Asked(actor, StepKind.PROPOSED, version, detail))


def approve(
    engine: Engine, actor: Actor, clock: Clock, version: str, *, base: str, reason: str = ""
) -> Taken:
    """Agree that a version takes the place of a base.

    Args:
        engine: the database.
        actor: who agrees.
        clock: tells the time.
        version: what is to take its place.
        base: what was in force when whoever agrees looked at the change.
        reason: what they have to say to it.

    Raises:
        UnknownPolicyError, ForbiddenError: as for ``propose``.
        PolicyRefusedError: it is the actor's own change, or proposed against something else.
    """
    return _take(engine, clock, _Asked(actor, StepKind.APPROVED, version, Detail(reason=reason), base))


def reject(engine: Engine, actor: Actor, clock: Clock, version: str, *, reason: str) -> Taken:
    """Refuse a proposal, also one that was approved.

    Raises:
        UnknownPolicyError, ForbiddenError, PolicyRefusedError: as for ``propose``.
    """
    return _take(engine, clock, _Asked(actor, StepKind.REJECTED, version, Detail(reason=reason)))


def activate(
    engine: Engine, actor: Actor, clock: Clock, version: str, *, until_ms: int | None = None
) -> Taken:
    """Put an approved version in force.

    Args:
        engine: the database.
        actor: who does it.
        clock: tells the time.
        version: which version.
        until_ms: when it falls back to what is in force now; ``None`` for never.

    Raises:
        UnknownPolicyError, ForbiddenError: as for ``propose``.
        PolicyRefusedError: it is not approved; or what is in force has changed since, then it is
            suspended now.
    """
    return _take(engine, clock, _Asked(actor, StepKind.ACTIVATED, version, Detail(until_ms=until_ms)))


def schedule(
    engine: Engine, actor: Actor, clock: Clock, version: str, *, at_ms: int, until_ms: int | None = None
) -> Taken:
    """Have an approved version come into force later, by itself.

    Raises:
        UnknownPolicyError, ForbiddenError, PolicyRefusedError: as for ``activate``.
    """
    detail = Detail(scheduled_at_ms=at_ms, until_ms=until_ms)
    return _take(engine, clock, _Asked(actor, StepKind.SCHEDULED, version, detail))


def shadow(engine: Engine, actor: Actor, clock: Clock, version: str, *, until_ms: int | None = None) -> Taken:
    """Have a version evaluated beside the one in force, without any effect.

    Raises:
        UnknownPolicyError, ForbiddenError, PolicyRefusedError: as for ``propose``.
    """
    return _take(engine, clock, _Asked(actor, StepKind.SHADOWED, version, Detail(until_ms=until_ms)))


def challenge(
    engine: Engine, actor: Actor, clock: Clock, version: str, *, share_micro: int, until_ms: int | None = None
) -> Taken:
    """Put an approved version in force for a share of customers.

    Raises:
        UnknownPolicyError, ForbiddenError, PolicyRefusedError: as for ``activate``.
    """
    detail = Detail(share_micro=share_micro, until_ms=until_ms)
    return _take(engine, clock, _Asked(actor, StepKind.CHALLENGED, version, detail))


def end(engine: Engine, actor: Actor, clock: Clock, version: str, *, reason: str = "") -> Taken:
    """End whatever runs of a version: its shadow, its challenge, its schedule, its broken glass.

    Raises:
        UnknownPolicyError, ForbiddenError, PolicyRefusedError: as for ``propose``.
    """
    return _take(engine, clock, _Asked(actor, StepKind.ENDED, version, Detail(reason=reason)))


def break_glass(
    engine: Engine, actor: Actor, clock: Clock, version: str, *, reason: str, until_ms: int
) -> Taken:
    """Put a version in force without approval, for 24 hours at most.

    Raises:
        UnknownPolicyError, ForbiddenError, PolicyRefusedError: as for ``propose``.
    """
    detail = Detail(reason=reason, until_ms=until_ms)
    return _take(engine, clock, _Asked(actor, StepKind.BROKE_GLASS, version, detail))


@dataclass(frozen=True, slots=True)
class Prospects:
    """Which steps a version could take now, and who could take them.

    Attributes:
        version: which version.
        life: what follows from all steps until now.
        examined: what is to be said of the version.
        report_sha256: of its last finished rehearsal against what it would take the place of.
        now_ms: when that was so, milliseconds since the epoch.
    """

    version: str
    life: Life
    examined: Examined
    report_sha256: str | None
    now_ms: int

    def why_not(self, actor: Actor, kind: StepKind) -> Refusal | None:
        """Return what stands in the way of a step; ``None`` where it can be taken.

        It is taken as somebody would take it who gives a reason, a short time and a small share.
        """
        soon_ms = self.now_ms + MINUTE_MS
        usual = {
            StepKind.REJECTED: Detail(reason=_SOME),
            StepKind.SCHEDULED: Detail(scheduled_at_ms=soon_ms),
            StepKind.CHALLENGED: Detail(share_micro=1),
            StepKind.BROKE_GLASS: Detail(reason=_SOME, until_ms=soon_ms),
        }
        if kind is StepKind.APPROVED:
            return why_not_approve(self.life, actor, self.version)
        asked = _Asked(actor, kind, self.version, usual.get(kind, NO_DETAIL))
        facts = replace(self.examined.facts, report_sha256=self.report_sha256)
        return refusal(self.life, asked.step(self.life, self.now_ms), facts)


def why_not_approve(life: Life, actor: Actor, version: str) -> Refusal | None:
    """Return what stands in the way of approving of a version; ``None`` where somebody can.

    An approval rests on nothing but the life of the version, so this costs no examination.
    """
    proposal = life.versions[version].proposal
    asked = _Asked(actor, StepKind.APPROVED, version, base=None if proposal is None else proposal.base)
    return refusal(life, asked.step(life, life.at_ms))


def prospects(conn: Connection, clock: Clock, version: str, found: Examined) -> Prospects:
    """Return which steps a version could take now; none is taken.

    Args:
        conn: what else is read with it tells of the same moment as this.
        clock: tells the time.
        version: which version.
        found: what is to be said of it, which takes too long to be found out with a connection held.

    Raises:
        UnknownPolicyError: there is no such version.
    """
    life = life_since(conn)
    if version not in life.versions:
        raise UnknownPolicyError("this version is not in the store")
    base = life.base_of(version)
    report_sha256 = None if base is None else finished_rehearsal(conn, version, base)
    return Prospects(version, life, found, report_sha256, _now_ms(clock, life))


def settle(engine: Engine, clock: Clock) -> Life:
    """Store what time has brought about, and what is in force without a step; return what follows.

    Everybody may do this at any time, also at once: each thing is stored once.
    """
    while True:
        with reading(engine) as conn:
            life = life_since(conn)
            due = _due(conn, life, _now_ms(clock, life))
        if due is None:
            return life
        facts = _is_sound(engine, due)
        with writing(engine) as conn:
            take_turn(conn)
            life = life_since(conn)
            again = _due(conn, life, _now_ms(clock, life))
            if again is not None and (again.kind, again.version) == (due.kind, due.version):
                _add(conn, life, _settled(life, again, facts))


def catch_up(engine: Engine, clock: Clock, life: Life) -> Life:
    """Do what ``settle`` does, cheaply where there is nothing to do; for who looks again and again.

    A shop in which no step was ever taken is left alone.

    Args:
        engine: the database.
        clock: tells the time.
        life: what was returned the last time; ``NO_LIFE`` at first.
    """
    with reading(engine) as conn:
        life = life_since(conn, life)
        if not life.n_steps or _due(conn, life, _now_ms(clock, life)) is None:
            return life
    return settle(engine, clock)


def name_of(conn: Connection, version: str) -> str:
    """Return which policy a version is of, as far as it can be read."""
    try:
        return read_policy_version(conn, version).name
    except (PolicyError, PolicyDocumentError):
        return shipped_policy().name


@dataclass(frozen=True, slots=True)
class _Asked:
    """A step that somebody wants to take."""

    actor: Actor
    kind: StepKind
    version: str
    detail: Detail = NO_DETAIL
    base: str | None = None

    def step(self, life: Life, now_ms: int) -> Step:
        """Return the step, if it were taken now."""
        known = life.versions.get(self.version)
        if known is None:
            raise UnknownPolicyError("this version is not in the store")
        base = self.base
        if base is None and known.proposal is not None and self.kind in _OF_A_PROPOSAL:
            base = known.proposal.base
        return Step(
            number=0,
            name=known.name,
            version=self.version,
            base=base or life.base_of(self.version) or self.version,
            kind=self.kind,
            actor=self.actor.key_id,
            role=self.actor.role,
            at_ms=now_ms,
            detail=self.detail,
        )


def _take(engine: Engine, clock: Clock, asked: _Asked) -> Taken:
    """Take a step, again from the start if something came about by itself meanwhile."""
    taken = None
    while taken is None:
        taken = _try(engine, clock, asked, settle(engine, clock))
    return taken


def _try(engine: Engine, clock: Clock, asked: _Asked, life: Life) -> Taken | None:
    found = _found(engine, clock, asked, life)
    with writing(engine) as conn:
        take_turn(conn)
        life = life_since(conn)
        now_ms = _now_ms(clock, life)
        if _due(conn, life, now_ms) is not None:
            return None
        step = asked.step(life, now_ms)
        facts = SOUND if found is None else found.facts
        if step.kind is StepKind.PROPOSED:
            step, facts = _with_rehearsal(conn, step, facts)
        refused = refusal(life, step, facts)
        if refused is None:
            return _add(conn, life, step)
        if refused.because is Because.BASE_MOVED and step.kind in _OF_A_PROPOSAL:
            _add(conn, life, _suspension(step, refused))
    raise _error(refused, () if found is None else found.refusing)


def _found(engine: Engine, clock: Clock, asked: _Asked, life: Life) -> Examined | None:
    """Return what is to be said of a version, where that matters to the step."""
    if asked.kind not in _EXAMINED or asked.version not in life.versions:
        return None
    return examined(engine, asked.version, _now_ms(clock, life))


def _with_rehearsal(conn: Connection, step: Step, facts: Facts) -> tuple[Step, Facts]:
    """Return a proposal and what is known of its version, with the rehearsal that it rests on."""
    report_sha256 = finished_rehearsal(conn, step.version, step.base)
    detail = replace(step.detail, report_sha256=report_sha256, needs_auditor=facts.needs_auditor)
    return replace(step, detail=detail), replace(facts, report_sha256=report_sha256)


def _error(refused: Refusal, findings: tuple[Finding, ...]) -> EdgeError:
    if refused.because is Because.ROLE:
        return ForbiddenError(refused.message)
    told = findings if refused.because in _BY_FINDINGS else ()
    return PolicyRefusedError(refused.message, because=refused.because, findings=told)


def _due(conn: Connection, life: Life, now_ms: int) -> Step | None:
    """Return what is to be stored before anything else: what is in force unnoticed, then what is due."""
    in_force = active(conn).get(POLICY, shipped_version())
    if in_force == life.in_force:
        return next_due(life, now_ms)
    name, base = name_of(conn, in_force), life.in_force or in_force
    return Step(0, name, in_force, base, StepKind.FOUND, SYSTEM, SYSTEM, now_ms)


def _is_sound(engine: Engine, due: Step) -> Facts:
    """Return what is known of a version whose time has come; one that cannot be read is not sound."""
    if due.kind is not StepKind.ACTIVATED:
        return SOUND
    try:
        return examined(engine, due.version, due.at_ms).facts
    except (PolicyError, PolicyDocumentError):
        return Facts(n_errors=1)


def _settled(life: Life, due: Step, facts: Facts) -> Step:
    """Return what becomes of what is due: what may not come into force is suspended."""
    refused = refusal(life, due, facts)
    return due if refused is None else _suspension(due, refused)


def _suspension(step: Step, refused: Refusal) -> Step:
    detail = Detail(reason=refused.message)
    return replace(step, kind=StepKind.SUSPENDED, actor=SYSTEM, role=SYSTEM, detail=detail)


def _add(conn: Connection, life: Life, step: Step) -> Taken:
    if step.kind is StepKind.FOUND and step.version == shipped_version():
        put_draft(conn, shipped_policy(), step.at_ms)
    entry = add_step(conn, step)
    after = advance(life, entry.step)
    show(conn, life, after, step.at_ms, shipped_version())
    return Taken(step.version, after, entry)


def _now_ms(clock: Clock, life: Life) -> int:
    """Return the time; never before the last step, whose clock may go ahead of ours."""
    return max(clock(), life.at_ms)
