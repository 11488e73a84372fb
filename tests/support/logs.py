"""The log of a store, looked at from outside."""

from __future__ import annotations

import orjson
from sqlalchemy import Connection, select

from api.storage.log import read_entries, read_state
from api.storage.tables import decision_kinds, decisions
from guardrails.log.merkle import leaf_hash, root_of


def policies_recorded(conn: Connection) -> dict[str, tuple[str, str]]:
    """Under which policy each decision is found, and which one its entry names, by decision id."""
    query = select(decisions.c.log_index, decisions.c.decision_id, decision_kinds.c.policy).join(
        decision_kinds, decision_kinds.c.kind_no == decisions.c.kind_no
    )
    found = {row.log_index: row for row in conn.execute(query)}
    entries = dict(enumerate(read_entries(conn, 0, read_state(conn).size)))
    return {
        row.decision_id: (row.policy, orjson.loads(entries[log_index])["policy"])
        for log_index, row in found.items()
    }


def root_of_entries(conn: Connection) -> bytes:
    """The root of a tree over the entries that are stored."""
    return root_of([leaf_hash(entry) for entry in read_entries(conn, 0, read_state(conn).size)])
