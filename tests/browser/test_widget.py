"""The widget on a page of a shop: another origin, a strict policy, a real browser."""

import gzip
import json
import re
from dataclasses import replace

import httpx
import pytest
from playwright.sync_api import expect
from support.browser import _WATCH, DESKTOP, PATIENCE_MS, Visit
from support.http import BUYER, EVERYTHING
from support.shop_pages import a_site

from api.pages.assets import assets
from api.wiring import EXTENSION, now_ms

RELAY = 'endpoint="/suggestions"'
DIRECT = 'placement="home" count="4" item-link="/item/{}" src="'
FILE = "/widget/tactful-suggestions.js"
TOKEN = 'widget.token = async () => (await fetch("/my/token", { method: "POST" })).text();'
HELD_UP = """widget.resolve = async (item) => { await window.until; return { title: item.item_id } };"""
HOLD_UP = (
    "() => { window.until = new Promise((opened, failed) => Object.assign(window, { opened, failed })) }"
)
LEAVE = "dispatchEvent(new PageTransitionEvent('pagehide'))"


@pytest.fixture
def site(sqlite_store, monkeypatch):
    with a_site(sqlite_store.settings, monkeypatch.setenv) as shelf:
        yield shelf


class Customer(Visit):
    """Somebody on a page of the shop, and all that their browser sends."""

    def __init__(self, page, site):
        super().__init__(page, site.tactful)
        self.site, self.sent, self.addresses = site, [], []
        page.on("console", self.said)
        page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        page.on("request", self.asked)

    def asked(self, request):
        self.addresses.append(request.url)
        if request.post_data and request.method == "POST":
            self.sent.append((request.url.rpartition("/")[2], json.loads(request.post_data)))

    def look(self, widget=None, script="", told="rendered"):
        self.site.widget, self.site.script = widget or self.site.widget, script
        self.page.goto(self.site.url)
        if told:
            self.page.wait_for_function("name => window.told.some((each) => each[0] === name)", arg=told)
        return self.page

    def feedback(self, kind):
        return [
            each["item_id"]
            for name, body in self.sent
            if name == "feedback"
            for each in body["items"]
            if each["kind"] == kind
        ]

    def told(self):
        return [name for name, _ in self.page.evaluate("window.told")]

    def said_of(self, kind):
        """Which decisions something of a kind was said of, once it has been said."""
        said = "([name, { items }]) => name === 'feedback' && items.some((each) => each.kind === kind)"
        self.page.wait_for_function(f"(kind) => window.told.some({said})", arg=kind)
        told = self.page.evaluate(f"(kind) => window.told.filter({said})", kind)
        return {detail["decision_id"] for _, detail in told}


@pytest.fixture
def customer(browser, site):
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_WATCH)
    yield Customer(context.new_page(), site)
    context.close()


def items(page):
    return page.get_by_role("listitem")


def test_by_a_relay_suggestions_stand_on_the_page_with_their_reasons(customer, site):
    site.tactful.choose("given", *EVERYTHING)
    page = customer.look()
    expect(page.get_by_role("heading", name="Suggestions for you")).to_be_visible()
    expect(items(page)).to_have_count(4)
    link = items(page).first.get_by_role("link")
    assert re.fullmatch(r"\w+( \w+)? no\. \d", link.inner_text())
    expect(items(page).first).to_contain_text("€")
    reason = items(page).first.locator("[part=reason]")
    if items(page).first.locator("details").count():
        expect(reason).to_be_hidden()
        items(page).first.locator("summary").focus()
        page.keyboard.press("Enter")
    expect(reason).to_be_visible()
    customer.check()
    page.wait_for_function("() => window.told.some((each) => each[0] === 'shown')")
    assert sorted(customer.feedback("shown")) == sorted(set(customer.feedback("shown")))
    assert [name for name, _ in customer.sent].count("feedback") == 1, "what was seen is told at once"
    assert page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
    assert page.context.cookies() == []
    assert not [each for each in customer.addresses if BUYER in each]


def test_with_a_token_the_page_asks_by_itself_and_no_address_holds_the_token(customer, site):
    site.tactful.choose("given", *EVERYTHING)
    page = customer.look(f'{DIRECT}{site.tactful.url}"', TOKEN)
    expect(items(page)).to_have_count(4)
    expect(page.get_by_role("link", name="What suggestions rest on")).to_have_attribute(
        "href", f"{site.tactful.url}/transparency"
    )
    page.get_by_role("button", name="Without my profile").click()
    expect(page.get_by_role("heading", name="You may also like")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("New suggestions")
    assert customer.sent[-1][1]["mode"] == "non_profiled"
    assert not [each for each in customer.addresses if "ct_" in each or BUYER in each]
    customer.nothing_went_wrong()


def test_what_is_waved_off_goes_away_and_can_be_taken_back_by_keyboard(customer, site):
    site.tactful.choose("given", *EVERYTHING)
    page = customer.look()
    first = items(page).first.get_by_role("link").inner_text()
    items(page).first.get_by_role("button", name=f"Too personal: {first}").press("Enter")
    expect(page.get_by_role("status")).to_have_text(f"Taken away: {first}")
    expect(page.get_by_role("button", name=f"Undo: {first}")).to_be_focused()
    customer.check()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text(f"{first} is back")
    expect(items(page).first.get_by_role("link")).to_be_focused()
    assert customer.feedback("too_personal") == []
    second = items(page).nth(1).get_by_role("link").inner_text()
    items(page).nth(1).get_by_role("button", name="Not interested").click()
    page.get_by_role("link", name="Elsewhere").click()
    expect(page.get_by_role("heading", name="An item")).to_be_visible()
    assert len(site.heard("not_interested")) == 1
    customer.look()
    expect(items(page)).to_have_count(4)
    expect(page.get_by_role("link", name=second, exact=True)).to_have_count(0)


def an_hour_passes(shop):
    shop.app.extensions[EXTENSION] = replace(shop.wiring, clock=lambda: now_ms() + 3_600_000)


def test_what_is_said_when_the_token_has_ended_goes_with_another(customer, site):
    page = customer.look(f'{DIRECT}{site.tactful.url}"', TOKEN)
    an_hour_passes(site.tactful)
    items(page).first.get_by_role("button", name="Not interested").click()
    page.evaluate(LEAVE)
    assert len(customer.said_of("not_interested")) == 1


@pytest.mark.parametrize(("ended", "told"), [("opened", "rendered"), ("failed", "error")])
def test_what_is_seen_and_said_while_it_asks_again_is_said_of_what_was_there(customer, ended, told):
    page = customer.page
    page.set_viewport_size({"width": 360, "height": 320})
    customer.look(script=HELD_UP)
    before = page.evaluate("window.told[0][1].decision_id")
    page.evaluate(HOLD_UP)
    with page.expect_response("**/recommendations"):
        page.evaluate("document.querySelector('tactful-suggestions').refresh()")
    items(page).nth(1).scroll_into_view_if_needed()
    page.wait_for_timeout(1_500)  # the customer looks
    items(page).first.get_by_role("button", name="Too personal").click()
    page.evaluate("(name) => window[name](new Error('no'))", ended)
    page.wait_for_function("(name) => window.told.slice(1).some((each) => each[0] === name)", arg=told)
    page.evaluate(LEAVE)
    assert customer.said_of("too_personal") == {before}
    assert before in customer.said_of("shown")
    customer.nothing_went_wrong()


def test_what_is_waved_off_is_sent_after_a_while_and_a_click_at_once(customer, site):
    page = customer.page
    page.clock.install()
    customer.look(told=None)
    page.clock.run_for(100)
    expect(items(page)).to_have_count(4)
    items(page).first.get_by_role("button", name="Not interested").click()
    page.get_by_role("link", name="Elsewhere").focus()
    page.mouse.move(1, 1)
    page.clock.run_for(9_000)
    assert customer.feedback("not_interested") == []
    page.clock.run_for(1_500)
    expect(items(page)).to_have_count(3)
    assert len(customer.feedback("not_interested")) == 1
    items(page).first.get_by_role("link").click()
    expect(page.get_by_role("heading", name="An item")).to_be_visible()
    assert len(site.heard("clicked")) == 1


def test_what_is_out_of_sight_has_not_been_seen(customer, site):
    page = customer.page
    page.set_viewport_size({"width": 360, "height": 320})
    customer.look(told=None)
    expect(items(page)).to_have_count(4)
    items(page).nth(1).scroll_into_view_if_needed()
    page.wait_for_timeout(1_500)  # the customer looks
    page.get_by_role("link", name="Elsewhere").dispatch_event("click")
    expect(page.get_by_role("heading", name="An item")).to_be_visible()
    assert 1 <= len(site.heard("shown")) < 4


def test_global_privacy_control_reaches_tactful_by_the_relay(customer, site):
    site.tactful.choose("given", *EVERYTHING)
    control = "Object.defineProperty(navigator, 'globalPrivacyControl', { get: () => true })"
    customer.page.add_init_script(control)
    page = customer.look()
    expect(items(page)).to_have_count(4)
    assert next(body for name, body in customer.sent if name == "recommendations")["gpc"] is True
    decision_id = page.evaluate("window.told.find((each) => each[0] === 'rendered')[1].decision_id")
    found = site.tactful.decision(decision_id)["sections"]["req"]
    assert found["gpc"] is True


@pytest.mark.parametrize(
    ("widget", "script", "told"),
    [
        ('endpoint="/suggestions" placement="nowhere"', "", "error"),
        (f'{RELAY} placement="home"', "widget.resolve = () => null;", "empty"),
        (
            'endpoint="/suggestions" placement="home"',
            "widget.resolve = () => { throw new Error('no') };",
            "error",
        ),
        ('src="http://127.0.0.1:9" token="ct_x" placement="home"', "", "error"),
    ],
)
def test_where_there_is_nothing_to_say_nothing_is_there(customer, widget, script, told):
    page = customer.look(widget, script, told)
    expect(page.get_by_text("Bread today.")).to_be_visible()
    assert page.locator("tactful-suggestions").bounding_box()["height"] == 0
    assert "rendered" not in customer.told()


@pytest.mark.parametrize(
    ("language", "why"),
    [("da", "Hvorfor det her?"), ("nb", "Hvorfor dette?"), ("sv", "Varför det här?"), ("de", "Warum das?")],
)
def test_it_speaks_the_language_of_the_page(customer, language, why):
    page = customer.look(f'{RELAY} placement="home" count="2" language="{language}"')
    expect(page.locator("section")).to_have_attribute("lang", language)
    expect(page.locator("section")).to_contain_text(why)
    asked = next(body for name, body in customer.sent if name == "recommendations")
    assert asked["language"] == language


def test_the_shops_own_words_are_shown_as_text_and_lead_nowhere_but_to_the_web(customer):
    script = """widget.resolve = (item) => ({
      title: "<img src=x onerror=alert(1)>", link: "javascript:alert(1)", image: "/icon.svg" });"""
    page = customer.look(script=script)
    expect(items(page).first.locator("[part~=title]")).to_have_text("<img src=x onerror=alert(1)>")
    expect(items(page).first.get_by_role("link")).to_have_count(0)
    expect(items(page).first.locator("img")).to_have_attribute("src", f"{customer.site.url}/icon.svg")
    customer.nothing_went_wrong()


def test_a_change_of_the_basket_asks_anew_and_once(customer):
    page = customer.look(f'{RELAY} placement="cart" basket="bread-1" count="2"', told=None)
    page.wait_for_function("() => window.told.length > 0")
    n_before = len([name for name, _ in customer.sent if name == "recommendations"])
    page.evaluate(
        """() => { const widget = document.querySelector("tactful-suggestions");
        widget.setAttribute("basket", "bread-1, milk-1"); widget.setAttribute("count", "3");
        widget.refresh() }"""
    )
    page.wait_for_function("() => window.told.length > 1")
    asked = [body for name, body in customer.sent if name == "recommendations"]
    assert len(asked) == n_before + 1
    assert asked[-1]["context"]["basket"] == ["bread-1", "milk-1"]


@pytest.mark.parametrize("sent", [{"content": b"bread"}, {"json": None}, {"json": ["placement"]}])
def test_what_is_no_question_of_the_widget_is_refused_by_the_relay(site, sent):
    for method in ("GET", "POST"):
        answer = httpx.request(method, f"{site.url}/suggestions/recommendations", **sent)
        assert answer.status_code == 415, method


def test_the_file_is_small_and_any_page_may_load_it(site):
    answer = site.tactful.client.get(FILE)
    assert len(gzip.compress(assets()["tactful-suggestions.js"].content)) < 8_000, "as the README says"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Content-Type"].startswith("text/javascript")
    again = site.tactful.client.get(FILE, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
