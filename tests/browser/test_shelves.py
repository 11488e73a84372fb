"""Catalogue, models and measurements as people use them, in a browser."""

import re

import pytest
from playwright.sync_api import expect
from support.browser import people, visiting
from support.http import BUYER, EVERYTHING, fill, serving
from support.learning import numbers_of, say
from support.shops import PROFILING, an_event
from support.stores import an_interaction, store_interactions

from api.evaluating.leakage import Leakage, Row
from api.evaluating.leakage_report import keep_report, report_file
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.items import item_numbers
from api.storage.measured import Measure
from api.storage.tables import decision_kinds, measurements
from api.storage.versions import MODEL, active
from api.wiring import now_ms
from engine.evaluation.attacker import Leak
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Intent

TRAINED_MS = 90_000
"""How long a training of a small shop may take on a busy machine, in milliseconds."""


def heading(page):
    return page.get_by_role("heading", level=1)


def test_a_marketer_raises_a_category_and_the_next_answer_holds_it_back(as_role, shop):
    shop.choose("given", *EVERYTHING)
    visit = as_role(Role.MARKETER)
    page = visit.page
    page.get_by_role("link", name="Catalogue").first.click()
    expect(heading(page)).to_have_text("Catalogue")
    visit.check()
    page.get_by_label("Find an item").fill("bread 3")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Bread no. 3").click()
    expect(page.get_by_text("Nothing sensitive was found in what is known of it.")).to_be_visible()
    visit.check()
    page.get_by_role("link", name="Bread", exact=True).click()
    expect(heading(page)).to_have_text("Bread")
    visit.check()
    page.get_by_label("What it tells about").focus()
    page.keyboard.type("religion")
    page.get_by_role("button", name="See what would change").press("Enter")
    expect(page.get_by_text("All of them are raised.")).to_be_visible()
    visit.check()
    page.get_by_role("button", name="Set the mark").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("5 items changed. It is in force.")
    shown = shop.recommend(customer_id=BUYER, count=10).json()["items"]
    assert not any(each["item_id"].startswith("bread") for each in shown)
    page.get_by_role("link", name="Bread no. 3").click()
    expect(page.get_by_text("because the shop has marked the category")).to_be_visible()
    visit.check()


def test_a_mark_that_would_lower_is_refused_on_the_page(as_role):
    visit = as_role(Role.MARKETER)
    visit.expect(422)
    for tier in (3, 2):
        visit.go(f"/console/catalogue/raise?item=bread-0&tier={tier}")
        if tier == 3:
            visit.page.get_by_role("button", name="Set the mark").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("a mark can only be raised")
    visit.check()


@pytest.fixture
def learning_shop(sqlite_store):
    """A shop with a model, that can be learned from."""
    keys = fill(sqlite_store.settings)
    learn_from(sqlite_store)
    with serving(sqlite_store.settings, keys) as served:
        people(served)
        yield served


def test_an_admin_trains_compares_puts_in_force_and_goes_back(browser, learning_shop):
    shop = learning_shop
    with reading(shop.wiring.engine) as conn:
        before = active(conn)[MODEL]
    with visiting(browser, shop) as visit:
        page = visit.sign_in(Role.ADMIN)
        page.get_by_role("link", name="Models").first.click()
        visit.check()
        page.get_by_label("Put the model in force if it is no worse").uncheck()
        page.get_by_role("button", name="Train now").click()
        expect(heading(page)).to_have_text("Training")
        expect(page.get_by_role("link", name="See the model")).to_be_visible(timeout=TRAINED_MS)
        visit.check()
        page.get_by_role("link", name="See the model").click()
        expect(page.get_by_role("heading", name="What it may not be used for")).to_be_visible()
        visit.check()
        page.get_by_role("link", name="Compare").click()
        expect(page.get_by_text("of item pages would show the same")).to_be_visible()
        visit.check()
        page.get_by_role("link", name="Models").first.click()
        page.get_by_role("link", name=re.compile("^Put in force")).click()
        expect(page.get_by_text("Every byte of the model is checked first")).to_be_visible()
        visit.check()
        page.get_by_role("button", name="Put it in force").click()
        expect(page.get_by_role("status")).to_contain_text("is in force.")
        visit.check()
        with reading(shop.wiring.engine) as conn:
            assert active(conn)[MODEL] != before
        page.get_by_role("link", name="Go back to the model before").press("Enter")
        page.get_by_role("button", name="Go back to it").press("Enter")
        expect(page.get_by_role("status")).to_contain_text(f"Model {before[:12]} is in force.")
        with reading(shop.wiring.engine) as conn:
            assert active(conn)[MODEL] == before


def test_what_an_attacker_can_guess_is_shown(as_role, shop):
    visit = as_role(Role.AUDITOR)
    visit.go("/console/models/leakage")
    expect(visit.page.get_by_text("It was not measured yet.")).to_be_visible()
    visit.check()
    leaks = {"off": Leak(0.74, 0.7, 0.78), "on": Leak(0.51, 0.47, 0.55)}
    leaks |= {"evidence": Leak(0.6, 0.5, 0.7), "popular": Leak(0.5, 0.5, 0.5)}
    rows = (Row("alcohol", 2, False, 96, leaks), Row("health", 3, False, 60, leaks | {"on": leaks["off"]}))
    keep_report(report_file(shop.settings), Leakage(240, "home", 2_000_000, 1, rows, "other", "p"), now_ms())
    visit.again()
    expect(visit.page.get_by_text("Another model is in force since.")).to_be_visible()
    visit.check()


def test_measurements_are_shown_with_charts_and_tables(as_role, shop):
    measured(shop)
    visit = as_role(Role.MARKETER)
    page = visit.page
    page.get_by_role("link", name="Measurements").first.click()
    expect(page.get_by_text("surely below its ceiling")).to_be_visible()
    visit.check()
    page.get_by_label("Side by side").select_option("intent")
    page.get_by_role("button", name="Show").press("Enter")
    expect(page.get_by_role("rowheader", name="something similar")).to_be_visible()


def test_all_of_it_is_there_in_danish_and_without_scripts(browser, shop):
    with visiting(browser, shop, java_script_enabled=False) as visit:
        page = visit.sign_in(Role.MARKETER)
        page.get_by_role("button", name="Dansk").click()
        page.get_by_role("link", name="Katalog").first.click()
        expect(page.get_by_role("heading", name="Hvor meget der vides")).to_be_visible()
        page.get_by_role("link", name="Modeller").first.click()
        expect(page.get_by_role("heading", name="Alle modeller")).to_be_visible()
        page.get_by_role("link", name="Målinger").first.click()
        expect(page.get_by_role("heading", name="Forsøg")).to_be_visible()


def learn_from(store, n_customers=16):
    """Let customers buy who agreed to be learned from, long enough ago."""
    at_ms, rows = now_ms(), []
    with reading(store.engine) as conn:
        numbers = sorted(item_numbers(conn).values())
    for each, customer_no in numbers_of(store, *(f"c{n:02d}" for n in range(n_customers))).items():
        agreed = an_event(PROFILING, record_id=f"{each}-yes", at_ms=at_ms - 90 * DAY_MS)
        say(store, each, agreed, at_ms=at_ms - 90 * DAY_MS)
        rows += [
            an_interaction(
                store,
                numbers[(customer_no * 3 + step * step) % len(numbers)],
                customer_no=customer_no,
                at_ms=at_ms - (5 + 11 * step) * DAY_MS,
            )
            for step in range(6)
        ]
    store_interactions(store, rows)


def measured(shop):
    """Store sums of some days, as if so much had been measured."""
    kind = {"placement": "home", "basis": "contextual", "outcome": "generic"}
    kind |= {"policy": "p" * 64, "model": "m" * 64}
    counts = {Measure.SUGGESTED: 4_000, Measure.SHOWN: 3_000, Measure.CLICKED: 120, Measure.PURCHASED: 20}
    with writing(shop.wiring.engine) as conn:
        added = decision_kinds.insert().values(kind).returning(decision_kinds.c.kind_no)
        (kind_no,) = conn.execute(added).one()
        rows = [
            {
                "day": now_ms() // DAY_MS - days_ago,
                "kind_no": kind_no,
                "channel": int(Channel.WEB),
                "intent": int(Intent.SIMILAR),
                "arm": "",
                "measure": measure.value,
                "n": n + 7 * days_ago,
            }
            for days_ago in range(5)
            for measure, n in counts.items()
        ]
        conn.execute(measurements.insert(), rows)
