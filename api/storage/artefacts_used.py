"""Which models and catalogues the records that are kept were made from, as far as nothing is missed.

Noted is between which places in the log the decisions made from a model or a catalogue are; others may lie
between. As long as one decision there has a body, what it was made from may be needed to make it again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, exists, select

from api.storage.statements import insert_new, insert_or_update
from api.storage.tables import artefacts_used, decision_bodies
from api.storage.versions import CATALOGUE, MODEL


def note_used(conn: Connection, made: Sequence[tuple[int, str | None, str | None]]) -> None:
    """Remember what new decisions were made from.

    Args:
        conn: a writing connection, which holds the log's lock.
        made: place in the log, version of the model and version of the catalogue of each decision, in
            ascending order of places.
    """
    found: dict[tuple[str, str], list[int]] = {}
    for at, model, catalogue in made:
        for kind, version in ((MODEL, model), (CATALOGUE, catalogue)):
            if version is not None:
                found.setdefault((kind, version), []).append(at)
    names = ("kind", "version", "first_index", "last_index")
    rows = [(kind, version, at[0], at[-1]) for (kind, version), at in sorted(found.items())]
    insert_or_update(conn, artefacts_used, ("kind", "version"), names, rows)


def note_unknown(conn: Connection, kind: str, versions: Collection[str], end: int) -> None:
    """Take what nothing is noted of for needed by every decision so far.

    It was used before this was noted, or not yet.

    Args:
        conn: a writing connection.
        kind: ``model`` or ``catalogue``.
        versions: of those that are there.
        end: one past the last place in the log.
    """
    rows = [
        {"kind": kind, "version": version, "first_index": 0, "last_index": end - 1}
        for version in sorted(versions)
    ]
    if rows:
        conn.execute(insert_new(conn, artefacts_used), rows)


def unneeded(conn: Connection, kind: str) -> set[str]:
    """Return the versions of which something is noted, and that no record that is kept can need."""
    at, used = decision_bodies.c.log_index, artefacts_used.c
    has_body = exists().where(at >= used.first_index, at <= used.last_index)
    return set(conn.scalars(select(used.version).where(used.kind == kind, ~has_body)))


def forget_used(conn: Connection, kind: str, versions: Collection[str]) -> None:
    """Note nothing any longer of versions that are gone."""
    used = artefacts_used.c
    conn.execute(delete(artefacts_used).where(used.kind == kind, used.version.in_(sorted(versions))))
