"""A quota of a day holds over all processes, and costs a write for many requests."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, select
from support.stores import NOW_MS, counting_statements

from api.forgetting.retention import purge, unseen
from api.limits import days
from api.limits.days import LARGEST_STEP, Days
from api.storage.connection import reading, writing
from api.storage.key_days import take_of_day
from api.storage.tables import key_days
from engine.interactions import DAY_MS


def taken_by_day(store):
    with reading(store.engine) as conn:
        return {row.day: row.n_taken for row in conn.execute(select(key_days))}


def n_allowed(counting, n, quota, key_id="key"):
    return sum(counting.take(key_id, quota).is_allowed for _ in range(n))


def test_no_more_than_the_quota_is_handed_out_whoever_hands_it_out(store, clock):
    processes = [Days(store.engine, clock) for _ in range(3)]
    allowed = [each.take("key", 250).is_allowed for _ in range(120) for each in processes]
    assert sum(allowed) == 250
    assert allowed[:240] == [True] * 240, "what other processes hold is what may be lost: two steps of two"
    assert taken_by_day(store) == {NOW_MS // DAY_MS: 250}


def test_at_midnight_of_utc_there_is_a_new_day(store, clock):
    counting = Days(store.engine, clock)
    assert n_allowed(counting, 12, 10) == 10
    refused = counting.take("key", 10)
    assert (refused.is_allowed, refused.n_left, refused.reset_s) == (False, 0, 12 * 3600)
    clock.advance(refused.reset_s * 1000)
    assert counting.take("key", 10)._asdict() == {"is_allowed": True, "n_left": 9, "reset_s": 86_400}


def test_a_step_is_a_hundredth_and_one_write(store, clock):
    counting = Days(store.engine, clock)
    with counting_statements(store.engine) as statements:
        assert n_allowed(counting, 100, 10_000) == 100
    assert sum(statement.startswith("UPDATE key_days") for statement in statements) == 1
    assert taken_by_day(store) == {NOW_MS // DAY_MS: 100}
    with counting_statements(store.engine) as statements:
        assert counting.take("other", 10**9).is_allowed
    with reading(store.engine) as conn:
        of_other = select(key_days.c.n_taken).where(key_days.c.key_id == "other")
        assert conn.execute(of_other).scalar_one() == LARGEST_STEP


def test_what_is_used_up_is_not_asked_for_again_until_the_quota_is_another(store, clock):
    counting = Days(store.engine, clock)
    assert n_allowed(counting, 6, 5) == 5
    with counting_statements(store.engine) as statements:
        assert n_allowed(counting, 50, 5) == 0
    assert statements == []
    assert n_allowed(counting, 50, 8) == 3


def test_a_process_remembers_so_many_keys_and_loses_no_more_than_a_step_of_the_others(
    sqlite_store, clock, monkeypatch
):
    monkeypatch.setattr(days, "MOST_KEYS", 3)
    counting = Days(sqlite_store.engine, clock)
    for n in range(10):
        assert counting.take(f"key-{n}", 200).is_allowed
    with counting_statements(sqlite_store.engine) as statements:
        assert all(counting.take(f"key-{n}", 200).is_allowed for n in (7, 8, 9))
    assert statements == [], "each had one left of its step of two"
    assert n_allowed(counting, 200, 200, "key-0") == 198, "one of two was handed out, and one is lost"


def test_days_that_are_over_are_forgotten_and_what_is_counted_now_is_not(store):
    today = NOW_MS // DAY_MS
    with writing(store.engine) as conn:
        for day in range(today - 40, today + 1):
            take_of_day(conn, "key", day, 3, 10)
            take_of_day(conn, f"in use on day {day} alone", day, 1, 10)
    assert purge(store.logbook, store.settings, NOW_MS, unseen, dry_run=True)["days of keys"] == 78
    purge(store.logbook, store.settings, NOW_MS, unseen)
    assert taken_by_day(store).keys() == {today - 1, today}
    with writing(store.engine) as conn:
        assert take_of_day(conn, "key", today, 10, 10) == (3, 7)


def test_while_nothing_can_be_written_requests_go_on_and_are_counted_afterwards(sqlite_store, clock):
    file = sqlite_store.settings.data_dir / "tactful.db"
    away = file.rename(file.with_name("away.db"))
    counting = Days(sqlite_store.engine, clock)
    assert n_allowed(counting, 4, 3) == 4
    away.rename(file)
    assert n_allowed(counting, 4, 3) == 3


@pytest.mark.parametrize("quota", [1, 99])
def test_small_quotas_are_exact(sqlite_store, clock, quota):
    assert n_allowed(Days(sqlite_store.engine, clock), quota + 20, quota) == quota


def test_a_key_that_waits_for_its_step_keeps_no_other_waiting(store, clock):
    counting = Days(store.engine, clock)
    assert counting.take("other", 1000).is_allowed
    at_the_database = threading.Event()
    let_go_first = []
    with ThreadPoolExecutor(1) as thread:
        with writing(store.engine) as conn:
            take_of_day(conn, "key", NOW_MS // DAY_MS, 1, 1000)
            event.listen(store.engine, "checkout", lambda *_: at_the_database.set(), once=True)
            waiting = thread.submit(
                counting.take, "key", 1000, lambda: let_go_first.append(not at_the_database.is_set())
            )
            assert at_the_database.wait(10)
            assert n_allowed(counting, 9, 1000, "other") == 9
            assert not waiting.done()
        assert waiting.result() == (True, 998, 43_200)
    assert let_go_first == [True]


def test_threads_that_ask_with_one_key_get_no_more_than_its_quota(sqlite_store, clock):
    counting = Days(sqlite_store.engine, clock)
    with ThreadPoolExecutor(8) as threads:
        allowed = list(threads.map(lambda _: counting.take("key", 250).is_allowed, range(400)))
    assert sum(allowed) == 250
    assert taken_by_day(sqlite_store) == {NOW_MS // DAY_MS: 250}
