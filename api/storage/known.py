"""What the shop has that a policy can name."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from api.storage.placements import read_placements
from api.storage.tables import items
from guardrails.policy.columns import with_all_above
from guardrails.policy.names import KnownNames

_CATEGORIES = select(items.c.category, items.c.sensitive_class).where(items.c.category != "").distinct()
_BRANDS = select(items.c.brand).where(items.c.brand != "").distinct()
_ITEMS = select(items.c.item_id)


def known_names(conn: Connection) -> KnownNames:
    """Return the names of placements, categories, brands and items; of items only once there are any."""
    placements = frozenset(read_placements(conn))
    if conn.execute(_ITEMS.limit(1)).first() is None:
        return KnownNames(placements=placements)
    kept = list(conn.execute(_CATEGORIES))
    return KnownNames(
        placements=placements,
        categories=frozenset(name for row in kept for name in with_all_above(row.category)),
        brands=frozenset(conn.execute(_BRANDS).scalars()),
        items=frozenset(conn.execute(_ITEMS).scalars()),
        sensitive_categories=_of_one_class((row.category, row.sensitive_class) for row in kept),
    )


def _of_one_class(kept: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Return the categories that hold, with all below them, goods of one sensitive class and nothing else."""
    classes: dict[str, set[str | None]] = {}
    for path, sensitive_class in kept:
        for name in with_all_above(path):
            classes.setdefault(name, set()).add(sensitive_class)
    only = {name: next(iter(found)) for name, found in classes.items() if len(found) == 1}
    return {name: found for name, found in only.items() if found is not None}
