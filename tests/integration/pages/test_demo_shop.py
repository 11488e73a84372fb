"""The demo shop below the browser: closed unless it is wanted, and nobody reaches beyond it."""

import re
from dataclasses import replace

import httpx
import pytest
from support.demo_shop import a_demo_shop, households
from support.http import BUYER, serving
from support.pages import path_of, routes, token_in

from api.demo.households import Story
from api.demo.people import Role, household
from api.demo.stories import STORIES
from api.storage.api_keys import Role as KeyRole


@pytest.fixture
def demo(sqlite_store):
    with a_demo_shop(sqlite_store.settings) as served:
        yield served


@pytest.fixture
def visitor(demo):
    """Somebody's browser, that knows the token of the forms."""
    with httpx.Client(base_url=demo.url, timeout=30) as client:
        client.headers["X-CSRF-Token"] = token_in(client.get("/demo"))
        yield client


def ask(visitor, **more):
    return visitor.post("/demo/tactful/recommendations", json={"placement": "home", "count": 4, **more})


def test_without_the_setting_there_is_no_demo(sqlite_store):
    with a_demo_shop(sqlite_store.settings, demo=False) as shop, httpx.Client(base_url=shop.url) as client:
        client.headers["X-CSRF-Token"] = token_in(client.get("/privacy/enter"))
        closed = [each for each in routes(shop.app, pages=True) if each[0].rule.startswith("/demo")]
        assert closed
        for rule, method in closed:
            assert client.request(method, path_of(rule)).status_code == 404, rule.rule


def test_in_a_shop_without_households_there_is_nobody_to_be(open_shop):
    with serving(replace(open_shop.settings, demo=True), open_shop.keys) as shop:
        assert shop.client.get("/demo").status_code == 404


def test_who_it_is_for_is_said_by_the_shop_and_never_by_the_page(demo, visitor):
    answer = ask(visitor, customer_id=BUYER, session_id="somebodys", device_id="somebodys").json()
    first = households()[Story.EVERYTHING][0]
    found = demo.ask("GET", f"/v1/decisions?customer_id={first}", KeyRole.AUDITOR).json()["decisions"]
    assert answer["decision_id"] in {each["decision_id"] for each in found}


def test_what_a_page_sends_as_it_is_left_for_the_privacy_page_is_taken(visitor):
    answer = ask(visitor).json()
    seen = [{"item_id": each["item_id"], "kind": "shown"} for each in answer["items"]]
    assert visitor.post("/demo/privacy").headers["Location"] == "/privacy"
    feedback = visitor.post(f"/demo/tactful/decisions/{answer['decision_id']}/feedback", json={"items": seen})
    assert feedback.status_code == 200, feedback.text


def test_nobody_sees_or_judges_what_was_decided_for_somebody_else(demo, visitor):
    theirs = demo.recommend(customer_id=BUYER).json()
    item = theirs["items"][0]["item_id"]
    decision = f"/demo/tactful/decisions/{theirs['decision_id']}"
    said = {"items": [{"item_id": item, "kind": "too_personal"}]}
    assert visitor.get(f"{decision}/items").status_code == 404
    assert visitor.post(f"{decision}/feedback", json=said).status_code == 404
    assert visitor.get(f"/demo/behind/{theirs['decision_id']}").status_code == 404
    after = demo.recommend(customer_id=BUYER).json()
    assert item in [each["item_id"] for each in after["items"]]


def test_only_the_switches_of_the_panel_can_be_turned(visitor):
    for purpose in ("third_party_sharing", "sensitive.health", "nonsense"):
        turned = visitor.post("/demo/switch", data={"purpose": purpose, "status": "given"})
        assert turned.status_code == 404, purpose


def test_what_is_no_question_of_the_widget_is_refused(visitor):
    assert visitor.post("/demo/tactful/recommendations", content=b"[]").status_code == 415
    assert ask(visitor, placement="nowhere").status_code == 422


def test_items_look_like_those_of_this_shop(visitor):
    answer = ask(visitor).json()
    shown = visitor.get(f"/demo/tactful/decisions/{answer['decision_id']}/items").json()["items"]
    for each in shown:
        assert visitor.get(each["link"]).status_code == 200
        picture = visitor.get(each["image_link"])
        assert picture.headers["Content-Type"].startswith("image/svg+xml")
        assert len(picture.content) < 2_000


def test_every_role_can_be_played_and_another_household_of_it(demo, visitor):
    for role in Role:
        assert visitor.post("/demo/who", data={"role": role.value}).status_code == 303
        first = ask(visitor).json()
        assert first["profiling"] is (role in (Role.EVERYTHING, Role.ON_SITE_ONLY, Role.PRIVATE)), role
        with demo.app.app_context():
            assert household(role, 0, demo.wiring) != household(role, 1, demo.wiring)


def test_an_address_holds_no_customer(demo, visitor):
    page = visitor.get("/demo/shop").text
    for customer_id in households()[Story.EVERYTHING]:
        assert not re.search(rf"(href|action|src)=\"[^\"]*\b{customer_id}\b", page)


def test_a_story_that_cannot_happen_here_says_so(sqlite_store):
    with a_demo_shop(sqlite_store.settings, private=False) as demo, httpx.Client(base_url=demo.url) as client:
        client.headers["X-CSRF-Token"] = token_in(client.get("/demo"))
        told = client.post(f"/demo/stories/{STORIES[0].name}", follow_redirects=True)
        assert "This story needs the whole demo shop." in told.text
        assert "Let it happen" in told.text
