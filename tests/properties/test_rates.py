"""Nobody gets more than their bucket holds and is filled with, and nobody who keeps to it is refused."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.limits.rates import MOST_CALLERS, NS_PER_S, TABLE_BYTES, Rate, Rates, shared_table

rates = st.builds(Rate, st.integers(1, 50), st.integers(1, 40))
pauses_ns = st.lists(st.integers(0, 2 * NS_PER_S), min_size=1, max_size=60)


class Stopped:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.now_ns = 10**15

    def __call__(self):
        return self.now_ns


@given(rates, pauses_ns)
def test_in_no_stretch_of_time_more_is_allowed_than_the_bucket_holds_and_is_filled_with(rate, pauses):
    clock = Stopped()
    table = Rates(clock_ns=clock)
    allowed_at = []
    for pause_ns in pauses:
        clock.now_ns += pause_ns
        if table.take("a", rate).is_allowed:
            allowed_at.append(clock.now_ns)
    table.close()
    for n, first_ns in enumerate(allowed_at):
        for m, last_ns in enumerate(allowed_at[n:], start=1):
            filled = (last_ns - first_ns) / (NS_PER_S // rate.per_second)
            assert m <= rate.at_once + filled


@given(rates, pauses_ns)
def test_what_is_told_is_true(rate, pauses):
    """As many as are said to be left are allowed at once, and whoever waits as long as told is let in."""
    clock = Stopped()
    table = Rates(clock_ns=clock)
    for pause_ns in pauses:
        clock.now_ns += pause_ns
        taken = table.take("a", rate)
    for left in range(taken.n_left, 0, -1):
        taken = table.take("a", rate)
        assert (taken.is_allowed, taken.n_left) == (True, left - 1)
    refused = table.take("a", rate)
    assert not refused.is_allowed
    clock.now_ns += refused.wait_ns - 1
    assert not table.take("a", rate).is_allowed
    clock.now_ns += 1
    assert table.take("a", rate).is_allowed
    clock.now_ns += table.take("a", rate).full_in_ns
    assert table.take("a", rate).n_left == rate.at_once - 1
    table.close()


def test_who_only_looks_is_told_what_would_become_of_them_and_takes_nothing():
    table = Rates(clock_ns=Stopped())
    for _ in range(4):
        looked = [table.look("a", Rate(1, 3)) for _ in range(5)]
        assert looked == [table.take("a", Rate(1, 3))] * 5
    assert not looked[0].is_allowed
    assert table.look("b", Rate(1, 3)).is_allowed
    table.close()


def test_callers_do_not_touch_one_another():
    table = Rates(clock_ns=Stopped())
    assert [table.take("a", Rate(1, 2)).is_allowed for _ in range(3)] == [True, True, False]
    assert table.take("b", Rate(1, 2)).is_allowed
    table.close()


def test_a_rate_that_was_lowered_holds_at_once_and_one_that_was_raised_too():
    clock = Stopped()
    table = Rates(clock_ns=clock)
    for _ in range(10):
        assert table.take("a", Rate(1, 10)).is_allowed
    refused = table.take("a", Rate(10, 1))
    assert not refused.is_allowed
    assert refused.wait_ns <= NS_PER_S
    clock.now_ns += refused.wait_ns
    assert table.take("a", Rate(10, 1)).is_allowed
    table.close()


def test_the_table_is_as_large_with_many_callers_as_with_none_and_forgets_who_is_full_again(tmp_path):
    clock, file = Stopped(), tmp_path / "rates"
    table = Rates(file, clock)
    for n in range(2 * MOST_CALLERS):
        assert table.take(f"address {n}", Rate(10, 5)).is_allowed
    assert file.stat().st_size == TABLE_BYTES
    clock.now_ns += NS_PER_S
    assert [table.take("late", Rate(10, 5)).n_left for _ in range(5)] == [4, 3, 2, 1, 0]
    table.close()
    assert b"late" not in file.read_bytes()


def _take_until_refused(file, counted):
    table = Rates(file)
    n_allowed = sum(table.take("a", Rate(1, 500)).is_allowed for _ in range(600))
    table.close()
    counted.put(n_allowed)


def test_processes_of_a_host_count_together(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    file = shared_table()
    spawning = multiprocessing.get_context("spawn")
    counted = spawning.Queue()
    processes = [spawning.Process(target=_take_until_refused, args=(file, counted)) for _ in range(2)]
    for process in processes:
        process.start()
    n_allowed = sum(counted.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert 500 <= n_allowed <= 500 + 60, "as many as the bucket holds, and one a second since"


def test_a_process_alone_shares_no_table(monkeypatch):
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert shared_table() is None


def test_threads_count_together():
    table = Rates(clock_ns=Stopped())
    with ThreadPoolExecutor(8) as threads:
        allowed = Counter(threads.map(lambda _: table.take("a", Rate(1, 300)).is_allowed, range(800)))
    assert allowed == {True: 300, False: 500}
    table.close()


@pytest.mark.parametrize("size", [0, 7])
def test_a_table_that_was_begun_and_not_finished_is_begun_again(tmp_path, size):
    file = tmp_path / "rates"
    file.write_bytes(b"x" * size)
    table = Rates(file)
    assert table.take("a", Rate(1, 1)).is_allowed
    assert not table.take("a", Rate(1, 1)).is_allowed
    table.close()
    table.close()
    assert file.stat().st_size == TABLE_BYTES
