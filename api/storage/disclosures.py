"""What was looked at in the log, and by whom: kept beside the entries that prove it."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from api.storage.tables import disclosures


class Disclosure(NamedTuple):
    """One look.

    Attributes:
        log_index: where in the log its entry is.
        subject_key: whose records were looked at; ``None`` for nobody's in particular.
        salt: 16 random bytes of the digest in the entry.
        details: canonical JSON of what was looked at.
    """

    log_index: int
    subject_key: bytes | None
    salt: bytes
    details: str


def add_disclosure(conn: Connection, disclosure: Disclosure) -> None:
    """Remember what exactly was looked at."""
    conn.execute(insert(disclosures), disclosure._asdict())


def read_disclosure(conn: Connection, log_index: int) -> Disclosure | None:
    """Return what was looked at; ``None`` where that was erased or never was."""
    row = conn.execute(select(disclosures).where(disclosures.c.log_index == log_index)).first()
    return None if row is None else Disclosure(row.log_index, row.subject_key, bytes(row.salt), row.details)
