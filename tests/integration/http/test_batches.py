"""Items and events in batches: good ones are kept, bad ones named, nothing counted twice."""

import time

from support.http import BUYER, EVERYTHING, LIMITED, PROFILING


def now_ms():
    return int(time.time() * 1000)


def put(shop, *items):
    return shop.ask("PUT", "/v1/items", json={"items": list(items)})


def test_good_items_are_kept_and_bad_ones_named(shop):
    answer = put(
        shop,
        {"item_id": "new-1", "title": "Bread knife", "price": "12.50", "currency": "EUR"},
        {"item_id": "new-2", "title": "Board", "price": "cheap", "currency": "EUR"},
        {"item_id": "new-3"},
        {"item_id": "new-4", "title": "Board", "surprise": 1},
        "nonsense",
        {"item_id": "new-1", "title": "Bread knife again"},
    )
    assert answer.status_code == 207
    body = answer.json()
    assert (body["inserted"], body["changed"], body["unchanged"], body["rejected"]) == (1, 0, 0, 5)
    assert [error["pointer"] for error in body["errors"]] == [
        "/items/1/price",
        "/items/2/title",
        "/items/3/surprise",
        "/items/4",
        "/items/5/item_id",
    ]
    assert shop.ask("GET", "/v1/items/new-1").json()["price_minor"] == 1250
    assert shop.ask("GET", "/v1/items/new-2").json()["type"] == "/problems/unknown-item"


def test_an_item_sent_again_changes_nothing_and_a_new_price_does(shop):
    item = {"item_id": "new-1", "title": "Bread knife", "price_minor": 1250, "currency": "EUR"}
    assert put(shop, item).json()["inserted"] == 1
    assert put(shop, item).json()["unchanged"] == 1
    assert put(shop, {**item, "price_minor": 1300}).json()["changed"] == 1


def test_a_batch_without_one_good_item_is_refused(shop):
    answer = put(shop, {"item_id": "new-1"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "/items/0/title", "detail": "is missing"}]


def test_an_item_can_be_asked_about_as_soon_as_it_was_taken(shop):
    assert put(shop, {"item_id": "a/b c", "title": "Odd"}).json()["in_force"] is True
    asked = shop.recommend(placement="product_page", context={"item_id": "a/b c"})
    assert asked.status_code == 200
    assert shop.ask("GET", "/v1/items/a/b c").json()["item_id"] == "a/b c"


def test_a_raised_tier_is_judged_by_as_soon_as_it_was_taken(shop):
    shown = shop.recommend(count=12).json()["items"]
    raised = shown[0]["item_id"]
    before = shop.ask("GET", f"/v1/items/{raised}").json()
    put(shop, {"item_id": raised, "title": before["title"], "shop_class": "health", "shop_tier": 3})
    assert raised not in [item["item_id"] for item in shop.recommend(count=12).json()["items"]]


def native(event_id="e-1", **more):
    usual = {
        "event_id": event_id,
        "kind": "view",
        "item_id": "bread-0",
        "customer_id": BUYER,
        "at_ms": now_ms(),
    }
    return {**usual, **more}


def send(shop, *events):
    return shop.ask("POST", "/v1/events", json={"events": list(events)})


def test_an_event_sent_twice_is_stored_once(shop):
    shop.choose("given", *EVERYTHING)
    first = send(shop, native())
    assert (first.status_code, first.json()["stored"], first.json()["by_purpose"]) == (200, 1, {PROFILING: 1})
    again = send(shop, native(), native("e-2"))
    assert (again.json()["stored"], again.json()["duplicates"]) == (1, 1)


def test_an_event_that_may_not_be_kept_is_withheld_and_says_why(shop):
    body = send(shop, native()).json()
    assert body["stored"] == 0
    assert body["withheld"] == [{"index": 0, "event_id": "e-1", "purpose": PROFILING, "because": "PENDING"}]


def test_good_events_are_kept_beside_bad_ones(shop):
    shop.choose("given", *EVERYTHING)
    answer = send(shop, native(), native("e-2", item_id="nothing"), native("e-3", at_ms=now_ms() + 10**9))
    assert answer.status_code == 207
    assert answer.json()["stored"] == 1
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/events/1/item_id", "/events/2/at_ms"]


def test_analytics_and_customer_data_platforms_are_understood(shop):
    shop.choose("given", *EVERYTHING)
    ga4 = {
        "client_id": "388.3",
        "user_id": BUYER,
        "events": [
            {"name": "view_item", "params": {"items": [{"item_id": "bread-0"}]}},
            {"name": "scroll", "params": {}},
        ],
    }
    segment = {
        "type": "track",
        "event": "Product Viewed",
        "messageId": "m-1",
        "userId": BUYER,
        "properties": {"product_id": "milk-1"},
    }
    for shape, payload in (("ga4", ga4), ("segment", segment)):
        for path in ("/v1/events", f"/v1/events?shape={shape}"):
            answer = shop.ask("POST", path, json=payload)
            assert answer.status_code == 200, answer.text
            assert answer.json()["stored"] + answer.json()["duplicates"] == 1
    assert shop.ask("POST", "/v1/events", json=ga4).json()["ignored"] == [{"index": 1, "name": "scroll"}]


def test_what_was_bought_in_between_is_known_to_the_next_answer(shop):
    shop.choose("given", *EVERYTHING)
    send(shop, native(kind="purchase", item_id="lamp-0"))
    record = shop.decision(shop.recommend(customer_id=BUYER).json()["decision_id"])
    assert "lamp-0" in record["sections"]["cand"]["rounds"][0]["evidence"]["items"]
    assert LIMITED in [each["purpose"] for each in record["sections"]["consent"]["permissions"]]


def test_a_text_may_be_spelt_in_either_form_of_unicode(shop):
    """Records hold only one of them; a title in the other must not keep a decision from being recorded."""
    decomposed = {
        "item_id": "cafe\u0301",
        "title": "Cafe\u0301 au lait",
        "brand": "Cafe\u0301",
        "category": "Cafe\u0301",
    }
    assert put(shop, decomposed).json()["inserted"] == 1
    assert put(shop, {**decomposed, "item_id": "caf\u00e9"}).json()["unchanged"] == 1
    mute = {"scope": "brand", "value": "Cafe\u0301"}
    assert shop.ask("PUT", f"/v1/customers/{BUYER}/preferences", json={"mutes": [mute]}).status_code == 200
    shop.choose("given", *EVERYTHING, notice_version="e\u0301")
    for item_id in ("cafe\u0301", "caf\u00e9"):
        assert shop.ask("GET", f"/v1/items/{item_id}").json()["title"] == "Caf\u00e9 au lait"
        assert send(shop, native(f"e-{len(item_id)}", item_id=item_id)).json()["stored"] == 1
        asked = {"placement": "product_page", "context": {"item_id": item_id}, "customer_id": BUYER}
        assert shop.recommend(**asked).status_code == 200
