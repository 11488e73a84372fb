"""API keys: shown once, kept as a digest."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from api.storage.log import append_entries, entry
from api.storage.prepared import Prepared
from api.storage.tables import api_keys

CONFIG = "config"
"""The type of entries of the log that tell of a change in how the shop is set up."""

_ID_BYTES = 9
_SECRET_BYTES = 32


class Role(StrEnum):
    """What a key may be used for."""

    SITE = "site"
    MARKETER = "marketer"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as stored: without its secret.

    Attributes:
        key_id: names the key; no secret.
        role: what it may be used for.
        label: what its owner calls it.
        created_at_ms: when it was made, milliseconds since the epoch.
        revoked_at_ms: when it was revoked; ``None`` while it is in force.
        n_per_second: requests a second that it may send on average, 0 for no limit; ``None`` for as many as
            the shop has set for all.
        n_at_once: requests that it may send without a pause; ``None`` likewise.
        n_per_day: requests that it may send on a day, 0 for no limit; ``None`` likewise.
    """

    key_id: str
    role: Role
    label: str
    created_at_ms: int
    revoked_at_ms: int | None
    n_per_second: int | None = None
    n_at_once: int | None = None
    n_per_day: int | None = None


class KeyLimits(NamedTuple):
    """How much a key may ask for; ``None`` for as much as the shop has set for all.

    Attributes:
        n_per_second: requests a second on average, 0 for no limit.
        n_at_once: requests without a pause.
        n_per_day: requests on a day of UTC, 0 for no limit.
    """

    n_per_second: int | None = None
    n_at_once: int | None = None
    n_per_day: int | None = None


AS_ALL = KeyLimits()
"""What the shop has set for all."""

_PUBLIC = tuple(api_keys.c[name] for name in KeyRow.__dataclass_fields__)
_IN_FORCE = Prepared(
    select(*_PUBLIC).where(
        api_keys.c.secret_sha256 == bindparam("digest"), api_keys.c.revoked_at_ms.is_(None)
    )
)


def create_key(
    conn: Connection, role: Role, label: str, now_ms: int, limits: KeyLimits = AS_ALL
) -> tuple[str, str]:
    """Make a key and say so in the log; return its id, and its secret, which is stored nowhere."""
    key_id = secrets.token_hex(_ID_BYTES)
    secret = f"tactful_{role}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    row = {
        "key_id": key_id,
        "role": role.value,
        "label": label,
        "secret_sha256": _digest(secret),
        "created_at_ms": now_ms,
        **limits._asdict(),
    }
    conn.execute(insert(api_keys), row)
    append_entries(conn, [entry(CONFIG, now_ms, what="key_created", key=key_id, role=role.value)])
    return key_id, secret


def find_key(conn: Connection, secret: str) -> KeyRow | None:
    """Return a key that is in force, or ``None``.

    The lookup is by digest: how long it takes says nothing about how much of a guess was right. A
    secret has 256 random bits, so a plain SHA-256 is as good as a slow one.
    """
    found = _IN_FORCE.rows(conn, digest=_digest(secret))
    return _key(dict(zip(KeyRow.__dataclass_fields__, found[0], strict=True))) if found else None


def revoke(conn: Connection, key_id: str, now_ms: int) -> bool:
    """Put a key out of force for good and say so in the log; tell whether there was such a key in force."""
    revoked = conn.execute(
        update(api_keys)
        .where(api_keys.c.key_id == key_id, api_keys.c.revoked_at_ms.is_(None))
        .values(revoked_at_ms=now_ms)
    )
    if revoked.rowcount != 1:
        return False
    append_entries(conn, [entry(CONFIG, now_ms, what="key_revoked", key=key_id)])
    return True


def list_keys(conn: Connection) -> list[KeyRow]:
    """Return every key, revoked ones too, oldest first."""
    oldest_first = select(*_PUBLIC).order_by(api_keys.c.created_at_ms, api_keys.c.key_id)
    return [_key(row) for row in conn.execute(oldest_first).mappings()]


def _key(row: Mapping[Any, Any]) -> KeyRow:
    return KeyRow(**{**row, "role": Role(row["role"])})


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()
