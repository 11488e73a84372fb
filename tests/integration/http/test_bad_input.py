"""Input that must not be: each is refused with a problem document that says where it is wrong."""

import http.client
import time
from urllib.parse import quote

import orjson
import pytest
from support.http import BUYER, ITEMS, PROFILED

from api.storage.api_keys import Role, list_keys, revoke
from api.storage.connection import writing

HOUR_MS = 3_600_000


def findings(answer, status=422):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    return {each["pointer"]: each["detail"] for each in answer.json()["errors"]}


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"placement": 7}, "/placement"),
        ({"placement": "home", "count": "4"}, "/count"),
        ({"placement": "home", "count": True}, "/count"),
        ({"placement": "home", "count": 2.5}, "/count"),
        ({"placement": "home", "count": -1}, "/count"),
        ({"placement": "home", "count": 0}, "/count"),
        ({"placement": "home", "count": 51}, "/count"),
        ({"placement": "home", "count": 10**30}, "/count"),
        ({"placement": "push", "count": 2}, "/count"),
        ({"placement": "nowhere"}, "/placement"),
        ({}, "/placement"),
        ({"placement": "home", "surprise": 1}, "/surprise"),
        ({"placement": "home", "context": {"surprise": 1}}, "/context/surprise"),
        ({"placement": "home", "context": {"item_id": "nothing"}}, "/context/item_id"),
        ({"placement": "home", "context": {"basket": ["bread-1", "nothing"]}}, "/context/basket/1"),
        ({"placement": "home", "context": {"basket": "bread-1"}}, "/context/basket"),
        ({"placement": "home", "context": []}, "/context"),
        ({"placement": "home", "channel": "pigeon"}, "/channel"),
        ({"placement": "home", "mode": "surprise"}, "/mode"),
        ({"placement": "home", "customer_id": ""}, "/customer_id"),
        ({"placement": "home", "customer_id": None}, "/customer_id"),
        ({"placement": "home", "customer_id": "x" * 257}, "/customer_id"),
        ({"placement": "home", "customer_id": "x\x00y"}, "/customer_id"),
        ({"placement": "home", "shared_device": "false"}, "/shared_device"),
        ([], ""),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_where_it_makes_none(shop_on_sqlite, asked, pointer):
    answer = shop_on_sqlite.ask("POST", "/v1/recommendations", json=asked)
    assert pointer in findings(answer)
    assert "4711" not in answer.text


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"placement": NaN}', b'{"placement": "\xff"}', b'{"placement": "\\ud800"}', b"[" * 2000],
)
def test_a_body_that_is_not_json_is_refused(shop_on_sqlite, body):
    answer = shop_on_sqlite.ask(
        "POST", "/v1/recommendations", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/malformed-body"


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Content-Encoding": "gzip"}],
)
def test_a_body_of_another_kind_is_refused(shop_on_sqlite, headers):
    answer = shop_on_sqlite.ask(
        "POST", "/v1/recommendations", content=b'{"placement": "home"}', headers=headers
    )
    assert answer.status_code == 415
    assert answer.json()["type"] == "/problems/unsupported-media-type"


def test_a_body_that_is_too_large_is_refused(shop_on_sqlite):
    body = orjson.dumps({"events": [{"event_id": "x" * 1000}] * 10_000})
    assert len(body) > 10_000_000
    answer = shop_on_sqlite.ask(
        "POST", "/v1/events", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/body-too-large"


def test_a_body_that_does_not_say_how_large_it_is_is_refused_when_it_is_too_large(shop_on_sqlite):
    def pieces():
        yield b'{"events": ["'
        for _ in range(40):
            yield b"x" * 100_000

    connection = http.client.HTTPConnection("127.0.0.1", shop_on_sqlite.client.base_url.port, timeout=30)
    headers = {
        **shop_on_sqlite.auth(Role.SITE),
        "Content-Type": "application/json",
        "Transfer-Encoding": "chunked",
    }
    connection.request("POST", "/v1/events", body=pieces(), headers=headers, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 413
    assert orjson.loads(answer.read())["type"] == "/problems/body-too-large"
    connection.close()


def test_a_key_that_was_revoked_opens_nothing(shop):
    assert shop.recommend().status_code == 200
    with writing(shop.wiring.engine) as conn:
        for row in list_keys(conn):
            revoke(conn, row.key_id, 1)
    assert shop.recommend().status_code == 401


def native(**more):
    event = {"event_id": "e-1", "kind": "purchase", "item_id": ITEMS[0].item_id, "customer_id": BUYER}
    return {"events": [{**event, "at_ms": int(time.time() * 1000), **more}]}


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"at_ms": int(time.time() * 1000) + 48 * HOUR_MS}, "/events/0/at_ms"),
        ({"at_ms": 1}, "/events/0/at_ms"),
        ({"at_ms": "today"}, "/events/0/at_ms"),
        ({"item_id": "nothing"}, "/events/0/item_id"),
        ({"kind": "steal"}, "/events/0/kind"),
        ({"quantity": -1}, "/events/0/quantity"),
        ({"surprise": 1}, "/events/0/surprise"),
    ],
)
def test_an_event_that_cannot_be_is_refused(shop_on_sqlite, more, pointer):
    assert pointer in findings(shop_on_sqlite.ask("POST", "/v1/events", json=native(**more)))


def test_a_choice_of_the_future_or_of_long_ago_is_refused(shop_on_sqlite):
    for at_ms in (int(time.time() * 1000) + HOUR_MS, 1):
        answer = shop_on_sqlite.choose("given", "personalize.content.profiled", at_ms=at_ms)
        assert answer.status_code == 422
        assert answer.json()["type"] == "/problems/clock-skew"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"purpose": "world.domination", "status": "given"}, "/purpose"),
        ({"purpose": "essential.service", "status": "withdrawn"}, ""),
        ({"purpose": "sensitive.alcohol", "status": "given"}, ""),
        ({"purpose": "personalize.content.profiled"}, "/status"),
        ({"status": "given"}, "/purpose"),
        ({"purpose": "personalize.content.profiled", "status": "maybe"}, "/status"),
        ({"events": []}, "/events"),
        ({"events": [{"purpose": "world.domination", "status": "given"}]}, "/events/0/purpose"),
        (
            {"events": [{"purpose": "personalize.content.profiled", "status": "given"}], "status": "given"},
            "/status",
        ),
        (
            {"purpose": "personalize.content.profiled", "status": "given", "channels": ["pigeon"]},
            "/channels/0",
        ),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(shop_on_sqlite, change, pointer):
    answer = shop_on_sqlite.ask("POST", f"/v1/customers/{BUYER}/consents", json=change)
    assert pointer in findings(answer)


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=x", "limit=1000", "after=-1", "basis=magic", "surprise=1", "minute_from=-1"),
        *(f"{name}={10**20}" for name in ("after", "minute_from", "minute_to")),
    ],
)
def test_a_search_with_a_wrong_filter_is_refused(shop, query):
    answer = shop.ask("GET", f"/v1/decisions?{query}", Role.AUDITOR)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.split("=")[0]


def test_a_place_in_the_log_that_no_log_has_is_refused(shop):
    for query in ("start=-1", f"start={10**20}", "limit=2000"):
        answer = shop.ask("GET", f"/v1/log/entries?{query}", Role.AUDITOR)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["parameter"] == query.split("=")[0]


@pytest.mark.parametrize("odd", ["%00", "a%00b", "a%0Ab", "x" * 257])
def test_a_path_that_holds_no_key_leads_nowhere(shop, odd):
    for method, path in (
        ("GET", f"/v1/items/{odd}"),
        ("GET", f"/v1/customers/{odd}/consents"),
        ("PUT", f"/v1/customers/{odd}/preferences"),
        ("GET", f"/v1/decisions/{odd}"),
        ("POST", f"/v1/models/{odd}/activate"),
    ):
        answer = shop.ask(method, path, Role.ADMIN, json={})
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize("customer_id", ["a/b", "caf\u00e9", "cafe\u0301", "100%", "?x=1#y", "🙂"])
def test_a_customer_is_the_same_in_a_path_and_in_a_body(shop, customer_id):
    path = f"/v1/customers/{quote(customer_id, safe='')}/consents"
    assert shop.ask("POST", path, json={"purpose": PROFILED, "status": "given"}).status_code == 201
    asked = {"customer_id": customer_id, "purpose": PROFILED}
    assert shop.ask("POST", "/v1/consents/check", json=asked).json()["permitted"] is True
    assert shop.ask("POST", path, json={"purpose": PROFILED, "status": "withdrawn"}).status_code == 201
    assert shop.ask("POST", "/v1/consents/check", json=asked).json()["because"] == "WITHDRAWN"
