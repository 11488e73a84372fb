"""Who may go where: every route of the application against a table that people wrote and reviewed."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from support.http import BUYER, fill, serving
from support.pages import (
    SIGN_IN,
    come_in,
    customer_token,
    path_of,
    routes,
    sign_in,
    somebody,
    staff_of,
    token_in,
)

from api.auth import access_of
from api.demo.state import FORMAT, DemoState, write_state
from api.storage.accounts import STAFF
from api.storage.api_keys import Role
from api.wiring import now_ms

TABLE = yaml.safe_load((Path(__file__).parents[2] / "cases" / "access.yaml").read_text("utf-8"))
UNREAD = {"surprise": "1"}
"""A question that no route knows: whoever is let in is told so, and nothing is done."""

FROM_ELSEWHERE = {"/privacy/enter"}
"""Forms that a page of the shop may send, which holds no token of ours."""


@pytest.fixture(scope="module")
def shop(open_shop):
    """The same shop with everything open that can be opened."""
    settings = replace(open_shop.settings, demo=True)
    write_state(settings.data_dir, DemoState(FORMAT, now_ms(), finished=True))
    with serving(settings, open_shop.keys) as served:
        yield served


def declared(app, rule):
    access = access_of(app, rule.endpoint)
    if access.public:
        return "anybody"
    return " ".join(
        [*(["customer"] if access.customer else []), *(r.value for r in Role if r in access.roles)]
    )


@pytest.mark.parametrize("kind", ["api", "pages"])
def test_every_route_has_a_row_that_says_who_may_go_there_and_no_row_is_left_over(shop, kind):
    found = {
        f"{method} {rule.rule}": declared(shop.app, rule)
        for rule, method in routes(shop.app, pages=kind == "pages")
    }
    table = TABLE[kind]
    assert {row: who for row, who in found.items() if row not in table} == {}, "routes without a row"
    assert sorted(set(table) - set(found)) == [], "rows without a route"
    assert {row: (who, table[row]) for row, who in found.items() if table[row] != who} == {}, "changed"


def test_no_role_may_less_than_nobody_and_admins_may_everything_of_staff():
    for rows in TABLE.values():
        for row, who in rows.items():
            assert who in ("anybody", "customer") or who.split()[-1] == "admin", row


def may(row, who):
    return who in row.split() or row == "anybody"


@pytest.mark.parametrize("who", ["nobody", "nonsense", "customer", *(role.value for role in Role)])
def test_a_key_or_token_opens_what_the_table_says_and_no_page(shop, who):
    secrets = {role.value: key for role, key in shop.keys.items()}
    secrets["customer"] = customer_token(shop, BUYER)
    secrets["nonsense"] = "nonsense"
    headers = {"Authorization": f"Bearer {secrets[who]}"} if who in secrets else {}
    for kind in ("api", "pages"):
        for rule, method in routes(shop.app, pages=kind == "pages"):
            row = TABLE[kind].get(f"{method} {rule.rule}")
            if row is None:
                continue  # a test of its own says so
            path = path_of(rule, customer_id=BUYER)
            answer = shop.client.request(method, path, params=UNREAD, headers=headers)
            if kind == "api":
                expected = may(row, who)
                refused = 403 if who not in ("nobody", "nonsense") else 401
            else:
                known = method == "GET" or rule.rule in FROM_ELSEWHERE
                expected, refused = row == "anybody" and known, 303 if method == "GET" else 403
            told = (method, path, answer.status_code, answer.text[:200])
            assert (answer.status_code != refused) is expected, told
            assert answer.status_code < 500, told


@pytest.mark.parametrize("who", ["customer", *(role.value for role in STAFF)])
def test_a_session_opens_the_pages_that_the_table_says_and_no_route_of_the_api(shop, who):
    with somebody(shop) as client:
        if who == "customer":
            come_in(shop, client, BUYER)
            seen_on = SIGN_IN
        else:
            assert sign_in(client, who).status_code == 303
            seen_on = "/console/me"
        tokens = {True: token_in(client.get(seen_on)), False: token_in(client.get("/privacy/enter"))}
        for rule, method in routes(shop.app, pages=True):
            row = TABLE["pages"].get(f"{method} {rule.rule}")
            if row is None:
                continue  # a test of its own says so
            token = tokens[rule.rule.startswith("/console")]
            data = {"csrf_token": token} if method == "POST" else None
            answer = client.request(method, path_of(rule), params=UNREAD, data=data)
            told = (method, rule.rule, answer.status_code, answer.headers.get("Location"), answer.text[:200])
            assert answer.status_code < 500, told
            if may(row, who):
                assert answer.status_code not in (403, 303), told
            elif row == "customer":
                assert (answer.status_code, answer.headers["Location"]) == (303, "/privacy/enter"), told
            elif who == "customer":
                assert answer.status_code == 303, told
                assert answer.headers["Location"].startswith("/console/sign-in"), told
            else:
                assert answer.status_code == 403, told
        for rule, method in routes(shop.app, pages=False):
            answer = client.request(method, path_of(rule, customer_id=BUYER), params=UNREAD)
            closed = TABLE["api"].get(f"{method} {rule.rule}") != "anybody"
            assert (answer.status_code == 401) is closed, (method, rule.rule, answer.text)


def test_a_customer_opens_nothing_of_another_customer(shop):
    headers = {"Authorization": f"Bearer {customer_token(shop, 'somebody-else')}"}
    for rule, method in routes(shop.app, pages=False):
        if "customer_id" not in rule.arguments:
            continue
        answer = shop.client.request(method, path_of(rule, customer_id=BUYER), headers=headers)
        assert answer.status_code == 403, (method, rule.rule)


def test_what_is_declared_for_nobody_is_closed_to_everybody(sqlite_store):
    with serving(sqlite_store.settings, fill(sqlite_store.settings, model=False)) as shop:
        staff_of(shop)
        shop.app.view_functions["overview.overview"] = lambda: "reached"
        with somebody(shop) as client:
            sign_in(client, "admin")
            for headers in ({}, shop.auth(Role.ADMIN)):
                answer = client.get("/console", headers=headers)
                assert "reached" not in answer.text
                assert answer.status_code in (401, 403, 303)
