import pytest
from playwright.sync_api import expect
from support.browser import PASSWORD, visiting

from api.storage.api_keys import Role


def test_signing_in_leads_to_the_overview(visit):
    page = visit.sign_in(Role.MARKETER)
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    visit.check()


def test_the_page_to_sign_in_keeps_to_what_every_page_does(visit):
    visit.go("/console/sign-in")
    visit.check()


def test_whoever_is_not_signed_in_is_led_there_and_back(visit):
    page = visit.go("/console")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_label("Name").fill("auditor")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_a_wrong_password_is_said_on_the_page(visit):
    visit.expect(422)
    page = visit.go("/console/sign-in")
    page.get_by_label("Name").fill("auditor")
    page.get_by_label("Password").fill("something else entirely")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("name and password do not belong together")
    visit.check()


def test_the_console_speaks_danish_and_remembers_it(as_role):
    visit = as_role(Role.MARKETER)
    visit.page.get_by_role("button", name="Dansk").click()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Overblik")
    visit.page.get_by_role("button", name="Log ud").click()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Log ind")


def test_signing_out_ends_the_session(as_role):
    visit = as_role(Role.AUDITOR)
    visit.page.get_by_role("button", name="Sign out").click()
    page = visit.go("/console")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


@pytest.mark.parametrize("role", [Role.MARKETER, Role.ADMIN])
def test_everything_is_there_without_scripts_too(browser, shop, role):
    with visiting(browser, shop, java_script_enabled=False) as visit:
        page = visit.sign_in(role)
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_the_menu_of_a_phone_opens_and_closes_with_the_keyboard(as_role):
    visit = as_role(Role.ADMIN)
    page = visit.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.locator("details.menu summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("details.menu a").first).to_be_visible()
    visit.check()
    page.set_viewport_size({"width": 360, "height": 740})
    page.keyboard.press("Escape")
    expect(page.locator("details.menu a").first).to_be_hidden()
