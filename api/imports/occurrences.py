"""Which of several equal records this is: the first, the second or a later one.

A record without an id is known by what it says. Two equal ones in a file are two facts all the
same, and they stay two when the file is imported again: the second is always the second.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Occurrences:
    """Counts equal digests over a whole file, in 16 bytes a distinct digest.

    Counted digests are kept as sorted runs; a run is merged with the one before it as soon as it
    has grown as long, so that there are never more than a handful of runs to search.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = []

    def number(self, digests: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return for each digest, shape (n,), how many equal ones came before it."""
        distinct, which, counts = np.unique(digests, return_inverse=True, return_counts=True)
        before = np.zeros(distinct.size, np.int64)
        for known, known_counts in self._runs:
            at = np.minimum(np.searchsorted(known, distinct), known.size - 1)
            before += np.where(known[at] == distinct, known_counts[at], 0)
        numbers: NDArray[np.int64] = before[which] + _rank_among_equals(which, counts)
        if distinct.size:
            self._remember(distinct, counts.astype(np.int64))
        return numbers

    def _remember(self, distinct: NDArray[np.uint64], counts: NDArray[np.int64]) -> None:
        while self._runs and self._runs[-1][0].size <= distinct.size:
            known, known_counts = self._runs.pop()
            both, which = np.unique(np.concatenate((known, distinct)), return_inverse=True)
            summed = np.zeros(both.size, np.int64)
            np.add.at(summed, which, np.concatenate((known_counts, counts)))
            distinct, counts = both, summed
        self._runs.append((distinct, counts))


def _rank_among_equals(which: NDArray[np.intp], counts: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return 0 for the first of equal values, 1 for the second, …, in the order they stand in."""
    order = np.argsort(which, kind="stable")
    starts = np.cumsum(counts) - counts
    ranks = np.empty(which.size, np.int64)
    ranks[order] = np.arange(which.size) - np.repeat(starts, counts)
    return ranks
