"""The catalogue that is served, ready to be browsed: by category, by class, by words of titles.

Nothing is asked of the database: every process holds the catalogue in columns anyway. What is derived from
it here is made once for each state of it, when somebody first looks.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import Catalogue
from guardrails.admit import SENSITIVE_FROM_TIER

SEGMENTS = " > "
MOST_LOOKED_AT = 50_000
"""So many places where a word stands are looked at for one page; a tenth of a second goes into it."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A category with all that lies below it.

    Attributes:
        path: its path; empty for everything that has a category.
        n_items: items.
        n_sensitive: items of them that need the consent of their class.
        below: paths of the categories right below it, in their order.
        codes: numbers of the categories whose items these are.
    """

    path: str
    n_items: int
    n_sensitive: int
    below: tuple[str, ...]
    codes: tuple[int, ...]

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(SEGMENTS)[2]

    @property
    def above(self) -> tuple[str, ...]:
        """The paths of the categories that it lies in, the widest first."""
        parts = self.path.split(SEGMENTS)
        return tuple(SEGMENTS.join(parts[:n]) for n in range(1, len(parts)))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items somebody wants to see.

    Attributes:
        category: path; empty for every category, and for none.
        sensitive_class: class name; ``None`` for any class, and none.
        tier: the tier; ``None`` for any.
        only_title: only items of which there is nothing but a title to go by.
        words: what title and item id hold, all of it.
        after: item id that the page begins after; empty for the first page.
    """

    category: str = ""
    sensitive_class: str | None = None
    tier: int | None = None
    only_title: bool = False
    words: str = ""
    after: str = ""


class Found(NamedTuple):
    """A page of items.

    Attributes:
        rows: rows of the catalogue, ascending.
        n_items: how many there are on all pages; ``None`` where that was not counted.
        after: item id that the next page begins after; ``None`` on the last.
    """

    rows: tuple[int, ...]
    n_items: int | None
    after: str | None


class _Texts(NamedTuple):
    """Every title and item id, one after the other, and where each begins, with the end of all."""

    text: bytes
    begins: array[int]


class Shelves:
    """A catalogue as it is browsed; it does not keep the catalogue alive.

    Args:
        catalogue: the catalogue.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._branches = _branches(catalogue)
        self._texts: _Texts | None = None

    @property
    def branches(self) -> Mapping[str, Branch]:
        """Every category that has items, and every one above, by path; everything under the empty path."""
        return self._branches

    def find(self, catalogue: Catalogue, wanted: Wanted, n_items: int) -> Found:
        """Return a page of the items that are wanted, by item id.

        Args:
            catalogue: the same catalogue.
            wanted: which items.
            n_items: at most so many.
        """
        start = bisect_right(catalogue.item_ids, wanted.after) if wanted.after else 0
        mask = self._mask(catalogue, wanted)
        words = wanted.words.casefold().split()
        if words:
            rows, last = self._with_words(catalogue, words, mask, start, n_items)
            return Found(tuple(rows), None, None if last is None else catalogue.item_ids[last])
        every = np.flatnonzero(mask)
        at = int(np.searchsorted(every, start))
        page = tuple(every[at : at + n_items].tolist())
        more = at + len(page) < every.size
        return Found(page, every.size, catalogue.item_ids[page[-1]] if more else None)

    def below(self, catalogue: Catalogue, category: str) -> NDArray[np.bool_]:
        """Return which rows lie in a category or below it; bool, shape (n_items,)."""
        branch = self._branches.get(category)
        wanted = np.zeros(len(catalogue.categories) + 1, np.bool_)  # the last is read by -1: no category
        wanted[list(branch.codes) if branch else []] = True
        return wanted[catalogue.category]

    def _mask(self, catalogue: Catalogue, wanted: Wanted) -> NDArray[np.bool_]:
        mask = self.below(catalogue, wanted.category) if wanted.category else np.ones(catalogue.n_items, bool)
        if wanted.sensitive_class is not None:
            mask &= catalogue.sensitive_class == catalogue.sensitive_classes.index(wanted.sensitive_class)
        if wanted.tier is not None:
            mask &= catalogue.tier == wanted.tier
        if wanted.only_title:
            mask &= catalogue.unclassified
        return mask

    def _with_words(
        self, catalogue: Catalogue, words: Collection[str], mask: NDArray[np.bool_], start: int, n_items: int
    ) -> tuple[list[int], int | None]:
        """Return rows that hold every word, and after which row to go on; ``None`` at the end."""
        text, begins = self._texts_of(catalogue)
        first, *others = (word.encode() for word in sorted(words, key=len, reverse=True))
        rows: list[int] = []
        row, at = start - 1, begins[start]
        for _ in range(MOST_LOOKED_AT):
            at = text.find(first, at)
            if at < 0:
                return rows, None
            row = bisect_right(begins, at) - 1
            line = text[begins[row] : begins[row + 1]]
            if mask[row] and all(word in line for word in others):
                if len(rows) == n_items:
                    return rows, rows[-1]
                rows.append(row)
            at = begins[row + 1]
        return rows, row

    def _texts_of(self, catalogue: Catalogue) -> _Texts:
        if self._texts is None:
            lines = [
                f"{item_id} {title}\n".casefold().encode()
                for item_id, title in zip(catalogue.item_ids, catalogue.titles, strict=True)
            ]
            ends = np.cumsum(np.fromiter(map(len, lines), np.int64, len(lines)))
            self._texts = _Texts(b"".join(lines), array("q", [0, *ends.tolist()]))
        return self._texts


_known: WeakKeyDictionary[Catalogue, Shelves] = WeakKeyDictionary()


def shelves_of(catalogue: Catalogue) -> Shelves:
    """Return a catalogue as it is browsed; made once for each."""
    found = _known.get(catalogue)
    if found is None:
        found = _known[catalogue] = Shelves(catalogue)
    return found


def _branches(catalogue: Catalogue) -> dict[str, Branch]:
    size = len(catalogue.categories) + 1
    n_items = np.bincount(catalogue.category + 1, minlength=size)[1:].tolist()
    needs_consent = catalogue.tier >= SENSITIVE_FROM_TIER
    n_sensitive = np.bincount(catalogue.category + 1, needs_consent, size)[1:].astype(np.int64).tolist()
    codes: dict[str, list[int]] = {"": []}
    below: dict[str, dict[str, None]] = {"": {}}
    for code, path in enumerate(catalogue.categories):
        if not n_items[code]:
            continue
        above = ""
        codes[above].append(code)
        for part in path.split(SEGMENTS):
            here = f"{above}{SEGMENTS}{part}" if above else part
            below[above][here] = None
            below.setdefault(here, {})
            codes.setdefault(here, []).append(code)
            above = here
    return {
        path: Branch(
            path,
            sum(n_items[code] for code in of),
            sum(n_sensitive[code] for code in of),
            tuple(sorted(below[path], key=str.casefold)),
            tuple(of),
        )
        for path, of in codes.items()
    }
