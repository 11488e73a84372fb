"""Requests under GDPR 15 to 22 over HTTP: the clock, what is carried out at once, who sees what."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from support.http import BUYER, EVERYTHING, LIMITED, OFFERS, PROFILED, PROFILING, said, serving

from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.tables import cascades
from engine.interactions import DAY_MS
from guardrails.consent.purposes import Purpose
from guardrails.consent.settings import ConsentSettings

REQUESTS = f"/v1/customers/{BUYER}/requests"
OTHER = "other-4712"
MARKETING = {
    OFFERS,
    *(f"marketing.communications.{name}" for name in ("email", "sms", "push", "post", "phone")),
}


def ask(shop, kind, customer_id=BUYER, **more):
    return shop.ask("POST", f"/v1/customers/{customer_id}/requests", json={"kind": kind, **more})


def change(shop, request_id, role=Role.SITE, **body):
    return shop.ask("PATCH", f"/v1/requests/{request_id}", role, json=body)


def search(shop, role=Role.AUDITOR, **query):
    return shop.ask("GET", "/v1/requests", role, params=query)


def denials(shop):
    purposes = shop.ask("GET", f"/v1/customers/{BUYER}/consents").json()["purposes"]
    return {each["purpose"]: each["permission"]["because"] for each in purposes}


@pytest.mark.parametrize("kind", ["access", "portability", "rectification", "erasure"])
def test_a_request_waits_for_thirty_days_at_most(shop, kind):
    asked = ask(shop, kind)
    assert asked.status_code == 201
    body = asked.json()
    assert (body["state"], body["overdue"]) == ("open", False)
    assert body["due_at_ms"] - body["received_at_ms"] == 30 * DAY_MS
    assert shop.ask("GET", REQUESTS).json() == {"requests": [body]}


def test_an_objection_to_profiling_that_rests_on_an_interest_ends_the_profile_kept_on_it(store, keys):
    consent = ConsentSettings(legitimate_interest=frozenset({Purpose.PROFILING}), lia_document_id="lia-7")
    with serving(replace(store.settings, consent=consent), keys) as shop:
        assert ask(shop, "objection", purpose=PROFILING).status_code == 201
        with reading(shop.wiring.engine) as conn:
            assert list(conn.scalars(select(cascades.c.kind))) == ["withdrawal"]
        assert ask(shop, "objection", purpose=PROFILING).status_code == 201
        with reading(shop.wiring.engine) as conn:
            assert len(conn.execute(select(cascades)).all()) == 1


def test_an_objection_to_marketing_holds_at_once_whatever_was_agreed_to(shop):
    shop.choose("given", *EVERYTHING, "marketing.communications.email")
    answer = ask(shop, "objection").json()
    assert answer["state"] == "done"
    found = denials(shop)
    assert {purpose for purpose, because in found.items() if because == "OBJECTED"} == MARKETING
    assert found[PROFILING] is None


def test_an_objection_can_name_what_rests_on_a_legitimate_interest(shop):
    assert ask(shop, "objection", purpose=LIMITED).json()["state"] == "done"
    assert denials(shop)[LIMITED] == "OBJECTED"
    assert shop.recommend(customer_id=BUYER).json()["basis"] == "popular"


def test_an_objection_also_wins_over_a_grant_whose_clock_ran_ahead(store, keys, clock):
    with serving(store.settings, keys, clock=clock) as shop:
        shop.choose("given", OFFERS, at_ms=clock.now_ms + 60_000)
        ask(shop, "objection")
        assert denials(shop)[OFFERS] == "OBJECTED"


def test_a_restriction_holds_at_once(shop):
    shop.choose("given", *EVERYTHING)
    assert ask(shop, "restriction").json()["state"] == "done"
    assert denials(shop)[PROFILED] == "RESTRICTED"
    assert shop.recommend(customer_id=BUYER).json()["basis"] != "profile"


def test_a_decision_is_contested_by_the_one_it_was_made_for(shop):
    decision_id = shop.recommend(customer_id=BUYER).json()["decision_id"]
    first = shop.ask("POST", f"/v1/decisions/{decision_id}/contest")
    assert first.status_code == 201
    assert (first.json()["kind"], first.json()["decision_id"]) == ("contest", decision_id)
    again = shop.ask("POST", f"/v1/decisions/{decision_id}/contest")
    assert (again.status_code, again.json()) == (200, first.json())
    change(shop, first.json()["request_id"], state="done", outcome="looked at by a person")
    assert shop.ask("POST", f"/v1/decisions/{decision_id}/contest").status_code == 201


def test_what_was_decided_for_nobody_cannot_be_contested(shop):
    for decision_id in (shop.recommend().json()["decision_id"], "unknown"):
        assert shop.ask("POST", f"/v1/decisions/{decision_id}/contest").status_code == 404


def test_a_customer_contests_their_own_decisions_alone(shop):
    token = shop.ask("POST", f"/v1/customers/{BUYER}/tokens", json={}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    mine, others = (
        shop.recommend(customer_id=customer_id).json()["decision_id"] for customer_id in (BUYER, OTHER)
    )
    assert shop.client.post(f"/v1/decisions/{mine}/contest", headers=headers).status_code == 201
    refused = [
        shop.client.post(f"/v1/decisions/{decision_id}/contest", headers=headers)
        for decision_id in (others, "unknown")
    ]
    assert [answer.status_code for answer in refused] == [403, 403]
    assert said(refused[0]) == said(refused[1])
    by_me = shop.client.get("/v1/customers/me/requests", headers=headers).json()["requests"]
    assert [row["decision_id"] for row in by_me] == [mine]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/kind"),
        ({"kind": "apology"}, "/kind"),
        ({"kind": "access", "note": "my life, at length"}, "/note"),
        ({"kind": "contest"}, "/decision_id"),
        ({"kind": "contest", "decision_id": "somebody-elses"}, "/decision_id"),
        ({"kind": "access", "decision_id": "x"}, "/decision_id"),
        ({"kind": "access", "purpose": OFFERS}, "/purpose"),
        ({"kind": "objection", "purpose": PROFILING}, "/purpose"),
        ({"kind": "objection", "purpose": "world.domination"}, "/purpose"),
    ],
)
def test_a_request_that_cannot_be_understood_is_refused(shop, body, pointer):
    answer = shop.ask("POST", REQUESTS, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert shop.ask("GET", REQUESTS).json()["requests"] == []


def test_a_request_is_closed_once(shop):
    request_id = ask(shop, "access").json()["request_id"]
    closed = change(shop, request_id, state="refused", outcome="not the customer").json()
    assert (closed["state"], closed["outcome"]) == ("refused", "not the customer")
    assert closed["closed_at_ms"] >= closed["received_at_ms"]
    again = change(shop, request_id, state="done", outcome="sent")
    assert again.status_code == 422
    assert again.json()["errors"][0] == {"pointer": "/state", "detail": "the request is closed already"}
    assert change(shop, request_id, extension={"days": 1, "because": "x"}).status_code == 422


def test_a_request_is_put_off_once_with_the_reason_and_in_time(store, keys, clock):
    with serving(store.settings, keys, clock=clock) as shop:
        in_time, late = (ask(shop, "access").json() for _ in range(2))
        clock.advance(30 * DAY_MS)
        put_off = change(shop, in_time["request_id"], extension={"days": 60, "because": "many orders"}).json()
        assert put_off["due_at_ms"] == in_time["due_at_ms"] + 60 * DAY_MS
        assert put_off["extended_because"] == "many orders"
        again = change(shop, in_time["request_id"], extension={"days": 1, "because": "x"})
        assert again.json()["errors"][0]["detail"] == "the request was put off once already"
        clock.advance(1)
        too_late = change(shop, late["request_id"], extension={"days": 1, "because": "x"})
        assert too_late.json()["errors"][0]["pointer"] == "/extension"
        overdue = search(shop, state="open", overdue="true").json()["requests"]
        assert [row["request_id"] for row in overdue] == [late["request_id"]]
        assert overdue[0]["overdue"] is True
        figures = shop.ask("GET", "/metrics", Role.AUDITOR).text
        assert 'tactful_rights_requests{state="open"} 2.0' in figures
        assert 'tactful_rights_requests{state="overdue"} 1.0' in figures


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"state": "done"},
        {"outcome": "sent"},
        {"state": "open", "outcome": "x"},
        {"state": "done", "outcome": ""},
        {"state": "done", "outcome": "x" * 501},
        {"extension": {"days": 61, "because": "x"}},
        {"extension": {"days": 0, "because": "x"}},
        {"extension": {"days": 1}},
        {"state": "done", "outcome": "x", "extension": {"days": 1, "because": "x"}},
    ],
)
def test_a_change_that_cannot_be_is_refused(shop, body):
    request_id = ask(shop, "access").json()["request_id"]
    assert change(shop, request_id, **body).status_code == 422
    assert shop.ask("GET", REQUESTS).json()["requests"][0]["state"] == "open"


def test_a_request_that_does_not_exist_cannot_be_changed(shop):
    assert change(shop, "unknown", state="done", outcome="x").status_code == 404


def test_the_auditor_pages_through_all_and_sees_nobody(shop):
    for customer_id in (BUYER, OTHER):
        for _ in range(3):
            ask(shop, "access", customer_id)
    found, after = [], None
    while True:
        page = search(shop, limit=4, **({"after": after} if after else {})).json()
        found += page["requests"]
        after = page["next"]
        if after is None:
            break
    assert len({row["request_id"] for row in found}) == len(found) == 6
    text = str(found)
    for customer_id in (BUYER, OTHER):
        assert customer_id not in text
        assert shop.wiring.subjects.account(customer_id).hex() not in text
    assert search(shop, state="done").json() == {"requests": [], "next": None}


@pytest.mark.parametrize(
    "query", [{"state": "lost"}, {"after": "x"}, {"after": "1.a;b"}, {"limit": 0}, {"overdue": "perhaps"}]
)
def test_a_search_that_cannot_be_understood_is_refused(shop, query):
    assert search(shop, **query).status_code == 422


def test_who_may_do_what(shop):
    assert search(shop, Role.SITE).status_code == 403
    assert search(shop, Role.ADMIN).status_code == 200
    request_id = ask(shop, "access").json()["request_id"]
    assert change(shop, request_id, Role.AUDITOR, state="done", outcome="x").status_code == 403
    assert change(shop, request_id, Role.ADMIN, state="done", outcome="x").status_code == 200
