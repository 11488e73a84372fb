"""Customers are taken out of the model in force, and every other model that may hold them is removed."""

from __future__ import annotations

import fcntl
import threading
import time

import pytest
from sqlalchemy import text
from support.learning import (
    LATER_MS,
    TRAINED_MS,
    another_store,
    buys,
    numbers_of,
    open_shop,
    remove,
    takes_back,
    unseen,
)
from support.stores import Store, settings_for

from api.errors import StoreUnavailableError
from api.forgetting.models import ModelForgetting, forget_customers
from api.models.alone import LOCK_FILE, TRAINING_LOCK
from api.storage.connection import holding, open_engine, reading, writing
from api.storage.versions import MODEL, active, get_model, list_models
from api.training import train
from api.updating import update_model
from engine.artefact import load_artefact
from engine.errors import ModelFitError
from guardrails.consent.events import Status

_END_WHOEVER_HAS_IT = text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = :low AND granted"
)

N_CUSTOMERS = 16
"""Too few to compare learners by, so the walk is used."""


@pytest.fixture
def shop(store) -> Store:
    open_shop(store, N_CUSTOMERS)
    return store


def trained(store: Store, at_ms: int = TRAINED_MS, **options) -> str:
    return train(store.engine, store.settings, at_ms, unseen, **options).version


def forgotten(store: Store, *customer_ids: str, at_ms: int = LATER_MS) -> ModelForgetting:
    gone = numbers_of(store, *customer_ids).values()
    return forget_customers(store.engine, store.settings, gone, at_ms, unseen)


def version_without(tmp_path, *customer_ids: str, at_ms: int = TRAINED_MS, more=lambda store: None) -> str:
    """Train a shop that never had some customers."""
    with another_store(tmp_path / "never") as never:
        open_shop(never, N_CUSTOMERS, but=customer_ids)
        more(never)
        return trained(never, at_ms)


def in_force(store: Store) -> str | None:
    with reading(store.engine) as conn:
        return active(conn).get(MODEL)


def folders(store: Store) -> set[str]:
    return {entry.name for entry in store.settings.artefacts_dir.iterdir() if entry.is_dir()}


@pytest.mark.parametrize("status", [Status.RESTRICTED, Status.CONSENT_WITHDRAWN])
def test_without_a_customer_the_model_is_that_of_a_shop_that_never_had_them(shop, tmp_path, status):
    before = trained(shop)
    takes_back(shop, "c03", LATER_MS - 1, status)
    report = forgotten(shop, "c03")
    assert (report.before, report.path) == (before, "incremental")
    assert 0 < report.n_rows_rebuilt <= 14
    assert report.after == in_force(shop) == version_without(tmp_path, "c03")
    assert report.erased == (before,)
    assert folders(shop) == {report.after}


def test_many_are_taken_out_in_one_pass_and_once_they_are_removed_training_gives_the_same(shop, tmp_path):
    trained(shop)
    gone = ("c00", "c07", "c15")
    for customer_id in gone:
        takes_back(shop, customer_id, LATER_MS - 1, Status.RESTRICTED)
    report = forgotten(shop, *gone)
    assert report.path == "incremental"
    assert report.after == version_without(tmp_path, *gone)
    for customer_id in gone:
        remove(shop, customer_id)
    assert trained(shop, TRAINED_MS) == report.after


def test_forgetting_again_changes_nothing(shop):
    trained(shop)
    takes_back(shop, "c03", LATER_MS - 1, Status.RESTRICTED)
    first, second = forgotten(shop, "c03"), forgotten(shop, "c03", at_ms=LATER_MS + 1)
    assert (second.before, second.after, second.path) == (first.after, first.after, "incremental")
    assert (second.n_rows_rebuilt, second.erased) == (0, ())
    assert load_artefact(shop.settings.artefacts_dir / first.after)


def test_one_after_the_other_each_is_incremental(shop, tmp_path):
    trained(shop)
    for customer_id in ("c01", "c02"):
        takes_back(shop, customer_id, LATER_MS - 1, Status.RESTRICTED)
        report = forgotten(shop, customer_id)
        assert report.path == "incremental"
        remove(shop, customer_id)
    assert report.after == version_without(tmp_path, "c01", "c02")
    with reading(shop.engine) as conn:
        (manifest,) = (row.manifest for row in list_models(conn) if row.version == report.after)
    assert manifest.count("customers were taken out of model") == 1


def test_what_was_done_since_the_training_is_not_mixed_in(shop, tmp_path):
    trained(shop)
    buys(shop, "c05", "item-01", at_ms=LATER_MS - 5)
    buys(shop, "c03", "item-01", at_ms=LATER_MS - 5)
    takes_back(shop, "c03", LATER_MS - 1, Status.RESTRICTED)
    report = forgotten(shop, "c03")
    assert (report.path, report.after) == ("incremental", version_without(tmp_path, "c03"))


def test_when_somebody_else_has_withdrawn_since_the_model_is_learned_anew_without_both(shop, tmp_path):
    trained(shop)
    takes_back(shop, "c03", LATER_MS - 1, Status.RESTRICTED)
    takes_back(shop, "c04", LATER_MS - 1)
    report = forgotten(shop, "c03")
    assert report.path == "refit"
    assert report.after == version_without(tmp_path, "c03", "c04", at_ms=LATER_MS)


def test_what_came_late_from_before_the_training_is_not_mixed_in_either(shop, tmp_path):
    trained(shop)
    buys(shop, "c05", "item-01", at_ms=TRAINED_MS - 5)
    takes_back(shop, "c03", LATER_MS - 1, Status.RESTRICTED)
    report = forgotten(shop, "c03")
    assert (report.path, report.after) == ("incremental", version_without(tmp_path, "c03"))


def test_models_that_were_kept_aside_and_what_a_dead_writer_left_are_removed_as_well(shop):
    aside = trained(shop, may_activate=False)
    trained(shop, TRAINED_MS + 86_400_000)
    (shop.settings.artefacts_dir / ".draft-left").mkdir()
    (shop.settings.artefacts_dir / ("f" * 64)).mkdir()
    takes_back(shop, "c03", LATER_MS - 1, Status.RESTRICTED)
    report = forgotten(shop, "c03")
    assert aside in report.erased
    assert folders(shop) == {report.after}
    with reading(shop.engine) as conn:
        assert get_model(conn, aside).erased_at_ms == LATER_MS
        assert get_model(conn, report.after).erased_at_ms is None


def test_arrays_that_an_interrupted_pass_left_are_removed_by_the_next(shop):
    before = trained(shop)
    takes_back(shop, "c03", LATER_MS - 1, Status.RESTRICTED)
    forgotten(shop, "c03")
    (shop.settings.artefacts_dir / before).mkdir()
    forgotten(shop, "c03")
    assert before not in folders(shop)


def test_of_who_never_agreed_no_model_can_know_and_none_is_touched(shop):
    before = trained(shop)
    buys(shop, "silent", "item-01")
    report = forgotten(shop, "silent")
    assert (report.before, report.after, report.path, report.erased) == (before, before, "untouched", ())
    assert folders(shop) == {before}


def test_with_nobody_left_to_learn_from_no_model_is_in_force(store):
    open_shop(store, 2)
    before = trained(store)
    for customer_id in ("c00", "c01"):
        takes_back(store, customer_id, LATER_MS - 1, Status.RESTRICTED)
    report = forgotten(store, "c00", "c01")
    assert (report.before, report.after, report.path) == (before, None, "none")
    assert in_force(store) is None
    assert folders(store) == set()


def test_with_no_model_in_force_those_kept_aside_are_removed(shop):
    aside = trained(shop, may_activate=False)
    report = forgotten(shop, "c03")
    assert (report.before, report.after, report.erased) == (None, None, (aside,))
    assert folders(shop) == set()


@pytest.mark.parametrize("damage", ["arrays", "everything"])
def test_a_model_that_cannot_be_read_is_learned_anew(shop, tmp_path, damage):
    folder = shop.settings.artefacts_dir / trained(shop)
    takes_back(shop, "c03", LATER_MS - 1, Status.RESTRICTED)
    for file in folder.glob("*" if damage == "everything" else "*.npy"):
        file.unlink()
    report = forgotten(shop, "c03")
    assert report.path == "refit"
    assert report.after == version_without(tmp_path, "c03", at_ms=LATER_MS)


def test_who_forgets_waits_for_a_training_that_is_under_way(sqlite_store):
    open_shop(sqlite_store, N_CUSTOMERS)
    trained(sqlite_store)
    takes_back(sqlite_store, "c03", LATER_MS - 1, Status.RESTRICTED)
    waiting, reports = threading.Event(), []

    def progress(done, total, message):
        if message.startswith("waiting"):
            waiting.set()

    def forget():
        gone = numbers_of(sqlite_store, "c03").values()
        reports.append(forget_customers(sqlite_store.engine, sqlite_store.settings, gone, LATER_MS, progress))

    with (sqlite_store.settings.artefacts_dir / LOCK_FILE).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        thread = threading.Thread(target=forget)
        thread.start()
        assert waiting.wait(10)
        time.sleep(0.05)
        assert reports == []
    thread.join(20)
    assert reports[0].path == "incremental"


@pytest.mark.postgres
def test_who_forgets_waits_for_a_training_on_another_host(postgresql_store, tmp_path):
    here = postgresql_store
    open_shop(here, N_CUSTOMERS)
    trained(here)
    takes_back(here, "c03", LATER_MS - 1, Status.RESTRICTED)
    gone = numbers_of(here, "c03").values()
    there = settings_for(here.settings.database_url, tmp_path / "another host")
    engine_there = open_engine(there)
    under_way, waiting, may_end, done = (threading.Event() for _ in range(4))

    def training(*_):
        under_way.set()
        assert may_end.wait(20)

    def forgetting(_, __, message):
        if message.startswith("waiting"):
            waiting.set()

    def forget():
        forget_customers(here.engine, here.settings, gone, LATER_MS, forgetting)
        done.set()

    threads = [
        threading.Thread(target=train, args=(engine_there, there, TRAINED_MS, training)),
        threading.Thread(target=forget),
    ]
    threads[0].start()
    assert under_way.wait(20)
    threads[1].start()
    waited = waiting.wait(10)
    assert not done.is_set()
    may_end.set()
    for thread in threads:
        thread.join(30)
    engine_there.dispose()
    assert waited
    assert done.is_set()


@pytest.mark.postgres
def test_the_lock_of_a_training_is_free_again_when_it_fails(postgresql_store):
    engine = postgresql_store.engine

    def give_up():
        raise BlockingIOError

    def fail():
        with holding(engine, TRAINING_LOCK, lambda: time.sleep(0.01)):
            with pytest.raises(BlockingIOError), holding(engine, TRAINING_LOCK, give_up):
                pass
            raise ModelFitError("nothing to learn from")

    for _ in range(2):
        with pytest.raises(ModelFitError):
            fail()


@pytest.mark.postgres
@pytest.mark.parametrize("learn", [train, update_model])
def test_what_was_learned_while_nobody_was_kept_waiting_is_not_stored(postgresql_store, learn):
    """Whoever was forgotten meanwhile, on another host, would be in it."""
    open_shop(postgresql_store, N_CUSTOMERS)
    engine, settings = postgresql_store.engine, postgresql_store.settings
    before = trained(postgresql_store)
    buys(postgresql_store, "c05", "item-01", at_ms=LATER_MS - 5)
    lost = []

    def lose(_done, _total, _stage):
        if not lost:
            with writing(engine) as conn:
                lost.extend(conn.scalars(_END_WHOEVER_HAS_IT, {"low": TRAINING_LOCK & 0xFFFFFFFF}))

    with pytest.raises(StoreUnavailableError):
        learn(engine, settings, LATER_MS + 1, lose)
    assert lost == [True]
    assert in_force(postgresql_store) == before
    assert folders(postgresql_store) == {before}


def test_a_model_erased_before_is_there_again_once_it_was_trained_again(shop):
    before = trained(shop)
    forgotten(shop, "c03")
    assert trained(shop) == before
    with reading(shop.engine) as conn:
        assert get_model(conn, before).erased_at_ms is None
    assert load_artefact(shop.settings.artefacts_dir / before)
