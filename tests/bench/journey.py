"""Complete Journey as a shop in which everybody agreed to everything on the site, for measuring."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Engine

from api.demo.journey import (
    Purchases,
    data_folder,
    read_purchases,
    unit_prices,
    write_interactions,
    write_items,
)
from api.imports.importer import import_file
from api.settings import Settings
from api.storage.connection import open_engine, upgrade
from api.storage.subjects import open_subjects
from engine.interactions import DAY_MS
from guardrails.consent.purposes import KEY_OF, Purpose, sensitive_key

JURISDICTION = "US"
"""As in the demo: elsewhere, or nowhere, the law may raise what counts as sensitive."""

_ON_SITE = (
    Purpose.FUNCTIONAL_STORAGE,
    Purpose.PROFILING,
    Purpose.PROFILED_CONTENT,
    Purpose.TARGETED_OFFERS,
)


_COPY = 100_000_000
"""What is added to a product's number for each copy of it; no number of the data is as large."""


def everybody_agrees(
    folder: Path, classes: Collection[str], now_ms: int, n_items: int | None = None, n_parts: int = 1
) -> tuple[Settings, Engine, Purchases]:
    """Build the shop; every household agreed to everything on the site and to these sensitive classes.

    Args:
        folder: an empty folder to build it in.
        classes: sensitive classes that everybody agreed to.
        now_ms: the clock.
        n_items: how many items the shop has, about; ``None`` for those of the data.
        n_parts: how many customers each household is made, who share its baskets out.
    """
    settings = Settings.from_env(
        {"TACTFUL_DATA_DIR": str(folder), "TACTFUL_CONSENT_JURISDICTION": JURISDICTION}
    )
    engine, subjects = open_engine(settings), open_subjects(settings)
    upgrade(engine)
    purchases = _shared_out(read_purchases(data_folder(), now_ms), n_parts)
    prices = unit_prices(purchases.product, purchases.quantity, purchases.paid_minor)
    n_of_data = write_items(data_folder(), prices, folder / "items.jsonl")
    if n_items is not None:
        purchases = _of_size(purchases, folder / "items.jsonl", n_items, n_of_data)
    with (folder / "consents.jsonl").open("wb") as file:
        for household in np.unique(purchases.household).tolist():
            for key in [KEY_OF[each] for each in _ON_SITE] + [sensitive_key(name) for name in classes]:
                file.write(orjson.dumps(_grant(household, key, now_ms), option=orjson.OPT_APPEND_NEWLINE))
    purposes = np.full(len(purchases), KEY_OF[Purpose.PROFILING])
    write_interactions(purchases, purposes, folder / "purchases.parquet")
    for kind, name in (
        ("items", "items.jsonl"),
        ("consents", "consents.jsonl"),
        ("interactions", "purchases.parquet"),
    ):
        import_file(kind, folder / name, None, engine, settings, subjects, lambda *_: None, None, now_ms)
    return settings, engine, purchases


def _grant(household: int, key: str, now_ms: int) -> dict[str, object]:
    return {
        "customer_id": str(household),
        "purpose": key,
        "status": "given",
        "at_ms": now_ms - 10 * DAY_MS,
        "method": "save_custom",
        "actor": "data_subject",
        "explicit": True,
        "channels": ["web", "app", "email", "in_store"],
    }


def _shared_out(purchases: Purchases, n_parts: int) -> Purchases:
    """Make several customers of each household; every basket is of one of them."""
    mine = purchases.household * n_parts + purchases.basket % n_parts
    order = np.argsort(mine, kind="stable")  # purchases are ordered by customer, and by time as they were
    return _only(replace(purchases, household=mine), order)


def _of_size(purchases: Purchases, catalogue: Path, n_items: int, n_of_data: int) -> Purchases:
    """Leave the best known items, or put copies beside all of them; return the purchases of what is there.

    A copy is an item of its own, and households are dealt out over the copies: so what is learned covers all.
    """
    lines = catalogue.read_bytes().splitlines()
    if n_items <= n_of_data:
        kept = _best_known(purchases, lines, n_items)
        lines = [line for line in lines if int(orjson.loads(line)["item_id"]) in kept]
        purchases = _only(purchases, np.isin(purchases.product, np.fromiter(kept, np.int64)))
    else:
        n_copies = -(-n_items // n_of_data)
        lines = [_copied(line, copy) for copy in range(n_copies) for line in lines]
        mine = np.unique(purchases.household, return_inverse=True)[1] % n_copies
        purchases = replace(purchases, product=purchases.product + _COPY * mine)
    catalogue.write_bytes(b"\n".join(lines) + b"\n")
    return purchases


def _best_known(purchases: Purchases, lines: list[bytes], n_items: int) -> set[int]:
    """Return the numbers of the items that are bought most, and of others to make up the number."""
    products, n_bought = np.unique(purchases.product, return_counts=True)
    ordered = products[np.lexsort((products, -n_bought))].tolist()
    there = [int(orjson.loads(line)["item_id"]) for line in lines]
    known = set(there)
    return set(list(dict.fromkeys([*(each for each in ordered if each in known), *there]))[:n_items])


def _only(purchases: Purchases, kept: NDArray[np.bool_] | NDArray[np.int64]) -> Purchases:
    names = ("household", "product", "basket", "at_ms", "quantity", "paid_minor")
    return replace(purchases, **{name: getattr(purchases, name)[kept] for name in names})


def _copied(line: bytes, copy: int) -> bytes:
    item = orjson.loads(line)
    return orjson.dumps({**item, "item_id": str(int(item["item_id"]) + _COPY * copy)})
