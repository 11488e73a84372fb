"""The privacy centre in a real browser: the customer's whole way, and that nothing is pressed upon them."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect
from support.browser import visiting
from support.http import BUYER, EVERYTHING

from api.languages import NAMES

ROOMS = ("", "/known", "/shown", "/quiet", "/data", "/history", "/erase")

_LOOK = """
(button) => {
  const style = getComputedStyle(button), box = button.getBoundingClientRect();
  return {
    width: Math.round(box.width), height: Math.round(box.height), disabled: button.disabled,
    look: ["color", "backgroundColor", "borderTopColor", "borderTopWidth", "fontSize", "fontWeight",
           "textDecorationLine", "opacity", "cursor"].map((name) => style[name]),
  };
}
"""
"""How large a button is, and how it looks."""


def link_of(shop, customer_id=BUYER):
    made = shop.ask("POST", f"/v1/customers/{customer_id}/tokens", json={}).json()
    return made["url"].removeprefix(shop.settings.address)


@pytest.fixture
def known(shop):
    """The buyer has agreed to all that suggestions rest on, and was shown some."""
    assert shop.choose("given", *EVERYTHING, explicit=True).status_code == 201
    shop.recommend(customer_id=BUYER)
    return shop


@pytest.fixture
def inside(visit, known):
    """Somebody who has followed the shop's link."""
    visit.go(link_of(known))
    visit.page.wait_for_url("**/privacy")
    return visit


def test_the_link_takes_its_secret_off_the_address_and_opens_the_page(visit, known):
    page = visit.go(link_of(known))
    page.wait_for_url("**/privacy")
    expect(page.get_by_role("heading", level=1)).to_have_text("Suggestions use what you did here.")
    assert "ct_" not in page.url
    page.go_back()
    assert "ct_" not in page.url


def test_a_link_that_has_ended_is_said_kindly(visit):
    visit.expect(422)
    page = visit.go("/privacy/enter#ct_nothing")
    expect(page.get_by_role("alert")).to_contain_text("This link has ended.")
    visit.check()
    visit.go("/privacy/enter?language=da")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dit privatliv")
    visit.check()


def test_every_room_keeps_to_what_every_page_does(inside):
    for room in ROOMS:
        inside.go(f"/privacy{room}")
        for each in inside.page.locator("details").all():
            each.evaluate("each => { each.open = true }")
        inside.check()


@pytest.mark.parametrize("language", ["da", "de"])
def test_two_other_languages_keep_to_it_too(inside, language):
    inside.page.get_by_role("button", name=NAMES[language], exact=True).click()
    expect(inside.page.locator("html")).to_have_attribute("lang", language)
    for room in ("", "/known"):
        inside.go(f"/privacy{room}")
        inside.check()


def test_every_language_opens_every_room(inside):
    for language in NAMES:
        inside.go(f"/privacy?language={language}")
        for room in ROOMS:
            inside.go(f"/privacy{room}")
            expect(inside.page.locator("html")).to_have_attribute("lang", language)
    inside.nothing_went_wrong()


def test_stopping_takes_two_clicks_from_the_shops_link_and_starting_no_fewer(inside):
    page, pressed = inside.page, inside.count_clicks()
    for name, heading in (
        ("Stop personalizing", "Suggestions use nothing about you."),
        ("Personalize", "Suggestions use what you did here."),
    ):
        pressed.clear()
        inside.go("/privacy")  # the first click is that on the shop's link
        page.get_by_role("button", name=name, exact=True).click()
        page.wait_for_url("**/privacy/changed?*")
        assert 1 + len(pressed) == 2
        inside.go("/privacy")
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    decision = inside.served.recommend(customer_id=BUYER).json()
    assert decision["basis"] == "profile"


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_yes_and_no_are_as_large_and_look_the_same(visit, shop, width, scheme):
    page = visit.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for language in ("en", "de"):  # nothing is chosen yet, so nothing is marked
        visit.go(link_of(shop))
        page.wait_for_url("**/privacy")
        visit.go(f"/privacy?language={language}")
        page.locator("details").last.evaluate("each => { each.open = true }")
        pairs = page.locator("form.answers").evaluate_all(
            f"(pairs) => pairs.map((pair) => [...pair.querySelectorAll('button')].map({_LOOK}))"
        )
        assert len(pairs) > 30
        for yes, no in pairs:
            assert yes == no


def test_what_is_chosen_is_marked_the_same_way_whichever_it_is(inside):
    page = inside.page
    pair = page.locator('[id="marketing.communications.sms"] form.answers')
    looks = {}
    for chosen, other in (("Yes", "No"), ("No", "Yes")):
        pair.get_by_role("button", name=chosen).click()
        mark = pair.get_by_role("button", name=chosen)
        expect(mark).to_have_attribute("aria-pressed", "true")
        page.mouse.move(0, 0)
        looks[chosen] = (mark.evaluate(_LOOK), pair.get_by_role("button", name=other).evaluate(_LOOK))
    assert looks["Yes"] == looks["No"]
    inside.nothing_went_wrong()


def test_the_customers_whole_way(inside, tmp_path):
    page, shop = inside.page, inside.served
    # sees that and what is known, refuses, and sees what that changes
    page.get_by_role("button", name="Stop personalizing").click()
    expect(page.get_by_role("status")).to_contain_text("From now on, suggestions use nothing about you.")
    expect(page.get_by_role("heading", name="As it is now")).to_be_visible()
    inside.check()
    assert shop.recommend(customer_id=BUYER).json()["profiling"] is False
    page.get_by_role("link", name="Your choices", exact=True).click()
    inside.check()
    page.get_by_role("button", name="Personalize", exact=True).click()
    # takes one thing out
    page.get_by_role("link", name="What is known", exact=True).click()
    page.wait_for_load_state("load")
    before = page.locator("#pieces + ul > li").count()
    page.get_by_role("button", name="Take out Bread no. 1").click()
    expect(page.get_by_role("status")).to_contain_text("taken out")
    page.get_by_role("link", name="Back to what is known").click()
    expect(page.locator("#pieces + ul > li")).to_have_count(before - 1)
    page.get_by_role("button", name="It was a gift Milk no. 2").click()
    expect(page.get_by_role("status")).to_contain_text("gift")
    # leaves an occasion out, and asks why
    page.get_by_role("link", name="What to leave out").click()
    page.get_by_label("An occasion").select_option(label="Mother's Day")
    page.get_by_role("button", name="Leave out An occasion").click()
    expect(page.get_by_role("button", name="Allow again Mother's Day")).to_be_visible()
    inside.check()
    page.get_by_role("link", name="What you were shown", exact=True).click()
    page.locator("details summary").first.click()
    expect(page.locator("details[open] li").first).to_contain_text("%")
    page.get_by_role("button", name="Too personal").first.click()
    expect(page.get_by_role("status")).to_contain_text("not be suggested")
    page.get_by_role("button", name="Have a person look at this").first.click()
    expect(page.get_by_text("being dealt with")).to_be_visible()
    inside.check()
    # takes everything along
    for name, read in (("Download as JSON", json.loads), ("Download as tables (CSV)", _names_in_zip)):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        assert read(Path(download.value.path()).read_bytes())
    # and goes
    page.get_by_role("link", name="Erase …").click()
    page.get_by_label("Delete it").check()
    page.get_by_role("button", name="Erase everything now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are erased")
    expect(page.get_by_text("Nothing of you is used any more")).to_be_visible()
    inside.check()
    receipt = page.url
    inside.go("/privacy")
    expect(page.get_by_role("button", name="Open my page")).to_be_visible()
    page.goto(receipt)
    expect(page.get_by_text("All of it is gone")).to_be_visible(timeout=60_000)  # it follows by itself
    inside.check()
    assert shop.recommend(customer_id=BUYER).json()["profiling"] is False


def test_without_scripts_everything_is_there(browser, known):
    with visiting(browser, known, java_script_enabled=False) as visit:
        page = visit.go("/privacy")
        page.get_by_label("Your link from the shop").fill(f"{known.settings.address}{link_of(known)}")
        page.get_by_role("button", name="Open my page").click()
        page.get_by_role("button", name="No Text messages").click()
        expect(page.get_by_role("status")).to_contain_text("Your no is kept")
        page.get_by_role("button", name="Stop personalizing").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("What that changes")
        page.get_by_role("link", name="Your data").click()
        page.get_by_role("link", name="Erase …").click()
        page.get_by_label("Leave it as nobody's").check()
        page.get_by_role("button", name="Erase everything now").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You are erased")
        expect(
            page.get_by_role("link", name="See how the erasure goes").or_(
                page.get_by_text("All of it is gone")
            )
        ).to_be_visible()


def test_with_the_keyboard_alone_one_stops_and_starts(inside):
    page = inside.page
    for name in ("Stop personalizing", "Personalize"):
        inside.go("/privacy")
        page.keyboard.press("Tab")  # the way past the frame
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        button = page.get_by_role("button", name=name, exact=True)
        for _ in range(10):
            page.keyboard.press("Tab")
            if button.evaluate("each => each === document.activeElement"):
                break
        expect(button).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("What that changes")


def test_a_browser_that_says_no_is_told_that_it_is_heard(browser, known):
    with visiting(browser, known, extra_http_headers={"Sec-GPC": "1"}) as visit:
        visit.go(link_of(known))
        visit.page.wait_for_url("**/privacy")
        expect(visit.page.get_by_text("Your browser sends Global Privacy Control")).to_be_visible()
        visit.go("/privacy/data")
        visit.page.get_by_role("button", name="Restrict", exact=True).click()
        expect(visit.page.get_by_role("button", name="Lift the restriction")).to_be_visible()
        visit.go("/privacy")
        expect(visit.page.get_by_role("heading", name="Your data is kept and not used")).to_be_visible()
        visit.check()


def _names_in_zip(content):
    return zipfile.ZipFile(io.BytesIO(content)).namelist()
