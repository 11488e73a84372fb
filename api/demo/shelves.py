"""The shelves of the demo shop: departments, what is on a shelf, a search."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from babel.numbers import format_currency
from numpy.typing import NDArray

from api.demo.titles import in_words
from engine.catalogue import Catalogue
from guardrails.house import House

SEPARATOR = " > "

N_SHOWN = 24
"""Items on a shelf."""

_N_POPULAR = 4_000
_NAMES = {
    "DRUG GM": "Drugstore and household",
    "MEAT-PCKGD": "Packaged meat",
    "SEAFOOD-PCKGD": "Packaged seafood",
    "NUTRITION": "Natural and diet food",
    "PASTRY": "Bakery and pastry",
    "FLORAL": "Flowers",
}
_NO_ITEMS = np.empty(0, np.int32)
_LEAST_ONE_IN = 1_000
"""Departments with a smaller share of all items are no shelf."""


@dataclass(frozen=True, slots=True)
class Ware:
    """An item as the shop shows it.

    Attributes:
        item_id: the shop's key.
        title: display title.
        price: as it is written; empty when unknown.
        shelf: path of its category.
    """

    item_id: str
    title: str
    price: str
    shelf: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """A category.

    Attributes:
        path: its path.
        name: its last part, as people write it.
        n: items on it and below it.
    """

    path: str
    name: str
    n: int


def ware(catalogue: Catalogue, idx: int) -> Ware:
    """Return an item."""
    price, code = int(catalogue.price_minor[idx]), int(catalogue.category[idx])
    written = format_currency(price / 100, catalogue.currency, locale="en_US") if price >= 0 else ""
    return Ware(
        catalogue.item_ids[idx],
        catalogue.titles[idx],
        written,
        catalogue.categories[code] if code >= 0 else "",
    )


def below(catalogue: Catalogue, path: str) -> list[Shelf]:
    """Return the shelves right below a path, largest first; the departments below the empty one."""
    depth, counted = len(parts(path)), Counter[str]()
    sizes = np.bincount(catalogue.category[catalogue.category >= 0], minlength=len(catalogue.categories))
    for code, category in enumerate(catalogue.categories):
        split = parts(category)
        if len(split) > depth and split[:depth] == parts(path):
            counted[SEPARATOR.join(split[: depth + 1])] += int(sizes[code])
    least = len(catalogue.item_ids) // _LEAST_ONE_IN
    return [Shelf(each, name_of(each), n) for each, n in counted.most_common() if path or n >= least]


def on_shelf(house: House, path: str) -> list[Ware]:
    """Return items of a category and those below it: what sells well first, then what nobody counts."""
    catalogue, wanted = house.catalogue, parts(path)
    codes = np.array(
        [code for code, each in enumerate(catalogue.categories) if parts(each)[: len(wanted)] == wanted],
        np.int32,
    )
    best = house.recommender.popular_in(codes, N_SHOWN, _NO_ITEMS).item_idx.tolist()
    others = np.flatnonzero(np.isin(catalogue.category, codes))[:N_SHOWN].tolist()
    return [ware(catalogue, idx) for idx in list(dict.fromkeys([*best, *others]))[:N_SHOWN]]


def search(house: House, text: str) -> list[Ware]:
    """Return items whose titles hold every word of a search, what sells well first."""
    words, catalogue = text.casefold().split(), house.catalogue
    if not words:
        return []
    popular: NDArray[np.int32] = house.recommender.popular(_N_POPULAR, _NO_ITEMS).item_idx
    first = dict.fromkeys([*popular.tolist(), *range(len(catalogue.item_ids))])
    hits = (idx for idx in first if all(word in catalogue.titles[idx].casefold() for word in words))
    return [ware(catalogue, idx) for idx, _ in zip(hits, range(N_SHOWN), strict=False)]


def parts(path: str) -> list[str]:
    """Return the parts of a path; none of the empty one."""
    return path.split(SEPARATOR) if path else []


def name_of(path: str) -> str:
    """Return the last part of a path, as people write it."""
    last = parts(path)[-1] if path else ""
    return _NAMES.get(last) or in_words(last)
