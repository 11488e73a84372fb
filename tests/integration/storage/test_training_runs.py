"""One training at a time, whoever asks; one that nobody claims any longer is over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.stores import NOW_MS

from api.errors import UnknownRunError
from api.models.runs import run_state
from api.storage.connection import reading, writing
from api.storage.training_runs import RunState, TrainingRun, get_run, insert_run, list_runs, note_run

UNTIL_MS = NOW_MS + 60_000
RUN = TrainingRun(
    run_id="one",
    state=RunState.QUEUED,
    stage="",
    n_done=0,
    n_total=None,
    budget_s=60,
    may_activate=True,
    actor="a key",
    requested_at_ms=NOW_MS,
    started_at_ms=None,
    claimed_until_ms=UNTIL_MS,
    finished_at_ms=None,
    version=None,
    activated=None,
    because=None,
)


def begun(store, run=RUN):
    with writing(store.engine) as conn:
        return insert_run(conn, run)


def noted(store, run, was_until_ms=UNTIL_MS):
    with writing(store.engine) as conn:
        return note_run(conn, run, was_until_ms)


def stored(store, run_id="one"):
    with reading(store.engine) as conn:
        return get_run(conn, run_id)


def test_a_run_is_stored_as_it_is_and_noted_as_it_goes(store):
    assert begun(store) is None
    assert stored(store) == RUN
    running = replace(
        RUN, state=RunState.RUNNING, stage="learning", n_done=2, n_total=9, started_at_ms=NOW_MS
    )
    assert noted(store, running)
    assert stored(store) == running
    ended = replace(
        running,
        state=RunState.SUCCEEDED,
        finished_at_ms=NOW_MS + 1,
        version="v",
        activated=True,
        because="it was the first",
    )
    assert noted(store, ended)
    assert stored(store) == ended == ended.as_of(UNTIL_MS + 1)
    assert not noted(store, running)


def test_while_one_is_under_way_no_other_begins(store):
    begun(store)
    other = replace(RUN, run_id="two")
    assert begun(store, other) == RUN
    assert stored(store, "two") is None
    noted(store, replace(RUN, state=RunState.FAILED, finished_at_ms=NOW_MS + 1))
    assert begun(store, other) is None


def test_one_that_nobody_claims_any_longer_is_interrupted_and_makes_way(store):
    begun(store)
    assert run_state(store.engine, "one", UNTIL_MS - 1).state is RunState.QUEUED
    assert run_state(store.engine, "one", UNTIL_MS).state is RunState.INTERRUPTED
    later = replace(RUN, run_id="two", requested_at_ms=UNTIL_MS, claimed_until_ms=UNTIL_MS + 60_000)
    assert begun(store, later) is None
    left = stored(store)
    assert (left.state, left.finished_at_ms) == (RunState.INTERRUPTED, UNTIL_MS)
    assert not noted(store, replace(RUN, stage="still at it"))


def test_nothing_is_known_of_a_run_that_nobody_asked_for(store):
    with pytest.raises(UnknownRunError):
        run_state(store.engine, "none", NOW_MS)


def test_the_last_ones_are_listed_first(store):
    begun(store)
    noted(store, replace(RUN, state=RunState.FAILED, finished_at_ms=NOW_MS + 1))
    begun(store, replace(RUN, run_id="two", requested_at_ms=NOW_MS + 2))
    with reading(store.engine) as conn:
        assert [each.run_id for each in list_runs(conn, 5)] == ["two", "one"]
        assert [each.run_id for each in list_runs(conn, 1)] == ["two"]
