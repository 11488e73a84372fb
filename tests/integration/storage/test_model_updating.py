"""The model in force learns from what is new, as if it had been there from the start."""

from __future__ import annotations

import fcntl
import multiprocessing
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select
from support.learning import (
    TRAINED_MS,
    agrees,
    another_store,
    buys,
    numbers_of,
    open_shop,
    takes_back,
    unseen,
)
from support.stores import Clock, Store
from support.waiting import until

from api import updating
from api.errors import WorkFailedError, WorkLostError
from api.forgetting.models import forget_customers
from api.metrics import Metrics
from api.model_keeper import ModelKeeper
from api.models.alone import LOCK_FILE
from api.models.registry import Activation, register_model
from api.runtime import Runtime
from api.storage.artefacts_used import note_used
from api.storage.connection import reading, writing
from api.storage.items import ItemRow, upsert_items
from api.storage.tables import artefacts_used
from api.storage.versions import MODEL, active, get_model, list_models
from api.training import train
from api.updating import GRACE_MS, ModelUpdate, update_model
from api.updating_beside import LOCK_FILE as LOCK_OF_UPDATES
from engine.artefact import load_artefact
from engine.errors import ArtefactError
from engine.interactions import DAY_MS
from engine.training import Trained
from guardrails.consent.purposes import Purpose

N_CUSTOMERS = 16
SOON_MS = TRAINED_MS + 60_000


@pytest.fixture
def shop(store) -> Store:
    open_shop(store, N_CUSTOMERS)
    return store


def trained(store: Store, at_ms: int = TRAINED_MS) -> str:
    return train(store.engine, store.settings, at_ms, unseen).version


def updated(store: Store, at_ms: int = SOON_MS) -> ModelUpdate:
    return update_model(store.engine, store.settings, at_ms, unseen)


def in_force(store: Store) -> str | None:
    with reading(store.engine) as conn:
        return active(conn).get(MODEL)


def keeper(store: Store, clock: Clock) -> ModelKeeper:
    return ModelKeeper(store.engine, store.settings, Metrics(), clock)


def something_new(store: Store) -> None:
    """Somebody known buys, somebody else comes, and one event arrives late."""
    buys(store, "c05", "item-01", at_ms=TRAINED_MS + 5, event_id="new 1")
    agrees(store, "c90")
    for item in ("item-01", "item-02", "item-03"):
        buys(store, "c90", item, at_ms=TRAINED_MS + 10, event_id=f"new {item}")
    buys(store, "c06", "item-02", at_ms=TRAINED_MS - 30 * DAY_MS, event_id="late")


def test_an_updated_model_is_that_of_a_shop_that_had_it_all_along(shop, tmp_path):
    before = trained(shop)
    something_new(shop)
    report = updated(shop)
    assert (report.before, report.path, report.n_new) == (before, "incremental", 5)
    assert report.n_rows_rebuilt > 0
    with another_store(tmp_path / "always") as always:
        open_shop(always, N_CUSTOMERS)
        something_new(always)
        assert report.after == in_force(shop) == trained(always)
    with reading(shop.engine) as conn:
        notes = load_artefact(get_model(conn, report.after).location).manifest.notes
    assert notes[-1] == f"what customers did since was added to model {before}"


def test_of_a_model_that_was_replaced_a_server_keeps_nothing(shop, no_collector):
    trained(shop)
    runtime = Runtime(shop.engine, shop.settings, Metrics())
    runtime.load()
    former = runtime.current()
    goes = [weakref.ref(former.house.recommender), weakref.ref(former.artefact)]
    something_new(shop)
    updated(shop)
    runtime.load()
    assert runtime.current().artefact is not former.artefact
    del former
    assert [left() for left in goes] == [None, None]


def test_with_nothing_new_nothing_happens(shop):
    before = trained(shop)
    assert updated(shop).path == "none"
    something_new(shop)
    after = updated(shop).after
    again = updated(shop)
    assert (again.path, again.after, before != after) == ("none", after, True)


def test_without_a_model_there_is_nothing_to_update(shop):
    assert updated(shop).path == "none"


def test_after_midnight_everything_has_aged_and_the_learner_learns_anew(shop, tmp_path):
    trained(shop)
    something_new(shop)
    report = updated(shop, TRAINED_MS + DAY_MS)
    assert report.path == "refit"
    with another_store(tmp_path / "always") as always:
        open_shop(always, N_CUSTOMERS)
        something_new(always)
        assert report.after == trained(always, TRAINED_MS + DAY_MS)


def test_an_item_that_was_added_meanwhile_gets_its_place(shop, tmp_path):
    def with_a_lamp(store: Store) -> None:
        with writing(store.engine) as conn:
            upsert_items(conn, [ItemRow("a-lamp", "A lamp", "Home > Lamps")], TRAINED_MS)
        for name in ("c01", "c02", "c03"):
            buys(store, name, "a-lamp", at_ms=TRAINED_MS + 3, event_id=f"lamp {name}")

    trained(shop)
    with_a_lamp(shop)
    report = updated(shop)
    assert report.path == "incremental"
    with another_store(tmp_path / "always") as always:
        open_shop(always, N_CUSTOMERS)
        with_a_lamp(always)
        assert report.after == trained(always)


def test_who_has_withdrawn_is_not_learned_from(shop, tmp_path):
    trained(shop)
    buys(shop, "c05", "item-01", at_ms=TRAINED_MS + 5)
    buys(shop, "c06", "item-03", at_ms=TRAINED_MS + 6, event_id="of c06")
    takes_back(shop, "c05", TRAINED_MS + 7)
    report = updated(shop)
    assert report.path == "refit"
    with another_store(tmp_path / "never") as never:
        open_shop(never, N_CUSTOMERS, but=("c05",))
        buys(never, "c06", "item-03", at_ms=TRAINED_MS + 6, event_id="of c06")
        assert report.after == trained(never)


def test_what_was_not_collected_for_a_profile_is_not_looked_at(shop):
    before = trained(shop)
    buys(shop, "c05", "item-01", at_ms=TRAINED_MS + 5, purpose=Purpose.ESSENTIAL_SERVICE)
    assert updated(shop) == ModelUpdate(before, before, "none", seconds=pytest.approx(0, abs=60))


def test_who_is_forgotten_after_an_update_is_taken_out_of_it(shop, tmp_path):
    trained(shop)
    something_new(shop)
    updated(shop)
    takes_back(shop, "c03", SOON_MS + 1)
    report = forget_customers(
        shop.engine, shop.settings, numbers_of(shop, "c03").values(), SOON_MS + 2, unseen
    )
    assert report.path == "incremental"
    with another_store(tmp_path / "never") as never:
        open_shop(never, N_CUSTOMERS, but=("c03",))
        something_new(never)
        assert report.after == trained(never)
    assert updated(shop, SOON_MS + 3).path == "none"


def test_one_of_two_keepers_does_it_and_a_new_one_goes_on_from_there(shop):
    trained(shop)
    clock = Clock(SOON_MS)
    one, other = keeper(shop, clock), keeper(shop, clock)
    assert one.look() is None
    something_new(shop)
    assert one.look().path == "incremental"
    assert other.look() is None
    assert one.look() is None
    buys(shop, "c07", "item-04", at_ms=SOON_MS)
    assert keeper(shop, clock).look().n_new == 1


def test_a_keeper_waits_for_nobody(shop):
    trained(shop)
    something_new(shop)
    with (shop.settings.artefacts_dir / LOCK_FILE).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert keeper(shop, Clock(SOON_MS)).look() is None
    assert keeper(shop, Clock(SOON_MS)).look().path == "incremental"


def test_an_update_has_a_process_of_its_own_and_another_on_this_host_leaves_it_to_that(shop):
    trained(shop)
    something_new(shop)
    clock = Clock(SOON_MS)
    with ThreadPoolExecutor(1) as threads:
        one = threads.submit(keeper(shop, clock).look)
        (process,) = until(multiprocessing.active_children)
        assert (process.name, keeper(shop, clock).look()) == ("tactful-update", None)
        assert len(multiprocessing.active_children()) == 1
        assert one.result().path == "incremental"
    assert multiprocessing.active_children() == []


def test_an_update_that_is_killed_is_told_and_the_next_one_does_it(shop):
    before = trained(shop)
    something_new(shop)
    watching = keeper(shop, Clock(SOON_MS))
    with ThreadPoolExecutor(1) as threads:
        one = threads.submit(watching.look)
        until(multiprocessing.active_children)[0].kill()
        with pytest.raises(WorkLostError):
            one.result()
    assert in_force(shop) == before
    assert watching.look().before == before


def test_who_closes_the_keeper_does_not_wait_for_its_update(shop):
    before = trained(shop)
    something_new(shop)
    watching = keeper(shop, Clock(SOON_MS))
    with ThreadPoolExecutor(1) as threads:
        one = threads.submit(watching.look)
        until(multiprocessing.active_children)
        watching.close()
        assert one.result(10) is None
    assert multiprocessing.active_children() == []
    assert in_force(shop) == before


def test_an_update_that_has_no_memory_left_is_told(shop):
    before = trained(shop)
    something_new(shop)
    confined = replace(shop, settings=replace(shop.settings, training_memory_mb=1))
    with pytest.raises(WorkFailedError, match="not enough memory"):
        keeper(confined, Clock(SOON_MS)).look()
    assert in_force(shop) == before


def test_a_folder_of_models_that_cannot_be_written_to_is_told(shop):
    trained(shop)
    something_new(shop)
    (shop.settings.artefacts_dir / LOCK_OF_UPDATES).mkdir()
    with pytest.raises(ArtefactError, match="cannot write to"):
        keeper(shop, Clock(SOON_MS)).look()


def test_updates_that_others_took_the_place_of_go_and_what_was_trained_stays(shop):
    first = trained(shop)
    clock = Clock(SOON_MS)
    watching = keeper(shop, clock)
    made = []
    for number, item in enumerate(("item-01", "item-02", "item-03")):
        buys(shop, "c05", item, at_ms=clock.now_ms, event_id=f"again {number}")
        made.append(watching.look().after)
        clock.advance(GRACE_MS)
    with reading(shop.engine) as conn:
        there = {row.version for row in list_models(conn) if row.is_there}
    assert there == {first, *made[1:]}
    assert {entry.name for entry in shop.settings.artefacts_dir.iterdir() if entry.is_dir()} == there


def test_of_updates_that_records_were_made_from_only_the_newest_stay(shop, monkeypatch):
    monkeypatch.setattr(updating, "MOST_SUPERSEDED", 1)
    first = trained(shop)
    clock = Clock(SOON_MS)
    watching = keeper(shop, clock)
    made = []
    for number, item in enumerate(("item-01", "item-02", "item-03", "item-04")):
        buys(shop, "c05", item, at_ms=clock.now_ms, event_id=f"again {number}")
        made.append(watching.look().after)
        with writing(shop.engine) as conn:
            note_used(conn, [(number, made[-1], None)])
        clock.advance(GRACE_MS)
    with reading(shop.engine) as conn:
        there = {row.version for row in list_models(conn) if row.is_there}
        noted = set(conn.scalars(select(artefacts_used.c.version)))
    assert noted == {*made[1:]}
    assert there == {first, *made[1:]}  # the one in force, the one just before, and one for its records


def test_a_model_that_is_not_counted_waits_for_the_next_training(shop):
    trained(shop)
    with reading(shop.engine) as conn:
        model = load_artefact(get_model(conn, active(conn)[MODEL]).location)
    of_factors = Trained(model, replace(model.manifest, learner="als", params={}, latent=True))
    before = register_model(shop.engine, shop.settings, of_factors, SOON_MS, Activation.ALWAYS).version
    something_new(shop)
    report = updated(shop)
    assert (report.path, report.after) == ("not_counted", before)
    assert in_force(shop) == before
