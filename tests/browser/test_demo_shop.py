"""The demo shop: somebody looks around, turns switches, and lets stories happen."""

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select
from support.browser import Visit, people, visiting
from support.demo_shop import a_demo_shop

from api.demo.stories import STORIES
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.tables import interactions


@pytest.fixture
def demo(sqlite_store):
    with a_demo_shop(sqlite_store.settings) as served:
        yield served


@pytest.fixture
def visitor(browser, demo):
    with visiting(browser, demo) as visit:
        yield visit


def suggested(page):
    return page.locator("tactful-suggestions").get_by_role("listitem")


def test_somebody_looks_around_and_sees_what_stands_behind(visitor: Visit):
    page = visitor.go("/demo")
    expect(page.get_by_role("heading", level=1)).to_have_text("A shop that knows when to say nothing")
    visitor.check()
    page.get_by_role("button", name="Be this household", exact=True).first.click()
    page.goto(f"{visitor.served.url}/demo/shop")
    expect(suggested(page)).not_to_have_count(0)
    behind = page.get_by_role("complementary", name="Behind this page")
    expect(behind).to_contain_text("rest on")
    expect(behind.get_by_role("link", name="The record in the console")).to_have_attribute(
        "href", re.compile("/console/decisions/")
    )
    visitor.check()


def test_a_switch_holds_from_the_next_page_and_both_are_seen_beside_each_other(visitor: Visit):
    page = visitor.go("/demo/shop")
    behind = page.get_by_role("complementary", name="Behind this page")
    expect(behind).to_contain_text("what was bought and looked at")
    behind.get_by_role("button", name="Switch off").first.click()
    expect(page.get_by_role("status").first).to_have_text("Taken back. It holds from this page on.")
    expect(behind).to_contain_text("nobody in particular")
    expect(behind.get_by_role("region", name="Before")).to_contain_text("what was bought")
    expect(behind.get_by_role("region", name="Now")).to_contain_text("nobody in particular")
    visitor.check()
    behind.get_by_role("button", name="Switch on").first.click()
    expect(behind.get_by_role("region", name="Now")).to_contain_text("what was bought")


def test_an_item_goes_into_the_basket_and_out_again(visitor: Visit):
    page = visitor.go("/demo/shop?search=bread")
    expect(page.get_by_role("heading", level=1)).to_contain_text("bread")
    visitor.go("/demo/shop?shelf=Food")
    visitor.check()
    visitor.go("/demo/item/bread-1")
    expect(suggested(page)).not_to_have_count(0)
    visitor.check()
    page.get_by_role("button", name="Put into the basket").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your basket")
    expect(suggested(page)).not_to_have_count(0)
    visitor.check()
    page.get_by_role("button", name="Take out").click()
    expect(page.get_by_text("There is nothing in it yet.")).to_be_visible()


def left_in(shop):
    with reading(shop.wiring.engine) as conn:
        return conn.scalar(select(func.count()).select_from(interactions))


def test_every_story_really_happens_can_be_told_again_and_leaves_nothing_behind(visitor: Visit):
    before = left_in(visitor.served)
    for story in STORIES:
        page = visitor.go(f"/demo/stories/{story.name}")
        for button in ("Let it happen", "Let it happen again, to another household"):
            page.get_by_role("button", name=button, exact=True).click()
            expect(page.get_by_role("region", name="This shop")).to_contain_text(story.ours[:40])
            acted = page.get_by_role("listitem").filter(has_text=re.compile("|".join(story.rules)))
            expect(acted.first).to_be_visible()
        careless = page.get_by_role("region", name="A careless shop")
        expect(careless.get_by_text("not shown here").first).to_be_visible()
        assert left_in(visitor.served) == before
    visitor.check()


def test_the_private_purchase_is_named_nowhere_but_in_the_story(visitor: Visit):
    page = visitor.go("/demo")
    page.get_by_role("listitem").filter(has_text="Bought something private").get_by_role("button").click()
    behind = page.get_by_role("complementary", name="Behind this page")
    expect(behind).to_contain_text("of a private kind")
    expect(page.locator("body")).not_to_contain_text("Pregnancy test")
    expect(suggested(page).filter(has_text=re.compile("Diapers|formula"))).to_have_count(0)


def test_the_privacy_page_and_the_record_are_one_step_away(visitor: Visit):
    people(visitor.served)
    page = visitor.go("/demo/shop")
    behind = page.get_by_role("complementary", name="Behind this page")
    record = behind.get_by_role("link", name="The record in the console").get_attribute("href")
    page.get_by_role("button", name="Their privacy page").click()
    expect(page).to_have_url(re.compile("/privacy$"))
    visitor.sign_in(Role.AUDITOR)
    visitor.go(record)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    visitor.nothing_went_wrong()


def test_without_scripts_the_shop_can_be_walked_through(browser, demo):
    with visiting(browser, demo, java_script_enabled=False) as visit:
        page = visit.go("/demo")
        page.get_by_role("link", name="Departments").first.click()
        page.get_by_role("link", name="Food").click()
        page.locator(".wares a").first.click()
        page.get_by_role("button", name="Put into the basket").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your basket")
        visit.go("/demo/stories/late-parcel")
        page.get_by_role("button", name="Let it happen").click()
        expect(page.get_by_role("region", name="This shop")).to_be_visible()
