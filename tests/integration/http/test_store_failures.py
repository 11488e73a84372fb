"""When the store fails: nothing unchecked is used, nothing is sent that is not kept."""

import base64
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from sqlalchemy import event, func, select, text, update
from sqlalchemy.engine import make_url
from support.http import BUYER, EVERYTHING, fill, serving
from support.waiting import until

from api.routes.recommendations import LOG_INDEX
from api.storage.api_keys import Role
from api.storage.connection import open_engine, writing
from api.storage.recorder import Recorder
from api.storage.tables import consent_states, decisions
from guardrails.log.record import open_body


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


def with_room_again(engine):
    if engine.dialect.name == "sqlite":
        with engine.connect() as conn:
            conn.exec_driver_sql("PRAGMA max_page_count = 1073741823")
        engine.dispose()
        return
    with writing(engine) as conn:
        conn.execute(text("DROP TRIGGER full_disk ON decision_bodies"))


def restored(backup, file):
    """Put a backup in the place of a database, as one would by hand."""
    for ending in ("-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
    backup.replace(file)


def is_about_nobody(answer):
    """The answer of an outage: what sells well for whoever asks, or nothing."""
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["degraded_because"] == ["log_unavailable"]
    assert said["basis"] in ("popular", "none")
    assert said["profiling"] is False
    assert LOG_INDEX not in answer.headers
    return True


def test_where_the_disk_has_no_room_what_is_answered_waits_in_the_spool_for_the_log(shop):
    shop.choose("given", *EVERYTHING)
    recorded, spooled = [], []
    with a_full_disk(shop.wiring.engine):
        for _ in range(60):
            answer = shop.recommend(customer_id=BUYER, context={"item_id": "lamp-1"}, count=10)
            if LOG_INDEX in answer.headers:
                recorded.append(answer.json()["decision_id"])
            else:
                assert is_about_nobody(answer)
                spooled.append(answer.json()["decision_id"])
        assert spooled
        assert n_decisions(shop) == len(recorded)
        assert shop.wiring.spool.count() == len(spooled)
        figures = shop.ask("GET", "/metrics", Role.ADMIN).text
        assert f"tactful_spooled_total {len(spooled)}.0" in figures
        assert f"tactful_spool_waiting {len(spooled)}.0" in figures
        assert "tactful_decisions_not_recorded_total 0.0" in figures
    with_room_again(shop.wiring.engine)
    until(lambda: shop.wiring.spool.is_empty)
    assert n_decisions(shop) == len(recorded) + len(spooled)
    record = shop.decision(spooled[0])
    assert record["entry"]["mode"] == "fallback"
    sections = record["sections"]
    assert (sections["req"]["subject_kind"], sections["req"]["item"], sections["req"]["basket"]) == (
        *("none", None),
        [],
    )
    assert sections["req"]["ts"] % 60_000 == 0
    assert sections["out"]["degraded"] == ["log_unavailable"]


def test_nothing_of_whoever_asks_is_in_the_spool(shop):
    asked = {
        "customer_id": BUYER,
        "session_id": "visit-4711",
        "context": {"item_id": "lamp-1", "basket": ["wine-0"]},
    }
    shop.choose("given", *EVERYTHING)
    shop.wiring.log_keeper.close()
    with a_full_disk(shop.wiring.engine):
        answers = (shop.recommend(**asked) for _ in range(200))
        assert is_about_nobody(next(each for each in answers if LOG_INDEX not in each.headers))
        with shop.wiring.spool.draining() as waiting:
            (kept,) = waiting
            _, sections = open_body(kept.body)
            assert (kept.subject_key, kept.exposure, kept.suppression_key) == (None, None, None)
    said = b"".join(sections.values())
    subject = shop.wiring.subjects.account(BUYER)
    for personal in (
        BUYER,
        "visit-4711",
        'lamp-1","basket',
        subject.hex(),
        base64.b64encode(subject).decode(),
    ):
        assert personal.encode() not in said
    assert orjson.loads(sections["req"])["basket"] == []


def test_nothing_is_answered_that_not_even_the_spool_can_hold(shop):
    shop.wiring.settings.spool_dir.touch()  # no folder can be made there
    refused = 0
    with a_full_disk(shop.wiring.engine):
        for _ in range(60):
            answer = shop.recommend(customer_id=BUYER, count=10)
            if LOG_INDEX not in answer.headers:
                assert is_unavailable(answer)
                assert "items" not in answer.json()
                refused += 1
    assert refused > 0
    figures = shop.ask("GET", "/metrics", Role.ADMIN).text
    assert f"tactful_decisions_not_recorded_total {refused}.0" in figures


def test_while_somebody_else_holds_the_log_the_answer_is_about_nobody(store, keys):
    patient = Recorder(store.logbook, patience_s=0.3)
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
            assert is_about_nobody(shop.recommend())
            assert time.monotonic() - began < 20
            other.connection.driver_connection.execute("ROLLBACK")
        assert LOG_INDEX in shop.recommend().headers
        until(lambda: n_decisions(shop) == 2)
    patient.close()
    other.engine.dispose()


@pytest.mark.parametrize("file", ["keys.db", "checkpoints.db"])
def test_where_keys_or_guard_are_gone_the_answer_is_about_nobody(sqlite_store, file):
    with serving(sqlite_store.settings, fill(sqlite_store.settings)) as shop:
        shop.recommend()
        there = sqlite_store.settings.data_dir / file
        away = there.with_suffix(".away")
        there.rename(away)
        fell_back = shop.recommend()
        assert is_about_nobody(fell_back)
        away.rename(there)
        until(lambda: shop.wiring.spool.is_empty)
        assert shop.decision(fell_back.json()["decision_id"])["entry"]["mode"] == "fallback"
        assert LOG_INDEX in shop.recommend().headers


def test_an_older_database_is_told_and_nothing_personal_is_answered_from_it(sqlite_store):
    settings = sqlite_store.settings
    file = Path(make_url(settings.database_url).database)
    backup = file.with_suffix(".backup")
    with serving(settings, fill(settings)) as shop:
        shop.recommend()
        with sqlite3.connect(file) as live, sqlite3.connect(backup) as copy:
            live.backup(copy)
        for _ in range(3):
            shop.recommend()
        restored(backup, file)  # under the running server
        assert is_about_nobody(shop.recommend(customer_id=BUYER))
        ready = shop.client.get("/readyz")
        assert (ready.status_code, ready.json()["log"]["is_forked"]) == (503, True)
        assert "tactful_log_forked 1.0" in shop.ask("GET", "/metrics", Role.ADMIN).text
        assert n_decisions(shop) == 1
    with serving(settings, shop.keys) as again:  # and before a start
        assert again.client.get("/readyz").json()["log"]["is_forked"] is True
        assert is_about_nobody(again.recommend())
        assert again.wiring.spool.count() == 2


def test_consent_that_cannot_be_understood_permits_nothing(shop):
    shop.choose("given", *EVERYTHING)
    with writing(shop.wiring.engine) as conn:
        conn.execute(update(consent_states).values(status="Garbled"))
    answer = shop.recommend(customer_id=BUYER).json()
    assert answer["basis"] in ("contextual", "popular")
    assert "consent_unreadable" in answer["degraded_because"]
    record = shop.decision(answer["decision_id"])
    assert record["sections"]["consent"]["history"] is False
    assert record["entry"]["mode"] == "fallback"


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
        assert LOG_INDEX in shop.recommend().headers
        file = Path(make_url(settings.database_url).database)
        away = file.with_suffix(".away")
        file.rename(away)
        fell_back = shop.recommend(customer_id=BUYER)
        assert is_about_nobody(fell_back)
        ready = shop.client.get("/readyz")
        assert (ready.status_code, ready.json()) == (
            503,
            {"ready": False, "because": ["database_away"], "database": False},
        )
        assert shop.client.get("/healthz").status_code == 200
        assert is_unavailable(shop.ask("GET", "/v1/models", Role.AUDITOR))
        away.rename(file)
        assert LOG_INDEX in shop.recommend().headers
        until(lambda: shop.wiring.spool.is_empty)
        assert shop.decision(fell_back.json()["decision_id"])["sections"]["req"]["subject_kind"] == "none"


def test_a_key_that_was_never_seen_opens_nothing_while_the_database_is_gone(sqlite_store):
    settings = sqlite_store.settings
    with serving(settings, fill(settings)) as shop:
        file = Path(make_url(settings.database_url).database)
        file.rename(file.with_suffix(".away"))
        assert is_unavailable(shop.recommend())
        assert shop.wiring.spool.is_empty


def test_what_an_outage_left_in_the_spool_enters_the_log_at_the_next_start(sqlite_store):
    settings = sqlite_store.settings
    keys = fill(settings)
    with serving(settings, keys) as shop:
        shop.recommend()
        file = Path(make_url(settings.database_url).database)
        away = file.with_suffix(".away")
        file.rename(away)
        left = [shop.recommend().json()["decision_id"] for _ in range(3)]
    away.rename(file)
    with serving(settings, keys) as shop:
        until(lambda: shop.wiring.spool.is_empty)
        assert all(shop.decision(each)["entry"]["mode"] == "fallback" for each in left)
        assert n_decisions(shop) == 4


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


def test_a_list_does_not_go_on_while_what_it_has_shown_cannot_be_read(sqlite_store):
    settings = sqlite_store.settings
    with serving(settings, fill(settings)) as shop:
        further = {"count": 3, "after": shop.recommend(count=3).json()["decision_id"]}
        file = Path(make_url(settings.database_url).database)
        away = file.with_suffix(".away")
        file.rename(away)
        assert is_about_nobody(shop.recommend(count=3))
        assert is_unavailable(shop.recommend(**further))
        away.rename(file)
        assert shop.recommend(**further).status_code == 200
