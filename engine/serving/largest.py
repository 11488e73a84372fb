"""The largest terms of each sum: what a record keeps of them."""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from engine.compiled import compiled, read, signature


@compiled(signature((read("int32"), read("int64"), types.int64), ("int32", "int64")))
def _largest(
    ptr: NDArray[np.int32], terms: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    n_sums = ptr.size - 1
    kept_ptr = np.zeros(n_sums + 1, np.int32)
    for at in range(n_sums):
        kept_ptr[at + 1] = kept_ptr[at] + min(n, ptr[at + 1] - ptr[at])
    kept = np.empty(kept_ptr[n_sums], np.int64)
    for at in range(n_sums):
        first, end = kept_ptr[at], kept_ptr[at]  # what is kept of this sum so far, largest first
        for term in range(ptr[at], ptr[at + 1]):
            if end < kept_ptr[at + 1]:
                end += 1
            elif first == end or terms[term] <= terms[kept[end - 1]]:
                continue
            place = end - 1
            while place > first and terms[kept[place - 1]] < terms[term]:
                kept[place] = kept[place - 1]
                place -= 1
            kept[place] = term
    return kept_ptr, kept


def largest_of_each(
    ptr: NDArray[np.int32], terms: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Find the ``n`` largest terms of each of many sums, largest first; equal ones keep their order.

    Args:
        ptr: shape (n_sums + 1,), int32: the terms of sum i are ``ptr[i]:ptr[i+1]``.
        terms: shape (m,), int64.
        n: how many to keep of each at most.

    Returns:
        Shape (n_sums + 1,), int32, where those that are kept of each sum begin and end, and shape (k,),
        int64, their places in ``terms``.
    """
    return _largest(np.ascontiguousarray(ptr), np.ascontiguousarray(terms), n)
