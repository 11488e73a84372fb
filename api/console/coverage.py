"""What the stored catalogue is classified as, counted once for each state of it and not for each look.

Counting reads every item, so it is done again at most once a minute, however often a feed changes something.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from api.storage.classified import CountedItems, count_decided
from api.storage.connection import reading
from api.storage.versions import CATALOGUE, active
from guardrails.sensitive.classify import Layer

FRESH_MS = 60_000
"""So long counts of an earlier state of the catalogue are good enough."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the catalogue is classified as.

    Attributes:
        version: the state of the catalogue that was counted; empty where nothing was ever stored.
        at_ms: when, milliseconds since the epoch.
        counted: the counts.
    """

    version: str
    at_ms: int
    counted: tuple[CountedItems, ...]

    @property
    def n_items(self) -> int:
        """Items in all."""
        return sum(each.n_items for each in self.counted)

    @property
    def n_unclassified(self) -> int:
        """Items with nothing but a title to go by."""
        return sum(each.n_unclassified for each in self.counted)

    @property
    def n_age_restricted(self) -> int:
        """Items for adults only."""
        return sum(each.n_age_restricted for each in self.counted)

    @property
    def by_layer(self) -> Mapping[Layer, int]:
        """Items by what decided, for every layer."""
        found = Counter[Layer]()
        for each in self.counted:
            found[each.layer] += each.n_items
        return {layer: found[layer] for layer in Layer}

    @property
    def by_class(self) -> list[tuple[str, list[int]]]:
        """Items of each class that has any, by tier from 1 to 3; most first, the most careful tier first."""
        found: dict[str, list[int]] = {}
        for each in self.counted:
            if each.sensitive_class is not None and each.tier:
                found.setdefault(each.sensitive_class, [0, 0, 0])[each.tier - 1] += each.n_items
        return sorted(found.items(), key=lambda each: (*(-n for n in reversed(each[1])), each[0]))


_counting = threading.Lock()
_known: WeakKeyDictionary[Engine, Coverage] = WeakKeyDictionary()


def coverage(engine: Engine, now_ms: int) -> Coverage:
    """Return what the catalogue is classified as, as of now or a minute ago.

    Raises:
        StoreUnavailableError: the database cannot be used.
    """
    with _counting, reading(engine) as conn:
        version = active(conn).get(CATALOGUE, "")
        known = _known.get(engine)
        if known is None or (known.version != version and known.at_ms + FRESH_MS <= now_ms):
            known = _known[engine] = Coverage(version, now_ms, tuple(count_decided(conn)))
        return known


def count_anew(engine: Engine) -> None:
    """Let the next look count, however fresh the counts are: somebody wants to see what they changed."""
    _known.pop(engine, None)
