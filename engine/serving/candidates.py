"""Evidence and candidates: what goes into scoring, and what comes out of it.

The promise of exact reasons is a statement about these two types: for every candidate

    score = base + sum of its contributions

in integers, where ``base`` is nobody's evidence (popularity) and each contribution names
the piece of evidence it came from.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.serving.largest import largest_of_each
from engine.serving.terms import gathered


@dataclass(frozen=True, eq=False)
class Evidence:
    """Admitted interactions, folded to one piece per (item, origin, kind); shape (n,) each.

    Attributes:
        item_idx: int32 catalogue row.
        weight: int64 fixed point, see ``engine.interactions.WEIGHT_ONE``.
        origin: int8, an ``Origin``.
        kind: int8, a ``Kind``.
        age_days: int32, whole days since the youngest interaction folded in.
        channel: int8, ``Channel`` of that youngest interaction.
        provenance: int8, the furthest ``Provenance`` of the interactions folded in.
    """

    item_idx: NDArray[np.int32]
    weight: NDArray[np.int64]
    origin: NDArray[np.int8]
    kind: NDArray[np.int8]
    age_days: NDArray[np.int32]
    channel: NDArray[np.int8]
    provenance: NDArray[np.int8]

    def __len__(self) -> int:
        return int(self.item_idx.size)

    def where(self, keep: NDArray[np.bool_]) -> Self:
        """Return the pieces for which ``keep``, shape (n,), is true, in the same order."""
        if np.count_nonzero(keep) == len(self):
            return self
        return type(self)(*[getattr(self, name)[keep] for name in _COLUMNS])

    @classmethod
    def empty(cls) -> Self:
        """Return no evidence."""
        return cls(
            item_idx=np.empty(0, np.int32),
            weight=np.empty(0, np.int64),
            origin=np.empty(0, np.int8),
            kind=np.empty(0, np.int8),
            age_days=np.empty(0, np.int32),
            channel=np.empty(0, np.int8),
            provenance=np.empty(0, np.int8),
        )


_COLUMNS = tuple(field.name for field in fields(Evidence))


@dataclass(frozen=True, eq=False)
class Mask:
    """What evidence of a person may say nothing about: items too telling of what was not agreed to.

    Attributes:
        items: shape (n_items,), bool, catalogue rows.
        rows: shape (n_rows,), bool, the same as rows of the model.
    """

    items: NDArray[np.bool_]
    rows: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Items under consideration, best first, with the arithmetic behind each score.

    Attributes:
        item_idx: shape (n,), int32 catalogue rows, no item twice.
        score: shape (n,), int64, higher is better; descending, ties by ascending ``item_idx``.
        base: shape (n,), int64: the part of the score that is nobody's evidence.
        source: shape (n,), int8, a ``Source``.
        ptr: shape (n + 1,), int32: contributions of candidate i are ``ptr[i]:ptr[i+1]``.
        evidence: shape (m,), int32: row of the ``Evidence`` a contribution came from.
        contribution: shape (m,), int64.
        support: shape (m,), int32: distinct customers behind the edge used; 0 where it rests on no
            customers at all, but on what is written about both items.
        n_masked: edges that were left out of the sums, because they would have been telling.
    """

    item_idx: NDArray[np.int32]
    score: NDArray[np.int64]
    base: NDArray[np.int64]
    source: NDArray[np.int8]
    ptr: NDArray[np.int32]
    evidence: NDArray[np.int32]
    contribution: NDArray[np.int64]
    support: NDArray[np.int32]
    n_masked: int = 0

    def __len__(self) -> int:
        return int(self.item_idx.size)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return the candidates of ``rows``, shape (k,), in that order, with their contributions."""
        ptr, edges = gathered(self.ptr, np.ascontiguousarray(rows))
        return type(self)(
            item_idx=self.item_idx[rows],
            score=self.score[rows],
            base=self.base[rows],
            source=self.source[rows],
            ptr=ptr,
            evidence=self.evidence[edges],
            contribution=self.contribution[edges],
            support=self.support[edges],
            n_masked=self.n_masked,
        )

    def largest_terms(self, n: int) -> Self:
        """Return the same candidates with only their ``n`` largest contributions each, largest first.

        What is left out is the difference between score and base plus contributions. Equal
        contributions keep their order.
        """
        ptr, kept = largest_of_each(self.ptr, self.contribution, n)
        return replace(
            self,
            ptr=ptr,
            evidence=self.evidence[kept],
            contribution=self.contribution[kept],
            support=self.support[kept],
        )

    @classmethod
    def merged(cls, *parts: Self) -> Self:
        """Put candidates with no item in common into one ranking; all point into the same evidence."""
        several = [part for part in parts if len(part)]
        n_masked = sum(part.n_masked for part in parts)
        if len(several) <= 1:
            return replace(several[0] if several else parts[0], n_masked=n_masked)
        counts = np.concatenate([np.diff(part.ptr) for part in several])
        joined = cls(
            item_idx=np.concatenate([part.item_idx for part in several]),
            score=np.concatenate([part.score for part in several]),
            base=np.concatenate([part.base for part in several]),
            source=np.concatenate([part.source for part in several]),
            ptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
            evidence=np.concatenate([part.evidence for part in several]),
            contribution=np.concatenate([part.contribution for part in several]),
            support=np.concatenate([part.support for part in several]),
            n_masked=n_masked,
        )
        return joined.take(np.lexsort((joined.item_idx, -joined.score)))

    @classmethod
    def empty(cls) -> Self:
        """Return no candidates."""
        return cls(
            item_idx=np.empty(0, np.int32),
            score=np.empty(0, np.int64),
            base=np.empty(0, np.int64),
            source=np.empty(0, np.int8),
            ptr=np.zeros(1, np.int32),
            evidence=np.empty(0, np.int32),
            contribution=np.empty(0, np.int64),
            support=np.empty(0, np.int32),
        )
