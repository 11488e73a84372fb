"""Who was erased: an import must not bring them back, whatever older copy it comes from."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from api.storage.subjects import Subjects
from api.storage.suppressions import SUPPRESSED, anybody_suppressed, is_suppressed

WAS_ERASED = f"was erased ({SUPPRESSED})"
"""What is wrong with a record about somebody who was."""


def erased_customers(
    conn: Connection, subjects: Subjects, customer_ids: Iterable[str | None]
) -> frozenset[str]:
    """Return those of the customers who were erased and have not come back since."""
    if not anybody_suppressed(conn):
        return frozenset()
    keys = {
        subjects.suppression(subjects.account(each)): each for each in set(customer_ids) if each is not None
    }
    return frozenset(keys[key] for key in is_suppressed(conn, keys))
