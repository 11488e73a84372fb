"""Whoever was erased stays so: what would write about them is refused."""

from __future__ import annotations

from sqlalchemy import Connection

from api.errors import ErasedError
from api.storage.subjects import Subjects
from api.storage.suppressions import is_suppressed


def refuse_erased(conn: Connection, subjects: Subjects, subject_key: bytes) -> None:
    """Refuse to write anything about a subject who was erased and has not come back since.

    Raises:
        ErasedError: they were.
    """
    if is_suppressed(conn, [subjects.suppression(subject_key)]):
        raise ErasedError("was erased, and comes back by an express consent of their own alone")
