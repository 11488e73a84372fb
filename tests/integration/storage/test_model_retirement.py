"""Models and catalogues are kept as long as something needs them, and then removed."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import delete
from support.http import a_model
from support.learning import unseen
from support.stores import NOW_MS, a_decision, store_items

from api.errors import ModelRefusedError, UnknownModelError
from api.forgetting.retention import CATALOGUES, MODELS, purge
from api.models.registry import put_in_shadow, roll_back
from api.models.retirement import idle_catalogues, retire_catalogues, retire_model, retire_models
from api.storage.artefacts_used import unneeded
from api.storage.connection import alembic_config, reading, writing
from api.storage.decisions import append_decisions
from api.storage.items import ItemRow, load_catalogue, upsert_items
from api.storage.tables import decision_bodies
from api.storage.versions import ModelRow, activate_model, get_model, put_model
from engine.artefact import Manifest, write_artefact
from engine.errors import ArtefactError
from engine.interactions import DAY_MS
from engine.snapshots import Snapshots

LATER_MS = NOW_MS + 31 * DAY_MS


def stored(store, seed):
    version = write_artefact(store.settings.artefacts_dir, a_model(seed), Manifest(learner="walk"))
    location = str(store.settings.artefacts_dir / version)
    with writing(store.engine) as conn:
        put_model(conn, ModelRow(version, location, "{}", NOW_MS))
    return version


def in_force(store, version, at_ms=NOW_MS):
    with writing(store.engine) as conn:
        activate_model(conn, version, at_ms)


def decided(store, decision_id, **made_from):
    with writing(store.engine) as conn:
        append_decisions(conn, store.keyring, [a_decision(decision_id, **made_from)])


def forget_bodies(store):
    with writing(store.engine) as conn:
        conn.execute(delete(decision_bodies))


def retired(store, at_ms=LATER_MS):
    return retire_models(store.engine, store.settings, at_ms, unseen)


def is_there(store, version):
    with reading(store.engine) as conn:
        row = get_model(conn, version)
    there = (store.settings.artefacts_dir / version).exists()
    assert there == row.is_there
    return there


def test_a_model_that_nothing_needs_goes_after_a_month(store):
    old, present = stored(store, 1), stored(store, 2)
    in_force(store, present)
    assert retired(store, NOW_MS + 29 * DAY_MS) == 0
    assert is_there(store, old)
    assert retired(store) == 1
    assert not is_there(store, old)
    assert is_there(store, present)
    assert retired(store) == 0


def test_a_model_is_kept_for_a_month_from_when_it_was_in_force_last(store):
    before, present = stored(store, 1), stored(store, 2)
    in_force(store, before)
    in_force(store, present, LATER_MS)
    assert retired(store, LATER_MS + 29 * DAY_MS) == 0
    assert retired(store, LATER_MS + 30 * DAY_MS) == 1
    with pytest.raises(ArtefactError, match="nothing needed it"):
        roll_back(store.engine, store.settings, LATER_MS)


def test_a_model_in_shadow_is_kept(store):
    watched, present = stored(store, 1), stored(store, 2)
    in_force(store, present)
    put_in_shadow(store.engine, store.settings, watched, NOW_MS)
    assert retired(store) == 0
    with pytest.raises(ModelRefusedError, match="in use"):
        retire_model(store.engine, store.settings, watched, LATER_MS, unseen)


def test_a_model_is_kept_as_long_as_a_record_that_was_made_from_it(store):
    used, present = stored(store, 1), stored(store, 2)
    in_force(store, present)
    decided(store, "one", model=used)
    assert retired(store) == 0
    with pytest.raises(ModelRefusedError, match="could not be made again"):
        retire_model(store.engine, store.settings, used, NOW_MS, unseen)
    forget_bodies(store)
    assert retired(store) == 1


def test_a_model_of_which_nothing_was_noted_is_kept_as_long_as_any_record_of_before(store):
    decided(store, "before")
    for step, revision in ((command.downgrade, "0006"), (command.upgrade, "head")):
        with writing(store.engine) as conn:
            step(alembic_config(conn), revision)
    old = stored(store, 1)
    assert retired(store) == 0
    assert is_there(store, old)
    forget_bodies(store)
    assert retired(store) == 1


def test_a_model_can_be_retired_by_hand_also_if_it_is_needed(store):
    used = stored(store, 1)
    decided(store, "one", model=used)
    retire_model(store.engine, store.settings, used, NOW_MS, unseen, needed=True)
    assert not is_there(store, used)
    with pytest.raises(ModelRefusedError, match="removed before"):
        retire_model(store.engine, store.settings, used, NOW_MS, unseen, needed=True)
    with pytest.raises(UnknownModelError):
        retire_model(store.engine, store.settings, "0" * 64, NOW_MS, unseen)


def test_a_model_that_is_learned_again_is_there_again(store):
    version = stored(store, 1)
    retire_model(store.engine, store.settings, version, NOW_MS, unseen)
    assert stored(store, 1) == version
    assert is_there(store, version)


def test_a_catalogue_is_kept_as_long_as_it_is_present_or_a_record_was_made_from_it(store):
    snapshots = Snapshots(store.settings.catalogues_dir)
    versions = []
    for price_minor in (100, 200, 300):
        store_items(store, "one")
        with writing(store.engine) as conn:
            upsert_items(conn, [ItemRow("one", "One", "Food", "Acme", price_minor, "EUR")], NOW_MS)
        with reading(store.engine) as conn:
            catalogue = load_catalogue(conn, store.settings.consent.raised_classes)
        snapshots.keep(catalogue)
        versions.append(catalogue.version)
        decided(store, f"at-{price_minor}", catalogue=catalogue.version)
    with reading(store.engine) as conn:
        assert unneeded(conn, "catalogue") == set()
    assert retire_catalogues(store.engine, store.settings) == 0
    with writing(store.engine) as conn:
        conn.execute(delete(decision_bodies).where(decision_bodies.c.log_index == 0))
    assert idle_catalogues(store.engine, store.settings) == {versions[0]}
    assert retire_catalogues(store.engine, store.settings) == 1
    assert set(snapshots.versions()) == {*versions[1:]}
    forget_bodies(store)
    assert retire_catalogues(store.engine, store.settings) == 1
    assert snapshots.versions() == [versions[2]]
    assert snapshots.load(versions[2])
    assert retire_catalogues(store.engine, store.settings) == 0


def test_the_daily_purge_sees_to_both(sqlite_store):
    old, present = stored(sqlite_store, 1), stored(sqlite_store, 2)
    in_force(sqlite_store, present)
    counted = purge(sqlite_store.logbook, sqlite_store.settings, LATER_MS, unseen, dry_run=True)
    assert (counted[MODELS], counted[CATALOGUES]) == (1, 0)
    assert is_there(sqlite_store, old)
    assert purge(sqlite_store.logbook, sqlite_store.settings, LATER_MS, unseen)[MODELS] == 1
    assert not is_there(sqlite_store, old)
    assert purge(sqlite_store.logbook, sqlite_store.settings, LATER_MS, unseen)[MODELS] == 0


def test_what_is_in_force_stays_known_by_what_it_took_the_place_of(store):
    a, b = stored(store, 1), stored(store, 2)
    in_force(store, a)
    in_force(store, b, NOW_MS + 1)
    with reading(store.engine) as conn:
        before, present = get_model(conn, a), get_model(conn, b)
    assert (before.in_force_until_ms, present.in_force_until_ms) == (NOW_MS + 1, None)
    assert (before.preceded_by, present.preceded_by) == (None, a)
    in_force(store, b, NOW_MS + 2)
    with reading(store.engine) as conn:
        assert get_model(conn, b).preceded_by == a
