"""What decisions of the log name: what a search can be narrowed to."""

from __future__ import annotations

from sqlalchemy import Connection, select

from api.storage.tables import decision_kinds, log_terms


def kinds_seen(conn: Connection) -> dict[str, set[str]]:
    """Return every placement, policy and model that decisions name; no model is the empty text."""
    names = ("placement", "policy", "model")
    rows = conn.execute(select(*(decision_kinds.c[name] for name in names)).distinct()).mappings().all()
    return {name: {row[name] for row in rows} for name in names}


def terms_seen(conn: Connection) -> list[str]:
    """Return every term that any decision was ever found by."""
    return list(conn.scalars(select(log_terms.c.term).order_by(log_terms.c.term)))
