"""Interactions as columns, and what each is worth as evidence.

Weights are integers (a power-of-two fixed point), and age counts whole days, so that the
same interactions weigh exactly the same on every machine and all day long.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import Kind

WEIGHT_ONE = 1 << 16
"""Fixed-point one: the weight of a purchase made today."""

DAY_MS = 86_400_000


@dataclass(frozen=True, eq=False)
class Interactions:
    """A run of interactions; all arrays have shape (n,).

    Attributes:
        customer_idx: int32 matrix row of the customer; 0 throughout when there is only one.
        item_idx: int32 catalogue row.
        kind: int8, a ``Kind``.
        at_ms: int64, milliseconds since the epoch, UTC.
        channel: int8, a ``Channel``: where it was collected.
        purpose: int8, code of the purpose it was collected under (opaque to the engine).
        is_gift: bool, bought for somebody else.
        provenance: int8, a ``Provenance``: whose data it was before.
    """

    customer_idx: NDArray[np.int32]
    item_idx: NDArray[np.int32]
    kind: NDArray[np.int8]
    at_ms: NDArray[np.int64]
    channel: NDArray[np.int8]
    purpose: NDArray[np.int8]
    is_gift: NDArray[np.bool_]
    provenance: NDArray[np.int8]

    def __len__(self) -> int:
        return int(self.item_idx.size)

    def where(self, keep: NDArray[np.bool_]) -> Self:
        """Return the interactions for which ``keep``, shape (n,), is true, in the same order."""
        if np.count_nonzero(keep) == len(self):
            return self
        return type(self)(*[getattr(self, name)[keep] for name in _COLUMNS])

    def between(self, start: int, end: int) -> Self:
        """Return the interactions of rows ``start`` up to but not at ``end``; views, not copies."""
        return type(self)(**{f.name: getattr(self, f.name)[start:end] for f in fields(self)})

    @classmethod
    def joined(cls, *parts: Self) -> Self:
        """Put runs of interactions one behind the other."""
        several = [part for part in parts if len(part)] or parts[:1]
        if len(several) == 1:
            return several[0]
        return cls(*[np.concatenate([getattr(part, name) for part in several]) for name in _COLUMNS])

    @classmethod
    def empty(cls) -> Self:
        """Return no interactions."""
        return cls.from_rows([])

    @classmethod
    def from_rows(cls, rows: list[tuple[int, int, int, int, int, int, int, int]]) -> Self:
        """Build from rows in the order of the fields."""
        table = np.array(rows, dtype=np.int64).reshape(len(rows), 8)
        return cls(
            customer_idx=table[:, 0].astype(np.int32),
            item_idx=table[:, 1].astype(np.int32),
            kind=table[:, 2].astype(np.int8),
            at_ms=np.ascontiguousarray(table[:, 3]),
            channel=table[:, 4].astype(np.int8),
            purpose=table[:, 5].astype(np.int8),
            is_gift=table[:, 6].astype(np.bool_),
            provenance=table[:, 7].astype(np.int8),
        )


_COLUMNS = tuple(field.name for field in fields(Interactions))


@dataclass(frozen=True)
class Weighting:
    """How much an interaction counts: by its kind, halved every ``half_life_days``."""

    half_life_days: int = 112
    view: float = 0.2
    cart: float = 0.5
    wishlist: float = 0.6
    purchase: float = 1.0
    rating: float = 0.8

    def by_kind(self) -> NDArray[np.float64]:
        """Weight of each ``Kind``, indexed by its number; kinds that say nothing of taste weigh 0."""
        table = np.zeros(max(Kind) + 1)
        table[[Kind.VIEW, Kind.CART, Kind.WISHLIST, Kind.PURCHASE, Kind.RATING]] = (
            self.view,
            self.cart,
            self.wishlist,
            self.purchase,
            self.rating,
        )
        return table

    def weigh(self, kind: NDArray[np.int8], age_days: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return fixed-point weights, shape (n,), int64, where ``WEIGHT_ONE`` is a purchase today.

        Args:
            kind: shape (n,), int8, ``Kind`` numbers.
            age_days: shape (n,), whole days since the interaction; negative counts as today.
        """
        decay = np.exp2(-np.maximum(age_days, 0) / self.half_life_days)
        return np.rint(_by_kind(self)[kind] * decay * WEIGHT_ONE).astype(np.int64)


@lru_cache(maxsize=8)
def _by_kind(weighting: Weighting) -> NDArray[np.float64]:
    """Return the weights by kind; read-only, and made once for a weighting."""
    table = weighting.by_kind()
    table.setflags(write=False)
    return table


def age_in_days(at_ms: NDArray[np.int64], now_ms: int) -> NDArray[np.int64]:
    """Whole days between each time and now, counted in UTC calendar days, never negative."""
    age: NDArray[np.int64] = now_ms // DAY_MS - at_ms // DAY_MS
    return np.maximum(age, 0)
