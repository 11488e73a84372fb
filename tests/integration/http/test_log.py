"""The application log holds no personal data: things are planted, and searched for."""

import io
import logging

import orjson
import pytest
from support.http import BUYER, EVERYTHING

from api import recommending
from api.logging import LOGGER, JsonLines
from api.storage.api_keys import Role, list_keys
from api.storage.connection import reading

PLANTED = (
    "planted-customer",
    "planted-session",
    "planted-item",
    "planted-query",
    "planted-title",
    "planted-name",
)


@pytest.fixture
def log():
    """Everything that any logger writes."""
    written = io.StringIO()
    everything = [LOGGER, logging.getLogger()]
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    handler.addFilter(lambda record: not record.name.startswith(("httpx", "httpcore")))  # the caller's own
    levels = [logger.level for logger in everything]
    for logger in everything:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield written
    for logger, level in zip(everything, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_every_look_at_the_decision_log_names_the_key_it_was_made_with(log, shop):
    decision_id = shop.recommend().json()["decision_id"]
    shop.decision(decision_id)
    with reading(shop.wiring.engine) as conn:
        key_of = {key.role: key.key_id for key in list_keys(conn)}
    shop.ask("GET", "/v1/decisions", Role.SITE)
    token = shop.ask("POST", f"/v1/customers/{BUYER}/tokens", json={}).json()["token"]
    shop.client.get("/v1/customers/me/privacy", headers={"Authorization": f"Bearer {token}"})
    lines = [orjson.loads(line) for line in log.getvalue().splitlines()]
    seen = [(line["route"], line["caller"], line["status"]) for line in lines if "caller" in line]
    assert ("/v1/decisions/<name:decision_id>", key_of[Role.AUDITOR], 200) in seen
    assert ("/v1/decisions", key_of[Role.SITE], 403) in seen
    assert ("/v1/customers/<id:customer_id>/privacy", "customer", 200) in seen


def test_what_callers_send_is_not_in_the_log(log, shop, monkeypatch):
    customer, session, item, query, title, name = PLANTED
    shop.choose("given", *EVERYTHING, customer_id=customer)
    shop.recommend(customer_id=customer, session_id=session, context={"query": query})
    shop.recommend(customer_id=customer, context={"item_id": item})
    shop.ask("PUT", "/v1/items", json={"items": [{"item_id": item, "title": title}, {"item_id": item + "x"}]})
    shop.ask("GET", f"/v1/items/{item}?{query}={query}")
    shop.ask("GET", f"/v1/decisions?customer_id={customer}", Role.AUDITOR)
    shop.ask("POST", "/v1/events", json={"events": [{"event_id": name, "customer_id": customer}]})
    shop.ask(
        "PUT", f"/v1/customers/{customer}/preferences", json={"mutes": [{"scope": "brand", "value": name}]}
    )
    shop.ask("GET", f"/nowhere/{customer}")
    shop.client.get("/v1/decisions", headers={"Authorization": "Bearer planted-key"})
    shop.client.request("PLANTED", "/healthz")

    def broken(*_args, **_kwargs):
        raise ValueError(f"{customer} bought {item}")

    monkeypatch.setattr(recommending, "decide", broken)
    failed = shop.recommend(customer_id=customer, session_id=session)
    assert failed.status_code == 500
    assert customer not in failed.text

    lines = log.getvalue()
    assert '"route":"/v1/customers/<id:customer_id>/consents","status":201' in lines
    assert '"error":"ValueError"' in lines
    assert '"route":"unknown","status":404' in lines
    for planted in (*PLANTED, "planted-key", "PLANTED", BUYER, *shop.keys.values()):
        assert planted not in lines
