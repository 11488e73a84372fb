"""One version of a policy and all that its pages tell of it, read once a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import Connection

from api.console.showing import console_language
from api.languages import say
from api.pages.sessions import actor
from api.policies import service
from api.policies.examining import examined
from api.policies.service import Actor, Prospects
from api.policies.versions import held_against, life_and_policy, readable_or_none
from api.storage.accounts import list_accounts
from api.storage.api_keys import list_keys
from api.storage.comments import Comment, comments_on
from api.storage.connection import reading
from api.storage.policies import Entry, entries_of
from api.storage.rehearsals import RehearsalState, StoredRehearsal, latest_rehearsal
from api.wiring import wiring
from guardrails.messages import Phrase
from guardrails.policy.language import HouseRule, Policy
from guardrails.policy.lifecycle import SYSTEM, Life, Proposal, State, StepKind, VersionLife
from guardrails.policy.permission import ROLES, Refusal
from guardrails.policy.sentences import sentences_of_rule

SHORT = 8
"""So many digits of a version tell it from the others of a shop."""


@dataclass(frozen=True, slots=True)
class People:
    """Who did something, and who could.

    Attributes:
        names: what an id is called, of accounts and keys.
        staff: accounts in use, as they would act.
    """

    names: dict[str, str]
    staff: tuple[Actor, ...]

    def name(self, actor_id: str) -> str:
        """Return what somebody is called, in the language of the page."""
        if actor_id == SYSTEM:
            return say("nobody: it happens by itself")
        return self.names.get(actor_id) or say(Phrase("somebody with the id {id}", id=actor_id))


def people_of(conn: Connection) -> People:
    """Return everybody who is known by an id."""
    accounts = list_accounts(conn)
    names = {each.account_id: each.name for each in accounts}
    names |= {each.key_id: say(Phrase("the key “{label}”", label=each.label)) for each in list_keys(conn)}
    in_use = (each for each in accounts if each.disabled_at_ms is None)
    return People(names, tuple(Actor(each.account_id, each.role.value) for each in in_use))


class Told(NamedTuple):
    """Something that was done or said.

    Attributes:
        at_ms: when, milliseconds since the epoch.
        entry: the step, if it was one.
        comment: what was said, if it was not.
    """

    at_ms: int
    entry: Entry | None = None
    comment: Comment | None = None


@dataclass(frozen=True)
class Case:
    """A version, what follows from its steps, and who looks at it.

    Attributes:
        policy: what it says.
        prospects: which steps it could take.
        entries: its steps so far, oldest first.
        comments: what was said in between, oldest first.
        people: who did what.
        rehearsal: the last against what it would take the place of; ``None`` without one.
        base: version that it would take the place of, or takes the place of.
        before: what that says; ``None`` where it cannot be read any more.
        me: who looks.
    """

    policy: Policy
    prospects: Prospects
    entries: tuple[Entry, ...]
    comments: tuple[Comment, ...]
    people: People
    rehearsal: StoredRehearsal | None
    base: str
    before: Policy | None
    me: Actor

    @property
    def version(self) -> str:
        """Its hash."""
        return self.prospects.version

    @property
    def short(self) -> str:
        """What it is called where people talk of it."""
        return self.version[:SHORT]

    @property
    def name(self) -> str:
        """Which policy it is of."""
        return self.known.name

    @property
    def path(self) -> str:
        """Where its page is."""
        return path_of(self.name, self.version)

    def path_of(self, version: str) -> str:
        """Return where the page of another version is."""
        known = self.life.versions.get(version)
        return path_of(self.name if known is None else known.name, version)

    @property
    def edit_path(self) -> str:
        """Where another version is written from it."""
        return f"{self.path}/edit"

    @property
    def life(self) -> Life:
        """What follows from all steps."""
        return self.prospects.life

    @property
    def known(self) -> VersionLife:
        """What became of it."""
        return self.life.versions[self.version]

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.life.state_of(self.version)

    @property
    def proposal(self) -> Proposal | None:
        """The one that is open."""
        return self.known.proposal

    @property
    def has_moved(self) -> bool:
        """Whether what is in force is no longer what it was proposed against."""
        return self.proposal is not None and self.proposal.base != self.life.base_of(self.version)

    @property
    def is_rehearsed(self) -> bool:
        """Whether a rehearsal against what is in force is finished."""
        return self.prospects.report_sha256 is not None

    @property
    def is_rehearsing(self) -> bool:
        """Whether a rehearsal is under way; one that nobody goes on with is not."""
        rehearsal = self.rehearsal
        if rehearsal is None or rehearsal.state is not RehearsalState.RUNNING:
            return False
        return rehearsal.claimed_until_ms > self.prospects.now_ms

    @property
    def is_approved(self) -> bool:
        """Whether the open proposal has the approval that it needs."""
        return self.life.is_approved(self.version, needs_auditor=self.needs_auditor)

    @property
    def needs_auditor(self) -> bool:
        """Whether only an auditor's approval counts."""
        proposed = self.proposal is not None and self.proposal.needs_auditor
        return proposed or bool(self.prospects.examined.for_auditor)

    @property
    def is_by_glass(self) -> bool:
        """Whether it is in force without approval."""
        standing = self.life.standing
        return standing is not None and standing.by_glass and standing.version == self.version

    @property
    def is_shadow(self) -> bool:
        """Whether it is watched beside what is in force."""
        return self.life.shadow is not None and self.life.shadow.version == self.version

    @property
    def is_challenger(self) -> bool:
        """Whether it is in force for a share of customers."""
        return self.life.challenger is not None and self.life.challenger.version == self.version

    @property
    def is_mine(self) -> bool:
        """Whether whoever looks wrote or proposed it."""
        proposer = None if self.proposal is None else self.proposal.proposer
        return self.me.key_id in {*self.known.authors, proposer}

    @cached_property
    def refused(self) -> dict[StepKind, Refusal | None]:
        """What stands in the way of each step, for whoever looks."""
        return {kind: self.prospects.why_not(self.me, kind) for kind in _BY_PEOPLE}

    @property
    def proposed_because(self) -> str:
        """What was said when it was proposed; empty where nothing was."""
        proposed = (each.step for each in reversed(self.entries) if each.step.kind is StepKind.PROPOSED)
        return next((step.detail.reason for step in proposed), "")

    @property
    def story(self) -> tuple[Told, ...]:
        """What was done and said, the last first."""
        steps = [Told(each.step.at_ms, entry=each) for each in self.entries]
        said = [Told(each.at_ms, comment=each) for each in self.comments]
        return tuple(sorted([*steps, *said], key=lambda each: each.at_ms))[::-1]

    @property
    def rules(self) -> tuple[tuple[HouseRule, tuple[str, ...]], ...]:
        """Its rules, each read out in sentences in the language of the page."""
        return tuple((rule, tuple(map(say, sentences_of_rule(rule)))) for rule in self.policy.rules)

    def may(self, kind: StepKind) -> bool:
        """Tell whether whoever looks can take a step now."""
        return self.refused[kind] is None

    def who_may(self, kind: StepKind) -> tuple[str, ...]:
        """Return the names of those who can take a step now."""
        return self.names_of(lambda each: self.prospects.why_not(each, kind) is None)

    @staticmethod
    def may_rehearse(who: Actor) -> bool:
        """Tell whether somebody can have drafts rehearsed: whoever can propose them."""
        return who.role in ROLES[StepKind.PROPOSED]

    @staticmethod
    def may_write(who: Actor) -> bool:
        """Tell whether somebody can write versions."""
        return who.role in ROLES[StepKind.DRAFTED]

    def names_of(self, able: Callable[[Actor], bool]) -> tuple[str, ...]:
        """Return the names of those who are able, but for whoever looks."""
        others = (each for each in self.people.staff if each != self.me)
        return tuple(self.people.name(each.key_id) for each in others if able(each))


_BY_PEOPLE = tuple(
    kind
    for kind in StepKind
    if kind not in {StepKind.FOUND, StepKind.DRAFTED, StepKind.SUSPENDED, StepKind.EXPIRED}
)


_PUTS_IN_FORCE = frozenset({StepKind.ACTIVATED, StepKind.BROKE_GLASS})


def path_of(name: str, version: str) -> str:
    """Return where the page of a version is."""
    return f"/console/policies/{name}/versions/{version}"


def case_of(name: str, version: str) -> Case:
    """Return a version, for whoever is signed in.

    Raises:
        UnknownPolicyError: the policy has no such version.
    """
    console_language()
    found = wiring()
    _, policy = life_and_policy(found.engine, found.clock, name, version)
    examination = examined(found.engine, version, found.clock())
    with reading(found.engine) as conn:  # one for all, so that all parts of a page tell of the same moment
        prospects = service.prospects(conn, found.clock, version, examination)
        entries = tuple(entries_of(conn, version))
        base = _base_of(prospects.life, version, entries)
        return Case(
            policy=policy,
            prospects=prospects,
            entries=entries,
            comments=tuple(comments_on(conn, version)),
            people=people_of(conn),
            rehearsal=latest_rehearsal(conn, version, base),
            base=base,
            before=readable_or_none(conn, base),
            me=actor(),
        )


def _base_of(life: Life, version: str, entries: tuple[Entry, ...]) -> str:
    """Return what a version would take the place of; of one that is in force, what it took the place of."""
    base = held_against(life, version)
    if base != version:
        return base
    taken = (each.step.base for each in reversed(entries) if each.step.kind in _PUTS_IN_FORCE)
    return next(taken, base)
