"""Putting policies in force straight in the store, as the last step of their life does."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, insert

from api.storage.connection import writing
from api.storage.tables import policies
from api.storage.versions import CHALLENGER, POLICY, SHADOW, activate
from api.wiring import now_ms
from guardrails.policy.document import to_document, version_of
from guardrails.policy.language import Policy


def stored(conn: Connection, policy: Policy) -> str:
    """Store a policy unchecked, if it is not there yet; return its version."""
    document = to_document(policy)
    version = version_of(document)
    if conn.execute(policies.select().where(policies.c.version == version)).first() is None:
        row = {"version": version, "document": document.decode(), "created_at_ms": now_ms()}
        conn.execute(insert(policies), row)
    return version


def put_in_force(engine: Engine, policy: Policy) -> str:
    """Put a policy in force."""
    with writing(engine) as conn:
        version = stored(conn, policy)
        activate(conn, POLICY, version, now_ms())
    return version


def put_in_shadow(engine: Engine, policy: Policy) -> str:
    """Let a policy be asked beside the one in force."""
    with writing(engine) as conn:
        version = stored(conn, policy)
        activate(conn, SHADOW, version, now_ms())
    return version


def challenge(engine: Engine, policy: Policy, share_micro: int) -> str:
    """Put a policy in force for a share of customers."""
    with writing(engine) as conn:
        version = stored(conn, policy)
        activate(conn, CHALLENGER, f"{version}/{share_micro}", now_ms())
    return version


def put_unreadable(engine: Engine, name: str = POLICY, version: str = "e" * 64) -> None:
    """Put something in force that is no policy."""
    row = {"version": version, "document": '{"policy": 7}', "created_at_ms": now_ms()}
    with writing(engine) as conn:
        conn.execute(insert(policies), row)
        activate(conn, name, version if name != CHALLENGER else f"{version}/500000", now_ms())
