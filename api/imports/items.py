"""Items from a file in our own fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields

from sqlalchemy import Connection

from api.errors import FieldError
from api.imports.batches import Batch, Reject
from api.imports.fields import (
    Record,
    read_currency,
    read_flag,
    read_id,
    read_money_minor,
    read_text,
    read_whole,
    require,
)
from api.imports.readers import Fields
from api.imports.stored import Stored
from api.storage.items import ItemRow, upsert_items
from guardrails.messages import Phrase
from guardrails.sensitive.classes import CLASS_NAMES, Tier
from guardrails.sensitive.occasions import OCCASIONS, mask_of

AGE_GROUPS = ("newborn", "infant", "toddler", "kids", "adult")
SIZE_TYPES = ("regular", "petite", "maternity", "big", "tall", "plus")
"""Values of the product attributes of these names, as Google publishes them."""

LAST_CATEGORY_ID = 10_000_000

ITEM_FIELDS = Fields(
    known=frozenset(field.name for field in fields(ItemRow)) - {"shop_occasions"} | {"price", "occasions"},
    required=(("item_id",), ("title",)),
)


def read_item(record: Record) -> ItemRow:
    """Understand one record in our own fields.

    Raises:
        FieldError: a field is missing or cannot be used.
    """
    currency = read_currency(record)
    price_minor = read_money_minor(record, "price", currency)
    if price_minor is not None and currency is None:
        raise FieldError("currency", "is missing beside a price")
    available = read_flag(record, "available")
    return ItemRow(
        item_id=require("item_id", read_id(record, "item_id")),
        title=require("title", read_text(record, "title")),
        category=category_path(read_text(record, "category")),
        brand=read_text(record, "brand") or "",
        price_minor=price_minor,
        currency=currency,
        available=True if available is None else available,
        link=read_text(record, "link"),
        image_link=read_text(record, "image_link"),
        google_category_id=read_whole(record, "google_category_id", 1, LAST_CATEGORY_ID),
        size_type=read_size_type(record),
        age_group=read_choice(record, "age_group", AGE_GROUPS),
        adult=read_flag(record, "adult"),
        shop_class=read_choice(record, "shop_class", CLASS_NAMES),
        shop_tier=read_whole(record, "shop_tier", min(Tier), max(Tier)),
        shop_occasions=read_occasions(record),
        sponsored=read_flag(record, "sponsored") or False,
    )


def category_path(text: str | None) -> str:
    """Return a category path with its parts joined by `` > ``; empty when there is none.

    >>> category_path("Home>Kitchen >  Knives")
    'Home > Kitchen > Knives'
    """
    parts = (part.strip() for part in (text or "").split(">"))
    return " > ".join(part for part in parts if part)


def read_choice(record: Record, name: str, choices: Iterable[str]) -> str | None:
    """Return one of several words, whatever case it is written in."""
    text = read_text(record, name)
    if text is None:
        return None
    if text.lower() not in choices:
        raise FieldError(name, Phrase("is none of {words}", words=", ".join(choices)))
    return text.lower()


def read_size_type(record: Record) -> str | None:
    """Return the size types, several of them joined by commas."""
    text = read_text(record, "size_type")
    if text is None:
        return None
    sizes = [part.strip() for part in text.split(",")]
    known = [read_choice({"size_type": size}, "size_type", SIZE_TYPES) for size in sizes]
    return ",".join(size for size in known if size) or None


def read_occasions(record: Record) -> int:
    """Return the bit mask of occasions: a list of names, or names joined by commas as a table has them."""
    value = record.get("occasions")
    if not isinstance(value, list):
        text = read_text(record, "occasions")
        value = [] if text is None else [name.strip() for name in text.split(",")]
    if not all(isinstance(name, str) and name in OCCASIONS for name in value):
        raise FieldError("occasions", Phrase("is none of {words}", words=", ".join(OCCASIONS)))
    return mask_of(*value)


class ItemImport:
    """Stores runs of items.

    Args:
        fields: which fields a record has.
        read: how a record is understood.
        now_ms: the clock.
    """

    def __init__(self, fields: Fields, read: Callable[[Record], ItemRow], now_ms: int) -> None:
        self.fields = fields
        self._read = read
        self._now_ms = now_ms
        self._line_of: dict[str, int] = {}

    def store(self, conn: Connection, batch: Batch) -> tuple[Stored, list[Reject]]:
        """Store a run; what cannot be stored comes back as rejects, with the record itself."""
        rows: list[ItemRow] = []
        rejects: list[Reject] = []
        for line, record in batch.records():
            try:
                row = self._read(record)
                self._note(row.item_id, line)
                rows.append(row)
            except FieldError as error:
                rejects.append(Reject(line, error.field, error.reason, record))
        counts = upsert_items(conn, rows, self._now_ms)
        return Stored(counts.inserted, counts.changed, counts.unchanged), rejects

    def _note(self, item_id: str, line: int) -> None:
        """Refuse an item that the file has described already: which of the two holds, nobody knows."""
        first = self._line_of.setdefault(item_id, line)
        if first != line:
            raise FieldError("item_id", Phrase("is the same as on line {line}", line=first))
