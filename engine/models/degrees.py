"""Degrees: how much a customer or an item has in all, and what is divided by them."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix


class Degrees(NamedTuple):
    """Sums of weights.

    Attributes:
        customer: shape (n_customers,), float64.
        item: shape (n_items,), float64.
    """

    customer: NDArray[np.float64]
    item: NDArray[np.float64]

    @classmethod
    def of(cls, weights: csr_matrix) -> Self:
        """Add rows and columns up."""
        return cls(np.asarray(weights.sum(axis=1)).ravel(), np.asarray(weights.sum(axis=0)).ravel())


def power(degree: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """Return degree ** exponent, and 0 for what has no degree."""
    return np.where(degree > 0, np.where(degree > 0, degree, 1.0) ** exponent, 0.0)
