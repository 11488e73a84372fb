"""Customers' requests: an auditor sees how they stand, an admin answers them in time."""

from __future__ import annotations

from playwright.sync_api import expect
from support.http import BUYER

from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.requests import RequestKind, open_request
from engine.interactions import DAY_MS


def asked(shop, kind, age_days=0, customer_id=BUYER):
    """Take a request down that was made some days ago; return its id."""
    now_ms = shop.wiring.clock() - age_days * DAY_MS
    request_id = shop.wiring.new_id()
    with writing(shop.wiring.engine) as conn:
        open_request(conn, request_id, shop.wiring.subjects.account(customer_id), kind, now_ms)
    return request_id


def test_an_admin_finds_what_is_overdue_and_answers_it(as_role, shop):
    late, fresh = asked(shop, RequestKind.ACCESS, 33), asked(shop, RequestKind.PORTABILITY, 25)
    visit = as_role(Role.ADMIN)
    page = visit.page
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Customers' requests").click()
    expect(page.get_by_role("alert")).to_contain_text("1 request is overdue.")
    expect(page.get_by_role("row").nth(1)).to_contain_text("days overdue")
    visit.check()
    page.locator(f'a[href="/console/requests/{late}"]').click()
    expect(page.get_by_role("button", name="Put it off")).to_have_count(0)
    page.get_by_label("In words").fill("sent by mail")
    page.get_by_role("button", name="Close the request").click()
    expect(page.get_by_text("The request is closed.")).to_be_visible()
    visit.check()

    page.goto(f"{shop.url}/console/requests/{fresh}")
    visit.check()
    page.get_by_label("By how many days").fill("20")
    page.get_by_label("Why").fill("a very large history")
    page.get_by_role("button", name="Put it off").click()
    expect(page.get_by_text("The request was put off.")).to_be_visible()
    expect(page.get_by_text("25 days left")).to_be_visible()


def test_an_erasure_is_seen_place_by_place_and_an_auditor_changes_nothing(as_role, shop):
    receipt = shop.ask("DELETE", f"/v1/customers/{BUYER}").json()
    waiting = asked(shop, RequestKind.RESTRICTION, 2, "other-4712")
    visit = as_role(Role.AUDITOR)
    page = visit.go(f"/console/requests/{receipt['request_id']}")
    expect(page.get_by_text("Keys of the records destroyed")).to_be_visible()
    visit.check()
    page.goto(f"{shop.url}/console/requests/{waiting}")
    expect(page.get_by_text("Requests are answered by an admin")).to_be_visible()
    visit.check()
