"""Customers' requests on pages: the clock, who answers, and that nothing says whose they are."""

from __future__ import annotations

import re

import pytest
from support.http import BUYER, fill, serving
from support.pages import send, sign_in, somebody, staff_of

from api.storage.api_keys import Role
from engine.interactions import DAY_MS

REQUESTS = "/console/requests"


@pytest.fixture
def shop(sqlite_store, clock):
    with serving(sqlite_store.settings, fill(sqlite_store.settings, model=False), clock=clock) as served:
        staff_of(served)
        yield served


def ask(shop, kind, **more):
    answer = shop.ask("POST", f"/v1/customers/{BUYER}/requests", json={"kind": kind, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()["request_id"]


def read(client, path=REQUESTS, **query):
    page = client.get(path, params=query)
    assert page.status_code == 200, page.text
    return page.text


def listed(client, **query):
    return re.findall(r'href="/console/requests/([0-9a-f-]{36})"', read(client, **query))


def answer(client, request_id, what, **fields):
    return send(client, f"{REQUESTS}/{request_id}/{what}", seen_on=REQUESTS, **fields)


def state_of(shop, request_id):
    rows = shop.ask("GET", "/v1/requests", Role.AUDITOR).json()["requests"]
    return next(row for row in rows if row["request_id"] == request_id)


def test_what_is_overdue_comes_first_and_is_said_in_red(shop, admin, clock):
    late = ask(shop, "access")
    clock.advance(31 * DAY_MS)
    with somebody(shop) as again:  # signed in anew: a session does not last that long
        sign_in(again, "admin")
        fresh = ask(shop, "portability")
        html = read(again)
        assert listed(again) == [late, fresh]
        assert "1 request is overdue." in html
        assert '<span class="clock late">1 day overdue</span>' in html
        assert '<span class="clock">30 days left</span>' in html
        assert listed(again, state="overdue") == [late]


def test_requests_are_narrowed_by_kind_and_state(shop, admin):
    access, objection = ask(shop, "access"), ask(shop, "objection")
    assert listed(admin) == [access], "an objection is carried out at once, so it is not open"
    assert listed(admin, state="done") == [objection]
    assert set(listed(admin, state="all")) == {access, objection}
    assert listed(admin, state="all", kind="objection") == [objection]
    assert admin.get(REQUESTS, params={"kind": "anything"}).status_code == 422


def test_pages_of_requests_hold_each_once(shop, admin):
    made = {ask(shop, "access") for _ in range(55)}
    html = read(admin)
    place = re.search(r'name="after" value="([^"]+)"', html)[1]
    assert set(listed(admin)) | set(listed(admin, after=place, state="open")) == made
    assert not set(listed(admin)) & set(listed(admin, after=place))


def test_no_page_says_whose_a_request_is(shop, admin):
    request_id = ask(shop, "access")
    for path in (REQUESTS, f"{REQUESTS}/{request_id}"):
        assert BUYER not in read(admin, path)


def test_a_request_is_closed_with_what_was_done(shop, admin):
    request_id = ask(shop, "access")
    assert answer(admin, request_id, "answer", state="done").status_code == 422
    done = answer(admin, request_id, "answer", state="done", outcome="sent by mail")
    assert done.headers["location"] == f"{REQUESTS}/{request_id}"
    assert state_of(shop, request_id)["outcome"] == "sent by mail"
    html = read(admin, f"{REQUESTS}/{request_id}")
    assert "The request is closed." in html
    assert "Close the request" not in html
    again = answer(admin, request_id, "answer", state="refused", outcome="no")
    assert again.status_code == 422
    assert "the request is closed already" in again.text


def test_a_request_is_put_off_once_and_with_the_reason(shop, admin):
    request_id = ask(shop, "access")
    for wrong in ({"days": "61", "because": "long"}, {"days": "5"}, {"days": "some", "because": "long"}):
        assert answer(admin, request_id, "extension", **wrong).status_code == 422
    assert answer(admin, request_id, "extension", days="30", because="very large").status_code == 303
    row = state_of(shop, request_id)
    assert row["due_at_ms"] - row["received_at_ms"] == 60 * DAY_MS
    html = read(admin, f"{REQUESTS}/{request_id}")
    assert "very large" in html
    assert "By how many days" not in html
    again = answer(admin, request_id, "extension", days="5", because="larger")
    assert "was put off once already" in again.text


def test_an_auditor_sees_requests_and_answers_none(shop):
    request_id = ask(shop, "access")
    with somebody(shop) as auditor:
        sign_in(auditor, "auditor")
        html = read(auditor, f"{REQUESTS}/{request_id}")
        assert "Requests are answered by an admin" in html
        assert "Close the request" not in html
        refused = answer(auditor, request_id, "answer", state="done", outcome="x")
        assert refused.status_code == 403
        assert answer(auditor, request_id, "extension", days="1", because="x").status_code == 403
    assert state_of(shop, request_id)["state"] == "open"


def test_an_erasure_tells_place_by_place_how_far_it_has_come(shop, admin):
    erased = shop.ask("DELETE", f"/v1/customers/{BUYER}")
    assert erased.status_code == 202, erased.text
    receipt = erased.json()
    html = read(admin, f"{REQUESTS}/{receipt['request_id']}")
    assert "Keys of the records destroyed" in html
    assert "c2sp.org/tlog-proof@v1" in html
    assert f"/console/log?at={receipt['log_index']}" in html
    assert f'href="{REQUESTS}/{receipt["request_id"]}"' in read(admin, "/console/log", kind="erasure")


def test_a_contested_decision_is_led_to(shop, admin):
    assert shop.choose("given", "personalize.content.profiling").status_code == 201
    decision_id = shop.recommend(customer_id=BUYER).json()["decision_id"]
    contested = shop.ask("POST", f"/v1/decisions/{decision_id}/contest")
    assert contested.status_code == 201, contested.text
    request_id = contested.json()["request_id"]
    assert f'href="/console/decisions/{decision_id}"' in read(admin, f"{REQUESTS}/{request_id}")


def test_a_request_that_is_not_there_is_not_found(admin):
    assert admin.get(f"{REQUESTS}/nothing").status_code == 404
    assert answer(admin, "nothing", "answer", state="done", outcome="x").status_code == 404
    assert answer(admin, "nothing", "extension", days="1", because="x").status_code == 404
