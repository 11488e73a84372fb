"""Versions of policies that somebody names: looked up, read, and held against another."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from api.errors import PolicyDocumentError, UnknownPolicyError
from api.policies import service
from api.policies.service import Clock
from api.policies.shipped import shipped_policy
from api.storage.connection import reading
from api.storage.versions import POLICY, active, read_policy_version
from guardrails.errors import PolicyError
from guardrails.policy.language import Policy
from guardrails.policy.lifecycle import Life


def require_name(life: Life, name: str, version: str) -> None:
    """Refuse a version that is not of this policy.

    Raises:
        UnknownPolicyError: it is of another one, or of none.
    """
    if version not in life.versions or life.versions[version].name != name:
        raise UnknownPolicyError("this version is not in the store")


def life_and_policy(engine: Engine, clock: Clock, name: str, version: str) -> tuple[Life, Policy]:
    """Return what follows from all steps until now, and a version of a policy.

    Raises:
        UnknownPolicyError: the policy has no such version.
    """
    life = service.settle(engine, clock)
    require_name(life, name, version)
    with reading(engine) as conn:
        return life, readable(conn, version)


def held_against(life: Life, version: str, asked: str | None = None) -> str:
    """Return the version that a version is held against: what was asked for, else what is in force."""
    return asked or life.base_of(version) or service.shipped_version()


def readable(conn: Connection, version: str) -> Policy:
    """Return a version, whatever its policy.

    Raises:
        UnknownPolicyError: it is not in the store, or cannot be read any more.
    """
    try:
        return read_policy_version(conn, version)
    except PolicyError:
        raise UnknownPolicyError("this version is not in the store") from None
    except PolicyDocumentError:
        raise UnknownPolicyError("this version cannot be read any more") from None


def readable_or_none(conn: Connection, version: str) -> Policy | None:
    """Return a version; ``None`` where ``readable`` refuses, for who goes on without it."""
    try:
        return readable(conn, version)
    except UnknownPolicyError:
        return None


def version_in_force(conn: Connection) -> tuple[str, Policy | None]:
    """Return the version in force and what it says; ``None`` where that cannot be read any more.

    Only another release may be able to read it, and whoever is to put that right needs pages that go on.
    """
    version, shipped = active(conn).get(POLICY), service.shipped_version()
    if version in (None, shipped):
        return shipped, shipped_policy()
    return version, readable_or_none(conn, version)
