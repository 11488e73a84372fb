"""What was decided of every item from its description, and storing it anew."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, update

from api.storage.tables import items
from api.storage.versions import CATALOGUE, count_up
from guardrails.sensitive.classes import Tier
from guardrails.sensitive.classify import Classification, ItemFacts, Layer
from guardrails.sensitive.examine import Examination
from guardrails.sensitive.occasions import names_of

DECIDED = (
    items.c.sensitive_class,
    items.c.tier,
    items.c.deciding_layer,
    items.c.age_restricted,
    items.c.occasions,
    items.c.pressing,
    items.c.unclassified,
)
"""The columns that nobody says and that are decided."""

_SAID = (
    items.c.google_category_id,
    items.c.category,
    items.c.title,
    items.c.size_type,
    items.c.adult,
    items.c.age_group,
    items.c.shop_class,
    items.c.shop_tier,
    items.c.shop_occasions,
)
_ITEMS = select(items.c.item_no, items.c.item_id, *_SAID, *DECIDED).order_by(items.c.item_no)


@dataclass(frozen=True, slots=True)
class DescribedItem:
    """An item as far as its description goes.

    Attributes:
        item_no: storage key.
        item_id: the shop's key.
        facts: what the shop says of it.
        examined: what was decided when it was stored.
    """

    item_no: int
    item_id: str
    facts: ItemFacts
    examined: Examination


def decided_values(examined: Examination) -> dict[str, Any]:
    """Return what is stored of an examination, by column, in the order of ``DECIDED``."""
    found = examined.classification
    return {
        "sensitive_class": found.sensitive_class,
        "tier": int(found.tier),
        "deciding_layer": found.layer.value,
        "age_restricted": found.age_restricted,
        "occasions": examined.occasions,
        "pressing": examined.pressing,
        "unclassified": examined.unclassified,
    }


class CountedItems(NamedTuple):
    """Items of which the same was decided, and how many those are.

    Attributes:
        sensitive_class: class name; ``None`` for none.
        tier: 0 to 3.
        layer: what decided.
        n_items: how many.
        n_age_restricted: how many of them are for adults only.
        n_unclassified: of how many there is nothing but a title to go by.
        n_pressing: how many have a title that presses.
    """

    sensitive_class: str | None
    tier: int
    layer: Layer
    n_items: int
    n_age_restricted: int
    n_unclassified: int
    n_pressing: int


def count_items(conn: Connection, categories: Collection[str] | None = None) -> int:
    """Return how many items are stored.

    Args:
        conn: a connection.
        categories: paths, exactly as stored, of the only categories to look at; ``None`` for all.
    """
    n_items: int = conn.execute(select(func.count()).select_from(items).where(*_in(categories))).scalar_one()
    return n_items


def count_decided(conn: Connection) -> list[CountedItems]:
    """Return what the stored catalogue is classified as; this reads every item."""
    decided = items.c.sensitive_class, items.c.tier, items.c.deciding_layer
    flags = items.c.age_restricted, items.c.unclassified, items.c.pressing
    counts = (func.count(), *(func.count().filter(flag) for flag in flags))
    rows = conn.execute(select(*decided, *counts).group_by(*decided))
    return [CountedItems(name, tier, Layer(layer), *map(int, n)) for name, tier, layer, *n in rows]


def stored_categories(conn: Connection) -> list[str]:
    """Return the path of every category that has items, as it is stored; this reads every item."""
    return list(conn.scalars(select(items.c.category).where(items.c.category != "").distinct()))


def read_described(
    conn: Connection, after_no: int, n_items: int, categories: Collection[str] | None = None
) -> list[DescribedItem]:
    """Return the next items in the order of their storage keys.

    Args:
        conn: a connection.
        after_no: storage key of the last item read before; 0 to begin with.
        n_items: at most so many.
        categories: paths, exactly as stored, of the only categories to look at; ``None`` for all.
    """
    rows = conn.execute(_ITEMS.where(items.c.item_no > after_no, *_in(categories)).limit(n_items))
    return [_described(row) for row in rows.mappings()]


def find_described(conn: Connection, item_id: str) -> DescribedItem | None:
    """Return an item, or ``None`` when there is none."""
    row = conn.execute(_ITEMS.where(items.c.item_id == item_id)).mappings().first()
    return None if row is None else _described(row)


def store_decided(
    conn: Connection, decided: Sequence[tuple[DescribedItem, Examination]], now_ms: int
) -> None:
    """Store what was decided of items anew; the catalogue gets a new version if there are any."""
    if not decided:
        return
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in DECIDED}
    statement = update(items).where(items.c.item_no == bindparam("of_item_no")).values(values)
    rows = [{"of_item_no": item.item_no, **decided_values(examined)} for item, examined in decided]
    conn.execute(statement, rows)
    count_up(conn, CATALOGUE, now_ms)


def _in(categories: Collection[str] | None) -> tuple[ColumnElement[bool], ...]:
    return () if categories is None else (items.c.category.in_(categories),)


def _described(row: Any) -> DescribedItem:
    said = {column.name: row[column.name] for column in _SAID}
    occasions = names_of(said.pop("shop_occasions"))
    classification = Classification(
        row["sensitive_class"], Tier(row["tier"]), Layer(row["deciding_layer"]), row["age_restricted"]
    )
    return DescribedItem(
        item_no=row["item_no"],
        item_id=row["item_id"],
        facts=ItemFacts(**said, occasions=occasions),
        examined=Examination(classification, row["occasions"], row["pressing"], row["unclassified"]),
    )
