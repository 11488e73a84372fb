"""What everybody needs and one has at a time is free again when that one hangs, and the rest goes on."""

import threading
import time
from contextlib import ExitStack, suppress

import pytest
from sqlalchemy import text

from api.errors import StoreUnavailableError
from api.storage import connection
from api.storage.connection import HELD_AT_ALL_S, HELD_S, WAITING_S, reading, writing
from api.storage.consents import lock_subject
from api.storage.log import lock_log, read_state
from api.storage.outage import REST_S

WITHIN_S = WAITING_S + HELD_S
SLACK_S = 1.5


class Hanging:
    """Takes a lock and does nothing with it, as a process does that was stopped or cut off."""

    def __init__(self, engine, lock):
        self.has_it, self.told = threading.Event(), threading.Event()
        self.error = None
        self.thread = threading.Thread(target=self.hang, args=(engine, lock))
        self.thread.start()

    def hang(self, engine, lock):
        try:
            with writing(engine) as conn:
                lock(conn)
                self.has_it.set()
                self.told.wait()
                read_state(conn)
        except StoreUnavailableError as error:
            self.error = str(error)

    def wake(self):
        self.told.set()
        self.thread.join()


def lock_and_send_half(conn):
    """Take the lock, and send the first of several statements that belong together."""
    lock_log(conn)
    driver = conn.connection.driver_connection
    with ExitStack() as never_left:
        never_left.enter_context(driver.pipeline())
        driver.execute("SELECT 1")
        driver.pgconn.send_flush_request()
        driver.pgconn.flush()
        never_left.pop_all()


def lock_somebody(conn):
    lock_subject(conn, b"s" * 32)


def seconds_until_taken(engine, lock):
    began = time.monotonic()
    while True:
        with suppress(StoreUnavailableError), writing(engine) as conn:
            lock(conn)
            return time.monotonic() - began


@pytest.mark.postgres
def test_a_lock_of_somebody_who_hangs_between_statements_sent_together_is_not_kept_for_ever(
    postgresql_store, monkeypatch
):
    hurry = str(connection._HOLD_AND_HURRY).replace(f"'{HELD_AT_ALL_S}s'", "'3s'")
    monkeypatch.setattr(connection, "_HOLD_AND_HURRY", text(hurry))
    hanging = Hanging(postgresql_store.engine, lock_and_send_half)
    hanging.has_it.wait()
    took_s = seconds_until_taken(postgresql_store.engine, lock_log)
    hanging.wake()
    assert HELD_S < took_s < 3 + SLACK_S  # doing nothing is not what it is ended for
    assert hanging.error is not None


@pytest.mark.postgres
@pytest.mark.parametrize("lock", [lock_log, lock_somebody], ids=["log", "consents of a customer"])
def test_a_lock_of_somebody_who_hangs_is_free_before_who_waits_for_it_gives_up(postgresql_store, lock):
    hanging = Hanging(postgresql_store.engine, lock)
    hanging.has_it.wait()
    with writing(postgresql_store.engine) as conn:
        lock(conn)
    hanging.wake()
    assert hanging.error in {
        "the database has ended what did nothing for too long",
        "the database cannot be reached",  # where its last word came with the end of the connection
    }
    time.sleep(1.2 * REST_S)
    with reading(postgresql_store.engine) as conn:
        read_state(conn)


@pytest.mark.postgres
def test_of_a_host_that_hangs_whole_those_in_line_keep_nobody_for_longer_than_promised(postgresql_store):
    first = Hanging(postgresql_store.engine, lock_log)
    first.has_it.wait()
    in_line = [Hanging(postgresql_store.engine, lock_log) for _ in range(4)]
    time.sleep(0.2)
    assert seconds_until_taken(postgresql_store.engine, lock_log) < WITHIN_S + SLACK_S
    for each in (first, *in_line):
        each.wake()
    assert WAITING_S > HELD_S


@pytest.mark.postgres
def test_somebody_who_works_while_having_the_lock_is_let_work(postgresql_store):
    with writing(postgresql_store.engine) as conn:
        state = lock_log(conn)
        for _ in range(4):
            time.sleep(HELD_S / 4)
            assert read_state(conn) == state
