"""Placements: where suggestions are shown, as the shop has set them up."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from sqlalchemy import Connection, select

from api.storage.statements import insert_new
from api.storage.tables import placements
from engine.vocabulary import Intent, from_word, word
from guardrails.request import Placement


def seed_placements(conn: Connection, defaults: Sequence[Placement]) -> None:
    """Store the placements whose names are not taken; what the shop has set up stays as it is."""
    rows = [
        {
            "name": placement.name,
            "prominence_micro": placement.prominence_micro,
            "interruptive": placement.interruptive,
            "anchored": placement.anchored,
            "public": placement.public,
            "max_count": placement.max_count,
            "intents": orjson.dumps([word(intent) for intent in sorted(placement.intents)]).decode(),
        }
        for placement in defaults
    ]
    if rows:
        conn.execute(insert_new(conn, placements), rows)


def read_placements(conn: Connection) -> dict[str, Placement]:
    """Return every placement by its name."""
    return {
        row.name: Placement(
            name=row.name,
            prominence_micro=row.prominence_micro,
            interruptive=row.interruptive,
            anchored=row.anchored,
            public=row.public,
            max_count=row.max_count,
            intents=frozenset(from_word(Intent, text) for text in orjson.loads(row.intents)),
        )
        for row in conn.execute(select(placements))
    }
