"""The demo shop's own pages on the whole of Complete Journey."""

from dataclasses import replace

import httpx
import pytest
from support.http import serving
from support.pages import token_in

from api.demo.state import PASSWORD, read_keys
from api.demo.stories import STORIES
from api.storage.accounts import STAFF
from api.storage.api_keys import Role

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def shop(journey_shop):
    keys = {
        role: journey_shop.building.keys[role.value]
        for role in Role
        if role.value in journey_shop.building.keys
    }
    with serving(replace(journey_shop.settings, demo=True), keys) as served:
        yield served


@pytest.fixture
def visitor(shop):
    with httpx.Client(base_url=shop.url, timeout=60, follow_redirects=True) as client:
        client.headers["X-CSRF-Token"] = token_in(client.get("/demo"))
        yield client


def test_every_story_happens_by_the_rule_it_is_about(visitor):
    for story in STORIES:
        told = visitor.post(f"/demo/stories/{story.name}").text
        assert "not shown here" in told, story.name
        recorded = told.partition("The rule and the record")[2].partition("<dl>")[0]
        assert any(rule in recorded for rule in story.rules), story.name


def test_a_shelf_that_nobody_counts_sales_of_is_not_empty(visitor):
    assert "/demo/item/" in visitor.get("/demo/shop", params={"shelf": "DRUG GM > BABY FOODS"}).text


def test_people_of_every_role_can_sign_in(shop):
    password = read_keys(shop.settings.data_dir)[PASSWORD]
    for role in STAFF:
        with httpx.Client(base_url=shop.url, timeout=60) as client:
            token = token_in(client.get("/console/sign-in"))
            data = {"name": role.value, "password": password, "csrf_token": token}
            assert client.post("/console/sign-in", data=data).headers["Location"] == "/console", role
