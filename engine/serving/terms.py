"""The terms of some of many sums: which they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.compiled import compiled, read, signature


@compiled(signature((read("int32"), read("int64")), ("int32", "int64")))
def gathered(ptr: NDArray[np.int32], rows: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return where the terms of some candidates begin and end when they stand one after another, and which.

    Args:
        ptr: shape (n + 1,): terms of candidate i are ``ptr[i]:ptr[i+1]``.
        rows: shape (k,): candidates.

    Returns:
        Shape (k + 1,), int32, and the positions of their terms, int64.
    """
    taken = np.empty(rows.size + 1, np.int32)
    taken[0] = 0
    for place in range(rows.size):
        taken[place + 1] = taken[place] + ptr[rows[place] + 1] - ptr[rows[place]]
    edges = np.empty(taken[-1], np.int64)
    for place in range(rows.size):
        first = ptr[rows[place]]
        for at in range(taken[place], taken[place + 1]):
            edges[at] = first + at - taken[place]
    return taken, edges
