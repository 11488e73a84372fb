"""A random walk of three steps: from an item to who bought it, and on to what else they bought."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from engine.models.base import Counted
from engine.models.degrees import Degrees, power
from engine.models.pairs import Product


class Walk(Counted):
    """W = D_i^-source · Xᵀ · D_c^-customer · X · D_j^-target, with D the degrees (sums of weights).

    With exponents (1, 1, 0) this is the probability of walking from item i to item j; the target
    exponent is the dial between what is popular and what is particular.

    Source: Cooper, Lee, Radzik & Siantos 2014 (P3-alpha); Paudel, Christoffel, Newell &
    Bernstein 2017 (RP3-beta).

    Args:
        n_neighbours: entries a row.
        source: exponent on the degree of the item walked from.
        customer: exponent on the degree of the customers walked through.
        target: exponent on the degree of the item walked to.
    """

    search: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"source": 0.6, "customer": 0.5, "target": 0.3},
        {"source": 0.5, "customer": 0.5, "target": 0.0},
        {"source": 1.0, "customer": 1.0, "target": 0.3},
        {"source": 0.8, "customer": 0.8, "target": 0.0},
    )

    def __init__(
        self, n_neighbours: int = 400, source: float = 1.0, customer: float = 1.0, target: float = 0.1
    ) -> None:
        self.n_neighbours = n_neighbours
        self.source = source
        self.customer = customer
        self.target = target

    def item_sums(self, weights: csr_matrix) -> NDArray[np.float64]:
        """Return the degrees of items."""
        return Degrees.of(weights).item

    def product(self, weights: csr_matrix, item_sums: NDArray[np.float64] | None = None) -> Product:
        """Return the step to customers times the step on to items."""
        degrees = Degrees.of(weights)
        of_item = degrees.item if item_sums is None else item_sums
        return Product.of(
            diags(power(of_item, -self.source)) @ weights.T,
            diags(power(degrees.customer, -self.customer)) @ weights,
            power(of_item, -self.target),
        )
