"""Items: what the shop sells, classified when stored, read as one catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from api.storage.classified import DECIDED, decided_values
from api.storage.marks import read_marks
from api.storage.statements import chunks, insert_or_replace
from api.storage.tables import items
from api.storage.versions import CATALOGUE, count_up
from engine.catalogue import NO_CODE, UNKNOWN_PRICE, Catalogue, content_digest
from guardrails.sensitive.classes import CLASS_NAMES, class_number
from guardrails.sensitive.classify import CategoryMarks, ItemFacts
from guardrails.sensitive.examine import Examination, examine
from guardrails.sensitive.occasions import NO_OCCASION, names_of
from guardrails.sensitive.raising import raised

MEMORIALS = "bereavement"
"""The class of what is bought for a funeral, or in remembrance."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item as the shop describes it; the names and units are those of the table.

    Attributes:
        item_id: the shop's key.
        title: display title.
        category: path with its parts joined by `` > ``; empty when unknown.
        brand: brand name; empty when unknown.
        price_minor: price in minor units of ``currency``.
        currency: ISO 4217 code.
        available: in stock and not withdrawn from sale.
        link: address of its page.
        image_link: address of its picture.
        google_category_id: number in Google's product taxonomy.
        size_type: feed attribute.
        age_group: feed attribute.
        adult: feed attribute.
        shop_class: sensitive class that the shop marked.
        shop_tier: tier that the shop marked, 0 to 3.
        shop_occasions: bit mask of the occasions that the shop says it is made for.
        sponsored: somebody pays for it to be shown.
    """

    item_id: str
    title: str
    category: str = ""
    brand: str = ""
    price_minor: int | None = None
    currency: str | None = None
    available: bool = True
    link: str | None = None
    image_link: str | None = None
    google_category_id: int | None = None
    size_type: str | None = None
    age_group: str | None = None
    adult: bool | None = None
    shop_class: str | None = None
    shop_tier: int | None = None
    shop_occasions: int = NO_OCCASION
    sponsored: bool = False

    @property
    def facts(self) -> ItemFacts:
        """What says how sensitive it is."""
        return ItemFacts(
            google_category_id=self.google_category_id,
            category=self.category,
            title=self.title,
            size_type=self.size_type,
            adult=self.adult,
            age_group=self.age_group,
            shop_class=self.shop_class,
            shop_tier=self.shop_tier,
            occasions=names_of(self.shop_occasions),
        )


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """An item as stored.

    Attributes:
        item_no: storage key.
        row: what the shop said.
        sensitive_class: class name, decided when stored; ``None`` for none.
        tier: 0 to 3, decided when stored.
        deciding_layer: which layer decided.
        age_restricted: for adults only.
        occasions: bit mask of the occasions it is made for, decided when stored.
        pressing: its title presses to buy, decided when stored.
        unclassified: there is nothing but a title to go by, decided when stored.
        updated_at_ms: when it last changed, milliseconds since the epoch.
    """

    item_no: int
    row: ItemRow
    sensitive_class: str | None
    tier: int
    deciding_layer: str
    age_restricted: bool
    occasions: int
    pressing: bool
    unclassified: bool
    updated_at_ms: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What came of storing items: how many were new, how many differ now, how many do not."""

    inserted: int = 0
    changed: int = 0
    unchanged: int = 0


_SAID = tuple(items.c[field.name] for field in fields(ItemRow))
_COMPARED = (*_SAID, *DECIDED)
_CATALOGUE = select(
    items.c.item_id,
    items.c.item_no,
    items.c.title,
    items.c.category,
    items.c.brand,
    items.c.price_minor,
    items.c.currency,
    items.c.available,
    items.c.tier,
    items.c.sensitive_class,
    items.c.age_restricted,
    items.c.occasions,
    items.c.unclassified,
    items.c.sponsored,
    items.c.pressing,
)


def upsert_items(conn: Connection, rows: Sequence[ItemRow], now_ms: int) -> Counts:
    """Store items and classify them; of rows with the same item id the last one counts.

    A row that says nothing of a mark of the shop keeps the one that is stored: feeds have no word for
    it. The catalogue gets a new version only when something changed.

    Raises:
        SensitiveMarkError: a shop's mark names a class or tier that does not exist.
    """
    marks = read_marks(conn)
    stored = _stored(conn, list({row.item_id: None for row in rows}))
    wanted = {row.item_id: _stored_values(_still_marked(row, stored.get(row.item_id)), marks) for row in rows}
    different = [
        values for item_id, values in wanted.items() if stored.get(item_id) != tuple(values.values())
    ]
    if different:
        rows_to_store = [{**values, "updated_at_ms": now_ms} for values in different]
        conn.execute(insert_or_replace(conn, items, "item_id"), rows_to_store)
        count_up(conn, CATALOGUE, now_ms)
    n_changed = sum(values["item_id"] in stored for values in different)
    return Counts(
        inserted=len(different) - n_changed,
        changed=n_changed,
        unchanged=len(wanted) - len(different),
    )


def read_item(conn: Connection, item_id: str) -> ItemRecord | None:
    """Return an item, or ``None`` when there is none."""
    row = conn.execute(select(items).where(items.c.item_id == item_id)).mappings().first()
    if row is None:
        return None
    return ItemRecord(
        item_no=row["item_no"],
        row=ItemRow(**{column.name: row[column] for column in _SAID}),
        updated_at_ms=row["updated_at_ms"],
        **{column.name: row[column] for column in DECIDED},
    )


def ids_of(conn: Connection, numbers: Sequence[int]) -> list[str]:
    """Return the item id of each storage key, in the order given; without those that are no more."""
    known: dict[int, str] = {}
    for some in chunks(numbers):
        found = conn.execute(select(items.c.item_no, items.c.item_id).where(items.c.item_no.in_(some)))
        known.update({row.item_no: row.item_id for row in found})
    return [known[number] for number in numbers if number in known]


def item_numbers(conn: Connection) -> dict[str, int]:
    """Return the storage key of every item id."""
    return {row.item_id: row.item_no for row in conn.execute(select(items.c.item_id, items.c.item_no))}


def memorial_numbers(conn: Connection) -> frozenset[int]:
    """Return the storage keys of what is bought for a funeral, or in remembrance."""
    return frozenset(conn.scalars(select(items.c.item_no).where(items.c.sensitive_class == MEMORIALS)))


def load_catalogue(conn: Connection, raised_classes: Collection[str] = ()) -> Catalogue:
    """Return everything the shop sells as columns, by item id; an empty catalogue when that is nothing.

    Prices count in one currency, the one that most items have; a price in another is unknown.

    Args:
        conn: a connection.
        raised_classes: sensitive classes whose goods of tier S1 count as S2, as the law of the shop's
            place has it (``ConsentSettings.raised_classes``).
    """
    rows = sorted(
        conn.execute(_CATALOGUE).all(), key=itemgetter(0)
    )  # databases differ in how they order text
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) or [()] * len(_CATALOGUE.selected_columns)
    item_id, item_no, title, category, brand, price, currency, available, tier, sensitive, *flags = columns
    restricted, occasions, unclassified, sponsored, pressing = flags
    category_code, categories = _encode(category)
    brand_code, brands = _encode(brand)
    main_currency = _most_common(currency)
    sensitive_class = _class_numbers(sensitive)
    content: dict[str, Any] = {
        "item_ids": item_id,
        "titles": title,
        "item_no": np.array(item_no, np.int64),
        "category": category_code,
        "categories": categories,
        "brand": brand_code,
        "brands": brands,
        "price_minor": _prices(price, currency, main_currency),
        "currency": main_currency,
        "available": np.array(available, np.bool_),
        "tier": raised(np.array(tier, np.int8), sensitive_class, CLASS_NAMES, raised_classes),
        "sensitive_class": sensitive_class,
        "sensitive_classes": CLASS_NAMES,
        "age_restricted": np.array(restricted, np.bool_),
        "occasions": np.array(occasions, np.int32),
        "unclassified": np.array(unclassified, np.bool_),
        "sponsored": np.array(sponsored, np.bool_),
        "pressing": np.array(pressing, np.bool_),
    }
    return Catalogue(version=content_digest(content), **content)


def _still_marked(row: ItemRow, stored: tuple[Any, ...] | None) -> ItemRow:
    """Return the row with the mark that is stored, if it says nothing of one itself."""
    if stored is None or row.shop_class is not None or row.shop_tier is not None:
        return row
    kept = dict(zip((column.name for column in _COMPARED), stored, strict=True))
    return replace(row, shop_class=kept["shop_class"], shop_tier=kept["shop_tier"])


def _stored_values(row: ItemRow, marks: CategoryMarks) -> dict[str, Any]:
    """Return what is stored of an item, in the order of ``_COMPARED``."""
    examined = examine(row.facts, marks) if marks else _examine_unmarked(row.facts)
    return {**asdict(row), **decided_values(examined)}


@lru_cache(maxsize=65_536)
def _examine_unmarked(facts: ItemFacts) -> Examination:
    """Examine an item of a shop without marks; most shops send the same catalogue day after day."""
    return examine(facts)


def _stored(conn: Connection, item_ids: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    return {
        row.item_id: tuple(row)
        for some in chunks(item_ids)
        for row in conn.execute(select(*_COMPARED).where(items.c.item_id.in_(some)))
    }


def _encode(texts: Sequence[str]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Return a code for each text, int32, and the sorted texts they stand for; -1 for the empty text."""
    names = tuple(sorted(set(texts) - {""}))
    code_of = {"": NO_CODE, **{name: code for code, name in enumerate(names)}}
    return np.fromiter((code_of[each] for each in texts), np.int32, len(texts)), names


def _most_common(currencies: Sequence[str | None]) -> str:
    counted = Counter(each for each in currencies if each is not None)
    return min(counted, key=lambda each: (-counted[each], each), default="")


def _prices(
    prices: Sequence[int | None], currencies: Sequence[str | None], currency: str
) -> NDArray[np.int64]:
    known = (
        UNKNOWN_PRICE if price is None or each != currency else price
        for price, each in zip(prices, currencies, strict=True)
    )
    return np.fromiter(known, np.int64, len(prices))


def _class_numbers(names: Sequence[str | None]) -> NDArray[np.int16]:
    numbers = (NO_CODE if name is None else class_number(name) for name in names)
    return np.fromiter(numbers, np.int16, len(names))
