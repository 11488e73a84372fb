import sqlite3
import threading
import time
from contextlib import closing

import pytest

from api.storage.turns import begin_in_turn, empty_log

PATIENCE_S = 5.0


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "some.db"
    with closing(sqlite3.connect(file)) as driver:
        driver.execute("PRAGMA journal_mode = WAL")
        driver.execute("CREATE TABLE written (who TEXT)")
    return file


def opened(file):
    return closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False))


def busy_timeout(driver):
    return driver.execute("PRAGMA busy_timeout").fetchone()[0]


def write_until(stopped, file, who, written):
    with opened(file) as driver:
        while not stopped.is_set():
            begin_in_turn(driver, file, PATIENCE_S)
            written.append(who)
            time.sleep(0.003)
            driver.execute("COMMIT")


@pytest.mark.parametrize("n_others", [1, 3])
def test_who_writes_all_the_time_lets_everybody_else_in_between(file, n_others):
    stopped, written = threading.Event(), []
    threads = [
        threading.Thread(target=write_until, args=(stopped, file, who, written))
        for who in range(n_others + 1)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.6)
    stopped.set()
    for thread in threads:
        thread.join()
    shares = [written.count(who) for who in range(n_others + 1)]
    assert len(written) > 10 * (n_others + 1)
    assert 3 * min(shares) >= max(shares)


def test_who_waits_for_too_long_is_told_so_and_may_ask_again(file):
    with opened(file) as one, opened(file) as other:
        begin_in_turn(one, file, PATIENCE_S)
        before = time.monotonic()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            begin_in_turn(other, file, 0.1)
        assert 0.1 <= time.monotonic() - before < 2
        assert (other.in_transaction, busy_timeout(other)) == (False, 100)
        one.execute("ROLLBACK")
        begin_in_turn(other, file, PATIENCE_S)
        assert (other.in_transaction, busy_timeout(other)) == (True, 5_000)


def test_who_never_gets_to_the_door_waits_for_no_longer(file):
    with opened(file) as one, opened(file) as next_one, opened(file) as last:
        begin_in_turn(one, file, PATIENCE_S)
        waiting = threading.Thread(target=begin_in_turn, args=(next_one, file, PATIENCE_S))
        waiting.start()
        before = time.monotonic()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            begin_in_turn(last, file, 0.1)
        assert time.monotonic() - before < 2
        one.execute("COMMIT")
        waiting.join()
        assert next_one.in_transaction


def test_where_there_can_be_no_door_it_is_written_all_the_same(file):
    file.with_name(f"{file.name}-turn").mkdir()
    with opened(file) as driver:
        begin_in_turn(driver, file, PATIENCE_S)
        assert driver.in_transaction


def test_what_has_nothing_to_do_with_waiting_is_said_at_once(file):
    before = time.monotonic()
    with opened(file) as driver:
        driver.execute("PRAGMA query_only = ON")
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            begin_in_turn(driver, file, PATIENCE_S)
        assert busy_timeout(driver) == 5_000
    assert time.monotonic() - before < PATIENCE_S


def log_of(file):
    return file.with_name(f"{file.name}-wal").stat().st_size


def test_while_somebody_reads_from_before_the_log_stays_and_others_write_on(file):
    with opened(file) as reader, opened(file) as writer, opened(file) as clearing:
        writer.execute("INSERT INTO written VALUES ('before')")
        reader.execute("BEGIN")
        assert reader.execute("SELECT * FROM written").fetchall() == [("before",)]
        writer.execute("INSERT INTO written VALUES ('after')")
        emptied = []
        waiting = threading.Thread(target=lambda: emptied.append(empty_log(clearing, 0.5)))
        waiting.start()
        slowest_s, n_written = 0.0, 0
        while waiting.is_alive():
            before = time.monotonic()
            begin_in_turn(writer, file, PATIENCE_S)
            writer.execute("COMMIT")
            slowest_s, n_written = max(slowest_s, time.monotonic() - before), n_written + 1
        assert (emptied, busy_timeout(clearing)) == ([False], 500)
        assert slowest_s < 0.4
        assert n_written > 3
        assert log_of(file) > 0
        reader.execute("COMMIT")
        assert empty_log(clearing, PATIENCE_S)
        assert log_of(file) == 0


def test_the_log_is_emptied_while_others_write_all_the_time(file):
    stopped = threading.Event()
    threads = [threading.Thread(target=write_until, args=(stopped, file, who, [])) for who in range(3)]
    for thread in threads:
        thread.start()
    with opened(file) as clearing:
        emptied = [empty_log(clearing, PATIENCE_S) for _ in range(3)]
    stopped.set()
    for thread in threads:
        thread.join()
    assert emptied == [True] * 3
