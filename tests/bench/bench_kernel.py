"""Scoring one customer: the kernel beside implicit's ALS ``recommend``, in one run.

The kernel scores 50 pieces of evidence over rows of 100 entries, keeps the best 200 and
attributes their scores. implicit multiplies one customer's factors (128) with those of the whole
catalogue and keeps the best 200; it attributes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from engine.artefact import WEIGHT_SCALE
from engine.interactions import WEIGHT_ONE
from engine.serving import kernel

N_PIECES, N_ENTRIES, N_BEST, N_FACTORS = 50, 100, 200, 128
SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (10_000, 100_000)


def run(*, quick: bool) -> list[dict[str, Any]]:
    """Return one row a catalogue size; times are medians over different customers."""
    rows: list[dict[str, Any]] = []
    for n_items in QUICK_SIZES if quick else SIZES:
        kernel_ms = time_kernel(n_items, n_calls=200 if quick else 1000)
        implicit_ms = time_implicit(n_items, n_calls=10 if quick else 30)
        smallest_ms = rows[0]["kernel_ms"] if rows else kernel_ms
        rows.append(
            {
                "n_items": n_items,
                "kernel_ms": kernel_ms,
                "implicit_als_ms": implicit_ms,
                "implicit_over_kernel": implicit_ms / kernel_ms,
                "kernel_over_smallest": kernel_ms / smallest_ms,
            }
        )
    return rows


def time_kernel(n_items: int, n_calls: int) -> float:
    """Median milliseconds a call; every call is about other, cold rows of W."""
    random = np.random.default_rng(0)
    indptr = np.arange(n_items + 1, dtype=np.int64) * N_ENTRIES
    # Evenly spread columns from a random start: distinct within a row, and cheap to make in order.
    starts = random.integers(0, n_items // N_ENTRIES, n_items, dtype=np.int32)
    steps = np.arange(N_ENTRIES, dtype=np.int32) * (n_items // N_ENTRIES)
    indices = (starts[:, None] + steps).ravel()
    weights = random.integers(1, WEIGHT_SCALE, indices.size, dtype=np.int32)
    support = random.integers(2, 1000, indices.size, dtype=np.int32)
    allowed = np.ones(n_items, np.bool_)

    def call() -> Callable[[], object]:
        rows = random.integers(0, n_items, N_PIECES, dtype=np.int32)
        row_weights = random.integers(1, WEIGHT_ONE, N_PIECES)
        return lambda: kernel.score(
            indptr, indices, weights, support, allowed, rows, row_weights, rows, N_BEST
        )

    return median_ms(call, n_calls)


def time_implicit(n_items: int, n_calls: int) -> float:
    """Median milliseconds a call, on one BLAS thread as a web worker has it."""
    random = np.random.default_rng(0)
    n_customers = 1000
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(factors=N_FACTORS, random_state=0)
        model.user_factors = random.random((n_customers, N_FACTORS), dtype=np.float32)
        model.item_factors = random.random((n_items, N_FACTORS), dtype=np.float32)

        def call() -> Callable[[], object]:
            customer = int(random.integers(n_customers))
            items = random.choice(n_items, N_PIECES, replace=False)
            bought = csr_matrix(
                (np.ones(N_PIECES, np.float32), (np.zeros(N_PIECES, int), items)), (1, n_items)
            )
            return lambda: model.recommend(customer, bought, N=N_BEST)

        return median_ms(call, n_calls)


def median_ms(call: Callable[[], Callable[[], object]], n_calls: int) -> float:
    """Time ``n_calls`` prepared calls, after three to warm up."""
    for _ in range(3):
        call()()
    taken = np.empty(n_calls)
    for position in range(n_calls):
        prepared = call()
        started = time.perf_counter()
        prepared()
        taken[position] = time.perf_counter() - started
    return float(np.median(taken) * 1000)
