"""Exports as whole documents, read where they are tested."""

from __future__ import annotations

from typing import Any

import orjson
from support.stores import NOW_MS, Store

from api.rights.export import as_json
from api.rights.interests import read_basics
from api.rights.readings import Subject, find_subject
from api.rights.sections import Scope
from api.storage.connection import reading


def the_subject(store: Store, subject_id: str = "anna", subject_type: str = "account") -> Subject:
    """Whose data is handed out, from a store."""
    with reading(store.engine) as conn:
        basics = read_basics(conn, store.settings)
    return find_subject(
        store.engine, store.subjects, subject_id, subject_type, basics, store.settings, NOW_MS, "en"
    )


def exported(
    store: Store, subject_id: str = "anna", subject_type: str = "account", scope: Scope = Scope.ACCESS
) -> dict[str, Any]:
    """The rows of every section of the document, by section."""
    document = orjson.loads(b"".join(as_json(the_subject(store, subject_id, subject_type), scope)))
    return {name: section["rows"] for name, section in document["sections"].items()}
