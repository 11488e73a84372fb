"""Customers' own tokens over HTTP: one customer, the customer's own operations, for a short while."""

from dataclasses import replace

import pytest
from sqlalchemy import delete, insert
from support.http import BUYER, EVERYTHING, PROFILED, said, serving
from support.pages import path_of

from api.auth import access_of
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.subjects import Subjects
from api.storage.tables import customers, suppressions

OTHER = "other-4712"
OPEN_TO_CUSTOMERS = {
    ("GET", "/v1/customers/<id:customer_id>/consents"),
    ("POST", "/v1/customers/<id:customer_id>/consents"),
    ("POST", "/v1/customers/<id:customer_id>/notices-served"),
    ("PUT", "/v1/customers/<id:customer_id>/preferences"),
    ("GET", "/v1/customers/<id:customer_id>/interests"),
    ("PATCH", "/v1/customers/<id:customer_id>/interests"),
    ("GET", "/v1/customers/<id:customer_id>/privacy"),
    ("GET", "/v1/customers/<id:customer_id>/export"),
    ("GET", "/v1/customers/<id:customer_id>/requests"),
    ("POST", "/v1/customers/<id:customer_id>/requests"),
    ("POST", "/v1/recommendations"),
    ("GET", "/v1/decisions/<name:decision_id>/items"),
    ("POST", "/v1/decisions/<name:decision_id>/feedback"),
    ("POST", "/v1/decisions/<name:decision_id>/contest"),
    ("POST", "/v1/customers/<id:customer_id>/notices-served"),
    ("DELETE", "/v1/customers/<whole_id:customer_id>"),
}


def token_of(shop, customer_id=BUYER, **asked):
    answer = shop.ask("POST", f"/v1/customers/{customer_id}/tokens", json=asked)
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]


def as_customer(shop, token, method, path, **more):
    return shop.client.request(method, path, headers={"Authorization": f"Bearer {token}"}, **more)


def test_a_token_opens_the_customers_own_data_by_me_and_by_id(shop):
    token = token_of(shop)
    shop.choose("given", PROFILED)
    mine = as_customer(shop, token, "GET", "/v1/customers/me/consents")
    assert mine.json()["purposes"] == shop.ask("GET", f"/v1/customers/{BUYER}/consents").json()["purposes"]
    assert as_customer(shop, token, "GET", f"/v1/customers/{BUYER}/consents").status_code == 200


def test_the_answer_leads_to_the_customers_privacy_page_with_the_token_behind_the_hash(shop):
    made = shop.ask("POST", f"/v1/customers/{BUYER}/tokens", json={}).json()
    address, _, behind = made["url"].partition("#")
    assert address == f"{shop.settings.address}/privacy/enter"
    assert behind == made["token"]


def test_nobody_elses_data_is_opened_whether_it_exists_or_not(shop):
    shop.choose("given", PROFILED, customer_id=OTHER)
    token = token_of(shop)
    answers = [
        as_customer(shop, token, "GET", f"/v1/customers/{customer_id}/consents")
        for customer_id in (OTHER, "never-heard-of", "me/consents")
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert answers[0].json()["type"] == "/problems/forbidden"
    assert len({said(answer) for answer in answers}) == 1


def test_what_the_customer_says_by_me_holds_for_the_customer(shop):
    token = token_of(shop)
    given = as_customer(
        shop, token, "POST", "/v1/customers/me/consents", json={"purpose": PROFILED, "status": "given"}
    )
    assert given.status_code == 201
    assert given.json()["events"][0]["permission"]["permitted"] is True
    muted = {"mutes": [{"scope": "brand", "value": "Acme"}]}
    assert as_customer(shop, token, "PUT", "/v1/customers/me/preferences", json=muted).status_code == 200
    items = shop.recommend(customer_id=BUYER, count=12).json()["items"]
    assert not any(item["item_id"].startswith(("bread", "milk")) for item in items)


@pytest.mark.parametrize(
    "choice",
    [
        {"actor": "parent"},
        {"actor": "controller"},
        {"method": "import"},
        {"subject_type": "session"},
    ],
)
def test_a_customer_speaks_for_themselves_alone(shop, choice):
    choice = {"purpose": PROFILED, "status": "given", **choice}
    answer = as_customer(shop, token_of(shop), "POST", "/v1/customers/me/consents", json=choice)
    assert answer.status_code == 403


def test_a_customer_does_not_see_the_visit_that_bears_their_name(shop):
    answer = as_customer(shop, token_of(shop), "GET", "/v1/customers/me/consents?subject_type=session")
    assert answer.status_code == 403


def test_a_customer_cannot_make_themselves_older(shop):
    path = f"/v1/customers/{BUYER}/preferences"
    shop.ask("PUT", path, json={"age_assurance": "minor"})
    token = token_of(shop)
    older = {"age_assurance": "verified_adult"}
    answer = as_customer(shop, token, "PUT", "/v1/customers/me/preferences", json=older)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/age_assurance"
    assert as_customer(shop, token, "PUT", "/v1/customers/me/preferences", json={}).status_code == 200
    shop.choose("given", *EVERYTHING)
    refused = shop.ask(
        "POST", "/v1/consents/check", json={"customer_id": BUYER, "purpose": "third_party_sharing"}
    )
    assert refused.json()["because"] == "MINOR"


def test_feedback_is_taken_on_the_customers_own_decisions_alone(shop):
    mine, others = shop.recommend(customer_id=BUYER).json(), shop.recommend(customer_id=OTHER).json()
    token = token_of(shop)

    def say(decision):
        items = [{"item_id": decision["items"][0]["item_id"], "kind": "helpful"}]
        path = f"/v1/decisions/{decision['decision_id']}/feedback"
        return as_customer(shop, token, "POST", path, json={"items": items})

    assert say(mine).json()["stored"] == 1
    assert say(others).status_code == 403
    assert said(say({**others, "decision_id": "unknown"})) == said(say(others))
    for_nobody = shop.recommend().json()
    assert say(for_nobody).status_code == 403


def test_only_what_is_meant_for_customers_is_open_to_them(shop):
    token = token_of(shop)
    opened = set()
    for rule in shop.app.url_map.iter_rules():
        access = access_of(shop.app, rule.endpoint)
        if access.page:  # opened by a session alone
            continue
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            if access.customer:
                opened.add((method, rule.rule))
            elif not access.public:
                assert as_customer(shop, token, method, path_of(rule)).status_code == 403, rule.rule
    assert opened == OPEN_TO_CUSTOMERS


def test_with_a_key_me_is_nobody(shop):
    answer = shop.ask("GET", "/v1/customers/me/consents")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "customer_id"


def test_a_token_ends(store, keys, clock):
    with serving(store.settings, keys, clock=clock) as shop:
        token = token_of(shop, ttl_s=60)
        clock.advance(59_999)
        assert as_customer(shop, token, "GET", "/v1/customers/me/consents").status_code == 200
        clock.advance(1)
        ended = as_customer(shop, token, "GET", "/v1/customers/me/consents")
        assert ended.status_code == 401
        nonsense = as_customer(shop, "ct_nonsense", "GET", "/v1/customers/me/consents")
        assert said(ended) == said(nonsense)


@pytest.mark.parametrize("asked", [{"ttl_s": 0}, {"ttl_s": 86_401}, {"ttl_s": "60"}, {"customer_id": "x"}])
def test_a_token_that_cannot_be_is_refused(shop, asked):
    assert shop.ask("POST", f"/v1/customers/{BUYER}/tokens", json=asked).status_code == 422


def test_tokens_are_made_for_the_site_alone(shop):
    for role in (Role.MARKETER, Role.AUDITOR):
        assert shop.ask("POST", f"/v1/customers/{BUYER}/tokens", role, json={}).status_code == 403
    token = token_of(shop)
    assert as_customer(shop, token, "POST", "/v1/customers/me/tokens", json={}).status_code == 403


def test_a_token_shows_nothing_of_the_customer(shop):
    assert BUYER not in token_of(shop)


def test_a_new_pseudonym_key_ends_every_token(shop):
    token = token_of(shop)
    shop.app.extensions["tactful"] = replace(shop.wiring, subjects=Subjects(b"n" * 32))
    assert as_customer(shop, token, "GET", "/v1/customers/me/consents").status_code == 401


def test_a_token_ends_with_the_row_of_the_customer(shop):
    shop.ask("PUT", f"/v1/customers/{OTHER}/preferences", json={})
    token = token_of(shop, OTHER)
    with writing(shop.wiring.engine) as conn:
        conn.execute(delete(customers).where(customers.c.customer_id == OTHER))
    assert as_customer(shop, token, "GET", "/v1/customers/me/consents").status_code == 401
    shop.ask("PUT", f"/v1/customers/{OTHER}/preferences", json={})  # they came back
    assert as_customer(shop, token, "GET", "/v1/customers/me/consents").status_code == 401
    assert as_customer(shop, token_of(shop, OTHER), "GET", "/v1/customers/me/consents").status_code == 200


def test_a_token_made_before_an_erasure_ends_with_it_also_without_a_row(shop):
    token = token_of(shop, "never-heard-of")
    assert as_customer(shop, token, "GET", "/v1/customers/me/consents").status_code == 200
    subjects, now_ms = shop.wiring.subjects, shop.wiring.clock()
    key = subjects.suppression(subjects.account("never-heard-of"))
    with writing(shop.wiring.engine) as conn:
        conn.execute(insert(suppressions), {"suppression_key": key, "since_ms": now_ms + 1000})
    assert as_customer(shop, token, "GET", "/v1/customers/me/consents").status_code == 401


def test_who_erases_themselves_is_nobody_from_then_on(shop):
    token = token_of(shop)
    assert as_customer(shop, token, "DELETE", f"/v1/customers/{OTHER}").status_code == 403
    by_visit = as_customer(shop, token, "DELETE", "/v1/customers/me?subject_type=session")
    assert by_visit.status_code == 403
    assert as_customer(shop, token, "DELETE", "/v1/customers/me").status_code == 202
    for path in ("consents", "export", "requests"):
        assert as_customer(shop, token, "GET", f"/v1/customers/me/{path}").status_code == 401
