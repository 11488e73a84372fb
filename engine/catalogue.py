"""The catalogue as columns: one immutable snapshot, one row an item.

Rows are sorted by item id, so that a smaller ``item_idx`` is a smaller id and ties
between scores break the same way everywhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

UNKNOWN_PRICE = -1
NO_CODE = -1


@dataclass(frozen=True, eq=False)
class Catalogue:
    """What the shop sells, aligned column by column.

    Attributes:
        version: SHA-256 (64 hex digits) over the content of every column.
        item_ids: ``n_items`` shop keys, strictly ascending.
        titles: ``n_items`` display titles.
        item_no: shape (n_items,), int64, the storage key of each row.
        category: shape (n_items,), int32, index into ``categories``; -1 where unknown.
        categories: category paths, e.g. ``"DRUG GM > CANDY"``.
        brand: shape (n_items,), int32, index into ``brands``; -1 where unknown.
        brands: brand names.
        price_minor: shape (n_items,), int64, minor units of ``currency``; -1 where unknown.
        currency: ISO 4217 code of every price.
        available: shape (n_items,), bool: in stock and not withdrawn from sale.
        tier: shape (n_items,), int8, 0 to 3: how sensitive the item is.
        sensitive_class: shape (n_items,), int16, index into ``sensitive_classes``; -1 for none.
        sensitive_classes: class names.
        age_restricted: shape (n_items,), bool: sold to adults only.
        occasions: shape (n_items,), int32: bit mask of the occasions it is made for.
        unclassified: shape (n_items,), bool: there is nothing but a title to tell how sensitive it is.
        sponsored: shape (n_items,), bool: somebody pays for its being suggested.
        pressing: shape (n_items,), bool: its title presses the reader to buy.
    """

    version: str
    item_ids: tuple[str, ...]
    titles: tuple[str, ...]
    item_no: NDArray[np.int64]
    category: NDArray[np.int32]
    categories: tuple[str, ...]
    brand: NDArray[np.int32]
    brands: tuple[str, ...]
    price_minor: NDArray[np.int64]
    currency: str
    available: NDArray[np.bool_]
    tier: NDArray[np.int8]
    sensitive_class: NDArray[np.int16]
    sensitive_classes: tuple[str, ...]
    age_restricted: NDArray[np.bool_]
    occasions: NDArray[np.int32]
    unclassified: NDArray[np.bool_]
    sponsored: NDArray[np.bool_]
    pressing: NDArray[np.bool_]

    @property
    def n_items(self) -> int:
        """Number of rows."""
        return len(self.item_ids)

    @cached_property
    def idx_of_id(self) -> dict[str, int]:
        """Map of the shop's item id to row."""
        return {item_id: idx for idx, item_id in enumerate(self.item_ids)}

    @cached_property
    def _idx_by_no(self) -> NDArray[np.int32]:
        lookup = np.full(int(self.item_no.max(initial=0)) + 1, NO_CODE, dtype=np.int32)
        lookup[self.item_no] = np.arange(self.n_items, dtype=np.int32)
        return lookup

    @cached_property
    def highest_tier_by_class(self) -> tuple[int, ...]:
        """Highest tier among the items of each sensitive class, by code; 0 where it has none."""
        of_class = self.sensitive_class >= 0
        highest = np.zeros(len(self.sensitive_classes), np.int8)
        np.maximum.at(highest, self.sensitive_class[of_class], self.tier[of_class])
        return tuple(highest.tolist())

    @cached_property
    def _codes_by_word(self) -> dict[str, frozenset[int]]:
        found: dict[str, set[int]] = {}
        for code, path in enumerate(self.categories):
            for word in _words(path):
                found.setdefault(word, set()).add(code)
        return {word: frozenset(codes) for word, codes in found.items()}

    @cached_property
    def occasions_by_category(self) -> NDArray[np.int32]:
        """Occasions that anything of each category is made for; a bit mask, shape (n_categories + 1,).

        The last place stands for no category, so that the code -1 reads it; it holds none.
        """
        occasions = np.zeros(len(self.categories) + 1, np.int32)
        np.bitwise_or.at(occasions, self.category, self.occasions)
        occasions[NO_CODE] = 0
        return occasions

    def within(self, paths: Collection[str]) -> NDArray[np.bool_]:
        """Return for each category whether it is one of ``paths`` or lies below one; bool.

        Shape (n_categories + 1,): the last place stands for no category, which lies below nothing.
        """
        below = tuple(f"{path} > " for path in paths)
        return np.array([each in paths or each.startswith(below) for each in self.categories] + [False])

    def categories_about(self, text: str) -> tuple[int, ...]:
        """Codes of the categories whose path holds every word of ``text``, ascending."""
        words = _words(text)
        if not words:
            return ()
        matches = [self._codes_by_word.get(word, frozenset()) for word in words]
        return tuple(sorted(frozenset.intersection(*matches)))

    def idx_of_no(self, item_no: NDArray[np.int64]) -> NDArray[np.int32]:
        """Rows of storage keys, shape like ``item_no``; -1 where this snapshot does not hold the item."""
        lookup = self._idx_by_no
        known = (item_no >= 0) & (item_no < lookup.size)
        if known.all():  # as good as always
            return lookup[item_no]
        return np.where(known, lookup[np.where(known, item_no, 0)], NO_CODE).astype(np.int32)


def content_digest(content: Mapping[str, Any]) -> str:
    """Return the version of a catalogue: SHA-256, 64 hex digits, over every other column by name.

    Texts count as JSON, numbers as little-endian bytes; columns in the order of ``Catalogue``.
    """
    digest = hashlib.sha256()
    for name, column in content.items():
        is_array = isinstance(column, np.ndarray)
        written = (
            column.astype(column.dtype.newbyteorder("<")).tobytes() if is_array else orjson.dumps(column)
        )
        digest.update(f"{name} {len(written)}\n".encode())
        digest.update(written)
    return digest.hexdigest()


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.casefold()))
