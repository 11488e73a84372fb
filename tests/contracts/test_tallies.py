"""Sums over all decisions promise the same on every database: they are what the log holds, to the one."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import delete
from support.stores import NOW_MS, SUBJECTS, a_decision
from support.tries import tries

from api.storage.connection import reading, writing
from api.storage.decisions import append_decisions
from api.storage.erasure import Whose, erase_decisions
from api.storage.recorder import Recorder
from api.storage.suppressions import suppress
from api.storage.tables import tallies
from api.storage.tallies import DaySum, read_tallies, recorded_from, tallied_from
from guardrails.log.tallies import Part, Tally

TODAY = NOW_MS // 86_400_000
ANNA = SUBJECTS.account("anna")

some_tallies = st.lists(
    st.builds(
        Tally,
        st.sampled_from(Part),
        st.sampled_from(["home", "popular", "G17", "it's", "a,b"]),
        st.integers(0, 1),
        st.integers(0, 20),
        st.integers(0, 200),
    ),
    max_size=6,
    unique_by=lambda each: each[:2],
)
some_batches = st.lists(
    st.lists(st.tuples(st.integers(0, 3 * 1_440), some_tallies), min_size=1, max_size=5), max_size=4
)

SHOWN = (Tally(Part.BASIS, "popular", 1, 3, 0), Tally(Part.PLACEMENT, "home", 1, 3, 2))


def appended(store, *decisions):
    with writing(store.engine) as conn:
        append_decisions(conn, store.keyring, decisions)


def sums(store, day_from=0, day_to=TODAY + 1):
    with reading(store.engine) as conn:
        return read_tallies(conn, day_from, day_to)


@tries(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_batches)
def test_sums_are_those_of_every_decision_in_the_log(store, batches):
    expected = Counter()
    with writing(store.engine) as conn:
        conn.execute(delete(tallies))
    for batch in batches:
        appended(
            store,
            *(
                a_decision(f"decision-{next(store.numbers)}", minute=minute, tallies=tuple(counted))
                for minute, counted in batch
            ),
        )
        for minute, counted in batch:
            for part, name, *counts in counted:
                for at, n in enumerate(counts):
                    expected[minute // 1_440, part, name, at] += n
    found = sums(store)
    assert {(day, part, name, at): n for day, part, name, *ns in found for at, n in enumerate(ns) if n} == {
        of: n for of, n in expected.items() if n
    }
    assert [each[:3] for each in found] == sorted(each[:3] for each in found)


def test_only_the_days_that_are_asked_for_are_read(store):
    days = [TODAY - 2, TODAY - 1, TODAY]
    appended(store, *(a_decision(f"on {day}", minute=day * 1_440, tallies=SHOWN) for day in days))
    assert {each.day for each in sums(store, TODAY - 1, TODAY)} == {TODAY - 1}


def test_a_batch_that_is_rolled_back_is_not_counted(store):
    def fail_afterwards():
        with writing(store.engine) as conn:
            append_decisions(conn, store.keyring, [a_decision(tallies=SHOWN)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_afterwards()
    assert sums(store) == []


def test_a_decision_that_is_refused_is_not_counted_and_those_beside_it_are(store):
    recorder = Recorder(store.logbook)
    recorder.start()
    appended(store, a_decision("taken", tallies=SHOWN))
    with ThreadPoolExecutor(6) as pool:
        outcomes = [
            pool.submit(recorder.submit, a_decision(each, tallies=SHOWN))
            for each in ["taken", "one", "two", "three", "four", "taken"]
        ]
    n_recorded = sum(each.exception() is None for each in outcomes)
    recorder.close()
    assert n_recorded == 4
    assert {each.n_decisions for each in sums(store)} == {5}


def test_sums_of_many_writers_lose_nothing(store):
    def write(number):
        for at in range(10):
            appended(store, a_decision(f"{number}-{at}", tallies=SHOWN))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert sums(store) == [
        DaySum(TODAY, Part.BASIS, "popular", 40, 120, 0),
        DaySum(TODAY, Part.PLACEMENT, "home", 40, 120, 80),
    ]


def test_erasing_somebody_takes_nothing_from_sums_which_tell_of_nobody(store):
    theirs = {"subject_key": ANNA, "suppression_key": ANNA, "tallies": SHOWN}
    appended(store, a_decision("before", **theirs))
    with writing(store.engine) as conn:
        assert erase_decisions(conn, Whose((ANNA,))) == 1
        suppress(conn, ANNA, NOW_MS)
    appended(store, a_decision("made while they were erased", **theirs))
    assert {each.n_decisions for each in sums(store)} == {2}


def test_it_is_known_since_when_is_counted_and_since_when_is_recorded(store):
    with reading(store.engine) as conn:
        assert (tallied_from(conn), recorded_from(conn)) == (None, None)
    appended(store, a_decision("of before", minute=(TODAY - 9) * 1_440, tallies=()))
    appended(store, a_decision("counted", minute=TODAY * 1_440, tallies=SHOWN))
    with reading(store.engine) as conn:
        assert (tallied_from(conn), recorded_from(conn)) == (TODAY, TODAY - 9)
