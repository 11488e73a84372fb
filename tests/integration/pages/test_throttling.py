"""Guessing gets slower and slower, whether or not a name is known, and never stops anybody for good."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest
from sqlalchemy import select
from support.http import fill, serving
from support.pages import PASSWORD, SIGN_IN, send, sign_in, somebody, staff_of, token_in

from api.console.throttling import (
    FREE_BY_ADDRESS,
    FREE_BY_NAME,
    LONGEST_WAIT_S,
    begin_attempt,
    succeed,
    wait_ms,
)
from api.storage.connection import reading
from api.storage.tables import sign_in_failures
from engine.interactions import DAY_MS

WRONG = "something else entirely"


@pytest.fixture
def shop(store, clock):
    with serving(store.settings, fill(store.settings, model=False), clock=clock) as served:
        staff_of(served)
        yield served


@pytest.fixture
def small_shop(sqlite_store, clock):
    with serving(sqlite_store.settings, fill(sqlite_store.settings, model=False), clock=clock) as served:
        staff_of(served)
        yield served


def attempt(served, name, address="192.0.2.1", browser=None):
    return begin_attempt(served.wiring, name, address, browser)


def use_up(served, name, address="192.0.2.1"):
    for _ in range(FREE_BY_NAME):
        assert attempt(served, name, address).wait_s == 0


def test_waits_double_up_to_a_quarter_of_an_hour():
    waits = [wait_ms(n, FREE_BY_NAME) // 1000 for n in range(30)]
    assert waits[: FREE_BY_NAME + 3] == [0] * FREE_BY_NAME + [1, 2, 4]
    assert all(later == min(2 * sooner, LONGEST_WAIT_S) for sooner, later in pairwise(waits[5:]))
    assert waits[-1] == wait_ms(10**9, FREE_BY_NAME) // 1000 == LONGEST_WAIT_S


def test_attempts_that_come_too_early_are_refused_and_lengthen_nothing(shop, clock):
    use_up(shop, "auditor")
    assert [attempt(shop, "auditor").wait_s for _ in range(5)] == [1] * 5
    clock.advance(1000)
    assert attempt(shop, "auditor").wait_s == 0
    assert attempt(shop, "auditor").wait_s == 2


def test_another_name_from_another_address_does_not_wait(shop):
    use_up(shop, "auditor")
    assert attempt(shop, "auditor", "198.51.100.7").wait_s == 1
    assert attempt(shop, "marketer").wait_s == 0


def test_a_name_is_the_same_however_it_is_written(small_shop):
    use_up(small_shop, "auditor")
    assert attempt(small_shop, " AUDITOR ").wait_s == 1


def test_an_address_that_tries_many_names_waits(small_shop):
    for n in range(FREE_BY_ADDRESS):
        assert attempt(small_shop, f"somebody-{n}").wait_s == 0
    assert attempt(small_shop, "somebody-else").wait_s == 1
    assert attempt(small_shop, "somebody-else", "198.51.100.7").wait_s == 0


def test_all_addresses_of_a_network_of_ipv6_are_one_and_those_of_ipv4_are_none(small_shop):
    for n in range(FREE_BY_ADDRESS):
        attempt(small_shop, f"somebody-{n}", f"2001:db8::{n:x}")
    assert attempt(small_shop, "x", "2001:db8::ffff:1").wait_s == 1
    assert attempt(small_shop, "x", "2001:db8:0:1::1").wait_s == 0
    for n in range(FREE_BY_ADDRESS):
        attempt(small_shop, f"somebody-{n}", "::ffff:192.0.2.9")
    assert attempt(small_shop, "x", "192.0.2.9").wait_s == 1
    assert attempt(small_shop, "x", None).wait_s == 0


def test_getting_in_begins_the_count_of_the_name_anew_and_takes_back_its_own_of_the_address(small_shop):
    for n in range(FREE_BY_ADDRESS - 1):
        attempt(small_shop, f"somebody-{n}")
    for _ in range(5):
        succeed(small_shop.wiring, attempt(small_shop, "auditor"))
    assert attempt(small_shop, "auditor").wait_s == 0
    assert attempt(small_shop, "marketer").wait_s == 1


def test_everything_is_forgotten_after_a_day(shop, clock):
    use_up(shop, "auditor")
    clock.advance(DAY_MS + 1)
    assert attempt(shop, "somebody", "198.51.100.7").wait_s == 0
    with reading(shop.wiring.engine) as conn:
        assert len(conn.execute(select(sign_in_failures)).all()) == 2
    use_up(shop, "auditor")


def test_nothing_that_was_typed_is_stored(small_shop):
    attempt(small_shop, "auditor", "192.0.2.1")
    content = (small_shop.settings.data_dir / "tactful.db").read_bytes()
    content += (small_shop.settings.data_dir / "tactful.db-wal").read_bytes()
    assert b"192.0.2.1" not in content


def test_attempts_at_the_same_moment_are_counted_each(shop):
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: attempt(shop, "auditor").wait_s, range(16)))
    assert waits.count(0) == FREE_BY_NAME


def test_what_one_process_has_counted_holds_for_another(shop, clock):
    use_up(shop, "auditor")
    with serving(shop.settings, shop.keys, clock=clock) as other:
        assert attempt(other, "auditor").wait_s == 1


@pytest.mark.parametrize("name", ["auditor", "nobody-of-the-sort"])
def test_the_page_says_how_long_to_wait_whether_or_not_the_name_is_known(small_shop, clock, name):
    with somebody(small_shop) as client:
        for _ in range(FREE_BY_NAME):
            assert sign_in(client, name, WRONG).status_code == 422
        clock.advance(-1)  # the password is right now, and is not looked at
        for password in (WRONG, PASSWORD):
            answer = sign_in(client, name, password)
            assert answer.status_code == 429
            assert answer.headers["Retry-After"] == "2"
            assert "there were too many attempts: wait 2 seconds, then try again" in answer.text
            assert f'value="{name}"' in answer.text


def test_whoever_waits_as_told_gets_in(small_shop, clock):
    with somebody(small_shop) as client:
        for _ in range(16):
            answer = sign_in(client, "auditor", WRONG)
            if answer.status_code == 429:
                assert int(answer.headers["Retry-After"]) <= LONGEST_WAIT_S
                clock.advance(1000 * int(answer.headers["Retry-After"]))
        clock.advance(1000 * LONGEST_WAIT_S)
        assert sign_in(client, "auditor").status_code == 303


def test_a_browser_that_is_known_does_not_wait_for_what_others_do_and_is_counted_itself(small_shop):
    with somebody(small_shop) as own, somebody(small_shop) as other:
        assert sign_in(own, "auditor").status_code == 303
        assert send(own, "/console/sign-out", "/console").status_code == 303
        for _ in range(FREE_BY_NAME):
            sign_in(other, "auditor", WRONG)
        assert sign_in(other, "auditor").status_code == 429
        assert sign_in(own, "auditor").status_code == 303
        send(own, "/console/sign-out", "/console")
        statuses = [sign_in(own, "auditor", WRONG).status_code for _ in range(FREE_BY_NAME + 1)]
        assert statuses == [422] * FREE_BY_NAME + [429]
        assert sign_in(own, "marketer", WRONG).status_code == 422


@pytest.mark.parametrize(
    ("proxies", "counted", "other"), [(0, "127.0.0.1", "192.0.2.1"), (1, "192.0.2.1", "127.0.0.1")]
)
def test_the_address_is_what_as_many_proxies_say_as_there_are(sqlite_store, clock, proxies, counted, other):
    settings = replace(sqlite_store.settings, proxies=proxies)
    said = {"X-Forwarded-For": "198.51.100.99, 192.0.2.1"}  # the first is what anybody can write
    with serving(settings, fill(settings, model=False), clock=clock) as served, somebody(served) as client:
        fields = {"csrf_token": token_in(client.get(SIGN_IN)), "name": "nobody", "password": WRONG}
        for address, status in ((other, 422), ("198.51.100.99", 422), (counted, 429)):
            for n in range(FREE_BY_ADDRESS):
                attempt(served, f"somebody-{n}-{address}", address)
            assert client.post(SIGN_IN, data=fields, headers=said).status_code == status
