"""The overview in a real browser: in every look, with charts, tables and the keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from support.browser import PHONE, people, visiting
from support.http import serving
from support.stores import a_decision

from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.decisions import append_decisions
from engine.interactions import DAY_MS
from engine.vocabulary import Basis, Intent, word
from guardrails.log.tallies import Part, Tally
from guardrails.placements import DEFAULT_PLACEMENTS

RULES = ("G01", "G05", "G12", "G17", "G20", "G31", "a-rule-of-ours-with-a-rather-long-name")


def counted(day):
    n = day % 7 + 1
    yield from (
        Tally(Part.PLACEMENT, each.name, 900 * n, 4_000 * n, 1_500 * n) for each in DEFAULT_PLACEMENTS
    )
    yield from (Tally(Part.BASIS, word(each), 900 * n, 4_000 * n, 1_500 * n) for each in Basis)
    yield from (Tally(Part.INTENT, word(each), 0, 4_000 * n, 1_500 * n) for each in Intent)
    yield from (Tally(Part.RULE, rule, 0, 0, 300 * at * n) for at, rule in enumerate(RULES, start=1))
    yield Tally(Part.DEGRADED, "model_missing", 400 * n, 0, 0)


@pytest.fixture
def busy_shop(shop):
    """A shop with a year of decisions, and something that waits for its log."""
    day = shop.wiring.clock() // DAY_MS
    made = [
        a_decision(f"on {each}", minute=each * 1_440, tallies=tuple(counted(each)))
        for each in range(day - 200, day + 1)
    ]
    with writing(shop.wiring.engine) as conn:
        append_decisions(conn, shop.wiring.logbook.keyring, made)
    shop.wiring.log_keeper.close()
    shop.wiring.spool.keep(a_decision("waits"))
    return shop


def test_the_overview_is_read_at_a_glance_and_its_days_are_chosen(busy_shop, as_role):
    visit = as_role(Role.AUDITOR)
    page = visit.page
    expect(page.get_by_role("heading", name="Needs attention")).to_be_visible()
    expect(page.get_by_text("1 decision waits until the log can be written again.")).to_be_visible()
    expect(page.get_by_role("img", name="Shown and withheld over time")).to_be_visible()
    visit.check()

    page.get_by_role("link", name="7 days").focus()
    page.keyboard.press("Enter")
    expect(page.locator("g.column")).to_have_count(7)
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")

    page.get_by_text("The figures as a table").focus()
    page.keyboard.press("Enter")
    table = page.get_by_role("region", name="Shown and withheld over time").get_by_role("row")
    expect(table).to_have_count(8)
    page.get_by_text("Other days").click()
    page.get_by_label("First day").fill("2026-02-02")
    page.get_by_label("Last day").fill("2026-02-01")
    visit.expect(422)
    page.get_by_role("button", name="Show these days").click()
    expect(page.get_by_text("the first day is after the last")).to_be_visible()
    visit.check()


def test_on_a_phone_every_figure_of_a_bar_says_what_it_is(busy_shop, as_role):
    page = as_role(Role.MARKETER).page
    page.set_viewport_size(PHONE)
    page.goto(f"{busy_shop.url}/console?days=90")
    shown = page.locator("section[aria-labelledby=placements] td").first
    before = shown.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert "attr" in before or "Shown" in before
    right = page.evaluate(
        "Math.max(...[...document.querySelectorAll('main *')].map(e => e.getBoundingClientRect().right))"
    )
    assert right <= PHONE["width"]


def test_a_new_shop_is_led_to_its_first_suggestion(sqlite_store, browser):
    with serving(sqlite_store.settings, {}) as served:
        people(served)
        with visiting(browser, served) as visit:
            page = visit.sign_in(Role.MARKETER)
            expect(page.get_by_role("heading", name="First steps")).to_be_visible()
            visit.check()
