"""Items from a product feed in the attributes of Google Merchant Center.

Feeds come as RSS 2.0 or Atom with attributes in the ``g:`` namespace, or as tab separated values.
Source: Google Merchant Center, product data specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree as SafeTree
from defusedxml.common import DefusedXmlException

from api.errors import FieldError, ImportFileError
from api.imports.batches import Batch, Reject, RowBatch
from api.imports.fields import Record, money_minor, read_flag, read_id, read_text, require
from api.imports.items import (
    AGE_GROUPS,
    LAST_CATEGORY_ID,
    category_path,
    read_choice,
    read_occasions,
    read_size_type,
)
from api.imports.merchant_attributes import IGNORED, USED
from api.imports.readers import BATCH_SIZE, Fields, readable
from api.storage.items import ItemRow

AVAILABILITIES = ("in_stock", "out_of_stock", "preorder", "backorder")

GOOGLE_NAMESPACE = "http://base.google.com/ns/1.0"
ATOM_NAMESPACE = "http://www.w3.org/2005/Atom"

_PRICE = re.compile(r"(\d+(?:\.\d+)?) ?([A-Z]{3})", re.ASCII)
_CHUNK_BYTES = 1 << 16


def _spelling(heading: str) -> str:
    """Return the attribute that a column is for: ``Shipping(country:price)`` is ``shipping``."""
    return heading.partition("(")[0].strip().lower().removeprefix("g:").replace(" ", "_")


FEED_FIELDS = Fields(known=USED | IGNORED, required=(("id",), ("title",)), spelling=_spelling)


def read_feed_item(record: Record) -> ItemRow:
    """Understand one item of a feed.

    Raises:
        FieldError: an attribute is missing or cannot be used.
    """
    google_category_id, google_path = _google_category(record)
    price_minor, currency = _price(record)
    return ItemRow(
        item_id=require("id", read_id(record, "id")),
        title=require("title", read_text(record, "title")),
        category=category_path(google_path or read_text(record, "product_type")),
        brand=read_text(record, "brand") or "",
        price_minor=price_minor,
        currency=currency,
        available=_available(record),
        link=read_text(record, "link"),
        image_link=read_text(record, "image_link"),
        google_category_id=google_category_id,
        size_type=read_size_type(record),
        age_group=read_choice(record, "age_group", AGE_GROUPS),
        adult=read_flag(record, "adult"),
        shop_class=None,
        shop_tier=None,
        shop_occasions=read_occasions(record),
        sponsored=read_flag(record, "sponsored") or False,
    )


def _google_category(record: Record) -> tuple[int | None, str | None]:
    """Return the id, or the path where the feed gives one instead.

    A path goes before the shop's own product type, because keywords are looked for in it.
    """
    text = read_text(record, "google_product_category")
    if text is None:
        return None, None
    if not (text.isascii() and text.isdigit()):
        return None, text
    if not 1 <= int(text[:12]) <= LAST_CATEGORY_ID:
        raise FieldError("google_product_category", "is not an id of Google's product taxonomy")
    return int(text), None


def _price(record: Record) -> tuple[int | None, str | None]:
    text = read_text(record, "price")
    if text is None:
        return None, None
    found = _PRICE.fullmatch(text)
    if found is None:
        raise FieldError("price", "is not an amount and a currency of ISO 4217, as in 15.00 USD")
    amount, currency = found.groups()
    return money_minor("price", amount, currency), currency


def _available(record: Record) -> bool:
    said = read_text(record, "availability")
    if said is None:
        return True
    word = said.lower().replace(" ", "_")
    if word not in AVAILABILITIES:
        raise FieldError("availability", f"is none of {', '.join(AVAILABILITIES)}")
    return word == "in_stock"


def read_xml_feed(path: Path, fields: Fields) -> Iterator[Batch]:
    """Read an RSS 2.0 or Atom feed item by item; ``lines`` are the numbers of the items.

    Document types, and with them entities, are refused. A feed that breaks off keeps the items
    before the break, which is reported as one more reject.

    Raises:
        ImportFileError: the file cannot be read, is no feed, or has a document type.
    """
    with readable(path), path.open("rb") as file:
        feed = _Counted(file)
        rows: list[dict[str, object]] = []
        numbers: list[int] = []
        refused: list[Reject] = []
        number = 0
        try:
            for number, item in enumerate(_feed_items(path, feed), start=1):
                unknown = min(item.keys() - fields.known, default=None)
                if unknown is None:
                    rows.append(item)
                    numbers.append(number)
                else:
                    refused.append(Reject(number, unknown[:64], "is not an attribute of the specification"))
                if len(rows) + len(refused) >= BATCH_SIZE:
                    yield RowBatch(numbers, refused, feed.done, rows)
                    rows, numbers, refused = [], [], []
        except ParseError as error:
            if number == 0:
                raise ImportFileError(f"`{path.name}` is not well-formed XML") from None
            line, column = error.position
            refused.append(Reject(number + 1, "", f"the feed breaks off on line {line}, column {column}"))
        except DefusedXmlException:
            raise ImportFileError(f"`{path.name}` has a document type, which feeds need not have") from None
        except (LookupError, ValueError):
            raise ImportFileError(f"`{path.name}` is in an encoding that cannot be read") from None
        yield RowBatch(numbers, refused, feed.done, rows)


def _feed_items(path: Path, feed: _Counted) -> Iterator[dict[str, object]]:
    """Return the attributes of each item as soon as it is complete, and forget it."""
    events = SafeTree.iterparse(feed, events=("start", "end"), forbid_dtd=True)
    open_elements: list[Element] = []
    for event, element in events:
        if event == "start":
            if not open_elements and _local(element.tag) not in {"rss", "feed"}:
                raise ImportFileError(f"`{path.name}` is neither an RSS nor an Atom feed")
            open_elements.append(element)
            continue
        open_elements.pop()
        if element.tag in {"item", f"{{{ATOM_NAMESPACE}}}entry"}:
            yield _attributes(element)
            open_elements[-1].remove(element)


def _attributes(item: Element) -> dict[str, object]:
    """Return what an item says; of an attribute given several times the first, but all size types."""
    given: dict[str, str] = {}
    plain: dict[str, str] = {}
    for child in item:
        namespace, name = _namespace(child.tag), _local(child.tag)
        text = (child.text or child.get("href") or "").strip()
        if namespace == GOOGLE_NAMESPACE and name == "size_type" and name in given:
            given[name] += f",{text}"
        elif namespace == GOOGLE_NAMESPACE:
            given.setdefault(name, text)
        elif namespace in {"", ATOM_NAMESPACE} and name in USED and not _is_feed_id(namespace, name):
            plain.setdefault(name, text)
    return {**plain, **given}


def _is_feed_id(namespace: str, name: str) -> bool:
    """Whether this is Atom's own id: the address of an entry, not the id of an item."""
    return namespace == ATOM_NAMESPACE and name == "id"


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _namespace(tag: str) -> str:
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


class _Counted:
    """A file that knows how much of it was read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.done = 0

    def read(self, size: int = _CHUNK_BYTES) -> bytes:
        """Return the next bytes."""
        found = self._file.read(size)
        self.done += len(found)
        return found
