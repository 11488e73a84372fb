"""Who works on a cascade, and what happens when it fails or dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from support.forgetting import begin, counts_of, erase, forgetting, nothing_learned, plant, receipt_of, traces
from support.stores import NOW_MS, Clock

from api.errors import ImportFileError
from api.forgetting.files import REHEARSALS_FOLDER
from api.forgetting.worker import LEASE_MS, OF_THIS_HOST, Cascades, Forgetting
from api.metrics import Metrics
from api.storage.cascades import StepStatus, claim, count_cascades, due_cascades, renew
from api.storage.connection import reading, writing

TESTS = Path(__file__).parents[2]


def test_two_workers_never_hold_the_same_cascade(store):
    plant(store)
    cascade_id = begin(store, "customer-mark-00")
    with writing(store.engine) as conn:
        assert due_cascades(conn, NOW_MS, 10) == [(cascade_id, 0)]
        assert claim(conn, cascade_id, 0, NOW_MS + 1000)
        assert not claim(conn, cascade_id, 0, NOW_MS + 2000)
        assert due_cascades(conn, NOW_MS, 10) == []
        assert due_cascades(conn, NOW_MS + 1000, 10) == [(cascade_id, NOW_MS + 1000)]
        assert renew(conn, cascade_id, NOW_MS + 1000, NOW_MS + 5000)
        assert not renew(conn, cascade_id, NOW_MS + 1000, NOW_MS + 9000)


def test_what_fails_is_noted_without_a_word_of_the_customers_and_tried_again_later(store):
    anna, clock, broken = plant(store), Clock(), [True]

    def forget(engine, settings, gone, now_ms, progress):
        assert gone == {anna.customer_no}
        if broken[0]:
            raise ImportFileError(f"about {anna.customer_id}")
        return nothing_learned(engine, settings, gone, now_ms, progress)

    work = forgetting(store, clock, forget_in_models=forget)
    cascade_id = begin(store, anna.customer_id)
    assert work.work_on_due() == 1
    cascade = receipt_of(store, cascade_id)
    (model,) = (step for step in cascade.steps if step.downstream == "model")
    assert (model.status, model.detail) == (StepStatus.ERROR, "ImportFileError")
    assert cascade.finished_at_ms is None
    waiting = {step.downstream for step in cascade.steps if step.status is StepStatus.PENDING}
    assert waiting == {"history", "consents", "customer", "database"}
    with reading(store.engine) as conn:
        assert count_cascades(conn) == (1, 1)
    assert work.work_on_due() == 0
    clock.advance(3_600_000)
    broken[0] = False
    assert work.work_on_due() == 1
    cascade = receipt_of(store, cascade_id)
    assert {step.status for step in cascade.steps} == {StepStatus.COMPLETE}
    assert traces(store, anna.needles()) == []


def test_the_model_forgets_all_that_wait_in_one_pass(store):
    planted = [plant(store, f"customer-mark-1{number}") for number in range(3)]
    for each in planted:
        begin(store, each.customer_id)
    passes = []

    def forget(engine, settings, gone, now_ms, progress):
        passes.append(set(gone))
        return nothing_learned(engine, settings, gone, now_ms, progress)

    assert forgetting(store, forget_in_models=forget).work_on_due() == 3
    assert passes == [{each.customer_no for each in planted}]


def test_a_lease_is_renewed_while_the_model_forgets(store):
    plant(store)
    clock = Clock()
    cascade_id = begin(store, "customer-mark-00")

    def forget(engine, settings, gone, now_ms, progress):
        for _ in range(5):
            clock.advance(LEASE_MS // 2 + 1)
            progress(0, None, "learning")
            with reading(store.engine) as conn:
                assert due_cascades(conn, clock.now_ms, 10) == []
        return nothing_learned(engine, settings, gone, now_ms, progress)

    forgetting(store, clock, forget_in_models=forget).work_on_due()
    assert receipt_of(store, cascade_id).finished_at_ms is not None


def test_a_thread_beside_the_requests_does_it_and_is_woken(store):
    plant(store)
    clock = Clock()
    cascades = Cascades(forgetting(store, clock), store.engine, Metrics(), purges_daily=False, poll_s=3600)
    cascades.start()
    cascade_id = begin(store, "customer-mark-00")
    cascades.wake()
    deadline = time.monotonic() + 20
    while receipt_of(store, cascade_id).finished_at_ms is None and time.monotonic() < deadline:
        time.sleep(0.02)
    cascades.close()
    cascades.close()
    assert receipt_of(store, cascade_id).finished_at_ms is not None


def test_a_worker_that_is_told_to_stop_hands_its_cascade_back(store):
    plant(store)
    cascade_id = begin(store, "customer-mark-00")
    forgetting(store).work_on_due(lambda: False)
    assert receipt_of(store, cascade_id).finished_at_ms is None
    with reading(store.engine) as conn:
        assert due_cascades(conn, NOW_MS, 10)
    forgetting(store).work_on_due()
    assert receipt_of(store, cascade_id).finished_at_ms is not None


def rehearsed(data_dir, name, at_ms):
    """What a rehearsal has kept at a time."""
    file = data_dir / REHEARSALS_FOLDER / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"columns")
    os.utime(file, ns=(at_ms * 1_000_000, at_ms * 1_000_000))
    return file


def test_what_rehearsals_keep_on_another_host_goes_when_that_one_looks(store, tmp_path_factory):
    there = tmp_path_factory.mktemp("another-host")
    elsewhere = Forgetting(store.logbook, replace(store.settings, data_dir=there), Clock())
    before, after = (rehearsed(there, f"{at}.arrow", NOW_MS + at) for at in (-1, 60_000))
    assert elsewhere.follow_others() == 0
    cascade = erase(store, plant(store).customer_id)
    (files,) = (step for step in cascade.steps if step.downstream == "files")
    assert files.detail == (OF_THIS_HOST if store.on_postgresql else None)
    assert before.exists()
    cascades = Cascades(elsewhere, store.engine, Metrics(), purges_daily=False)
    cascades.start()
    deadline = time.monotonic() + 20
    while before.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    cascades.close()
    assert (before.exists(), after.exists()) == (False, True)
    assert elsewhere.follow_others() == 0


def test_killed_in_the_middle_somebody_else_finishes_it_and_the_receipt_adds_up(store):
    anna = plant(store, n_interactions=6000)
    cascade_id = begin(store, anna.customer_id)
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "support.forget_slowly",
            store.settings.database_url,
            str(store.settings.data_dir),
        ],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert child.stdout.readline() == b"history\n"
    time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    half = counts_of(receipt_of(store, cascade_id))["history"]
    assert half < 4800
    assert receipt_of(store, cascade_id).finished_at_ms is None
    assert forgetting(store).work_on_due() == 0  # the lease of the dead still stands
    assert forgetting(store, Clock(NOW_MS + LEASE_MS)).work_on_due() == 1
    cascade = receipt_of(store, cascade_id)
    assert cascade.finished_at_ms is not None
    assert cascade.n_attempts == 2
    assert counts_of(cascade)["history"] == 4800
    assert traces(store, anna.needles()) == []


def test_others_get_to_write_while_much_is_erased(store):
    plant(store, n_interactions=10_000)
    cascade_id = begin(store, "customer-mark-00")
    worker = threading.Thread(target=lambda: forgetting(store).finish_now(cascade_id))
    worker.start()
    slowest_s, n_writes = 0.0, 0
    while worker.is_alive():
        started = time.monotonic()
        with writing(store.engine) as conn:
            conn.execute(text("UPDATE active_versions SET changed_at_ms = changed_at_ms"))
        slowest_s = max(slowest_s, time.monotonic() - started)
        n_writes += 1
    worker.join()
    assert n_writes > 20
    assert slowest_s < 2


@pytest.mark.parametrize("n_interactions", [0, 1, 499, 500, 501])
def test_any_number_of_rows_adds_up(sqlite_store, n_interactions):
    plant(sqlite_store, n_interactions=n_interactions)
    counts = counts_of(erase(sqlite_store, "customer-mark-00"))
    n_of_visits = -(-n_interactions // 5)
    assert counts["history"] == n_interactions - n_of_visits
