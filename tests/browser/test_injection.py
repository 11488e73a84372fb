"""Whatever a shop's feed, its staff or its customers write stays text: nothing of it runs, anywhere.

Titles, categories, names and texts of policies are planted that are scripts to a browser if anybody forgets
to escape them once. Then every page is opened. The pages' policy (CSP) would refuse such scripts as well, so
it is looked at that it never had to.
"""

from dataclasses import replace
from urllib.parse import quote

import pytest
import yaml
from playwright.sync_api import expect
from support.browser import people, visiting
from support.drafts import filled
from support.http import BUYER, EVERYTHING, ITEMS, fill, serving
from support.pages import customer_token, hashed, path_of, routes

from api.auth import access_of
from api.demo.state import FORMAT, DemoState, write_state
from api.storage.accounts import create_account
from api.storage.api_keys import Role, create_key
from api.storage.connection import writing
from api.storage.items import upsert_items
from api.wiring import now_ms

RUNS = "window.ran=1"
PAYLOADS = (
    f"<script>{RUNS}</script>",
    f'"><img src=x onerror={RUNS}>',
    f"'><svg onload={RUNS}>",
    f"</title></textarea></option></pre><script>{RUNS}</script>",
    f'" autofocus onfocus={RUNS} x="',
    f"javascript:{RUNS}",
    f"<a href=javascript:{RUNS}>x</a><iframe srcdoc='<script>parent.{RUNS}</script>'></iframe>",
    f"<div hx-get=/console/me hx-trigger=load hx-on::load={RUNS}>",
    f"{{{{ {RUNS} }}}}{{% print(1) %}}&lt;script&gt;{RUNS}&lt;/script&gt;",
    f"-->]]><style>@import'//evil.example'</style><base href=//evil.example><script>{RUNS}</script>",
)
ODD_ITEM = f"<svg onload={RUNS}>"

LOOKS = r"""() => {
  const held = [...document.querySelectorAll("main *")].flatMap((each) => [...each.attributes]);
  const leads = ["href", "src", "action", "formaction"];
  const runs = ({ name, value }) =>
    name.startsWith("on") || (leads.includes(name) && /^\s*javascript:/i.test(value));
  const typed = [...document.querySelectorAll("input, textarea")].map((each) => each.value);
  return {
    ran: window.ran,
    refused: window.refused,
    running: held.filter(runs).map(({ name, value }) => `${name}=${value}`),
    shown: [document.documentElement.textContent, ...typed].some((text) => text.includes("window.ran")),
  };
}"""

SHOWN_ON = {
    "/console/accounts",
    "/console/accounts/<name:account_id>",
    "/console/catalogue/items",
    "/console/catalogue/items/<id:item_id>",
    "/privacy/shown",
    "/privacy/known",
}
"""Where at least what was planted can be read; on other pages too, as far as they tell of it."""


def nth(number):
    return PAYLOADS[number % len(PAYLOADS)]


@pytest.fixture
def shop(sqlite_store):
    settings = replace(sqlite_store.settings, demo=True, controller=nth(0), contact=nth(1))
    keys = fill(settings)
    write_state(settings.data_dir, DemoState(FORMAT, now_ms(), finished=True))
    with writing(sqlite_store.engine) as conn:
        spoiled = [
            replace(item, title=f"{n} {nth(n)}", category=f"Food > {nth(n + 3)}", brand=nth(n + 5))
            for n, item in enumerate(ITEMS)
        ]
        odd = replace(ITEMS[0], item_id=ODD_ITEM, title=nth(2))
        upsert_items(conn, [*spoiled, odd], now_ms())
        create_key(conn, Role.SITE, nth(4), now_ms())
    with serving(settings, keys) as served:
        people(served)
        yield served


@pytest.fixture
def planted(shop):
    """Let customers and staff write what they can; return what addresses of pages lead to."""
    with writing(shop.wiring.engine) as conn:
        account = create_account(conn, nth(0)[:60], Role.MARKETER, now_ms(), password_hash=hashed())
    shop.choose("given", *EVERYTHING, record_id=nth(1), notice_id=nth(2), notice_version=nth(3), actor=nth(4))
    decision_id = shop.recommend(customer_id=BUYER, count=8).json()["decision_id"]
    assert shop.ask("POST", f"/v1/decisions/{decision_id}/contest").status_code < 300
    request = shop.ask("GET", "/v1/requests", Role.AUDITOR).json()["requests"][0]
    rule = {"id": "odd", "when": {"item": {"brand": nth(5)}}, "then": "drop"}
    texts = {"title": nth(0), "rationale": nth(1), "owner": nth(2), "customer_sentence": nth(3)}
    draft = yaml.safe_dump(filled({"rules": [{**rule, **texts}]}), allow_unicode=True)
    sent = shop.ask(
        "POST",
        "/v1/policies/house/versions",
        Role.MARKETER,
        content=f"# {nth(6)}\n{draft}",
        headers={"Content-Type": "application/yaml"},
    )
    return {
        "account_id": account.account_id,
        "decision_id": decision_id,
        "item_id": ODD_ITEM,
        "request_id": request.get("request_id", "1"),
        "name": "house",
        "version": sent.json().get("version", "1"),
    }


def stays_text(visit, where):
    found = visit.page.evaluate(LOOKS)
    assert found["ran"] is None, where
    assert found["refused"] == [], (where, found["refused"])
    assert found["running"] == [], (where, found["running"])
    return found["shown"]


def pages_for(shop, *, customers):
    for rule, method in routes(shop.app, pages=True):
        access = access_of(shop.app, rule.endpoint)
        if method == "GET" and access.customer is customers and not rule.rule.startswith("/static"):
            yield rule


def look_at_all(visit, shop, planted, *, customers):
    shown = set()
    visit.expect(403, 404, 409, 422)
    for rule in pages_for(shop, customers=customers):
        address = f"{shop.url}{path_of(rule, **planted)}"
        held = visit.page.request.get(address)
        assert held.status < 500, (rule.rule, held.status)
        if not held.headers["content-type"].startswith("text/html") or "attachment" in str(held.headers):
            continue
        visit.page.goto(address)
        if stays_text(visit, rule.rule):
            shown.add(rule.rule)
    return shown


def test_what_is_stored_is_text_on_every_page(browser, shop, planted):
    with visiting(browser, shop) as staff:
        staff.sign_in(Role.ADMIN)
        shown = look_at_all(staff, shop, planted, customers=False)
        story = staff.go(f"/console/decisions/{planted['decision_id']}")
        story.get_by_role("button", name="Open the whole story").click()
        expect(story.get_by_role("button", name="Open the whole story")).to_have_count(0)
        assert stays_text(staff, "the opened story")
    with visiting(browser, shop) as customer:
        customer.page.request.post(
            f"{shop.url}/privacy/enter", form={"token": customer_token(shop, BUYER)}, max_redirects=0
        )
        shown |= look_at_all(customer, shop, planted, customers=True)
    assert SHOWN_ON - shown == set()


def test_what_is_asked_for_is_text_in_the_answer(browser, shop):
    with visiting(browser, shop) as visit:
        visit.expect(403, 404, 422, 429)
        for payload in PAYLOADS[:4]:
            visit.go(f"/console/sign-in?next={quote(payload, safe='')}")
            stays_text(visit, "next")
            page = visit.go(f"/console/sign-in?{quote(payload, safe='')}=1")
            expect(page.locator("#problem")).to_contain_text("unknown")
            assert stays_text(visit, "a question that nobody knows")
            visit.go("/console/sign-in")
            visit.page.get_by_label("Name").fill(payload)
            visit.page.get_by_label("Password").fill(payload)
            visit.page.get_by_role("button", name="Sign in").click()
            expect(visit.page.get_by_role("alert")).to_be_visible()
            assert stays_text(visit, "the name")
        visit.sign_in(Role.ADMIN)
        expect(visit.page.locator("nav.rooms")).to_be_visible()
        asked = (
            ("/console/catalogue/items", ("category", "words", "after", "class")),
            ("/console/decisions", ("placement", "rule", "policy", "model", "outcome", "after")),
            ("/console/accounts", ("x",)),
            ("/console/log", ("x",)),
        )
        for path, names in asked:
            for number, name in enumerate(names):
                visit.go(f"{path}?{name}={quote(nth(number), safe='')}")
                stays_text(visit, (path, name))
        for path in (f"/console/{ODD_ITEM}", f"/console/accounts/{ODD_ITEM}", f"/privacy/{ODD_ITEM}"):
            visit.go(quote(path))
            stays_text(visit, path)
