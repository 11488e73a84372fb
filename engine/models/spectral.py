"""Leading singular vectors of a sparse matrix, in memory that does not grow with its rows."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, lu, qr
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

_MORE = 10
"""Directions looked at beside those asked for; the last ones are the least sure."""

_COLUMNS_AT_ONCE = 64


def right_singular_vectors(
    matrix: csr_matrix, n_vectors: int, n_iterations: int, seed: int
) -> NDArray[np.float32]:
    """Return about the right singular vectors of the largest singular values, largest first.

    Random directions are multiplied by XᵀX again and again, which turns them to the vectors wanted.
    scikit-learn's ``randomized_svd`` does the same, but it keeps the left vectors as well, and so a dense
    row for every customer. The outcome does not depend on the number of threads.

    Source: Halko, Martinsson & Tropp 2011.

    Args:
        matrix: X, shape (n_rows, n_columns), float32, with an entry at least.
        n_vectors: how many; no more than ``matrix`` has columns.
        n_iterations: how often to multiply.
        seed: of the random directions.

    Returns:
        shape (n_columns, n_vectors), float32.
    """
    n_columns = matrix.shape[1]
    shape = (n_columns, min(n_vectors + _MORE, n_columns))
    basis = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    # On one BLAS thread sums are always taken in the same order.
    with threadpool_limits(1, "blas"):
        for _ in range(n_iterations - 1):
            # This keeps directions apart, as an orthogonal basis would, at a quarter of the price.
            basis, _ = lu(_squared(matrix, basis), permute_l=True, overwrite_a=True, check_finite=False)
        basis, _ = qr(_squared(matrix, basis), mode="economic", overwrite_a=True, check_finite=False)
        _, turn = eigh(basis.T @ _squared(matrix, basis), check_finite=False)
        vectors: NDArray[np.float32] = basis @ turn[:, ::-1][:, :n_vectors]
    return vectors


def vectors_bytes(shape: tuple[int, int], n_vectors: int) -> int:
    """Return about how many bytes looking for so many vectors of a matrix takes beside it."""
    n_rows, n_columns = (int(length) for length in shape)
    at_work = (os.cpu_count() or 1) * (n_rows + 2 * n_columns) * _COLUMNS_AT_ONCE
    return 4 * (at_work + 5 * n_columns * (n_vectors + _MORE))


def _squared(matrix: csr_matrix, basis: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return XᵀX · basis: some columns at a time, on all cores, as each column depends on itself alone."""
    transposed = matrix.T
    product = np.empty_like(basis)

    def multiply(start: int) -> None:
        columns = slice(start, start + _COLUMNS_AT_ONCE)
        product[:, columns] = transposed @ (matrix @ np.ascontiguousarray(basis[:, columns]))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(multiply, range(0, basis.shape[1], _COLUMNS_AT_ONCE)))
    return product
