"""Changes of policies in a real store: drafts that are sound, people with keys, rehearsals that are done."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from sqlalchemy import insert
from support.stores import NOW_MS, Clock, Store

from api.policies.service import Actor, approve, draft, propose, settle
from api.storage.connection import writing
from api.storage.tables import rehearsals
from guardrails.policy.language import Policy
from guardrails.policy.limits import Limits

MARY, MARTIN = Actor("mary", "marketer"), Actor("martin", "marketer")
ANN, ALAN = Actor("ann", "approver"), Actor("alan", "approver")
AUDREY = Actor("audrey", "auditor")


def a_policy(hard_micro: int = 300_000, **frequency: int) -> Policy:
    """A sound change: a step up in price ends earlier than it ships."""
    limits = Limits()
    price = replace(limits.price, upsell_hard_micro=hard_micro)
    return Policy(limits=replace(limits, price=price, frequency=replace(limits.frequency, **frequency)))


def rehearsed(store: Store, version: str, base: str, report: str = "{}") -> None:
    """Note that a rehearsal was finished."""
    rehearsal_id = hashlib.sha256(f"{version}{base}".encode()).hexdigest()
    row: dict[str, Any] = {
        "rehearsal_id": rehearsal_id,
        "version": version,
        "base": base,
        "state": "done",
        "n_done": 1,
        "n_total": 1,
        "report": report,
        "report_sha256": rehearsal_id,
        "actor": "mary",
        "started_at_ms": NOW_MS,
        "claimed_until_ms": NOW_MS,
        "finished_at_ms": NOW_MS,
    }
    with writing(store.engine) as conn:
        conn.execute(insert(rehearsals), row)


def drafted(store: Store, clock: Clock, policy: Policy, who: Actor = MARY) -> str:
    """Draft a policy, and have it rehearsed."""
    version = draft(store.engine, who, clock, policy).version
    base = settle(store.engine, clock).base_of(version)
    assert base is not None
    rehearsed(store, version, base)
    return version


def approved(store: Store, clock: Clock, policy: Policy) -> str:
    """Draft, propose and approve."""
    version = drafted(store, clock, policy)
    propose(store.engine, MARY, clock, version)
    base = settle(store.engine, clock).base_of(version)
    assert base is not None
    approve(store.engine, ANN, clock, version, base=base)
    return version
