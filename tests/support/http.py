"""A small shop behind a real HTTP server, in a thread of the test."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import numpy as np
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from api.app import assemble
from api.errors import EdgeError
from api.settings import Settings
from api.storage.api_keys import Role, create_key
from api.storage.connection import open_engine, writing
from api.storage.customers import customer_numbers
from api.storage.interactions import event_key, insert_interactions
from api.storage.items import ItemRow, item_numbers, upsert_items
from api.storage.subjects import open_subjects
from api.storage.versions import MODEL, ModelRow, activate, put_model
from api.wiring import Wiring, now_ms, wire
from engine.artefact import Manifest, ModelArrays, write_artefact
from engine.interactions import DAY_MS, WEIGHT_ONE
from engine.vocabulary import Channel, Kind, Provenance
from guardrails.consent.purposes import KEY_OF, Purpose

STORAGE, LIMITED = KEY_OF[Purpose.FUNCTIONAL_STORAGE], KEY_OF[Purpose.LIMITED_CONTENT]
PROFILING, PROFILED = KEY_OF[Purpose.PROFILING], KEY_OF[Purpose.PROFILED_CONTENT]
OFFERS = KEY_OF[Purpose.TARGETED_OFFERS]
EVERYTHING = (STORAGE, PROFILING, PROFILED, OFFERS)

BUYER = "buyer-4711"
"""Bought bread and milk, and has consented to nothing until a test says so."""

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Shops of tests speak plain HTTP; to read whom the machine trusts takes longer than many a test."""

ITEMS = (
    *(ItemRow(f"bread-{n}", f"Bread no. {n}", "Food > Bread", "Acme", 200 + n, "EUR") for n in range(5)),
    *(ItemRow(f"lamp-{n}", f"Lamp no. {n}", "Home > Lamps", "Globex", 3000 + n, "EUR") for n in range(4)),
    *(ItemRow(f"milk-{n}", f"Milk no. {n}", "Food > Dairy", "Acme", 100 + n, "EUR") for n in range(5)),
    *(
        ItemRow(f"wine-{n}", f"Red wine no. {n}", "Drink > Wine", "Umbrella", 900 + n, "EUR")
        for n in range(2)
    ),
)


def a_model(seed: int = 20) -> ModelArrays:
    """A model of the shop in which everything goes with everything, some of it better."""
    item_ids = tuple(sorted(item.item_id for item in ITEMS))
    n_items = len(item_ids)
    rng = np.random.default_rng(seed)
    n_edges = n_items * (n_items - 1)
    others = [column for row in range(n_items) for column in range(n_items) if column != row]
    zeros = np.zeros(n_items, np.int32)
    return ModelArrays(
        item_ids=item_ids,
        indptr=np.arange(0, n_edges + 1, n_items - 1, dtype=np.int64),
        indices=np.array(others, np.int32),
        weights=rng.integers(1 << 20, 1 << 30, n_edges, np.int32),
        support=np.full(n_edges, 200, np.int32),
        row_source=np.zeros(n_items, np.int32),
        popularity=(rng.permutation(n_items).astype(np.int64) + 1) * WEIGHT_ONE,
        repeat=zeros,
        repeat_support=zeros,
        repeat_interval_days=zeros,
    )


def store_model(settings: Settings, seed: int = 20, *, active: bool = True) -> str:
    """Write a model, and put it in force unless told otherwise."""
    version = write_artefact(
        settings.artefacts_dir, a_model(seed), Manifest(learner="cosine", n_customers=500)
    )
    engine = open_engine(settings)
    with writing(engine) as conn:
        put_model(conn, ModelRow(version, str(settings.artefacts_dir / version), "{}", now_ms()))
        if active:
            activate(conn, MODEL, version, now_ms())
    engine.dispose()
    return version


def fill(settings: Settings, *, model: bool = True) -> dict[Role, str]:
    """Put the shop into a store without items; return a key of each role."""
    engine, at_ms = open_engine(settings), now_ms()
    subjects = open_subjects(settings)
    with writing(engine) as conn:
        keys = {role: create_key(conn, role, "tests", at_ms)[1] for role in Role}
        upsert_items(conn, ITEMS, at_ms)
        item_no = item_numbers(conn)
        customer_no = customer_numbers(conn, [BUYER], subjects, at_ms)[BUYER]
        bought = [
            (
                event_key(f"{item_id}-{age_days}"),
                customer_no,
                None,
                item_no[item_id],
                int(Kind.PURCHASE),
                at_ms - age_days * DAY_MS,
                int(Channel.WEB),
                int(Purpose.PROFILING),
                False,
                1,
                None,
                int(Provenance.OWN),
            )
            for age_days, item_id in enumerate(("bread-1", "milk-2", "bread-3", "milk-0"), start=2)
        ]
        insert_interactions(conn, bought)
    engine.dispose()
    if model:
        store_model(settings)
    return keys


@dataclass
class Served:
    """A shop that answers.

    Attributes:
        settings: what it runs with.
        app: the application.
        wiring: its collaborators.
        url: where it listens.
        keys: a key of each role.
        client: asks as the shop's own site unless told otherwise.
    """

    settings: Settings
    app: Flask
    wiring: Wiring
    url: str
    keys: Mapping[Role, str]
    client: httpx.Client = field(repr=False)

    def auth(self, role: Role) -> dict[str, str]:
        """The header that a key of a role is sent in."""
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def ask(self, method: str, path: str, role: Role = Role.SITE, **more: Any) -> httpx.Response:
        """Send a request with a key of a role."""
        headers = {**self.auth(role), **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)

    def recommend(self, *, headers: Mapping[str, str] | None = None, **asked: Any) -> httpx.Response:
        """Ask for suggestions on the home page, unless told otherwise."""
        return self.ask(
            "POST", "/v1/recommendations", json={"placement": "home", **asked}, headers=headers or {}
        )

    def choose(self, status: str, *purposes: str, customer_id: str = BUYER, **more: Any) -> httpx.Response:
        """Give or take back consent to purposes."""
        events = [{"purpose": purpose, "status": status, **more} for purpose in purposes]
        return self.ask("POST", f"/v1/customers/{customer_id}/consents", json={"events": events})

    def decision(self, decision_id: str) -> Any:
        """Read a record as an auditor."""
        return self.ask("GET", f"/v1/decisions/{decision_id}", Role.AUDITOR).json()


def said(answer: httpx.Response) -> str:
    """Return the text of a problem without what tells one request from another."""
    return str({name: value for name, value in answer.json().items() if name != "trace_id"})


class _Silent(WSGIRequestHandler):
    def log(self, *_args: Any) -> None:
        """Say nothing: the application has its own log."""


@contextmanager
def serving(settings: Settings, keys: Mapping[Role, str], **overrides: Any) -> Iterator[Served]:
    """Serve a store; ``overrides`` replace collaborators."""
    wiring = replace(wire(settings), **overrides)
    with suppress(EdgeError):  # of a shop whose database is gone
        wiring.log_keeper.check_itself()  # or its entry comes later, between those that a test counts
    app = assemble(wiring)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        with httpx.Client(base_url=url, timeout=30, verify=NO_TLS) as client:
            yield Served(settings, app, wiring, url, keys, client)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        wiring.close()
