"""A marketer writes a policy in a real browser: with mouse or keyboard, with scripts or without."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from sqlalchemy import delete
from support.browser import visiting

from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.tables import sign_ins

SENTENCE = "We do not write to you about dear things."


def afresh(visit):
    """Count what the next page takes, without what was asked for on this one."""
    visit.n_bytes.clear()


def settled(page):
    """Wait until what was asked for last stands on the page."""
    expect(page.locator(".htmx-request, .htmx-added, .htmx-swapping, .htmx-settling")).to_have_count(0)


def fill_in(page):
    page.get_by_label("What it does, in a line").fill("No dear things by e-mail")
    page.get_by_label("What the customer is told").fill(SENTENCE)
    page.get_by_label("Why it is there").fill("A dear thing wants to be looked at in peace.")
    page.get_by_text("Where it applies").click()
    page.get_by_role("group", name="Channels").get_by_label("e-mail").check()


def test_a_marketer_writes_a_rule_and_is_told_at_the_field_what_is_wrong(as_role):
    visit = as_role(Role.MARKETER)
    page = visit.page
    page.get_by_role("link", name="Policies").first.click()
    visit.check()
    page.get_by_role("link", name="New rule").click()
    title = page.get_by_label("What it does, in a line")
    expect(title).to_be_focused()
    fill_in(page)
    expect(page.get_by_role("status").first).not_to_contain_text("still needed")
    page.get_by_label("what has to hold …").select_option("item.price_minor")
    page.get_by_role("group", name="When", exact=True).get_by_role("button", name="Add", exact=True).click()
    price = page.get_by_role("group", name="price", exact=True).last.get_by_label("Value")
    expect(price).to_be_focused()
    settled(page)
    afresh(visit)
    price.press_sequentially("dear")
    expect(page.locator("#found-rules-6-when-all-1-value")).to_contain_text("a whole number")
    expect(price).to_have_attribute("aria-invalid", "true")
    expect(price).to_be_focused()
    price.fill("100000")
    expect(page.locator("#found-readout-6")).to_contain_text("is at least 100000 minor units")
    expect(page.locator("#found-readout-6")).to_contain_text(SENTENCE)
    expect(price).not_to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Add a test").click()
    afresh(visit)
    note = page.get_by_label("What it shows").last
    expect(note).to_be_focused()
    note.fill("a dear thing by e-mail")
    page.get_by_label("what is known …").select_option("item.price_minor")
    page.get_by_role("group", name="Tests").get_by_role("button", name="Add", exact=True).click()
    given = page.get_by_role("group", name="Tests").get_by_label("price")
    expect(given).to_be_focused()
    given.fill("100000")
    given.press("Enter")
    expect(page.locator(".rule.open .badge").first).to_have_text("1 test passes")
    visit.check()
    afresh(visit)
    offered = page.get_by_role("button", name=re.compile("Add the test"))
    expect(offered.first).to_be_visible()
    offered.first.click()
    expect(page.locator(".rule.open .badge").first).to_have_text("2 tests pass")
    page.get_by_role("button", name="Save draft").first.click()
    expect(page).to_have_url(re.compile("/console/policies/house/versions/[0-9a-f]{64}$"))
    version = page.url
    for look, says in (("diff", "are held back now, and were not"), ("tests", "would go unnoticed")):
        page.goto(f"{version}/{look}")
        expect(page.get_by_role("main")).to_contain_text(says)
        visit.check()


def test_a_policy_is_changed_with_the_keyboard_alone(as_role):
    visit = as_role(Role.MARKETER)
    page = visit.go("/console/policies/new")
    page.get_by_role("button", name="Change limits").focus()
    page.keyboard.press("Enter")
    limit = page.locator("[name='limit.G17.upsell_hard']")
    expect(limit).to_be_visible()
    settled(page)
    limit.focus()
    page.keyboard.type("0.9")
    expect(page.locator("#found-limits-G17-upsell_hard")).to_contain_text("Error")
    afresh(visit)
    visit.check()
    limit.focus()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("0.3")
    expect(page.locator("#found-limits-G17-upsell_hard")).to_be_empty()
    page.get_by_role("button", name="Save draft").first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/versions/[0-9a-f]{64}$"))


def test_text_and_form_say_the_same_and_a_finding_leads_to_its_line(as_role):
    visit = as_role(Role.MARKETER)
    page = visit.go("/console/policies/new")
    page.get_by_role("button", name="Text", exact=True).click()
    text = page.get_by_label("The policy as text")
    before = text.input_value()
    settled(page)
    text.fill(before.replace("effect: block", "effect: blok", 1))
    leads = page.get_by_role("link", name=re.compile("^line [0-9]+, column 3$"))
    expect(leads).to_be_visible()
    expect(page.get_by_text("did you mean")).to_be_visible()
    afresh(visit)
    visit.check()
    leads.click()
    expect(text).to_be_focused()
    assert page.evaluate("getSelection().toString()") == "effect: blok"
    text.fill(f"# asked for by the board\n{before}")
    page.get_by_role("button", name="Form", exact=True).click()
    expect(page.get_by_text("The text has 1 comment.")).to_be_visible()
    afresh(visit)
    visit.check()
    page.get_by_role("button", name="Text", exact=True).click()
    expect(text).to_have_value(f"# asked for by the board\n{before}")


def test_all_of_it_works_without_scripts(browser, shop):
    with visiting(browser, shop, java_script_enabled=False) as visit:
        page = visit.sign_in(Role.MARKETER)
        page.get_by_role("link", name="Policies").first.click()
        page.get_by_role("link", name="Change what is in force").click()
        page.get_by_role("button", name="Change No paid suggestions of private things").click()
        page.get_by_label("Who answers for it").fill("Board")
        page.get_by_role("button", name="Add a test").click()
        expect(page.locator(".ask", has=page.get_by_label("Who answers for it"))).to_contain_text(
            "lower-case"
        )
        expect(page.get_by_label("Who answers for it")).to_have_value("Board")
        page.get_by_role("button", name="Remove test 7").or_(
            page.get_by_role("button", name="Remove the test")
        ).last.click()
        page.get_by_label("Who answers for it").fill("board")
        page.get_by_role("button", name="Save draft").first.click()
        expect(page).to_have_url(re.compile("/versions/[0-9a-f]{64}$"))


def test_who_is_signed_out_while_they_type_keeps_what_they_typed(as_role, shop):
    visit = as_role(Role.MARKETER)
    page = visit.go("/console/policies/new?rule=new")
    with writing(shop.wiring.engine) as conn:
        conn.execute(delete(sign_ins))
    visit.expect(401)
    title = page.get_by_label("What it does, in a line")
    title.fill("No dear things by e-mail")
    expect(page.locator("#refusal")).to_contain_text("You are signed out")
    page.get_by_role("button", name="Save draft").last.click()
    settled(page)
    expect(page.locator("#refusal")).to_contain_text("You are signed out")
    expect(page.locator("#refusal")).to_be_in_viewport()
    expect(title).to_have_value("No dear things by e-mail")
