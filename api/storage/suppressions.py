"""Suppression: who was erased, so that no import and no event brings them back.

What is kept is a keyed digest of its own, which joins with nothing else (GDPR 17(3)(b): without it
the next import would undo the erasure).
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, delete, exists, select

from api.storage.prepared import Prepared, Wanted
from api.storage.statements import insert_or_replace
from api.storage.tables import suppressions

_SUPPRESSED = Prepared(
    select(suppressions.c.suppression_key).where(
        suppressions.c.suppression_key.in_(bindparam("suppression_keys", expanding=True))
    )
)

SUPPRESSED = "SUPPRESSED"
"""Why something about an erased subject is not taken."""


def suppress(conn: Connection, suppression_key: bytes, now_ms: int) -> None:
    """Remember that a subject was erased; erased again, from then on."""
    row = {"suppression_key": suppression_key, "since_ms": now_ms}
    conn.execute(insert_or_replace(conn, suppressions, "suppression_key"), row)


def suppressed_since(conn: Connection, suppression_key: bytes) -> int | None:
    """Return when a subject was last erased, milliseconds since the epoch; ``None`` if they were not."""
    since = select(suppressions.c.since_ms).where(suppressions.c.suppression_key == suppression_key)
    found: int | None = conn.execute(since).scalar()
    return found


def lift(conn: Connection, suppression_key: bytes) -> bool:
    """Let a subject come back, on their own new and explicit consent; tell whether there was need to."""
    lifted = conn.execute(delete(suppressions).where(suppressions.c.suppression_key == suppression_key))
    return lifted.rowcount == 1


def is_suppressed(conn: Connection, suppression_keys: Iterable[bytes]) -> set[bytes]:
    """Return those of the keys whose subjects were erased."""
    return suppressed_among(suppression_keys).read(conn)


def suppressed_among(suppression_keys: Iterable[bytes]) -> Wanted[set[bytes]]:
    """Return what to ask for what ``is_suppressed`` returns; nothing about nobody."""
    wanted = sorted(set(suppression_keys))
    asked = [_SUPPRESSED.asking(suppression_keys=wanted)] if wanted else []
    return Wanted(asked, lambda found: {key for rows in found for (key,) in rows})


def all_suppressed(conn: Connection) -> dict[bytes, int]:
    """Return everybody who was erased, and since when, milliseconds since the epoch."""
    return {bytes(row.suppression_key): row.since_ms for row in conn.execute(select(suppressions))}


def anybody_suppressed(conn: Connection) -> bool:
    """Tell whether anybody was ever erased: where nobody was, nobody need be looked up."""
    return bool(conn.scalar(select(exists().where(suppressions.c.suppression_key.is_not(None)))))
