"""What a customer does reaches the model in force within moments, over HTTP and with one server beside it."""

from __future__ import annotations

import time
from dataclasses import replace

from support.http import BUYER, EVERYTHING, Served, fill, serving
from support.learning import unseen
from support.waiting import until

from api.storage.connection import reading
from api.storage.versions import MODEL, active, get_model, list_models
from api.training import train
from api.wiring import now_ms
from engine.artefact import Artefact, load_artefact
from engine.errors import ArtefactError
from engine.vocabulary import RowSource

PAIR = ("lamp-1", "milk-3")
OTHERS = ("cy", "dee", "eve")


def buys(shop: Served, customer_id: str, *item_ids: str) -> None:
    for item_id in item_ids:
        event = {
            "event_id": f"{customer_id} {item_id}",
            "kind": "purchase",
            "item_id": item_id,
            "customer_id": customer_id,
            "at_ms": now_ms(),
        }
        answer = shop.ask("POST", "/v1/events", json={"events": [event]})
        assert answer.json()["stored"] == 1, answer.text


def in_force(shop: Served) -> Artefact:
    while True:
        with reading(shop.wiring.engine) as conn:
            row = get_model(conn, active(conn)[MODEL])
        try:
            return load_artefact(row.location)
        except ArtefactError:  # somebody was forgotten while it was read: another is in force now
            assert versions(shop)[0] != row.version


def has_settled(shop: Served) -> bool:
    """Tell whether as many seconds as three updates could have taken bring no other model."""
    before = versions(shop)
    time.sleep(3)
    return versions(shop) == before


def versions(shop: Served) -> tuple[str, int]:
    """Return the version in force, and how many there have been."""
    with reading(shop.wiring.engine) as conn:
        return active(conn)[MODEL], len(list_models(conn))


def knows(model: Artefact, one: str, other: str) -> bool:
    """Tell whether customers who had both are behind a pair, not what stands in for them."""
    row, column = model.item_ids.index(one), model.item_ids.index(other)
    entries = slice(model.indptr[row], model.indptr[row + 1])
    counted = model.support[entries][model.indices[entries] == column] > 1
    return bool(counted.any()) and model.row_source[row] == RowSource.LEARNED


def served(shop: Served) -> str | None:
    """Return the version that a request is answered from."""
    shop.recommend()
    artefact = shop.wiring.runtime.current().artefact
    return None if artefact is None else artefact.version


def test_what_is_bought_reaches_the_model_and_nothing_of_who_withdrew(store):
    keys = fill(store.settings, model=False)
    settings = replace(store.settings, model_update_s=1)
    with serving(settings, keys) as shop, serving(settings, keys) as beside:
        for customer_id in (BUYER, *OTHERS):
            shop.choose("given", *EVERYTHING, customer_id=customer_id)
        for customer_id in OTHERS:
            buys(shop, customer_id, "bread-0", "milk-0")
        trained = train(shop.wiring.engine, settings, now_ms(), unseen).version
        assert not knows(in_force(shop), *PAIR)

        shop.choose("withdrawn", *EVERYTHING, customer_id="eve")
        buys(shop, "eve", "lamp-2", "lamp-3")
        for customer_id in ("cy", "dee"):
            buys(shop, customer_id, *PAIR, "lamp-2")
        until(lambda: knows(in_force(beside), *PAIR) and knows(in_force(beside), *PAIR[::-1]))
        assert not knows(in_force(shop), "lamp-2", "lamp-3")
        until(lambda: served(shop) not in {None, trained})

        until(lambda: has_settled(shop))  # what is learned once is not learned again
    with serving(settings, keys) as again:
        buys(again, "cy", "milk-4")
        buys(again, "dee", "milk-4")
        until(lambda: knows(in_force(again), "milk-4", "lamp-1"))
