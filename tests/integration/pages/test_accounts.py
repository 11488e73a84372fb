"""Accounts: admins give and take them, everybody has their own, and the log says who did what."""

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from support.http import fill, serving
from support.pages import PASSWORD, send, sign_in, somebody, staff_of

from api.console.passwords import LEAST_CHARACTERS, MOST_CHARACTERS, new_password, weakness
from api.console.people import give_role, put_out_of_use
from api.errors import AccountRefusedError
from api.storage.accounts import list_accounts
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.tables import log_entries

ACCOUNTS, ME = "/console/accounts", "/console/me"
ANOTHER = "four quiet herons wade"


@pytest.fixture
def shop(sqlite_store, clock):
    with serving(sqlite_store.settings, fill(sqlite_store.settings, model=False), clock=clock) as served:
        served.people = staff_of(served)
        yield served


def said(shop):
    """Return what the log says of accounts, without those that each shop begins with."""
    with reading(shop.wiring.engine) as conn:
        entries = conn.scalars(
            select(log_entries.c.entry)
            .where(log_entries.c.type == "config")
            .order_by(log_entries.c.log_index)
        )
        told = [orjson.loads(entry) for entry in entries]
    return [each for each in told if "account" in each][len(shop.people) :]


def path_to(shop, role):
    return f"{ACCOUNTS}/{shop.people[role].account_id}"


def test_an_admin_makes_an_account_with_a_password_that_is_shown_once(shop, admin):
    answer = send(admin, ACCOUNTS, ACCOUNTS, name="Ada", role="marketer")
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    shown = re.search(r"<pre[^>]*>([^<]+)</pre>", answer.text)[1]
    assert len(shown) >= LEAST_CHARACTERS
    assert shown not in admin.get(ACCOUNTS).text
    with somebody(shop) as ada:
        assert sign_in(ada, "ada", shown).status_code == 303
        assert ada.get(ACCOUNTS).status_code == 403
    (entry,) = said(shop)
    assert (entry["what"], entry["role"]) == ("account_created", "marketer")
    assert entry["by"] == shop.people[Role.ADMIN].account_id
    assert not re.search(r"\bada\b", orjson.dumps(entry).decode(), re.IGNORECASE)


def test_an_admin_makes_an_account_with_a_password_of_their_own(shop, admin):
    answer = send(admin, ACCOUNTS, ACCOUNTS, name="ada", role="auditor", password=ANOTHER)
    assert (answer.status_code, answer.headers["Location"]) == (303, ACCOUNTS)
    assert "ada can sign in now." in admin.get(ACCOUNTS).text
    with somebody(shop) as ada:
        assert sign_in(ada, "ada", ANOTHER).status_code == 303


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": "AUDITOR"}, "there is or was an account of this name"),
        ({"name": " "}, "it is no name"),
        ({"name": "a\u200bb\u202e"}, "it is no name"),
        ({"name": "x" * 65}, "64"),
        ({"name": ""}, "missing"),
        ({"role": "site"}, "must be one of"),
        ({"role": "owner"}, "must be one of"),
        ({"password": "short"}, "fewer than 12 characters"),
        ({"password": "password1234"}, "tried first"),
        ({"name": "ada-of-the-shop", "password": "Ada-Of-The-Shop1"}, "little more than the name"),
        ({"surprise": "1"}, "unknown field"),
    ],
)
def test_an_account_that_cannot_be_is_refused_at_the_field(shop, admin, fields, told):
    answer = send(admin, ACCOUNTS, ACCOUNTS, **{"name": "ada", "role": "auditor", **fields})
    assert answer.status_code == 422
    assert told in answer.text
    if "password" in fields:
        assert fields["password"] not in answer.text
    assert said(shop) == []


def test_an_admin_signs_out_gives_roles_and_passwords_and_takes_accounts_away(shop, admin):
    path, by = path_to(shop, Role.AUDITOR), shop.people[Role.ADMIN].account_id
    with somebody(shop) as auditor:
        sign_in(auditor, "auditor")
        assert "in 1 browser" in admin.get(path).text
        assert send(admin, f"{path}/sign-out", path).status_code == 303
        assert auditor.get(ME).status_code == 303
        assert send(admin, f"{path}/role", path, role="approver").status_code == 303
        shown = re.search(r"<pre[^>]*>([^<]+)</pre>", send(admin, f"{path}/password", path).text)[1]
        assert sign_in(auditor, "auditor").status_code == 422
        assert sign_in(auditor, "auditor", shown).status_code == 303
        assert send(admin, f"{path}/password", path, password=ANOTHER).status_code == 303
        assert auditor.get(ME).status_code == 303
        assert sign_in(auditor, "auditor", ANOTHER).status_code == 303
        assert "approver" in auditor.get(ME).text
        assert send(admin, f"{path}/disable", path).status_code == 303
        assert auditor.get(ME).status_code == 303
    assert [(each["what"].removeprefix("account_"), each["by"]) for each in said(shop)] == [
        ("signed_out", by),
        ("role_changed", by),
        ("password_changed", by),
        ("password_changed", by),
        ("disabled", by),
    ]
    page = admin.get(path).text
    assert "out of use" in page
    assert "Change the role" not in page
    for step, fields in (("role", {"role": "admin"}), ("password", {}), ("disable", {})):
        assert send(admin, f"{path}/{step}", ME, **fields).status_code == 404


def test_an_account_that_is_not_there_is_not_found(admin):
    assert admin.get(f"{ACCOUNTS}/a-0").status_code == 404
    assert send(admin, f"{ACCOUNTS}/a-0/disable", ME).status_code == 404


def test_the_last_admin_stays(shop, admin):
    path = path_to(shop, Role.ADMIN)
    for step, fields in (("disable", {}), ("role", {"role": "auditor"})):
        answer = send(admin, f"{path}/{step}", path, **fields)
        assert answer.status_code == 422
        assert "this is the only admin" in answer.text
    assert said(shop) == []
    send(admin, f"{path_to(shop, Role.AUDITOR)}/role", path, role="admin")
    assert send(admin, f"{path}/disable", path).status_code == 303
    assert admin.get(ME).status_code == 303


def test_two_admins_that_take_each_other_away_at_once_leave_one(store, clock):
    with serving(store.settings, fill(store.settings, model=False), clock=clock) as shop:
        people, engine = staff_of(shop), shop.wiring.engine
        give_role(engine, people[Role.AUDITOR], Role.ADMIN, clock())
        put_out_of_use(engine, people[Role.ADMIN], clock())
        with pytest.raises(AccountRefusedError):
            put_out_of_use(engine, people[Role.AUDITOR], clock())
        with reading(engine) as conn:
            in_use = [each for each in list_accounts(conn) if each.disabled_at_ms is None]
        assert [each.name for each in in_use if each.role is Role.ADMIN] == ["auditor"]


def own(client, **fields):
    usual = {"old": PASSWORD, "new": ANOTHER, "again": ANOTHER}
    return send(client, f"{ME}/password", ME, **{**usual, **fields})


def test_everybody_changes_their_own_password_and_is_signed_out_elsewhere(shop):
    with somebody(shop) as here, somebody(shop) as elsewhere:
        sign_in(here, "auditor")
        sign_in(elsewhere, "auditor")
        before = here.cookies["tactful"]
        assert own(here).status_code == 303
        assert "Your password is changed" in here.get(ME).text
        assert here.cookies["tactful"] != before
        assert elsewhere.get(ME).status_code == 303
        assert sign_in(elsewhere, "auditor").status_code == 422
        assert sign_in(elsewhere, "auditor", ANOTHER).status_code == 303
    (entry,) = said(shop)
    assert entry["what"] == "account_password_changed"
    assert entry["by"] == entry["account"] == shop.people[Role.AUDITOR].account_id


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"old": "something else entirely"}, "this is not your password"),
        ({"again": "another one entirely"}, "the two are not the same"),
        ({"new": "short", "again": "short"}, "fewer than 12 characters"),
        ({"new": "", "again": ""}, "missing"),
    ],
)
def test_a_password_of_ones_own_that_cannot_be_is_refused(shop, fields, told):
    with somebody(shop) as client:
        sign_in(client, "auditor")
        answer = own(client, **fields)
        assert answer.status_code == 422
        assert told in answer.text
        assert client.get(ME).status_code == 200
    assert said(shop) == []


def test_a_browser_that_was_left_open_is_no_place_to_guess(shop):
    with somebody(shop) as client:
        sign_in(client, "auditor")
        statuses = [own(client, old="something else entirely").status_code for _ in range(6)]
        assert statuses == [422] * 5 + [429]
        assert int(own(client).headers["Retry-After"]) >= 1


def test_everybody_signs_out_everywhere(shop):
    with somebody(shop) as here, somebody(shop) as elsewhere:
        sign_in(here, "auditor")
        sign_in(elsewhere, "auditor")
        assert send(here, f"{ME}/sign-out", ME).headers["Location"] == "/console/sign-in"
        assert "You are signed out everywhere." in here.get("/console/sign-in").text
        assert [each.get(ME).status_code for each in (here, elsewhere)] == [303, 303]


def test_names_of_accounts_stand_in_no_log(shop, admin):
    send(admin, ACCOUNTS, ACCOUNTS, name="mallory-the-marketer", role="marketer")
    with reading(shop.wiring.engine) as conn:
        entries = b"".join(bytes(each) for each in conn.scalars(select(log_entries.c.entry)))
    assert b"mallory" not in entries


def test_what_is_made_up_is_never_weak_and_never_the_same():
    made = {new_password() for _ in range(50)}
    assert len(made) == 50
    assert all(weakness("admin", each) is None for each in made)


WHY_NOT = {
    "control characters are not allowed",
    "it has fewer than {n} characters",
    "it has more than {n} characters",
    "it is little more than the name",
    "it is one of those that are tried first",
}


@given(password=st.text(max_size=MOST_CHARACTERS + 20), name=st.text(max_size=30))
def test_a_password_is_taken_if_it_is_long_printable_and_not_the_name(password, name):
    why = weakness(name, password)
    if why is None:
        assert LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS
        assert password.isprintable()
        assert password.casefold() != name.casefold()
    else:
        assert why.template in WHY_NOT
        assert set(why.values) <= {"n"}, "nothing of what was typed is said"
