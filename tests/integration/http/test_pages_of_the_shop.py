"""What a page of the shop may ask for with a customer's token, and which pages may."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.http import BUYER, EVERYTHING, PROFILING, fill, said, serving
from support.pages import path_of

from api.auth import access_of
from api.storage.api_keys import Role

OURS, OTHERS = "https://shop.example", "http://127.0.0.1:8123"
HOME = {"placement": "home"}


@pytest.fixture
def opened(sqlite_store):
    """A shop whose pages are on two origins."""
    own = replace(sqlite_store.settings, origins=(OURS, OTHERS))
    with serving(own, fill(own)) as served:
        yield served


def token_of(shop, customer_id=BUYER):
    return shop.ask("POST", f"/v1/customers/{customer_id}/tokens", json={}).json()["token"]


def ask(shop, method="POST", path="/v1/recommendations", token=None, headers=None, **more):
    held = {"Authorization": f"Bearer {token_of(shop) if token is None else token}"}
    return shop.client.request(method, path, headers={**held, **(headers or {})}, **more)


@pytest.mark.parametrize("named", [{}, {"customer_id": "me"}])
def test_with_a_token_suggestions_are_the_customers_own(shop, named):
    shop.choose("given", *EVERYTHING)
    answer = ask(shop, json={**HOME, **named})
    assert answer.status_code == 200, answer.text
    assert answer.json()["profiling"] is True
    assert {each["purpose"]: each["permitted"] for each in answer.json()["admission"]}[PROFILING] is True
    said = {"items": [{"item_id": answer.json()["items"][0]["item_id"], "kind": "helpful"}]}
    path = f"/v1/decisions/{answer.json()['decision_id']}/feedback"
    assert ask(shop, path=path, json=said).json()["stored"] == 1


@pytest.mark.parametrize(
    "said",
    [
        {"customer_id": BUYER},
        {"customer_id": "somebody-else"},
        {"session_id": "a-visit"},
        {"device_id": "a-phone"},
        {"channel": "email"},
        {"channel": "push"},
        {"channel": "in_store"},
        {"presentation": {"price_disclosed": True}},
        {"presentation": {"patterns": ["guilt"]}},
        {"decision_type": "credit", "human_review": True},
        {"human_review": True},
    ],
)
def test_what_only_the_shop_may_say_is_refused_to_a_token(shop, said):
    assert ask(shop, json={**HOME, **said}).status_code == 403


@pytest.mark.parametrize(
    "said",
    [
        {"channel": "app"},
        {"context": {"item_id": "bread-1", "basket": ["milk-1"]}},
        {"context": {"query": "bread"}},
        {"mode": "non_profiled"},
        {"shared_device": True},
        {"recognised_only": True},
        {"visit": {"pages": 2, "entry": "search"}},
        {"local_time": "21:30"},
        {"categories": ["Food"]},
        {"language": "da", "count": 2},
        {"gpc": True},
    ],
)
def test_what_a_page_can_know_is_taken_from_it(shop, said):
    assert ask(shop, json={**HOME, **said}).status_code == 200


def test_a_list_goes_on_for_the_same_customer_alone(shop):
    first = ask(shop, json={**HOME, "count": 2}).json()
    assert ask(shop, json={**HOME, "after": first["decision_id"]}).status_code == 200
    theirs = ask(shop, token=token_of(shop, "other"), json={**HOME, "after": first["decision_id"]})
    assert theirs.status_code == 422


def test_with_a_key_me_is_nobody_in_a_body_either(shop):
    answer = shop.recommend(customer_id="me")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/customer_id"


def test_a_page_says_of_its_visitor_what_the_browsers_header_would(shop):
    def basis(**asked):
        headers = asked.pop("headers", {})
        answer = shop.recommend(customer_id=BUYER, headers=headers, **asked).json()
        return [answer["admission"], answer["profiling"]]

    shop.choose("given", *EVERYTHING)
    assert basis(gpc=True) == basis(headers={"Sec-GPC": "1"})


def test_the_items_of_a_decision_are_shown_as_the_shop_has_them(shop):
    answer = ask(shop, json=HOME).json()
    shown = ask(shop, "GET", f"/v1/decisions/{answer['decision_id']}/items").json()["items"]
    assert [each["item_id"] for each in shown] == [each["item_id"] for each in answer["items"]]
    assert set(shown[0]) == {
        *("item_id", "title", "link", "image_link"),
        *("price_minor", "currency", "available"),
    }
    by_key = shop.ask("GET", f"/v1/decisions/{answer['decision_id']}/items").json()["items"]
    assert by_key == shown


def test_they_are_found_also_where_nothing_was_noted_as_shown(shop):
    answer = shop.recommend().json()
    shown = shop.ask("GET", f"/v1/decisions/{answer['decision_id']}/items").json()["items"]
    assert [each["item_id"] for each in shown] == [each["item_id"] for each in answer["items"]]
    assert shop.ask("GET", "/v1/decisions/unknown/items").status_code == 404


def test_items_of_somebody_elses_decision_are_not_shown(shop):
    theirs = shop.recommend(customer_id="other").json()
    refused = ask(shop, "GET", f"/v1/decisions/{theirs['decision_id']}/items")
    assert refused.status_code == 403
    assert said(refused) == said(ask(shop, "GET", "/v1/decisions/unknown/items"))
    assert shop.ask("GET", f"/v1/decisions/{theirs['decision_id']}/items", Role.AUDITOR).status_code == 403


def preflight(shop, path="/v1/recommendations", method="POST", origin=OURS):
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return shop.client.request("OPTIONS", path, headers=headers)


def test_a_page_of_the_shop_may_ask_with_a_token(opened):
    for origin in (OURS, OTHERS):
        before = preflight(opened, origin=origin)
        assert before.status_code == 204
        assert before.headers["Access-Control-Allow-Origin"] == origin
        assert before.headers["Access-Control-Allow-Methods"] == "POST"
        assert before.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
        answer = ask(opened, json=HOME, headers={"Origin": origin})
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "Access-Control-Allow-Credentials" not in {**answer.headers, **before.headers}
        assert {"Origin", "Sec-GPC"} <= {each.strip() for each in answer.headers["Vary"].split(",")}


def test_a_page_reads_also_why_it_was_refused(opened):
    refused = ask(opened, token="ct_nonsense", json=HOME, headers={"Origin": OURS})
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == OURS


def test_what_is_asked_ahead_of_a_request_says_nothing_of_another(opened):
    asks = {"Origin": OURS, "Access-Control-Request-Method": "DELETE"}
    assert ask(opened, json=HOME, headers=asks).headers["Access-Control-Allow-Origin"] == OURS


def test_answers_say_that_they_differ_by_origin_also_to_whoever_names_none(opened):
    assert "Origin" in ask(opened, json=HOME).headers["Vary"]


def test_what_no_token_opens_is_open_to_no_other_origin(opened):
    for rule in opened.app.url_map.iter_rules():
        access = access_of(opened.app, rule.endpoint)
        path = path_of(rule)
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            answer = preflight(opened, path, method)
            named = "Access-Control-Allow-Origin" in answer.headers
            assert named == (access.customer and not access.page), (method, rule.rule)


def test_without_the_setting_no_origin_is_named(shop):
    assert "Access-Control-Allow-Origin" not in preflight(shop).headers
    answer = ask(shop, json=HOME, headers={"Origin": OURS})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Origin" not in answer.headers.get("Vary", ""), "no answer differs by what asks"


ORIGINS = st.one_of(
    st.sampled_from([OURS.upper(), OURS + "/", OURS + ":443", OURS + ".evil.example", "null", "*", ""]),
    st.sampled_from(
        ["https://evil-shop.example", "https://a.shop.example", "http://shop.example", OURS[:-1]]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(origin=ORIGINS.filter(lambda each: each not in (OURS, OTHERS)))
def test_no_origin_that_is_not_listed_is_ever_named(opened, origin):
    client = opened.app.test_client()
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    answers = [
        client.options("/v1/recommendations", headers=headers),
        client.post("/v1/recommendations", headers={"Origin": origin}, json=HOME),
    ]
    assert not [name for each in answers for name, _ in each.headers if name.startswith("Access-Control")]
