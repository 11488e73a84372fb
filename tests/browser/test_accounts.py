"""Who may come in: an admin's tour, one's own account, and what somebody reads who has to wait."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect
from support.browser import PASSWORD, people, visiting
from support.http import fill, serving

from api.console.throttling import FREE_BY_NAME
from api.settings import OidcSettings
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.tables import sign_in_failures

TOO_MANY = re.compile(r"^there were too many attempts: wait 3 minutes, then try again$")
ANOTHER = "four quiet herons wade"


def test_an_admin_lets_somebody_in_and_out_again(browser, shop, as_role):
    admin = as_role(Role.ADMIN)
    page = admin.page
    page.get_by_role("navigation").get_by_role("link", name="Accounts").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Accounts")
    admin.check()
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Role").select_option("approver")
    page.get_by_role("button", name="Make the account").click()
    shown = page.get_by_role("region", name="Password")
    expect(shown).to_have_text(re.compile(r"^[a-z2-9]{5}(-[a-z2-9]{5}){3}$"))
    password = shown.inner_text()
    admin.check()
    with visiting(browser, shop) as ada:
        ada.go("/console/sign-in").get_by_label("Name").fill("ada")
        ada.page.get_by_label("Password").fill(password)
        ada.page.get_by_role("button", name="Sign in").click()
        expect(ada.page.get_by_role("heading", level=1)).to_have_text("Overview")
        page.get_by_role("link", name="I have written it down").click()
        page.get_by_role("link", name="ada").click()
        expect(page.get_by_text("in 1 browser")).to_be_visible()
        admin.check()
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Put out of use").click()
        expect(page.get_by_role("status")).to_have_text("ada cannot sign in any longer.")
        admin.check()
        ada.go("/console")
        expect(ada.page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_what_is_wrong_with_a_new_account_is_said_at_the_field(as_role):
    admin = as_role(Role.ADMIN)
    expect(admin.page.get_by_role("heading", level=1)).to_have_text("Overview")
    admin.expect(422)
    page = admin.go("/console/accounts")
    page.get_by_label("Name").fill("auditor")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.locator("#name-errors")).to_have_text("there is or was an account of this name")
    expect(page.get_by_label("Name")).to_have_value("auditor")
    admin.check()


def test_everybody_changes_their_own_password(as_role):
    auditor = as_role(Role.AUDITOR)
    page = auditor.page
    page.get_by_role("link", name="auditor · auditor").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    auditor.check()
    page.get_by_label("Password until now").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill(ANOTHER)
    page.get_by_label("New password once more").fill(ANOTHER)
    page.get_by_role("button", name="Change your password").click()
    expect(page.get_by_role("status")).to_contain_text("Your password is changed")
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    auditor.nothing_went_wrong()


def test_whoever_guesses_reads_how_long_to_wait(visit, shop):
    visit.expect(422, 429)
    for told in ("name and password do not belong together", TOO_MANY):
        page = visit.go("/console/sign-in")
        page.get_by_label("Name").fill("auditor")
        page.get_by_label("Password").fill("something else entirely")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_have_text(told)
        with writing(shop.wiring.engine) as conn:
            conn.execute(sign_in_failures.update().values(n=FREE_BY_NAME + 7))  # so many others tried as well
    visit.check()


def test_a_page_that_is_for_others_says_so_and_keeps_the_menu(as_role):
    visit = as_role(Role.MARKETER)
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Overview")
    visit.expect(403)
    page = visit.go("/console/accounts")
    expect(page.get_by_role("alert")).to_contain_text("this page is not for your role")
    visit.check()
    page.get_by_role("link", name="Back to the overview").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


@pytest.fixture
def shop_with_provider(sqlite_store):
    oidc = OidcSettings("https://login.example", "tactful", "a secret", (("x", "auditor"),))
    settings = replace(sqlite_store.settings, oidc=oidc)
    with serving(settings, fill(settings, model=False)) as served:
        people(served)
        yield served


def test_signing_in_elsewhere_is_offered_where_it_is_set_up(browser, shop_with_provider):
    with visiting(browser, shop_with_provider) as visit:
        page = visit.go("/console/sign-in?next=/console/me")
        button = page.get_by_role("link", name="Sign in with the shop's own sign-in")
        expect(button).to_have_attribute("href", "/console/sign-in/elsewhere?next=%2Fconsole%2Fme")
        visit.check()
