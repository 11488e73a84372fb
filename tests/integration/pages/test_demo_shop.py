"""The demo shop below the browser: closed unless it is wanted, and nobody reaches beyond it."""

import re
from dataclasses import replace

import httpx
import pytest
from support.demo_shop import a_demo_shop, households
from support.http import BUYER, fill, serving
from support.pages import path_of, routes, token_in
from support.waiting import until

from api.demo.households import Story
from api.demo.people import Role, household
from api.demo.state import FORMAT, STATE_FILE, DemoState, write_state
from api.demo.stories import STORIES
from api.storage.api_keys import Role as KeyRole
from guardrails.consent.purposes import KEY_OF, Purpose


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


def everything_is_closed(shop, client):
    closed = [each for each in routes(shop.app, pages=True) if each[0].rule.startswith("/demo")]
    assert closed
    for rule, method in closed:
        assert client.request(method, path_of(rule)).status_code == 404, rule.rule


def test_without_the_setting_there_is_no_demo(sqlite_store):
    with a_demo_shop(sqlite_store.settings, demo=False) as shop, httpx.Client(base_url=shop.url) as client:
        client.headers["X-CSRF-Token"] = token_in(client.get("/privacy/enter"))
        everything_is_closed(shop, client)


@pytest.mark.parametrize(
    "state", [None, DemoState(FORMAT, clock_ms=5), DemoState(1, clock_ms=5, finished=True)]
)
def test_nobody_can_be_a_customer_of_a_shop_that_the_demo_did_not_build(demo, visitor, state):
    (demo.settings.data_dir / STATE_FILE).unlink()
    if state is not None:
        write_state(demo.settings.data_dir, state)
    everything_is_closed(demo, visitor)


def test_in_a_shop_without_households_there_is_nobody_to_be(sqlite_store):
    settings = replace(sqlite_store.settings, demo=True)
    write_state(settings.data_dir, DemoState(FORMAT, clock_ms=5, finished=True))
    with serving(settings, fill(settings)) as shop:
        assert shop.client.get("/demo").status_code == 404


def test_who_it_is_for_is_said_by_the_shop_and_never_by_the_page(demo, visitor):
    answer = ask(visitor, customer_id=BUYER, session_id="somebodys", device_id="somebodys").json()
    first = households()[Story.EVERYTHING][0]
    found = demo.ask("GET", f"/v1/decisions?customer_id={first}", KeyRole.AUDITOR).json()["decisions"]
    assert answer["decision_id"] in {each["decision_id"] for each in found}


def test_what_a_page_sends_as_it_is_left_for_the_privacy_page_is_taken(visitor):
    answer = ask(visitor).json()
    seen = [{"item_id": each["item_id"], "kind": "shown"} for each in answer["items"]]
    assert len(seen) == 4
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
    assert len(shown) == len(answer["items"]) == 4
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
    assert len(re.findall(r'(href|action|src)="/demo', page)) > 4
    for customer_id in households()[Story.EVERYTHING]:
        assert not re.search(rf"(href|action|src)=\"[^\"]*\b{customer_id}\b", page)


def behind(visitor, answer):
    return visitor.get(f"/demo/behind/{answer['decision_id']}").text


def test_what_a_page_rests_on_and_what_was_not_permitted_is_said_in_words(visitor):
    visitor.post("/demo/who", data={"role": Role.NEVER_ASKED.value})
    told = behind(visitor, ask(visitor, placement="product_page", context={"item_id": "bread-1"}).json())
    assert "rest on <strong>this page and the basket alone</strong>" in told
    assert "(never asked)" in told


def erase(shop, customer_id):
    path = f"/v1/cascades/{shop.ask('DELETE', f'/v1/customers/{customer_id}').json()['cascade_id']}"
    until(lambda: shop.ask("GET", path).json()["finished_at_ms"] is not None)


def test_what_was_before_is_shown_to_nobody_else(demo, visitor):
    first = ask(visitor).json()
    switch = {"purpose": KEY_OF[Purpose.TARGETED_OFFERS], "status": "withdrawn"}
    visitor.post("/demo/switch", data={**switch, "decision": first["decision_id"]})
    assert "<h4>Before</h4>" in behind(visitor, ask(visitor).json())
    erase(demo, households()[Story.EVERYTHING][0])
    told = behind(visitor, ask(visitor).json())
    assert "rest on" in told
    assert "<h4>Before</h4>" not in told


def test_a_story_that_cannot_happen_here_says_so(sqlite_store):
    with a_demo_shop(sqlite_store.settings, private=False) as demo, httpx.Client(base_url=demo.url) as client:
        client.headers["X-CSRF-Token"] = token_in(client.get("/demo"))
        told = client.post(f"/demo/stories/{STORIES[0].name}", follow_redirects=True)
        assert "This story needs the whole demo shop." in told.text
        assert "Let it happen" in told.text
