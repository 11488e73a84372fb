"""Shops whose customers agreed to be learned from, and what may stand against it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import text
from support.shops import PROFILING, an_event
from support.stores import NOW_MS, Store, an_interaction, create_store, opened, store_interactions

from api.storage.api_keys import Role, create_key
from api.storage.connection import writing
from api.storage.consents import append_events
from api.storage.customers import customer_numbers
from api.storage.items import ItemRow, item_numbers, upsert_items
from api.wiring import now_ms
from engine.interactions import DAY_MS
from guardrails.consent.events import WHOLE_SUBJECT, Status
from guardrails.request import SubjectKind

TRAINED_MS = NOW_MS
LATER_MS = NOW_MS + 3 * DAY_MS

N_ITEMS = 14
ITEMS = tuple(
    ItemRow(f"item-{n:02d}", f"Thing no. {n}", "Home > Things", "Acme", 100, "EUR") for n in range(N_ITEMS)
)


@contextmanager
def another_store(folder: Path) -> Iterator[Store]:
    """A store of its own, on SQLite, with nothing in it."""
    folder.mkdir()
    url = f"sqlite:///{folder / 'tactful.db'}"
    create_store(url, folder)
    with opened(url, folder) as store:
        yield store


def unseen(done: int, total: int | None, message: str) -> None:
    """Nobody waits at a terminal."""


def say(store: Store, customer_id: str, *events: Any, at_ms: int = NOW_MS - DAY_MS) -> None:
    """Store choices of a customer, received at a time."""
    with writing(store.engine) as conn:
        append_events(conn, store.subjects.account(customer_id), SubjectKind.ACCOUNT, events, at_ms)


def agrees(store: Store, customer_id: str, purpose: str = PROFILING, **overrides: Any) -> None:
    """Let a customer agree, in good time."""
    say(store, customer_id, an_event(purpose, record_id=f"{customer_id}-{purpose}-yes", **overrides))


def takes_back(store: Store, customer_id: str, at_ms: int, status: Status = Status.CONSENT_WITHDRAWN) -> None:
    """Let a customer take the agreement back, or be restricted."""
    purpose = WHOLE_SUBJECT if status is Status.RESTRICTED else PROFILING
    event = an_event(purpose, status, at_ms=at_ms, record_id=f"{customer_id}-{status.value}")
    say(store, customer_id, event, at_ms=at_ms)


def numbers_of(store: Store, *customer_ids: str) -> dict[str, int]:
    """Return storage keys, giving out new ones where there are none."""
    with writing(store.engine) as conn:
        return customer_numbers(conn, customer_ids, store.subjects, NOW_MS)


def buys(store: Store, customer_id: str, item_id: str, *, event_id: str | None = None, **more: Any) -> None:
    """Let a customer do one thing."""
    with writing(store.engine) as conn:
        item_no = item_numbers(conn)[item_id]
    customer_no = numbers_of(store, customer_id)[customer_id]
    store_interactions(
        store, [an_interaction(store, item_no, customer_no=customer_no, event_id=event_id, **more)]
    )


def open_shop(store: Store, n_customers: int, but: Collection[str] = (), n_each: int = 6) -> None:
    """Fill a shop with customers who agreed to be learned from; those of ``but`` never came by.

    What each of the others did does not depend on who else is there.
    """
    with writing(store.engine) as conn:
        upsert_items(conn, ITEMS, NOW_MS)
        item_no = item_numbers(conn)
    names = [name for name in (f"c{n:02d}" for n in range(n_customers)) if name not in but]
    customer_no = numbers_of(store, *names)
    rows = []
    for name in names:
        agrees(store, name)
        random = np.random.default_rng(int(name[1:]))
        for item, age_days in zip(
            random.permutation(N_ITEMS)[:n_each], random.integers(1, 200, n_each), strict=True
        ):
            at_ms = NOW_MS - int(age_days) * DAY_MS
            rows.append(
                an_interaction(store, item_no[f"item-{item:02d}"], customer_no=customer_no[name], at_ms=at_ms)
            )
    store_interactions(store, rows)


def remove(store: Store, customer_id: str) -> None:
    """Take away what a customer did and is, as the end of an erasure does."""
    key = {"key": store.subjects.account(customer_id)}
    of = "(SELECT customer_no FROM customers WHERE subject_key = :key)"
    with writing(store.engine) as conn:
        conn.execute(text(f"DELETE FROM interactions WHERE customer_no IN {of}"), key)  # noqa: S608  ours
        for table in ("consent_events", "consent_states", "customers"):
            conn.execute(text(f"DELETE FROM {table} WHERE subject_key = :key"), key)  # noqa: S608  ours


def keys_of_a_shop_to_learn_from(store: Store, n_customers: int = 16) -> dict[Role, str]:
    """Fill a shop with customers who agreed lately, and bought; return a key of each role."""
    at_ms = now_ms()
    with writing(store.engine) as conn:
        keys = {role: create_key(conn, role, "tests", at_ms)[1] for role in Role}
        upsert_items(conn, ITEMS, at_ms)
        numbers = list(item_numbers(conn).values())
    names = [f"c{n:02d}" for n in range(n_customers)]
    rows = []
    for each, customer_no in numbers_of(store, *names).items():
        agreed = an_event(PROFILING, record_id=f"{each}-yes", at_ms=at_ms - 90 * DAY_MS)
        say(store, each, agreed, at_ms=at_ms - 90 * DAY_MS)
        rows += [
            an_interaction(
                store,
                numbers[(customer_no * 3 + step * step) % len(numbers)],
                customer_no=customer_no,
                at_ms=at_ms - (5 + 11 * step) * DAY_MS,
            )
            for step in range(6)
        ]
    store_interactions(store, rows)
    return keys
