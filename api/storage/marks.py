"""Marks of the shop: what it calls sensitive itself, item by item or a whole category at once."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from api.storage.statements import insert_or_replace
from api.storage.tables import category_marks, items
from guardrails.sensitive.classify import CategoryMarks, ShopMark, category_key

_SEGMENTS = " > "

_CATEGORIES = select(category_marks.c.category, category_marks.c.sensitive_class, category_marks.c.tier)


def read_marks(conn: Connection) -> CategoryMarks:
    """Return the mark of every category that the shop has marked, as ``classify`` wants them."""
    return {
        category_key(row.category): ShopMark(row.sensitive_class, row.tier)
        for row in conn.execute(_CATEGORIES)
    }


def mark_category(conn: Connection, category: str, mark: ShopMark, now_ms: int) -> None:
    """Store the mark of a category; what is in the category is not classified by that.

    Args:
        conn: a connection.
        category: path of the category, its parts separated by ``>``.
        mark: what it is marked as; it has a tier.
        now_ms: the clock.
    """
    row = {
        "category": _SEGMENTS.join(category_key(category)),
        "sensitive_class": mark.sensitive_class,
        "tier": mark.tier,
        "created_at_ms": now_ms,
    }
    conn.execute(insert_or_replace(conn, category_marks, "category"), row)


def mark_item(conn: Connection, item_no: int, mark: ShopMark) -> None:
    """Store the mark of an item; the item is not classified by that."""
    values = {"shop_class": mark.sensitive_class, "shop_tier": mark.tier}
    conn.execute(update(items).where(items.c.item_no == item_no).values(values))
