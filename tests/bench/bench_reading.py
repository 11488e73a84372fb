"""From rows of a database to a model in force, step by step, in a shop of the size of Gowalla.

The peer is reading row by row through SQLAlchemy, from the same database in the same run.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Integer, select, type_coerce

from api.models.registry import Activation, register_model
from api.settings import Settings
from api.storage.connection import open_engine, reading, upgrade, writing
from api.storage.consents import import_events
from api.storage.customers import customer_numbers
from api.storage.interactions import event_key, insert_interactions
from api.storage.items import ItemRow, upsert_items
from api.storage.subjects import Subjects, open_subjects
from api.storage.tables import interactions
from api.storage.training import training_customers
from api.training import classes_of, gate, goods_of, read_customers, read_shop, read_up_to
from api.updating import update_model
from api.wiring import now_ms
from engine.artefact import Manifest
from engine.interactions import DAY_MS
from engine.models import LEARNERS
from engine.training import refit
from engine.vocabulary import Channel, Kind
from guardrails.consent.events import ConsentEvent, Status
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.request import SubjectKind

MOST_S = 15.0
"""What it may take from rows to the model in force, in seconds."""

_AT_ONCE = 50_000
_COLUMNS: tuple[Any, ...] = (
    *(interactions.c[name] for name in ("customer_no", "item_no", "kind", "at_ms", "channel", "purpose")),
    type_coerce(interactions.c.is_gift, Integer),
    interactions.c.provenance,
)


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row a step."""
    n, n_customers, n_items = (20_000, 1_000, 2_000) if quick else (810_000, 30_000, 41_000)
    at_ms = now_ms()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_env({"TACTFUL_DATA_DIR": folder})
        engine = open_engine(settings)
        upgrade(engine)
        random = np.random.default_rng(0)
        with writing(engine) as conn:
            _fill(conn, open_subjects(settings), random, (n, n_customers, n_items), at_ms)
        rows: list[dict[str, object]] = []

        def step(name: str, work: Callable[[], Any]) -> Any:
            started = time.perf_counter()
            done = work()
            rows.append({"step": name, "seconds": time.perf_counter() - started})
            return done

        with reading(engine) as conn:
            step("peer: rows through SQLAlchemy", lambda: _row_by_row(conn))
            shop = step("catalogue", lambda: read_shop(conn, settings))
            customers = step("consents", lambda: training_customers(conn, shop.consent, at_ms))
            found = step("interactions", lambda: read_customers(conn, shop, customers))
        allowed = step("gate", lambda: gate(shop, found, at_ms))
        catalogue = shop.catalogue
        walk = Manifest(learner="walk", params=LEARNERS["walk"]().get_params(), min_support=2)
        trained = step(
            "walk",
            lambda: refit(
                walk,
                allowed.interactions,
                catalogue.item_ids,
                catalogue.tier,
                now_ms=at_ms,
                classes=classes_of(catalogue, allowed),
                goods=goods_of(catalogue),
            ),
        )
        trained = read_up_to(trained, found.read_to)
        step("in force", lambda: register_model(engine, settings, trained, at_ms, Activation.ALWAYS))
        whole_s = sum(float(str(row["seconds"])) for row in rows[1:])
        peer, read = (
            next(row for row in rows if row["step"] == name) for name in (rows[0]["step"], "interactions")
        )
        read["of the peer"] = float(str(read["seconds"])) / float(str(peer["seconds"]))
        rows.append(
            {"step": "rows to model in force", "seconds": whole_s, "of what it may take": whole_s / MOST_S}
        )

        with writing(engine) as conn:
            insert_interactions(conn, _purchases(random, (50, n_customers, n_items), at_ms, first=n))
        update = step("50 events later", lambda: update_model(engine, settings, at_ms, lambda *_: None))
        (folder_of_model,) = (path for path in [settings.artefacts_dir / str(update.after)] if path.is_dir())
        rows[-1] |= {
            "path": update.path,
            "rows counted": update.n_rows_rebuilt,
            "MB": _megabytes(folder_of_model),
        }
        engine.dispose()
    return rows


def _row_by_row(conn: Connection) -> int:
    """Read as it was read before, into an array a run of rows."""
    query = (
        select(*_COLUMNS)
        .where(interactions.c.customer_no.is_not(None), interactions.c.purpose == int(Purpose.PROFILING))
        .order_by(interactions.c.customer_no, interactions.c.at_ms, interactions.c.interaction_no)
        .execution_options(yield_per=_AT_ONCE)
    )
    runs = conn.execute(query).partitions()
    return sum(np.fromiter(itertools.chain.from_iterable(run), np.int64).size for run in runs)


def _fill(
    conn: Connection, subjects: Subjects, random: np.random.Generator, size: tuple[int, int, int], at_ms: int
) -> None:
    """Store items, customers who all agree to be learned from, and what they bought in a year."""
    _, n_customers, n_items = size
    upsert_items(conn, [ItemRow(f"item-{n:06}", f"Thing no. {n}") for n in range(n_items)], at_ms)
    names = [f"c{n}" for n in range(n_customers)]
    customer_numbers(conn, names, subjects, at_ms)
    agreed = [
        (
            subjects.account(name),
            SubjectKind.ACCOUNT,
            ConsentEvent(
                record_id=f"{name} {purpose}",
                purpose=KEY_OF[purpose],
                status=Status.CONSENT_GIVEN,
                at_ms=at_ms - 300 * DAY_MS,
                valid_until_ms=at_ms + 60 * DAY_MS,
            ),
        )
        for name in names
        for purpose in (Purpose.FUNCTIONAL_STORAGE, Purpose.PROFILING, Purpose.PROFILED_CONTENT)
    ]
    import_events(conn, agreed, at_ms)
    bought = _purchases(random, size, at_ms)
    for start in range(0, len(bought), _AT_ONCE):
        insert_interactions(conn, bought[start : start + _AT_ONCE])


def _purchases(
    random: np.random.Generator, size: tuple[int, int, int], at_ms: int, first: int = 0
) -> list[tuple[Any, ...]]:
    """Return rows to be stored, with a long tail of customers and of items."""
    n, n_customers, n_items = size
    customer, item = (
        1 + (n_of * random.random(n) ** tail).astype(np.int64)
        for n_of, tail in ((n_customers, 1.5), (n_items, 2.5))
    )
    times = np.sort(at_ms - random.integers(0, 360 * DAY_MS, n)) if first == 0 else np.full(n, at_ms)
    return [
        (
            *(event_key(f"event {number}"), customer_no, None, item_no, int(Kind.PURCHASE), bought_at_ms),
            *(int(Channel.WEB), int(Purpose.PROFILING), False, 1, None, 0),
        )
        for number, customer_no, item_no, bought_at_ms in zip(
            itertools.count(first), customer.tolist(), item.tolist(), times.tolist()
        )
    ]


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


if __name__ == "__main__":
    print(run(quick=False))
