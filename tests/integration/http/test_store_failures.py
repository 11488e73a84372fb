"""When the store fails: nothing unchecked is used, nothing is sent that is not kept."""

import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event, func, select, text, update
from sqlalchemy.engine import make_url
from support.http import BUYER, EVERYTHING, fill, serving

from api.storage.api_keys import Role
from api.storage.connection import open_engine, writing
from api.storage.recorder import Recorder
from api.storage.tables import consent_states, decisions


def is_unavailable(answer):
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/unavailable"
    assert answer.headers["Retry-After"]
    assert "sqlite" not in answer.text.lower()
    assert "psycopg" not in answer.text.lower()
    return True


def n_decisions(shop):
    with shop.wiring.engine.connect() as conn:
        return conn.execute(select(func.count()).select_from(decisions)).scalar()


@contextmanager
def a_full_disk(engine):
    """SQLite may not grow by one page; PostgreSQL says that there is no room."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as conn:
            n_pages = conn.exec_driver_sql("PRAGMA page_count").scalar()

        def stop_growing(conn):
            conn.connection.driver_connection.execute(f"PRAGMA max_page_count = {n_pages}").close()

        event.listen(engine, "begin", stop_growing)
        yield
        event.remove(engine, "begin", stop_growing)
        return
    with writing(engine) as conn:
        conn.execute(
            text(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$"
            )
        )
        conn.execute(
            text("CREATE TRIGGER full_disk BEFORE INSERT ON decision_bodies EXECUTE FUNCTION full_disk()")
        )
    yield


def test_nothing_is_answered_that_the_disk_has_no_room_for(shop):
    shop.choose("given", *EVERYTHING)
    answered = refused = 0
    with a_full_disk(shop.wiring.engine):
        for _ in range(60):
            answer = shop.recommend(customer_id=BUYER, count=10)
            if answer.status_code == 200:
                answered += 1
            else:
                assert is_unavailable(answer)
                assert "items" not in answer.json()
                refused += 1
    assert refused > 0
    assert n_decisions(shop) == answered
    assert "tactful_decisions_not_recorded_total" in shop.ask("GET", "/metrics", Role.ADMIN).text


def test_nothing_is_answered_while_somebody_else_holds_the_log(store, keys):
    patient = Recorder(store.engine, patience_s=0.3)
    patient.start()
    with serving(store.settings, keys) as shop:
        shop.wiring.recorder.close()
        impatient = replace(shop.wiring, recorder=patient)
        shop.app.extensions["tactful"] = impatient
        with open_engine(store.settings).connect() as other:
            if store.on_postgresql:
                other.execute(text("LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE"))
            else:
                other.connection.driver_connection.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            assert is_unavailable(shop.recommend())
            assert time.monotonic() - began < 20
            other.connection.driver_connection.execute("ROLLBACK")
        assert shop.recommend().status_code == 200
        assert n_decisions(shop) == 1
    patient.close()
    other.engine.dispose()


def test_consent_that_cannot_be_understood_permits_nothing(shop):
    shop.choose("given", *EVERYTHING)
    with writing(shop.wiring.engine) as conn:
        conn.execute(update(consent_states).values(status="Garbled"))
    answer = shop.recommend(customer_id=BUYER).json()
    assert answer["basis"] in ("contextual", "popular")
    assert "consent_unreadable" in answer["degraded_because"]
    record = shop.decision(answer["decision_id"])
    assert record["sections"]["consent"]["history"] is False
    assert record["header"]["mode"] == "fallback"


def test_a_history_that_cannot_be_read_does_not_bring_back_what_was_muted(shop):
    shop.choose("given", *EVERYTHING)
    with writing(shop.wiring.engine) as conn:
        conn.execute(text("ALTER TABLE interactions RENAME TO interactions_gone"))
    before = shop.recommend(customer_id=BUYER).json()
    assert before["degraded_because"] == ["consent_unreadable"]
    mutes = [{"scope": "item", "value": before["items"][0]["item_id"]}]
    shop.ask("PUT", f"/v1/customers/{BUYER}/preferences", json={"mutes": mutes})
    after = shop.recommend(customer_id=BUYER).json()
    assert after["degraded_because"] == ["consent_unreadable"]
    assert before["items"][0]["item_id"] not in [each["item_id"] for each in after["items"]]


def test_consent_that_cannot_be_read_permits_nothing(shop):
    shop.choose("given", *EVERYTHING)
    with writing(shop.wiring.engine) as conn:
        conn.execute(text("ALTER TABLE consent_states RENAME TO consent_states_gone"))
    answer = shop.recommend(customer_id=BUYER).json()
    assert answer["basis"] in ("contextual", "popular")
    assert answer["degraded_because"] == ["consent_unreadable"]


def test_a_database_that_is_gone_is_told_and_one_that_comes_back_is_used(sqlite_store):
    settings = sqlite_store.settings
    with serving(settings, fill(settings)) as shop:
        file = Path(make_url(settings.database_url).database)
        away = file.with_suffix(".away")
        file.rename(away)
        assert is_unavailable(shop.recommend())
        ready = shop.client.get("/readyz")
        assert (ready.status_code, ready.json()) == (503, {"ready": False, "database": False})
        assert shop.client.get("/healthz").status_code == 200
        away.rename(file)
        assert shop.recommend().status_code == 200


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/tactful.db", "postgresql+psycopg://nobody@127.0.0.1:1/none"]
)
def test_a_service_without_a_database_starts_and_says_so(sqlite_store, url):
    settings = replace(sqlite_store.settings, database_url=url)
    with serving(settings, dict.fromkeys(Role, "a-key")) as shop:
        assert shop.client.get("/healthz").status_code == 200
        assert shop.client.get("/readyz").status_code == 503
        assert is_unavailable(shop.recommend())


def test_a_database_that_was_never_set_up_is_told(tmp_path, sqlite_store):
    file = tmp_path / "empty.db"
    file.touch()
    settings = replace(sqlite_store.settings, database_url=f"sqlite:///{file}")
    with serving(settings, dict.fromkeys(Role, "a-key")) as shop:
        ready = shop.client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["ready"] is False
        assert is_unavailable(shop.recommend())
