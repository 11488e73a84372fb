"""The list of policies: what is in force, what waits for somebody, what is being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response

from api.console.policies.editor import AUTHORS
from api.console.policies.life_case import path_of, people_of
from api.console.policies.life_taking import READERS
from api.console.showing import console_language, show
from api.pages.blueprint import Pages
from api.pages.sessions import actor
from api.policies import service
from api.policies.service import Actor
from api.policies.versions import version_in_force
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.policies import entries_of
from api.wiring import wiring
from guardrails.policy.language import HouseRule, Policy
from guardrails.policy.lifecycle import AUDITOR, Life, State, StepKind, VersionLife
from guardrails.policy.review import Overdue, day_of, entry_of, overdue

MOST_DRAFTS = 12
"""So many drafts are listed, the newest; each policy's history has all of them."""

_PUT_IN_FORCE = frozenset({StepKind.ACTIVATED, StepKind.BROKE_GLASS, StepKind.FOUND})
_RESTING = frozenset({State.DRAFT, State.SUSPENDED, State.REJECTED})

blueprint = Pages("policies_list", __name__)


@dataclass(frozen=True)
class InForce:
    """What is in force.

    Attributes:
        name: of the policy.
        version: its hash.
        since_ms: since when; ``None`` where no step was ever taken.
        until_ms: until when; ``None`` for good.
        by: who put it in force; ``None`` where nobody did.
        by_glass: nobody approved of it.
        policy: what it says; ``None`` where it cannot be read any more.
    """

    name: str
    version: str
    since_ms: int | None
    until_ms: int | None
    by: str | None
    by_glass: bool
    policy: Policy | None


@blueprint.page("GET", "/console/policies", READERS)
def policies_page() -> Response:
    """Show what is in force, what waits, and what is being written."""
    console_language()
    found = wiring()
    life, me = service.settle(found.engine, found.clock), actor()
    known = sorted(life.versions.values(), key=lambda each: (-each.at_ms, each.version))
    with reading(found.engine) as conn:
        people = people_of(conn)
        version, policy = version_in_force(conn)
        entries = entries_of(conn, version)
    put = [each.step for each in entries if each.step.kind in _PUT_IN_FORCE]
    standing = life.standing
    in_force = InForce(
        name=life.versions[version].name,
        version=version,
        since_ms=None if standing is None else standing.since_ms,
        until_ms=None if standing is None else standing.until_ms,
        by=people.name(put[-1].actor) if put and put[-1].kind is not StepKind.FOUND else None,
        by_glass=standing is not None and standing.by_glass,
        policy=policy,
    )
    proposed = [each for each in known if each.proposal is not None]
    rules = () if policy is None else policy.rules
    return show(
        "console/policies/list.html",
        in_force=in_force,
        mine=[each for each in proposed if _waits_for(life, each, me)],
        proposed=[each for each in proposed if not _waits_for(life, each, me)],
        drafts=[each for each in known if life.state_of(each.version) in _RESTING][:MOST_DRAFTS],
        trials=[
            (kind, trial, life.versions[trial.version])
            for kind, trial in (("shadow", life.shadow), ("challenger", life.challenger))
            if trial is not None
        ],
        overdue=_overdue(rules, found.clock()),
        titles={rule.id: rule.title for rule in rules},
        names=sorted({each.name for each in known}),
        life=life,
        people=people,
        path_of=path_of,
        may_write=AUTHORS.permits(Role(me.role)),
    )


def _waits_for(life: Life, known: VersionLife, who: Actor) -> bool:
    """Tell whether an approval of somebody's would settle what nobody's has settled yet."""
    if known.proposal is None or life.is_approved(known.version):
        return False
    counts = who.role == AUDITOR or not known.proposal.needs_auditor
    return counts and service.why_not_approve(life, who, known.version) is None


def _overdue(rules: Sequence[HouseRule], now_ms: int) -> tuple[Overdue, ...]:
    """Return the shop's own rules whose review is over."""
    return overdue({rule.id: entry_of(rule) for rule in rules}, day_of(now_ms), {})
