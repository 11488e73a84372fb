"""Visitors of the demo shop: households that come by once, so that its log has something to tell.

A draft of a policy is held against what was decided, and six examples are not much. Nobody clicks or buys
anything: what customers would have done is not made up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from flask import Flask

from api.demo.calls import call
from api.demo.journey import Purchases
from api.imports.importer import Progress

N_VISITORS = 150
"""Households that come by."""

COUNT = 4
"""Suggestions asked for at each place."""

BASKET = 2
"""Things each of them has in the basket."""


def let_in(
    app: Flask, key: str, purchases: Purchases, sold: Collection[str], but: Collection[str], show: Progress
) -> int:
    """Let households visit the home page, the page of what they bought last, and the cart.

    Args:
        app: the shop.
        key: secret of a key of the shop's site.
        purchases: every purchase: they tell which page a household opens and what it takes.
        sold: items that the shop has.
        but: customers who stay at home: those of the examples.
        show: told how many have been.

    Returns:
        How many decisions were made for them.

    Raises:
        DemoDataError: the shop refused one.
    """
    visits = list(_visits(purchases, sold, but))
    for n_been, body in enumerate(visits, start=1):
        call(app, key, "POST", "/v1/recommendations", body)
        show(n_been, len(visits), "visits")
    return len(visits)


def _visits(purchases: Purchases, sold: Collection[str], but: Collection[str]) -> Iterator[Mapping[str, Any]]:
    """Yield what is asked for each of some households, spread over all."""
    households, first = np.unique(purchases.household, return_index=True)
    ends = np.append(first[1:], purchases.household.size)
    chosen = np.linspace(0, households.size - 1, min(N_VISITORS, households.size)).astype(np.int64)
    for place in np.unique(chosen).tolist():
        customer_id = str(households[place])
        bought = [str(product) for product in purchases.product[first[place] : ends[place]].tolist()]
        known = [item_id for item_id in dict.fromkeys(reversed(bought)) if item_id in sold]
        if customer_id in but or not known:
            continue
        asked = {"customer_id": customer_id, "count": COUNT}
        yield {**asked, "placement": "home"}
        yield {**asked, "placement": "product_page", "context": {"item_id": known[0]}}
        yield {**asked, "placement": "cart", "context": {"basket": known[:BASKET]}}
