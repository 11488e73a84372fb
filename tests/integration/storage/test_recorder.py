import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import orjson
import pytest
from sqlalchemy import event, select, text
from support import record_until_killed
from support.stores import a_decision, an_exposure, store_customer, store_items
from support.waiting import until

from api.errors import StoreRefusedError, StoreUnavailableError
from api.storage.connection import PATIENCE_S, reading, writing
from api.storage.decisions import read_decision, search_decisions
from api.storage.log import read_entries, read_state
from api.storage.outage import REST_S
from api.storage.recorder import MAX_BATCH, Recorder
from api.storage.tables import exposures
from api.storage.tallies import read_tallies
from guardrails.log.sealing import header_of

TESTS = Path(record_until_killed.__file__).parent.parent


@contextmanager
def recording(store, **options):
    recorder = Recorder(store.logbook, **options)
    recorder.start()
    try:
        yield recorder
    finally:
        recorder.close()


@contextmanager
def locked_by_somebody_else(store):
    """Nobody can write a decision meanwhile."""
    with writing(store.engine) as conn:
        if store.on_postgresql:
            conn.execute(text("LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE"))
        yield


def stored_ids(store):
    with reading(store.engine) as conn:
        return {row.decision_id for row in search_decisions(conn, limit=100_000)}


def submit_one_that_is_being_written(store, recorder, threads, decision):
    """Hand a decision in and return when the writer has begun with it, and it alone."""
    begun = threading.Event()
    event.listen(store.engine, "engine_connect", lambda conn: begun.set(), once=True)
    future = threads.submit(recorder.submit, decision)
    assert begun.wait(10)
    return future


def test_a_decision_is_stored_when_submitting_returns(store):
    with recording(store) as recorder:
        decision = a_decision("one", body=b"body")
        log_index = recorder.submit(decision)
        with reading(store.engine) as conn:
            found = read_decision(conn, store.keyring, "one")
    assert (found.log_index, found.body, header_of(found.entry)) == (log_index, b"body", decision.header)


def test_decisions_of_many_threads_are_all_stored(store):
    with recording(store) as recorder, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: recorder.submit(a_decision(str(number))), range(200)))
        assert stored_ids(store) == {str(number) for number in range(200)}


def test_decisions_that_gather_share_a_commit(store):
    commits = []
    with recording(store) as recorder, ThreadPoolExecutor(MAX_BATCH) as threads:
        with locked_by_somebody_else(store):
            first = submit_one_that_is_being_written(store, recorder, threads, a_decision("first"))
            names = [str(number) for number in range(MAX_BATCH - 1)]
            others = [threads.submit(recorder.submit, a_decision(name)) for name in names]
            until(lambda: len(recorder._waiting) == len(others))
            event.listen(store.engine, "commit", commits.append)
        for future in (first, *others):
            future.result()
    assert stored_ids(store) == {"first", *names}
    assert len(commits) <= 3  # the lock's own, the first decision's, all the others'


def test_while_several_come_at_a_time_a_commit_waits_for_more(store):
    commits = []
    with recording(store, gather_s=1.0) as recorder, ThreadPoolExecutor(4) as threads:
        recorder.submit_all([a_decision("a"), a_decision("b")])
        event.listen(store.engine, "commit", commits.append)
        waiting = []
        for name in "cdef":
            waiting.append(threads.submit(recorder.submit, a_decision(name)))
            time.sleep(0.02)
        assert [each.result(10) for each in waiting] == [2, 3, 4, 5]
    assert len(commits) == 1


def test_who_comes_alone_waits_for_nobody(store):
    with recording(store, gather_s=30.0) as recorder:
        assert [recorder.submit(a_decision(name)) for name in "abc"] == [0, 1, 2]


def test_a_refused_decision_takes_no_other_down_with_it(store):
    with recording(store) as recorder, ThreadPoolExecutor(8) as threads:
        recorder.submit(a_decision("taken"))
        with locked_by_somebody_else(store):
            first = submit_one_that_is_being_written(store, recorder, threads, a_decision("first"))
            refused = threads.submit(recorder.submit, a_decision("taken"))
            others = [threads.submit(recorder.submit, a_decision(name)) for name in "abc"]
            until(lambda: len(recorder._waiting) == 4)
        first.result()
        for other in others:
            other.result()
        with pytest.raises(StoreRefusedError):
            refused.result()
    assert stored_ids(store) == {"taken", "first", "a", "b", "c"}


def test_something_that_cannot_even_be_sent_is_refused_and_recording_goes_on(store):
    with recording(store) as recorder:
        with pytest.raises(StoreRefusedError):
            recorder.submit(a_decision("one", minute=2**70))
        recorder.submit(a_decision("two"))
    assert stored_ids(store) == {"two"}


def test_what_was_shown_is_stored_with_the_decision_or_not_at_all(store):
    numbers = store_items(store, "lamp")
    customer_no = store_customer(store)
    with recording(store) as recorder:
        shown = an_exposure(numbers["lamp"], customer_no=customer_no)
        recorder.submit(a_decision("one", exposure=shown))
        with pytest.raises(StoreRefusedError):
            recorder.submit(a_decision("two", exposure=an_exposure(1, customer_no=customer_no + 1)))
    assert stored_ids(store) == {"one"}


def test_what_was_committed_and_not_vouched_for_is_said_to_be_unanswered(store):
    store_items(store, "lamp")
    shown = an_exposure(1, session_key=b"v" * 16)
    with recording(store, patience_s=0.3) as recorder:
        recorder.submit(a_decision("before", exposure=shown))
        guard = sqlite3.connect(store.settings.data_dir / "checkpoints.db", isolation_level=None)
        guard.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError):
            recorder.submit(a_decision("late", exposure=shown))
        guard.execute("ROLLBACK")
        guard.close()
        recorder.submit(a_decision("after", exposure=shown))
    with reading(store.engine) as conn:
        late = read_decision(conn, store.keyring, "late")
        said = [orjson.loads(entry) for entry in read_entries(conn, 0, read_state(conn).size)]
        remembered = set(conn.scalars(select(exposures.c.decision_id)))
    assert [(each["first"], each["n"]) for each in said if each.get("what") == "not_answered"] == [
        (late.log_index, 1)
    ]
    assert remembered == {"before", "after"}
    assert store.logbook.publish().size == len(said)


def test_what_could_not_be_said_to_be_unanswered_before_is_said_in_closing(store):
    recorder = Recorder(store.logbook, patience_s=0.3)
    recorder.start()
    recorder.submit(a_decision("before"))
    guard = sqlite3.connect(store.settings.data_dir / "checkpoints.db", isolation_level=None)
    guard.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(2) as threads:
        late = threads.submit(recorder.submit, a_decision("late"))
        until(lambda: stored_ids(store) == {"before", "late"})
        closing = threads.submit(recorder.close)
        until(lambda: not recorder._thread.is_alive())
        with locked_by_somebody_else(store):
            until(lambda: not recorder._voucher.is_alive(), 6 * PATIENCE_S)
        closing.result()
    guard.close()
    assert isinstance(late.exception(), StoreUnavailableError)
    with reading(store.engine) as conn:
        said = [orjson.loads(entry) for entry in read_entries(conn, 0, read_state(conn).size)]
    assert [each["first"] for each in said if each.get("what") == "not_answered"] == [1]


def test_closing_writes_what_waits_and_accepts_nothing_more(store):
    recorder = Recorder(store.logbook)
    recorder.start()
    with ThreadPoolExecutor(4) as threads:
        with locked_by_somebody_else(store):
            first = submit_one_that_is_being_written(store, recorder, threads, a_decision("a"))
            others = [threads.submit(recorder.submit, a_decision(name)) for name in "bc"]
            until(lambda: len(recorder._waiting) == 2)
            closing = threading.Thread(target=recorder.close)
            closing.start()
        closing.join()
        for future in (first, *others):
            future.result()
    assert stored_ids(store) == {"a", "b", "c"}
    with pytest.raises(StoreUnavailableError):
        recorder.submit(a_decision("d"))
    recorder.close()


def test_a_recorder_that_was_not_started_accepts_nothing(store):
    recorder = Recorder(store.logbook)
    with pytest.raises(StoreUnavailableError):
        recorder.submit(a_decision())
    recorder.close()


def test_who_waits_too_long_gets_an_error_and_the_decision_is_not_stored_later(store):
    with recording(store, patience_s=0.1) as recorder, ThreadPoolExecutor(1) as threads:
        with locked_by_somebody_else(store):
            decision = a_decision("being written")
            first = submit_one_that_is_being_written(store, recorder, threads, decision)
            before = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                recorder.submit(a_decision("waiting"))
            assert time.monotonic() - before < 1
        first.result()
        recorder.submit(a_decision("afterwards"))
    assert stored_ids(store) == {"being written", "afterwards"}


def test_when_too_many_wait_the_next_one_gets_an_error(store):
    with recording(store, patience_s=1, max_waiting=1) as recorder, ThreadPoolExecutor(2) as threads:
        with locked_by_somebody_else(store):
            first = submit_one_that_is_being_written(store, recorder, threads, a_decision("a"))
            second = threads.submit(recorder.submit, a_decision("b"))
            until(lambda: len(recorder._waiting) == 1)
            with pytest.raises(StoreUnavailableError):
                recorder.submit(a_decision("c"))
        first.result()
        assert isinstance(second.exception(), StoreUnavailableError)  # its patience ended before
    assert stored_ids(store) == {"a"}


def test_a_locked_database_is_an_error_in_bounded_time(store):
    with recording(store) as recorder:
        with locked_by_somebody_else(store):
            before = time.monotonic()
            with pytest.raises(StoreUnavailableError, match="locked"):
                recorder.submit(a_decision("one"))
            assert time.monotonic() - before < 2 * PATIENCE_S
        recorder.submit(a_decision("two"))
    assert stored_ids(store) == {"two"}


def record_for_ever(recorder, acknowledged):
    for number in count():
        recorder.submit(a_decision(str(number)))
        acknowledged.add(str(number))


def test_a_full_disk_is_an_error_and_leaves_nothing_half_written(sqlite_store):
    @event.listens_for(sqlite_store.engine, "connect")
    def leave_little_room(driver, record):
        (n_pages,) = driver.execute("PRAGMA page_count").fetchone()
        driver.execute(f"PRAGMA max_page_count = {n_pages + 20}")

    sqlite_store.engine.dispose()
    acknowledged = set()
    with recording(sqlite_store) as recorder:
        with pytest.raises(StoreUnavailableError, match="full"):
            record_for_ever(recorder, acknowledged)
        assert acknowledged
        assert stored_ids(sqlite_store) == acknowledged
        with reading(sqlite_store.engine) as conn:
            assert all(read_decision(conn, sqlite_store.keyring, each).body for each in acknowledged)
        event.remove(sqlite_store.engine, "connect", leave_little_room)
        sqlite_store.engine.dispose()
        recorder.submit(a_decision("with room again"))


def test_a_killed_process_loses_nothing_that_was_acknowledged(store):
    url = store.settings.database_url
    child = subprocess.Popen(
        [sys.executable, "-m", record_until_killed.__name__, url, store.settings.data_dir],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    said = b"".join(child.stdout.readline() for _ in range(300))
    os.kill(child.pid, signal.SIGKILL)
    said += child.stdout.read()
    child.wait()
    child.stdout.close()
    acknowledged = set(said.decode().split())
    found = stored_ids(store)
    assert len(acknowledged) >= 300
    assert acknowledged <= found
    with reading(store.engine) as conn:
        assert all(read_decision(conn, store.keyring, each).body is not None for each in found)
        assert sum(each.n_decisions for each in read_tallies(conn, 0, 10**6)) == len(found)


def test_a_group_is_stored_together_and_each_is_told_its_place(store):
    with recording(store, max_waiting=2) as recorder:
        places = recorder.submit_all([a_decision(f"g-{number}") for number in range(5)])
        assert recorder.submit_all([]) == []
    assert places == list(range(places[0], places[0] + 5))
    assert stored_ids(store) == {f"g-{number}" for number in range(5)}


def test_of_a_group_that_is_not_recorded_whole_the_log_says_what_is_in_it_unanswered(store):
    with recording(store) as recorder:
        recorder.submit(a_decision("taken"))
        with pytest.raises(StoreRefusedError):
            recorder.submit_all([a_decision("first"), a_decision("taken"), a_decision("last")])
    assert stored_ids(store) == {"taken", "first", "last"}
    with reading(store.engine) as conn:
        entries = [orjson.loads(each) for each in read_entries(conn, 0, read_state(conn).size)]
    told = [each for each in entries if each.get("what") == "not_answered"]
    assert len(told) == 2
    assert all(entries[each["first"]].get("what") is None for each in told)


@contextmanager
def losing_word_of_one_commit(engine):
    """Let a commit reach the server, and its answer be lost with the connection."""
    lost = []

    def lose(conn):
        if not lost:
            lost.append(conn)
            conn.connection.driver_connection.commit()
            conn.connection.driver_connection.close()

    event.listen(engine, "commit", lose)
    yield
    event.remove(engine, "commit", lose)
    assert lost


@pytest.mark.postgres
def test_what_was_committed_without_a_word_of_it_is_said_to_be_unanswered(postgresql_store):
    store = postgresql_store
    store_items(store, "lamp")
    shown = an_exposure(1, session_key=b"v" * 16)
    with recording(store) as recorder:
        recorder.submit(a_decision("before", exposure=shown))
        with losing_word_of_one_commit(store.engine), pytest.raises(StoreUnavailableError, match="reached"):
            recorder.submit(a_decision("lost", exposure=shown))
        time.sleep(1.2 * REST_S)  # nobody asks a server that was just found gone
        recorder.submit(a_decision("after", exposure=shown))
    with reading(store.engine) as conn:
        lost = read_decision(conn, store.keyring, "lost")
        said = [orjson.loads(each) for each in read_entries(conn, 0, read_state(conn).size)]
        remembered = set(conn.scalars(select(exposures.c.decision_id)))
    assert [(each["first"], each["n"]) for each in said if each.get("what") == "not_answered"] == [
        (lost.log_index, 1)
    ]
    assert remembered == {"before", "after"}
