"""Every place where a shop suggests something, from the request to the answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.http import BUYER, EVERYTHING, ITEMS, STORAGE, a_model, fill, serving

from api.storage.connection import open_engine, writing
from api.storage.items import upsert_items
from api.storage.versions import MODEL, ModelRow, activate, put_model
from api.wiring import now_ms
from engine.artefact import Manifest, ModelArrays, write_artefact
from engine.vocabulary import Channel, RowSource
from guardrails.consent.purposes import communications_key
from guardrails.placements import DEFAULT_PLACEMENTS

EVERYWHERE = sorted(placement.name for placement in DEFAULT_PLACEMENTS)
ANCHORED = {placement.name for placement in DEFAULT_PLACEMENTS if placement.anchored}
INTERRUPTIVE = {placement.name for placement in DEFAULT_PLACEMENTS if placement.interruptive}
VISIT = "visit-1"
NEW, ITS_LIKE, BY_SHELF = "lamp-0", "lamp-1", "lamp-2"
"""Nobody has bought the first, the second is like it, and of the third only the category is known."""


def the_model() -> ModelArrays:
    """A model that knows what is bought again, and where too few customers tell anything."""
    arrays = a_model()
    row_of = {item_id: row for row, item_id in enumerate(arrays.item_ids)}
    row = np.repeat(np.arange(arrays.n_items), np.diff(arrays.indptr))
    new, like = row_of[NEW], row_of[ITS_LIKE]
    kept = (row != new) & (arrays.indices != new) | (row == new) & (arrays.indices == like)
    kept |= (row == like) & (arrays.indices == new)
    support = np.where((row == new) | (arrays.indices == new), 0, arrays.support)
    source = arrays.row_source.copy()
    source[new], source[row_of[BY_SHELF]] = RowSource.CONTENT, RowSource.CATEGORY
    milk = np.array([item_id.startswith("milk") for item_id in arrays.item_ids])
    return replace(
        arrays,
        indptr=np.concatenate([[0], np.cumsum(kept)])[arrays.indptr].astype(np.int64),
        indices=arrays.indices[kept],
        weights=arrays.weights[kept],
        support=support[kept].astype(np.int32),
        row_source=source,
        popularity=np.where(np.arange(arrays.n_items) == new, 0, arrays.popularity),
        repeat=np.where(milk, 1 << 28, 0).astype(np.int32),
        repeat_support=np.where(milk, 80, 0).astype(np.int32),
        repeat_interval_days=np.where(milk, 3, 0).astype(np.int32),
    )


@pytest.fixture
def shop(sqlite_store):
    settings = sqlite_store.settings
    keys = fill(settings, model=False)
    version = write_artefact(settings.artefacts_dir, the_model(), Manifest(learner="walk", n_customers=500))
    engine = open_engine(settings)
    with writing(engine) as conn:
        lamps = [item for item in ITEMS if item.item_id.startswith("lamp")]
        upsert_items(conn, [replace(lamp, price_minor=3000) for lamp in lamps], now_ms())
        put_model(conn, ModelRow(version, str(settings.artefacts_dir / version), "{}", now_ms()))
        activate(conn, MODEL, version, now_ms())
    engine.dispose()
    with serving(settings, keys) as served:
        yield served


def suggested(shop, **asked):
    response = shop.recommend(**asked)
    assert response.status_code == 200, response.text
    answer = response.json()
    for item in answer["items"]:
        reason = item["reason"]
        parts = [piece["contribution"] for piece in reason["evidence"]]
        assert item["score"] == reason["base"] + sum(parts) + reason["others"]["contribution"]
    return answer


def ids(answer) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def codes(answer) -> dict[str, str]:
    return {item["item_id"]: item["reason"]["code"] for item in answer["items"]}


def visited(shop, *items: str) -> None:
    """A visit that may be remembered, in which some items were looked at."""
    consents = f"/v1/customers/{VISIT}/consents"
    shop.ask("POST", consents, json={"purpose": STORAGE, "status": "given", "subject_type": "session"})
    at_ms = shop.ask("GET", f"{consents}?subject_type=session").json()["as_of_ms"]
    events = [
        {"event_id": f"v-{n}", "kind": "view", "item_id": item, "session_id": VISIT, "at_ms": at_ms}
        for n, item in enumerate(items)
    ]
    assert shop.ask("POST", "/v1/events", json={"events": events}).status_code == 200


def the_customer_agrees(shop, *more: str) -> None:
    shop.choose("given", *EVERYTHING, *more)


@pytest.mark.parametrize("placement", EVERYWHERE)
def test_nobody_known_gets_what_sells_well_or_goes_with_the_page(shop, placement):
    context = {"item_id": "lamp-1", "basket": ["lamp-3"]} if placement in ANCHORED else {}
    answer = suggested(shop, placement=placement, context=context)
    if placement in INTERRUPTIVE:
        assert not answer["items"], "nobody counts how often somebody unknown was interrupted"
    else:
        assert answer["items"]
        assert answer["basis"] == ("contextual" if context else "popular")
    assert {"lamp-1", "lamp-3"}.isdisjoint(ids(answer)) or not context


@pytest.mark.parametrize("placement", ["home", "search", "agent_chat", "product_page"])
def test_a_visit_without_an_account_is_answered_from_the_visit(shop, placement):
    visited(shop, "bread-2", "lamp-1", "milk-1")
    answer = suggested(shop, placement=placement, session_id=VISIT)
    assert answer["basis"] == "session"
    assert not answer["profiling"]
    assert set(codes(answer).values()) <= {"this_visit"}
    assert {piece["origin"] for item in answer["items"] for piece in item["reason"]["evidence"]} == {
        "session"
    }


@pytest.mark.parametrize("placement", ["home", "search"])
def test_a_customer_is_answered_from_the_past_and_what_is_due_again_is_said_to_be(shop, placement):
    the_customer_agrees(shop)
    answer = suggested(shop, placement=placement, customer_id=BUYER)
    assert answer["basis"] == "profile"
    again = {
        item["item_id"]: item["intent"] for item in answer["items"] if item["item_id"].startswith("milk")
    }
    assert "replenish" in again.values()
    assert codes(answer)["milk-2"] == "buy_again"
    assert "bread-1" not in ids(answer), "what was bought is not suggested anew"


def test_a_product_page_shows_what_is_similar_and_what_goes_with_it_and_says_which(shop):
    of_lamp, of_bread = (
        {item["item_id"]: item["intent"] for item in shown["items"]}
        for shown in (
            suggested(shop, placement="product_page", context={"item_id": page}, count=12)
            for page in ("lamp-3", "bread-1")
        )
    )
    assert [of_lamp.pop(item) for item in ("lamp-1", "lamp-2")] == ["similar"] * 2
    assert set(of_lamp.values()) == {"cross_sell"}
    assert of_bread == {"bread-0": "similar", "bread-2": "upsell"}, "a lamp is too dear beside a loaf"


@pytest.mark.parametrize("placement", ["cart", "checkout", "order_confirmation"])
def test_a_basket_of_several_is_answered_as_one_and_each_of_them_can_be_seen(shop, placement):
    basket = ["lamp-1", "lamp-3", "milk-1"]
    answer = suggested(shop, placement=placement, context={"basket": basket})
    assert answer["basis"] == "contextual"
    assert set(ids(answer)).isdisjoint(basket)
    assert set(codes(answer).values()) == {"goes_with_basket"}
    for item in answer["items"]:
        evidence = item["reason"]["evidence"]
        assert {piece["item_id"] for piece in evidence} <= set(basket)
        assert len(evidence) > 1


def test_what_is_in_the_basket_is_not_suggested_to_be_bought_again(shop):
    the_customer_agrees(shop)
    due = ids(suggested(shop, placement="cart", customer_id=BUYER, context={"basket": ["bread-0"]}))
    assert "milk-2" in due
    answer = suggested(
        shop, placement="cart", customer_id=BUYER, context={"basket": ["bread-0", "milk-2", "milk-0"]}
    )
    assert {"milk-2", "milk-0"}.isdisjoint(ids(answer))


def test_a_search_is_answered_with_what_sells_well_in_what_was_searched_for(shop):
    answer = suggested(shop, placement="search", context={"query": "lamps"})
    assert answer["basis"] == "contextual"
    assert set(codes(answer).values()) == {"popular_in_category"}
    assert all(item.startswith("lamp") for item in ids(answer))


def test_what_is_known_of_who_searches_orders_what_was_searched_for_and_adds_nothing_else(shop):
    the_customer_agrees(shop)
    answer = suggested(shop, placement="search", context={"query": "lamps"}, customer_id=BUYER)
    assert answer["basis"] == "profile"
    assert set(codes(answer).values()) <= {"bought_before"}
    assert ids(answer)
    assert all(item.startswith("lamp") for item in ids(answer))


def test_a_search_for_what_the_shop_has_no_word_for_is_answered_as_if_nothing_was_searched_for(shop):
    answer = suggested(shop, placement="search", context={"query": "zeppelins"})
    assert answer["basis"] == "popular"


@pytest.mark.parametrize("channel", ["email", "push"])
def test_nothing_is_sent_to_who_did_not_agree_to_be_written_to(shop, channel):
    the_customer_agrees(shop)
    asked = {"placement": channel, "channel": channel, "customer_id": BUYER, "local_time": "12:00"}
    assert not suggested(shop, **asked)["items"]
    the_customer_agrees(shop, communications_key(Channel.EMAIL), communications_key(Channel.PUSH))
    answer = suggested(shop, **asked)
    assert answer["items"]
    # What lies on a lock screen is nothing exact.
    assert answer["basis"] == {"email": "profile", "push": "popular"}[channel]


def test_in_the_shop_where_others_look_on_nothing_of_the_past_is_named(shop):
    the_customer_agrees(shop)
    answer = suggested(shop, placement="in_store", channel="in_store", customer_id=BUYER)
    assert answer["items"]
    for item in answer["items"]:
        assert all(piece["item_id"] is None for piece in item["reason"]["evidence"])


class TestWhereTooFewCustomersTell:
    def test_a_new_item_is_suggested_by_what_is_written_about_it(self, shop):
        answer = suggested(shop, placement="product_page", context={"item_id": ITS_LIKE}, count=12)
        found = next(item for item in answer["items"] if item["item_id"] == NEW)
        assert found["reason"]["code"] == "similar_to"
        assert found["reason"]["text"] == "Similar to Lamp no. 1, going by the description"

    def test_the_page_of_a_new_item_leads_to_what_it_is_like(self, shop):
        answer = suggested(shop, placement="product_page", context={"item_id": NEW})
        assert codes(answer) == {ITS_LIKE: "similar_to"}

    def test_what_goes_by_the_category_is_not_said_to_be_bought_together(self, shop):
        by_shelf = suggested(shop, placement="product_page", context={"item_id": BY_SHELF})
        counted = suggested(shop, placement="product_page", context={"item_id": "milk-1"})
        assert set(codes(by_shelf).values()) == {"goes_with_page"}
        assert set(codes(counted).values()) == {"often_together"}
