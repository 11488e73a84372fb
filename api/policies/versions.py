"""Versions of policies that somebody names: looked up, read, and held against another."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from api.errors import UnknownPolicyError
from api.policies import service
from api.policies.service import Clock
from api.storage.connection import reading
from api.storage.versions import read_policy_version
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
        UnknownPolicyError: it is not in the store, or cannot be read.
    """
    try:
        return read_policy_version(conn, version)
    except PolicyError:
        raise UnknownPolicyError("this version is not in the store") from None
