"""Keys that are destroyed: nothing of an erased customer can be read, and every proof holds as before."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select
from support.erasing import (
    check_proofs,
    decide,
    entries_of_type,
    grows_from,
    readable,
    root_of_now,
    wrapped_keys,
)
from support.forgetting import begin, counts_of, erase, forgetting, receipt_of
from support.stores import NOW_MS, Clock, an_exposure, opened, store_customer, store_items

from api.errors import ErasedError, StoreUnavailableError
from api.forgetting.holds import place_hold, release_hold
from api.forgetting.keys import KEPT
from api.forgetting.receipt import proof_of
from api.forgetting.retention import purge, unseen
from api.forgetting.worker import Cascades
from api.metrics import Metrics
from api.storage import tables
from api.storage.cascades import StepStatus
from api.storage.connection import HELD_S, reading, writing
from api.storage.legal_holds import LegalHold
from api.storage.requests import get_request
from api.storage.suppressions import is_suppressed
from engine.interactions import DAY_MS
from guardrails.log import verifier

TESTS = Path(__file__).parents[2]


def ids_of(name, n=3):
    return [f"{name}-{number}" for number in range(n)]


def rows_of(store, key):
    """Rows that lead from a subject to a decision."""
    whose = tables.decision_subjects
    with reading(store.engine) as conn:
        return list(conn.scalars(select(whose.c.log_index).where(whose.c.subject_key == key)))


@pytest.fixture
def people(store):
    """Ten customers with decisions, and somebody without a name."""
    names = [f"customer-{number}" for number in range(10)]
    for name in names:
        store_customer(store, name)
        decide(store, store.subjects.account(name), ids_of(name))
    decide(store, None, ids_of("nobody"))
    return names


def test_no_body_of_the_erased_opens_and_all_others_do_and_every_proof_holds(store, people):
    before, gone = root_of_now(store), people[4]
    everything = [each for name in (*people, "nobody") for each in ids_of(name)]
    assert readable(store, everything) == set(everything)
    keys_before = wrapped_keys(store.settings.data_dir)

    cascade_id = begin(store, gone)

    assert readable(store, everything) == set(everything) - set(ids_of(gone))
    (destroyed,) = keys_before - wrapped_keys(store.settings.data_dir)
    for file in store.settings.data_dir.glob("keys.db*"):
        assert destroyed not in file.read_bytes()
    assert check_proofs(store) == 34
    assert grows_from(store, before)
    forgetting(store).finish_now(cascade_id)
    assert readable(store, everything) == set(everything) - set(ids_of(gone))
    assert rows_of(store, store.subjects.account(gone)) == []
    assert check_proofs(store) == 34


def test_the_log_tells_of_an_erasure_once_and_names_nobody(store, people):
    cascade_id = begin(store, people[0])
    assert begin(store, people[0]) == cascade_id
    cascade = forgetting(store).finish_now(cascade_id)
    (told,) = entries_of_type(store, "erasure")
    assert orjson.loads(told) == {
        "v": 2,
        "type": "erasure",
        "t_min": NOW_MS // 60_000,
        "request": cascade.request_id,
        "n": 3,
    }
    assert cascade.log_index == 33
    assert counts_of(cascade)["keys"] == 1


def test_the_receipt_proves_without_anything_else_that_the_log_tells_of_it(store, people):
    cascade = receipt_of(store, begin(store, people[0]))
    asked = verifier.Asked(
        log_keys=[verifier.parse_vkey(vkey) for vkey in store.logbook.vkeys], allow_unwitnessed=True
    )
    proof = proof_of(cascade, store.logbook)
    assert verifier.check_receipt(proof.encode(), asked).exit_code == 0
    other = proof.replace("index 33", "index 32")
    assert verifier.check_receipt(other.encode(), asked).exit_code == 1


def test_somebody_of_whom_nothing_is_held_is_told_of_as_well(store):
    cascade = receipt_of(store, begin(store, "never-heard-of"))
    assert (cascade.finished_at_ms, cascade.log_index) == (NOW_MS, 0)
    assert orjson.loads(entries_of_type(store, "erasure")[0])["n"] == 0


def test_visits_of_a_customer_lose_their_keys_with_them(store):
    store_customer(store, "anna")
    item_no, visit = store_items(store, "lamp")["lamp"], store.subjects.session("visit")
    customer_no = store_customer(store, "anna")
    decide(store, visit, ["before she logged in"], visit=True)
    exposure = an_exposure(item_no, customer_no=customer_no, session_key=visit)
    decide(store, store.subjects.account("anna"), ["after"], exposure=exposure)
    decide(store, store.subjects.session("another"), ["of somebody else"], visit=True)
    cascade_id = begin(store, "anna")
    assert readable(store, ["before she logged in", "after", "of somebody else"]) == {"of somebody else"}
    cascade = forgetting(store).finish_now(cascade_id)
    assert (counts_of(cascade)["keys"], counts_of(cascade)["decisions"]) == (2, 2)
    with reading(store.engine) as conn:
        assert conn.execute(select(tables.cascade_subjects)).all() == []


def test_keys_that_cannot_be_destroyed_now_are_destroyed_later_and_told_of_once(store, people, monkeypatch):
    with monkeypatch.context() as patched:

        def broken(*_):
            raise StoreUnavailableError("the keys are gone for a while")

        patched.setattr(store.keyring, "destroy", broken)
        cascade_id = begin(store, people[0])
        cascade = receipt_of(store, cascade_id)
        assert (cascade.status_of("keys"), cascade.log_index) == (StepStatus.PENDING, None)
        with reading(store.engine) as conn:
            key = store.subjects.account(people[0])
            assert is_suppressed(conn, [store.subjects.suppression(key)])
        clock = Clock()
        forgetting(store, clock).work_on_due()
        assert receipt_of(store, cascade_id).status_of("keys") is StepStatus.ERROR
        assert receipt_of(store, cascade_id).status_of("decisions") is StepStatus.PENDING
    clock.advance(3_600_000)
    forgetting(store, clock).work_on_due()
    assert receipt_of(store, cascade_id).finished_at_ms is not None
    assert len(entries_of_type(store, "erasure")) == 1


@pytest.mark.parametrize("step", ["blocked", "destroyed", "told"])
def test_killed_between_two_steps_the_erasure_is_done_once(store, people, step):
    gone = people[0]
    child = subprocess.run(
        [
            *(sys.executable, "-m", "support.erase_until_killed"),
            *(store.settings.database_url, str(store.settings.data_dir), gone, step),
        ],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    assert len(entries_of_type(store, "erasure")) == (step == "told")
    forgetting(store).work_on_due()
    (cascade_id,) = _erasures(store)
    assert receipt_of(store, cascade_id).finished_at_ms is not None
    assert counts_of(receipt_of(store, cascade_id))["keys"] == (step != "destroyed")
    assert store.subjects.account(gone) not in in_files_of_keys(store)
    assert len(entries_of_type(store, "erasure")) == 1
    assert readable(store, ids_of(gone)) == set()
    assert readable(store, ids_of(people[1])) == set(ids_of(people[1]))
    check_proofs(store)


def in_files_of_keys(store):
    """Every byte of the store of keys: the file, and what it has beside itself."""
    return b"".join(file.read_bytes() for file in sorted(store.settings.data_dir.glob("keys.db*")))


def reading_keys(store):
    """Read from the store of keys, and go on until closed: nothing can be removed from its disk meanwhile."""
    driver = sqlite3.connect(store.settings.data_dir / "keys.db", isolation_level=None)
    driver.execute("BEGIN")
    assert driver.execute("SELECT count(*) FROM subject_keys").fetchone()[0]
    return closing(driver)


def is_pending(store, step):
    with reading(store.engine) as conn:
        steps = tables.cascade_steps
        status = conn.scalar(select(steps.c.status).where(steps.c.downstream == step))
    return status == StepStatus.PENDING.value


def waits_for(holds):
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_others_are_answered_while_what_keys_have_left_on_the_disk_is_removed(store, people, monkeypatch):
    monkeypatch.setattr("api.storage.connection.PATIENCE_S", 60)
    gone, key = people[0], store.subjects.account(people[0])
    with ThreadPoolExecutor(1) as elsewhere:
        with reading_keys(store):
            begun = elsewhere.submit(begin, store, gone)
            waits_for(lambda: entries_of_type(store, "erasure"))
            before = time.monotonic()
            decide(store, store.subjects.account(people[1]), ["meanwhile"])
            decide(store, store.subjects.account("new"), ["of somebody new"])
            assert time.monotonic() - before < HELD_S
            assert readable(store, [*ids_of(gone), "meanwhile"]) == {"meanwhile"}
            assert key in in_files_of_keys(store)
            assert is_pending(store, "keys")
            assert not begun.done()
        cascade = receipt_of(store, begun.result())
    assert cascade.status_of("keys") is StepStatus.COMPLETE
    assert key not in in_files_of_keys(store)


def test_keys_that_are_still_on_the_disk_are_not_said_to_be_gone_and_cannot_be_held(
    sqlite_store, monkeypatch
):
    store, key = sqlite_store, sqlite_store.subjects.account("anna")
    monkeypatch.setattr("api.storage.connection.PATIENCE_S", 0.1)
    store_customer(store, "anna")
    decide(store, key, ids_of("anna"))
    with reading_keys(store):
        cascade_id, clock = begin(store, "anna"), Clock()
        assert receipt_of(store, cascade_id).status_of("keys") is StepStatus.PENDING
        with pytest.raises(ErasedError, match="nothing is left to hold"):
            held(store, "anna")
        forgetting(store, clock).work_on_due()
        assert receipt_of(store, cascade_id).status_of("keys") is StepStatus.ERROR
        assert key in in_files_of_keys(store)
    clock.advance(3_600_000)
    forgetting(store, clock).work_on_due()
    cascade = receipt_of(store, cascade_id)
    assert (cascade.finished_at_ms, counts_of(cascade)["keys"]) == (clock.now_ms, 1)
    assert key not in in_files_of_keys(store)
    assert len(entries_of_type(store, "erasure")) == 1


def test_keys_that_visits_got_meanwhile_are_gone_from_the_disk_when_the_erasure_is_finished(store):
    item_no, visit = store_items(store, "lamp")["lamp"], store.subjects.session("visit")
    exposure = an_exposure(item_no, customer_no=store_customer(store, "anna"), session_key=visit)
    decide(store, store.subjects.account("anna"), ["hers"], exposure=exposure)
    cascade_id = begin(store, "anna")
    decide(store, visit, ["after she was erased"], visit=True)
    (late,) = wrapped_keys(store.settings.data_dir)
    assert forgetting(store).finish_now(cascade_id).finished_at_ms is not None
    assert readable(store, ["after she was erased"]) == set()
    assert late not in in_files_of_keys(store)


def test_others_are_answered_while_the_purge_removes_what_keys_have_left_on_the_disk(store, monkeypatch):
    monkeypatch.setattr("api.storage.connection.PATIENCE_S", 60)
    over, old = store.subjects.session("over"), (NOW_MS - 1000 * DAY_MS) // 60_000
    decide(store, over, ["of a visit"], visit=True, minute=old)
    decide(store, store.subjects.account("anna"), ["old"], minute=old)
    decide(store, store.subjects.account("bert"), ["of now"])
    with ThreadPoolExecutor(1) as elsewhere:
        with reading_keys(store):
            purged = elsewhere.submit(purge, store.logbook, store.settings, NOW_MS, unseen)
            waits_for(lambda: store.keyring.subjects() == {store.subjects.account("bert")})
            before = time.monotonic()
            decide(store, store.subjects.account("bert"), ["meanwhile"])
            assert time.monotonic() - before < HELD_S
            assert over in in_files_of_keys(store)
            assert not purged.done()
        purged.result()
    assert over not in in_files_of_keys(store)
    assert store.subjects.account("anna") not in in_files_of_keys(store)


def _erasures(store):
    table = tables.cascades
    with reading(store.engine) as conn:
        return list(conn.scalars(select(table.c.cascade_id).where(table.c.kind == "erasure")))


def held(store, name, hold_id="hold-1"):
    hold = LegalHold(hold_id, store.subjects.account(name), "claim 4711", "key-1", NOW_MS)
    place_hold(store.logbook, hold, NOW_MS)


def test_a_hold_keeps_sealed_records_and_nothing_else_until_it_is_lifted(store, people):
    gone, key = people[0], store.subjects.account(people[0])
    held(store, gone)
    held(store, gone, "hold-2")
    cascade = erase(store, gone)
    assert cascade.finished_at_ms is None
    assert {
        step.downstream: step.detail for step in cascade.steps if step.status is StepStatus.HELD
    }.keys() == {*("keys", "decisions", "customer", "database")}
    assert [step.detail for step in cascade.steps if step.downstream == "keys"] == [KEPT]
    with reading(store.engine) as conn:
        kept = get_request(conn, cascade.request_id)
        assert (
            conn.scalar(select(tables.customers.c.customer_id).where(tables.customers.c.subject_key == key))
            is None
        )
        places = tables.decision_terms.c.log_index
        assert not set(conn.scalars(select(places))) & set(rows_of(store, key))
        assert is_suppressed(conn, [store.subjects.suppression(key)])
    assert (kept.state, "legal claim" in kept.outcome) == ("done", True)
    assert readable(store, ids_of(gone)) == set(ids_of(gone))
    assert entries_of_type(store, "erasure") == []

    release_hold(store.logbook, "hold-1", NOW_MS)
    assert forgetting(store).work_on_due() == 0
    release_hold(store.logbook, "hold-2", NOW_MS)
    assert forgetting(store).work_on_due() == 1
    done = receipt_of(store, cascade.cascade_id)
    assert {step.status for step in done.steps} == {StepStatus.COMPLETE}
    assert (done.finished_at_ms, done.subject_key) == (NOW_MS, None)
    assert readable(store, ids_of(gone)) == set()
    assert rows_of(store, key) == []
    assert len(entries_of_type(store, "erasure")) == 1
    assert [orjson.loads(each)["event"] for each in entries_of_type(store, "legal_hold")] == [
        *("placed", "placed", "lifted", "lifted")
    ]
    with reading(store.engine) as conn:
        assert conn.execute(select(tables.legal_holds)).all() == []
        assert get_request(conn, cascade.request_id).outcome == "everything held was erased"
    check_proofs(store)


def test_what_is_destroyed_already_cannot_be_held(store, people):
    begin(store, people[0])
    with pytest.raises(ErasedError, match="nothing is left to hold"):
        held(store, people[0])


def test_a_database_that_is_put_back_brings_no_body_back_and_the_erasure_is_done_again(
    sqlite_store, tmp_path
):
    store = sqlite_store
    for name in ("anna", "bert", "late"):
        store_customer(store, name)
        decide(store, store.subjects.account(name), ids_of(name))
    _backup(store, tmp_path / "backup.db")
    for name in ("anna", "somebody never heard of"):
        erase(store, name)
    store.engine.dispose()
    store.logbook.close()
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"tactful.db{suffix}").unlink(missing_ok=True)
    shutil.copyfile(tmp_path / "backup.db", tmp_path / "tactful.db")
    for file in tmp_path.glob("checkpoints.db*"):  # whoever restores tells the guard as well
        file.unlink()
    with opened(store.settings.database_url, tmp_path) as restored:
        assert readable(restored, [*ids_of("anna"), *ids_of("bert")]) == set(ids_of("bert"))
        assert rows_of(restored, restored.subjects.account("anna"))
        cascades = Cascades(forgetting(restored), restored.engine, Metrics(), purges_daily=False, poll_s=3600)
        cascades.start()
        with reading(restored.engine) as conn:
            keys = [restored.subjects.account(each) for each in ("anna", "somebody never heard of", "bert")]
            suppressions = [restored.subjects.suppression(key) for key in keys]
            assert is_suppressed(conn, suppressions) == set(suppressions[:2])
        cascades.close()
        forgetting(restored).work_on_due()
        assert rows_of(restored, restored.subjects.account("anna")) == []
        with reading(restored.engine) as conn:
            assert set(conn.scalars(select(tables.customers.c.customer_id))) == {"bert", "late"}
        assert forgetting(restored).reapply_erasures() == 0
        assert readable(restored, ids_of("bert")) == set(ids_of("bert"))
        check_proofs(restored)


def _backup(store, file):
    """Copy the database as backups of it are made: while it is used."""
    target = sqlite3.connect(file)
    with sqlite3.connect(store.engine.url.database) as source:
        source.backup(target)
    target.close()


def test_keys_that_are_put_back_are_destroyed_again(store, people):
    copy = store.settings.data_dir / "copy"
    copy.mkdir()
    _copy_keys(store, store.settings.data_dir, copy)
    erase(store, people[0])
    store.logbook.close()
    for file in store.settings.data_dir.glob("keys.db*"):
        file.unlink()
    _copy_keys(store, copy, store.settings.data_dir)
    with opened(store.settings.database_url, store.settings.data_dir) as again:
        n_before = sum(again.keyring.count().values())
        assert forgetting(again).reapply_erasures() == 0
        assert sum(again.keyring.count().values()) == n_before - 1
        assert again.subjects.account(people[0]) not in in_files_of_keys(again)
        assert readable(again, ids_of(people[1])) == set(ids_of(people[1]))


def _copy_keys(store, source, target):
    store.keyring.close()
    for file in source.glob("keys.db*"):
        shutil.copyfile(file, target / file.name)


def test_decisions_that_are_under_way_leave_no_body_no_key_and_no_row(store, people):
    gone, stop, failed = people[0], threading.Event(), []
    key = store.subjects.account(gone)
    asked = []

    def ask(worker):
        number = 0
        while not stop.is_set():
            decision_id = f"{worker}-{number}"
            asked.append(decision_id)
            try:
                decide(store, key, [decision_id])
            except Exception as error:
                failed.append(error)
                raise
            number += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while len(asked) < 12:
        pass
    cascade_id = begin(store, gone)
    n_then = len(asked)
    while len(asked) < n_then + 12:
        pass
    clock = Clock()
    work = forgetting(store, clock)
    work.finish_now(cascade_id)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    # A step that did not get at the busy database is taken again a little later, whoever runs then.
    clock.advance(3_600_000)
    assert work.finish_now(cascade_id).finished_at_ms is not None
    assert readable(store, asked) == set()
    assert rows_of(store, key) == []
    with writing(store.engine):
        assert key not in store.keyring.subjects()
    with reading(store.engine) as conn:
        bodies = set(conn.scalars(select(tables.decision_bodies.c.log_index)))
        terms = set(conn.scalars(select(tables.decision_terms.c.log_index)))
    assert terms <= bodies
    check_proofs(store)
