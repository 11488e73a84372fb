"""What holds of every page and form, found by walking the application's own map of them."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.demo_shop import a_demo_shop
from support.http import BUYER, fill, serving
from support.pages import (
    PASSWORD,
    SIGN_IN,
    come_in,
    customer_token,
    routes,
    sign_in,
    somebody,
    staff_of,
    token_in,
)
from support.planted import Planted

from api.auth import access_of
from api.pages.rendering import HEADERS
from api.pages.sessions import safe_next
from api.storage.api_keys import Role

FROM_ELSEWHERE = {"/privacy/enter"}
"""Forms that a page of the shop may send, which holds no token of ours."""

NO_PAGES = ("/static/", "/widget/")
"""Files, which hold nothing of anybody."""


NO_PAGE_NOW = {
    "/console/models/rollback": 409,
    "/console/policies/<name:name>/versions/<name:version>/rehearsal/progress": 303,
    "/console/policies/edit": 303,
    "/console/sign-in": 303,
    "/console/sign-in/elsewhere": 404,
    "/console/sign-in/return": 404,
}
"""They lead on what is in or has ended, or lack a model to go back to or a provider of accounts."""


@pytest.fixture(scope="module")
def shop(shared_store):
    """A shop with everything open that can be opened, the demo as well; tests change nothing in it."""
    with a_demo_shop(shared_store.settings) as served:
        yield served


@pytest.fixture(scope="module")
def visitors(shop):
    """Somebody whom each page is for: a customer, an admin or a household of the demo; come in once."""
    staff = staff_of(shop)
    with somebody(shop) as customer, somebody(shop) as admin, somebody(shop) as household:
        come_in(shop, customer, BUYER)
        sign_in(admin, "admin")

        def visitor(rule):
            rooms = {"/console": admin, "/demo": household}
            return next((each for at, each in rooms.items() if rule.rule.startswith(at)), customer)

        visitor.tokens = {
            customer: token_in(customer.get("/privacy")),
            admin: token_in(admin.get("/console/me")),
            household: token_in(household.get("/demo")),
        }
        household.headers["X-CSRF-Token"] = visitor.tokens[household]
        visitor.planted = Planted(shop, staff[Role.MARKETER], admin, household)
        del household.headers["X-CSRF-Token"]
        yield visitor


def forms(shop):
    return [rule for rule, method in routes(shop.app, pages=True) if method == "POST"]


def refused(answer):
    assert answer.status_code == 403, (answer.request.url, answer.status_code, answer.text[:300])
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


# Forms of other sites (CWE-352)


def test_only_forms_that_are_meant_to_are_taken_from_elsewhere(shop):
    found = {rule.rule for rule in forms(shop) if shop.app.view_functions[rule.endpoint].from_elsewhere}
    assert found == FROM_ELSEWHERE


def test_no_form_is_taken_without_its_token_or_with_another_one(shop, visitors):
    with somebody(shop) as stranger:
        theirs = token_in(stranger.get(SIGN_IN))
    for rule in forms(shop):
        if rule.rule in FROM_ELSEWHERE:
            continue
        client, path = visitors(rule), visitors.planted.path(rule)
        token = visitors.tokens[client]
        refused(client.post(path))
        for wrong in ("", "x", theirs, token[:-1], token + "x", token.swapcase()):
            refused(client.post(path, data={"csrf_token": wrong}))
            refused(client.post(path, headers={"X-CSRF-Token": wrong}))
        refused(client.post(path, params={"csrf_token": token}))
        unread = {"surprise": "1"}
        assert client.post(path, params=unread, data={"csrf_token": token}).status_code == 422
        assert client.post(path, params=unread, headers={"X-CSRF-Token": token}).status_code == 422


def test_no_form_is_taken_that_the_browser_says_comes_from_another_site(shop, visitors):
    for rule in forms(shop):
        if rule.rule in FROM_ELSEWHERE:
            continue
        client = visitors(rule)
        data = {"csrf_token": visitors.tokens[client]}
        for site in ("cross-site", "same-site", "made-up"):
            refused(client.post(visitors.planted.path(rule), data=data, headers={"Sec-Fetch-Site": site}))


def test_a_token_ends_with_the_session_it_was_made_for(shop):
    with somebody(shop) as client:
        before = token_in(client.get(SIGN_IN))
        assert sign_in(client, "auditor").status_code == 303
        refused(client.post("/console/sign-out", data={"csrf_token": before}))
        during = token_in(client.get("/console/me"))
        client.post("/console/sign-out", data={"csrf_token": during})
        refused(client.post("/console/language", data={"csrf_token": during, "language": "da"}))


def test_a_token_ends_when_another_customer_comes_in(shop):
    with somebody(shop) as client:
        come_in(shop, client, "one")
        before = token_in(client.get("/privacy"))
        token = shop.ask("POST", "/v1/customers/two/tokens", json={}).json()["token"]
        client.post("/privacy/enter", data={"token": token})
        refused(client.post("/privacy/leave", data={"csrf_token": before}))


def test_looking_changes_nothing_that_a_link_of_another_site_could_ask_for(shop):
    for rule in shop.app.url_map.iter_rules():
        if access_of(shop.app, rule.endpoint).page:
            assert rule.methods - {"HEAD", "OPTIONS"} in ({"GET"}, {"POST"}), rule


# What every page tells the browser


class Markup(HTMLParser):
    """Finds what a page must not hold."""

    def __init__(self):
        super().__init__()
        self.wrong = []

    def handle_starttag(self, tag, attrs):
        held = dict(attrs)
        if tag == "script" and not (held.get("src") or "").startswith("/"):
            self.wrong.append(self.get_starttag_text())
        if tag in ("style", "iframe", "object", "embed", "base", "frame"):
            self.wrong.append(self.get_starttag_text())
        for name, value in attrs:
            runs = name.startswith(("on", "hx-on")) or name == "style"
            if runs or re.match(r"\s*(javascript|vbscript|data:text)", value or "", re.IGNORECASE):
                self.wrong.append(self.get_starttag_text())
            elsewhere = name in ("src", "href", "action", "formaction") and urlsplit(value or "").netloc
            if elsewhere and tag != "a":
                self.wrong.append(self.get_starttag_text())
            if tag == "form" and name == "method" and value not in ("get", "post"):
                self.wrong.append(self.get_starttag_text())


def pages(shop):
    """Return every page that can be looked at; files are none."""
    return [
        rule
        for rule, method in routes(shop.app, pages=True)
        if method == "GET" and not rule.rule.startswith(NO_PAGES)
    ]


def test_behind_every_address_is_a_page(shop, visitors):
    found = {rule.rule: visitors(rule).get(visitors.planted.page(rule)).status_code for rule in pages(shop)}
    assert {rule: status for rule, status in found.items() if status != 200} == NO_PAGE_NOW


def test_every_page_keeps_to_its_policy_and_cannot_be_framed(shop, visitors):
    for rule in pages(shop):
        client = visitors(rule)
        path = visitors.planted.page(rule)
        for answer in (client.get(path), shop.client.get(path)):
            where = (rule.rule, answer.status_code)
            assert answer.headers["X-Content-Type-Options"] == "nosniff", where
            assert "X-Powered-By" not in answer.headers, where
            if not answer.headers["Content-Type"].startswith("text/html") or 300 <= answer.status_code < 400:
                continue
            for name, text in HEADERS.items():
                assert answer.headers[name] == text, where
            policy = answer.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert "no-store" in answer.headers.get("Cache-Control", ""), where
            found = Markup()
            found.feed(answer.text)
            assert found.wrong == [], where


def test_every_form_that_changes_something_holds_its_token(shop, visitors):
    sent_to = set()
    for rule in pages(shop):
        page = visitors(rule).get(visitors.planted.page(rule)).text
        for form in re.findall(r'<form[^>]*method="post".*?</form>', page, re.DOTALL):
            address = re.search(r'action="([^"]+)"', form)
            sent_to.add(address and address[1])
            if address is None or address[1] not in FROM_ELSEWHERE:
                assert 'name="csrf_token"' in form, (rule.rule, form[:200])
        for form in re.findall(r'<form[^>]*method="get".*?</form>', page, re.DOTALL):
            assert 'name="csrf_token"' not in form, (rule.rule, "a token would stand in an address")
    offered = [rule for rule in forms(shop) if visitors.planted.path(rule) in sent_to]
    assert len(offered) > len(forms(shop)) * 3 // 4, "most forms stand on some page"


def test_scripts_of_other_origins_read_no_page_also_where_they_may_ask_the_api(shop, visitors):
    settings = replace(shop.settings, origins=("https://shop.example",))
    asked = {"Origin": "https://shop.example"}
    with serving(settings, shop.keys) as served, somebody(served) as client:
        sign_in(client, "admin")
        for rule, _ in routes(served.app, pages=True):
            if rule.rule.startswith("/widget/"):
                continue
            for method in ("GET", "OPTIONS"):
                wanted = {"Access-Control-Request-Method": "POST"} if method == "OPTIONS" else {}
                answer = client.request(method, visitors.planted.path(rule), headers={**asked, **wanted})
                told = [name for name in answer.headers if name.startswith("access-control")]
                assert told == [], (method, rule.rule)
        allowed = client.options(
            "/v1/recommendations", headers={**asked, "Access-Control-Request-Method": "POST"}
        )
        assert "Access-Control-Allow-Credentials" not in allowed.headers


def test_cookies_are_for_us_alone(shop):
    with somebody(shop) as client:
        cookie = sign_in(client, "auditor").headers["Set-Cookie"]
    assert re.fullmatch(r"tactful=[^;]+; HttpOnly; Path=/; SameSite=Lax", cookie)


def test_what_another_site_sends_to_the_customers_entrance_signs_nobody_of_the_shop_out(shop):
    with somebody(shop) as staff, somebody(shop) as elsewhere:
        sign_in(staff, "auditor")
        for token in ("ct_of-another-site", customer_token(shop, BUYER)):
            # browsers send no cookie with a form of another site, and keep those that come back (SameSite)
            answer = elsewhere.post("/privacy/enter", data={"token": token})
            elsewhere.cookies.clear()
            staff.cookies.update(answer.cookies)
            assert set(staff.cookies) == {"tactful", "tactful-customer"}
            assert staff.get("/console/me").status_code == 200
        assert staff.get("/privacy").status_code == 200, "and the customer is let in beside them"
        staff.post("/console/sign-out", data={"csrf_token": token_in(staff.get("/console/me"))})
        assert staff.get("/console/me").status_code == 303
        assert staff.get("/privacy").status_code == 200


def test_over_tls_the_cookie_is_for_tls_and_this_host_alone_and_browsers_stay_with_tls(shop):
    settings = replace(shop.settings, public_url="https://suggestions.shop.example")
    with serving(settings, shop.keys) as served, somebody(served) as client:
        answer = client.get(SIGN_IN)
        cookie = answer.headers["Set-Cookie"]
        assert re.fullmatch(r"__Host-tactful=[^;]+; Secure; HttpOnly; Path=/; SameSite=Lax", cookie)
        for path in (SIGN_IN, "/healthz", "/v1/items/x", "/nothing", "/static/tactful.css"):
            assert client.get(path).headers["Strict-Transport-Security"] == "max-age=31536000", path


def test_where_there_is_no_tls_browsers_are_not_told_to_insist_on_it(shop):
    assert "Strict-Transport-Security" not in shop.client.get(SIGN_IN).headers


# Where one is led on to (CWE-601)

HOSTILE = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/%2F/evil.example",
    "/%5Cevil.example",
    "/console//evil.example",
    "//evil.example/console",
    "https:/console",
    "https:console",
    "javascript:alert(1)",
    "data:text/html,x",
    "/console\r\nLocation: https://evil.example",
    "/\u2028/evil.example",
    "/v1/items/x",
    "/metrics",
    "/nothing",
    "http:///evil.example",
    "//[::1]/console",
    "//[",
    "/console@evil.example",
    "evil.example",
]


def browsers_go_to(address):
    """Return the host that a browser goes to (URL Standard: control characters go, backslashes turn)."""
    cleaned = re.sub(r"[\t\r\n]", "", address.strip("".join(map(chr, range(33))))).replace("\\", "/")
    return urlsplit(urljoin("https://shop.example/console/sign-in", cleaned)).netloc


@pytest.mark.parametrize("path", HOSTILE)
def test_signing_in_leads_nowhere_else(shop, path):
    assert safe_next(shop.app, path, "/console") == "/console"
    with somebody(shop) as client:
        page = client.get(f"{SIGN_IN}?next={quote(path, safe='')}")
        assert page.status_code in (200, 422)
        token = token_in(client.get(SIGN_IN))
        chosen = client.post("/console/language", data={"csrf_token": token, "language": "en", "next": path})
        assert chosen.headers["Location"] == "/console"


def test_a_page_that_was_asked_for_is_where_signing_in_leads(shop):
    with somebody(shop) as client:
        there = client.get("/console/accounts").headers["Location"]
        assert there == "/console/sign-in?next=%2Fconsole%2Faccounts"
        assert sign_in(client, "admin", next="/console/accounts").headers["Location"] == "/console/accounts"
        assert client.get(f"{SIGN_IN}?next=https://evil.example").headers["Location"] == "/console"
        assert client.get(f"{SIGN_IN}?next=/console/me").headers["Location"] == "/console/me"


_PIECES = st.sampled_from(
    [
        *("/", "\\", "//", ":", "@", "%2F", "%5c", "\t", "\n", "\r", " ", ".", "..", "?", "#", "[", "]"),
        *("console", "privacy", "sign-in", "evil.example", "https:", "\x00", "\x7f", "\u2028", "\uff0f"),
    ]
)


@given(path=st.lists(_PIECES, max_size=8).map("".join) | st.text(max_size=20))
def test_no_text_leads_to_another_host(shop, path):
    onward = safe_next(shop.app, path, "/console")
    assert onward.isprintable()
    assert browsers_go_to(onward) == "shop.example"
    assert onward.startswith("/")


# What is answered to what nobody should ask


def test_methods_that_no_page_has_are_refused_with_a_page(shop, visitors):
    for rule, _ in routes(shop.app, pages=True):
        for method in ("TRACE", "LOCK", "PROPFIND", "PUT", "PATCH", "DELETE", "MADEUP"):
            answer = visitors(rule).request(method, visitors.planted.path(rule))
            told = (method, rule.rule, answer.status_code)
            assert answer.status_code in (404, 405), told
            if rule.rule.startswith(("/console", "/privacy", "/demo")):
                assert answer.headers["Content-Type"].startswith("text/html"), told
    assert "secret" not in shop.client.request("TRACE", SIGN_IN, headers={"X-Own": "secret"}).text


def test_a_page_that_is_not_there_is_a_page_with_the_menu_for_who_is_signed_in(shop, visitors):
    (admin,) = [each for each in visitors.tokens if "/console/accounts" in each.get("/console/me").text]
    for client, has_menu in ((admin, True), (shop.client, False)):
        answer = client.get("/console/nothing-of-the-sort")
        assert answer.status_code == 404
        assert "There is nothing here" in answer.text
        assert ('href="/console/accounts"' in answer.text) is has_menu
        for name, text in HEADERS.items():
            assert answer.headers[name] == text


def test_a_page_that_is_not_for_a_role_says_so_with_the_menu(shop):
    with somebody(shop) as client:
        sign_in(client, "marketer")
        answer = client.get("/console/accounts")
        assert answer.status_code == 403
        assert "this page is not for your role" in answer.text
        assert "marketer" in answer.text
        assert 'href="/console"' in answer.text


def test_a_fault_of_ours_shows_nothing_of_its_insides(sqlite_store):
    with serving(sqlite_store.settings, fill(sqlite_store.settings, model=False)) as served:
        view = served.app.view_functions["entrance.sign_in_page"]

        def broken(**_):
            raise RuntimeError("hunter2 in /srv/secret.py")

        broken.access = view.access
        served.app.view_functions["entrance.sign_in_page"] = broken
        answer = served.client.get(SIGN_IN)
    assert answer.status_code == 500
    assert answer.headers["Content-Type"].startswith("text/html")
    for inside in ("hunter2", "secret.py", "Traceback", "RuntimeError", "werkzeug", "flask"):
        assert inside not in answer.text


def test_a_form_that_is_too_large_or_none_at_all_is_refused_with_a_page(shop):
    with somebody(shop) as client:
        token = token_in(client.get(SIGN_IN))
        large = client.post(SIGN_IN, data={"csrf_token": token, "name": "x" * 3_000_000, "password": "y"})
        assert large.status_code == 413
        assert large.headers["Content-Type"].startswith("text/html")
        refused(client.post(SIGN_IN, json={"csrf_token": token, "name": "x", "password": PASSWORD}))


@given(junk=st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4))
def test_no_form_and_no_query_breaks_the_door(shop, visitors, junk):
    client = visitors(next(rule for rule in forms(shop) if rule.rule == "/console/accounts"))
    token = visitors.tokens[client]
    names = {name for name in junk if name.isprintable()}
    for path in (SIGN_IN, "/console/accounts", "/console/me/password", "/console/language"):
        assert client.post(path, data={**junk, "csrf_token": token}).status_code < 500
        assert client.get(path, params={name: junk[name] for name in names}).status_code < 500
