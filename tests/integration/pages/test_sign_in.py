"""Sessions: what begins one, what a cookie is worth, and what ends it."""

import re
import statistics
import time

import pytest
from sqlalchemy import select
from support.http import fill, serving
from support.pages import (
    PASSWORD,
    SESSION,
    SIGN_IN,
    hashed,
    hold,
    send,
    sign_in,
    somebody,
    staff_of,
    token_in,
)

from api.console.people import give_role, put_out_of_use, sign_out_everywhere
from api.storage.accounts import IDLE_MS, LONGEST_MS, create_account
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.tables import sign_in_failures, sign_ins

MINUTE_MS = 60_000
WRONG = "something else entirely"


@pytest.fixture
def shop(sqlite_store, clock):
    with serving(sqlite_store.settings, fill(sqlite_store.settings, model=False), clock=clock) as served:
        served.people = staff_of(served)
        yield served


@pytest.fixture
def client(shop):
    with somebody(shop) as browser:
        yield browser


def cookie_of(client):
    return client.cookies[SESSION]


def is_in(client):
    answer = client.get("/console/me")
    assert answer.status_code in (200, 303)
    return answer.status_code == 200


def is_worth_nothing(shop, cookie):
    with somebody(shop) as thief:
        hold(thief, cookie)
        return not is_in(thief)


def test_signing_in_gives_another_session_than_the_one_before(shop, client):
    client.get(SIGN_IN)
    before = cookie_of(client)
    sign_in(client, "auditor")
    assert is_in(client)
    assert cookie_of(client) != before
    assert is_worth_nothing(shop, before)


def test_a_cookie_that_somebody_planted_does_not_sign_them_in_with_its_owner(shop, client):
    with somebody(shop) as attacker:
        attacker.get(SIGN_IN)
        planted = cookie_of(attacker)
    hold(client, planted)
    sign_in(client, "auditor")
    assert is_in(client)
    assert is_worth_nothing(shop, planted)


def test_signing_in_again_ends_the_session_before(shop, client):
    sign_in(client, "auditor")
    before, token = cookie_of(client), token_in(client.get("/console/me"))
    fields = {"csrf_token": token, "name": "marketer", "password": PASSWORD}
    assert client.post(SIGN_IN, data=fields).status_code == 303
    assert "marketer" in client.get("/console/me").text
    assert is_worth_nothing(shop, before)


def test_after_signing_out_the_cookie_is_worth_nothing(shop, client):
    sign_in(client, "auditor")
    before = cookie_of(client)
    assert send(client, "/console/sign-out", "/console/me").status_code == 303
    assert not is_in(client)
    assert is_worth_nothing(shop, before)
    with reading(shop.wiring.engine) as conn:
        assert conn.execute(select(sign_ins)).all() == []


def test_a_cookie_that_was_changed_is_worth_nothing(shop, client):
    sign_in(client, "auditor")
    held = cookie_of(client)
    for changed in (held[:-1], held[:-2] + "AA", "x" + held, held.partition(".")[0], "", "e30.x.y"):
        assert is_worth_nothing(shop, changed)


def test_a_cookie_of_another_shop_is_worth_nothing(shop, client):
    with somebody(shop) as other:
        sign_in(other, "auditor")
        theirs = cookie_of(other)
    shop.app.secret_key = b"another" * 5
    assert is_worth_nothing(shop, theirs)


def test_the_database_alone_opens_no_session(shop, client):
    sign_in(client, "auditor")
    with reading(shop.wiring.engine) as conn:
        (row,) = conn.execute(select(sign_ins)).all()
    assert bytes(row.token_sha256).hex() not in cookie_of(client)
    content = b"".join(
        file.read_bytes() for file in shop.settings.data_dir.glob("tactful.db*") if file.is_file()
    )
    assert PASSWORD.encode() not in content


def test_whoever_does_nothing_for_two_hours_is_signed_out(client, clock, shop):
    sign_in(client, "auditor")
    clock.advance(IDLE_MS - 1)
    assert is_in(client)
    clock.advance(IDLE_MS - 1)
    assert is_in(client)
    clock.advance(IDLE_MS + 1)
    assert not is_in(client)


def test_nobody_is_signed_in_for_more_than_twelve_hours(client, clock, shop):
    sign_in(client, "auditor")
    for _ in range(11):
        clock.advance(LONGEST_MS // 12)
        assert is_in(client)
    clock.advance(LONGEST_MS // 12 + 1)
    assert not is_in(client)


def test_an_account_out_of_use_is_signed_out_at_once_and_does_not_come_in_again(shop, client):
    sign_in(client, "auditor")
    put_out_of_use(shop.wiring.engine, shop.people[Role.AUDITOR], shop.wiring.clock())
    assert not is_in(client)
    assert sign_in(client, "auditor").status_code == 422


def test_another_role_counts_from_the_next_click(shop, client):
    sign_in(client, "auditor")
    assert client.get("/console/accounts").status_code == 403
    give_role(shop.wiring.engine, shop.people[Role.AUDITOR], Role.ADMIN, shop.wiring.clock())
    assert client.get("/console/accounts").status_code == 200


def test_signing_somebody_out_everywhere_ends_every_session_of_theirs_and_no_other(shop, client):
    with somebody(shop) as second, somebody(shop) as other:
        for each, name in ((client, "auditor"), (second, "auditor"), (other, "admin")):
            sign_in(each, name)
        sign_out_everywhere(shop.wiring.engine, shop.people[Role.AUDITOR], shop.wiring.clock())
        assert [is_in(each) for each in (client, second, other)] == [False, False, True]


def test_without_its_database_nobody_is_let_in_and_a_page_says_so(shop, client):
    sign_in(client, "admin")
    (shop.settings.data_dir / "tactful.db").rename(shop.settings.data_dir / "gone.db")
    for path in ("/console/accounts", "/console/me", "/console/nothing"):
        answer = client.get(path)
        assert answer.status_code in (404, 503), path
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "admin" not in answer.text
        assert "sqlite" not in answer.text.lower()


# Nothing tells whether a name is known (CWE-204, CWE-208)


def without_tokens(answer, name):
    plain = re.sub(r'name="csrf_token" value="[^"]+"', "", answer.text).replace(name, "NAME")
    told = {key: text for key, text in answer.headers.items() if key.lower() not in ("set-cookie", "date")}
    told.pop("content-length")
    return answer.status_code, plain, told


def test_a_refusal_is_the_same_whether_or_not_the_name_is_known(shop):
    with writing(shop.wiring.engine) as conn:
        create_account(conn, "elsewhere", Role.AUDITOR, 0, identity="https://login.example u-1")
    put_out_of_use(shop.wiring.engine, shop.people[Role.MARKETER], shop.wiring.clock())
    answers = []
    for name in ("auditor", "approver", "elsewhere", "marketer", "nobody-of-the-sort", "ADMIN"):
        with somebody(shop) as client:
            attempts = [sign_in(client, name, WRONG) for _ in range(6)]
            assert [each.status_code for each in attempts] == [422] * 5 + [429]
            answers.append([without_tokens(each, name) for each in attempts])
        with writing(shop.wiring.engine) as conn:
            conn.execute(sign_in_failures.delete())
    assert all(each == answers[0] for each in answers)


def test_a_refusal_takes_as_long_whether_or_not_the_name_is_known(shop, client):
    token = token_in(client.get(SIGN_IN))
    known, unknown = [], []
    for n in range(9):
        for taken, name in ((known, "auditor"), (unknown, f"nobody-{n}")):
            with writing(shop.wiring.engine) as conn:
                conn.execute(sign_in_failures.delete())
            began = time.perf_counter()
            answer = client.post(SIGN_IN, data={"csrf_token": token, "name": name, "password": WRONG})
            taken.append(time.perf_counter() - began)
            assert answer.status_code == 422
    fast, slow = sorted((statistics.median(known), statistics.median(unknown)))
    assert slow < 2 * fast + 0.01  # a hash takes some 50 ms, all else together a few


def test_the_password_is_never_sent_back(client, shop):
    answer = sign_in(client, "auditor", WRONG)
    assert WRONG not in answer.text


@pytest.mark.parametrize("name", ["", " ", "x" * 300, "a\x00b", "\ud800", "' OR 1=1 --", "{{7*7}}", "%s"])
def test_odd_names_are_refused_like_any_other(shop, client, name):
    token = token_in(client.get(SIGN_IN))
    body = {"csrf_token": token, "name": name.encode("utf-8", "surrogatepass"), "password": WRONG}
    answer = client.post(SIGN_IN, data=body)
    assert answer.status_code == 422
    assert "49" not in answer.text.replace(token_in(answer), "")  # a token may hold any two digits


def test_a_password_may_hold_any_letters_and_is_the_same_from_every_keyboard(shop, client):
    composed, decomposed = "blåbærgrød på søndag", "bla\u030abærgrød pa\u030a søndag"
    with writing(shop.wiring.engine) as conn:
        create_account(conn, "bo", Role.AUDITOR, 0, password_hash=hashed(composed))
    assert sign_in(client, "Bo", decomposed).status_code == 303


def test_a_language_with_two_ways_onward_leads_home(client):
    token = token_in(client.get(SIGN_IN))
    asked = {"csrf_token": token, "language": "da", "next": ["/console/me", "/console/log"]}
    answer = client.post("/console/language", data=asked)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console")
