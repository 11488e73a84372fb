"""Readiness tells the truth: whatever is missing is told by a word of its own, and nothing else of it."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.engine import make_url
from support.http import BUYER, fill, serving

from api.schemas.probes import NOT_READY
from api.storage.api_keys import Role
from api.storage.connection import alembic_config, writing


@pytest.fixture
def shop(sqlite_store):
    with serving(sqlite_store.settings, fill(sqlite_store.settings)) as served:
        yield served


def readiness(shop):
    """Return the status and the reasons; whatever they are, liveness is told and nothing private is."""
    answer = shop.client.get("/readyz")
    told = answer.json()
    assert told["ready"] is (answer.status_code == 200) is (told["because"] == [])
    assert set(told["because"]) <= set(NOT_READY)
    for private in (BUYER, shop.keys[Role.SITE], str(shop.settings.data_dir), shop.settings.database_url):
        assert private not in answer.text
    assert shop.client.get("/healthz").json() == {"alive": True}
    return answer.status_code, told["because"]


def test_a_shop_that_lacks_nothing_is_ready(shop):
    assert readiness(shop) == (200, [])


def test_a_service_that_was_told_to_stop_is_not_ready_and_answers_on(shop):
    shop.wiring.stopping.set()
    assert readiness(shop) == (503, ["stopping"])
    assert shop.recommend().status_code == 200


def test_a_database_that_is_away(shop):
    file = Path(make_url(shop.settings.database_url).database)
    file.rename(file.with_suffix(".away"))
    assert readiness(shop) == (503, ["database_away"])


def test_a_database_that_lacks_a_migration(shop):
    with writing(shop.wiring.engine) as conn:
        command.downgrade(alembic_config(conn), "-1")
    assert readiness(shop) == (503, ["schema_does_not_fit"])


def test_a_database_that_a_later_release_has_changed_too_much(shop):
    with writing(shop.wiring.engine) as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert readiness(shop) == (200, [])  # it has what is needed, and more
    with writing(shop.wiring.engine) as conn:
        conn.execute(text("UPDATE active_versions SET version = '9998' WHERE name = 'schema_serves'"))
    assert readiness(shop) == (503, ["schema_does_not_fit"])


def test_a_shop_of_which_nothing_could_be_loaded_yet(sqlite_store):
    keys = fill(sqlite_store.settings)
    nowhere = replace(sqlite_store.settings, database_url="sqlite:////nowhere/tactful.db")
    with serving(nowhere, keys) as shop:
        shop.wiring.engine.dispose()
        assert readiness(shop) == (503, ["database_away"])
    with serving(sqlite_store.settings, keys) as shop:
        shop.wiring.runtime._snapshot = None
        assert readiness(shop) == (503, ["nothing_loaded"])


def test_a_guard_that_cannot_be_asked(shop):
    file = shop.settings.data_dir / "checkpoints.db"
    file.rename(file.with_suffix(".away"))
    assert readiness(shop) == (503, ["log_guard_away"])


def test_a_key_of_the_log_that_cannot_be_used(shop):
    shop.settings.log_key_file.write_bytes(b"too short")
    assert readiness(shop) == (503, ["log_key_unusable"])


def test_a_log_that_does_not_go_on_from_what_was_signed(shop):
    file = Path(make_url(shop.settings.database_url).database)
    backup = file.with_suffix(".backup")
    shop.recommend()
    with sqlite3.connect(file) as live, sqlite3.connect(backup) as copy:
        live.backup(copy)
    shop.recommend()
    shop.wiring.engine.dispose()
    with sqlite3.connect(backup) as copy, sqlite3.connect(file) as live:
        copy.backup(live)
    assert readiness(shop) == (503, ["log_forked"])
