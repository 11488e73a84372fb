"""Complete Journey as a shop in which everybody agreed to everything on the site, for measuring."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import orjson
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


def everybody_agrees(
    folder: Path, classes: Collection[str], now_ms: int
) -> tuple[Settings, Engine, Purchases]:
    """Build the shop; every household agreed to everything on the site and to these sensitive classes."""
    settings = Settings.from_env(
        {"TACTFUL_DATA_DIR": str(folder), "TACTFUL_CONSENT_JURISDICTION": JURISDICTION}
    )
    engine, subjects = open_engine(settings), open_subjects(settings)
    upgrade(engine)
    purchases = read_purchases(data_folder(), now_ms)
    prices = unit_prices(purchases.product, purchases.quantity, purchases.paid_minor)
    write_items(data_folder(), prices, folder / "items.jsonl")
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
