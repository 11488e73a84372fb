"""The database locked, gone, full, damaged, read-only: always one clear error, never a half-written row."""

import logging
import shutil
import time
import traceback
from contextlib import ExitStack

import pytest
from sqlalchemy import event, insert, text
from support.stores import NOW_MS, SUBJECTS, a_decision, settings_for, store_customer

from api.errors import StoreRefusedError, StoreUnavailableError
from api.storage.connection import PATIENCE_S, WAITING_S, fit, open_engine, reading, upgrade, writing
from api.storage.customers import all_customer_ids, customer_numbers
from api.storage.decisions import append_decisions, search_decisions
from api.storage.tables import customers

SECRET = "customer-whom-nobody-may-name"


def add_customer(engine, customer_id="anna"):
    with writing(engine) as conn:
        customer_numbers(conn, [customer_id], SUBJECTS, NOW_MS)


def customers_in(engine):
    with reading(engine) as conn:
        return all_customer_ids(conn)


def test_a_lock_that_lasts_is_an_error_in_bounded_time(sqlite_store):
    with writing(sqlite_store.engine):
        before = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="locked"):
            add_customer(sqlite_store.engine)
        assert PATIENCE_S <= time.monotonic() - before < PATIENCE_S + 2
    add_customer(sqlite_store.engine)


@pytest.mark.postgres
def test_a_lock_that_lasts_is_an_error_in_bounded_time_on_postgresql(postgresql_store):
    with writing(postgresql_store.engine) as conn:
        conn.execute(text("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"))
        before = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="locked"):
            customers_in(postgresql_store.engine)
        assert WAITING_S <= time.monotonic() - before < WAITING_S + 2


def test_a_writer_keeps_nobody_from_reading(store):
    add_customer(store.engine)
    with writing(store.engine) as conn:
        customer_numbers(conn, ["otto"], SUBJECTS, NOW_MS)
        assert customers_in(store.engine) == ["anna"]
    assert customers_in(store.engine) == ["anna", "otto"]


def test_when_every_connection_is_taken_the_next_one_is_an_error(sqlite_store):
    with ExitStack() as all_of_them:
        for _ in range(32):
            all_of_them.enter_context(reading(sqlite_store.engine))
        with pytest.raises(StoreUnavailableError, match="busy"):
            customers_in(sqlite_store.engine)


def test_a_deleted_file_is_an_error_and_is_not_made_anew(sqlite_store):
    add_customer(sqlite_store.engine)
    file = sqlite_store.settings.data_dir / "tactful.db"
    file.unlink()
    for use in (customers_in, add_customer, fit):
        with pytest.raises(StoreUnavailableError, match="reached"):
            use(sqlite_store.engine)
    assert not file.exists()


def test_a_file_that_was_put_in_place_of_another_is_the_one_that_is_used(sqlite_store, sqlite_template):
    add_customer(sqlite_store.engine)
    file = sqlite_store.settings.data_dir / "tactful.db"
    shutil.copyfile(sqlite_template, file.with_name("restored"))
    for leftover in ("-wal", "-shm"):
        file.with_name(file.name + leftover).unlink()
    file.with_name("restored").replace(file)
    assert customers_in(sqlite_store.engine) == []


def test_a_damaged_file_is_an_error(tmp_path):
    (tmp_path / "tactful.db").write_bytes(b"this was never a database" * 1000)
    engine = open_engine(settings_for(f"sqlite:///{tmp_path / 'tactful.db'}", tmp_path))
    for use in (customers_in, upgrade):
        with pytest.raises(StoreUnavailableError, match="damaged"):
            use(engine)
    engine.dispose()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    engine = open_engine(settings_for(f"sqlite:///{tmp_path / 'file' / 'tactful.db'}", tmp_path))
    with pytest.raises(StoreUnavailableError, match="created"):
        upgrade(engine)


def test_a_read_only_database_can_be_read_but_not_written(sqlite_store):
    event.listen(
        sqlite_store.engine, "connect", lambda driver, record: driver.execute("PRAGMA query_only = ON")
    )
    sqlite_store.engine.dispose()
    assert customers_in(sqlite_store.engine) == []
    with pytest.raises(StoreUnavailableError, match="read-only"):
        add_customer(sqlite_store.engine)


@pytest.mark.postgres
def test_a_read_only_server_can_be_read_but_not_written(postgresql_store):
    with reading(postgresql_store.engine) as conn:
        database = conn.execute(text("SELECT current_database()")).scalar()
    with writing(postgresql_store.engine) as conn:
        conn.execute(text(f"ALTER DATABASE {database} SET default_transaction_read_only = on"))
    postgresql_store.engine.dispose()
    assert customers_in(postgresql_store.engine) == []
    with pytest.raises(StoreUnavailableError, match="read-only"):
        add_customer(postgresql_store.engine)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://postgres@127.0.0.1:1/tactful",
        "postgresql+psycopg://postgres@/tactful?host=/nowhere",
    ],
)
def test_a_server_that_is_not_there_is_an_error_in_bounded_time(tmp_path, url):
    engine = open_engine(settings_for(url, tmp_path))
    before = time.monotonic()
    for use in (customers_in, add_customer, upgrade):
        with pytest.raises(StoreUnavailableError, match="reached"):
            use(engine)
    assert time.monotonic() - before < 3 * PATIENCE_S


@pytest.mark.postgres
def test_a_database_that_is_not_there_is_an_error(postgres_server, tmp_path):
    engine = open_engine(settings_for(postgres_server.url_of("nowhere"), tmp_path))
    with pytest.raises(StoreUnavailableError, match="reached"):
        customers_in(engine)
    engine.dispose()


@pytest.mark.postgres
def test_a_connection_cut_in_the_middle_stores_nothing_and_the_next_one_works(
    postgresql_store, postgres_server
):
    with pytest.raises(StoreUnavailableError, match="reached"):
        write_while_being_cut(postgresql_store, postgres_server)
    with reading(postgresql_store.engine) as conn:
        assert search_decisions(conn, limit=10) == []


def write_while_being_cut(store, server):
    with writing(store.engine) as conn:
        append_decisions(conn, store.keyring, [a_decision("one")])
        number = conn.execute(text("SELECT pg_backend_pid()")).scalar()
        server.execute(f"SELECT pg_terminate_backend({number}, 1000)")
        append_decisions(conn, store.keyring, [a_decision("two")])


@pytest.mark.postgres
def test_connections_that_were_cut_while_nobody_used_them_cost_no_request(postgresql_store, postgres_server):
    assert customers_in(postgresql_store.engine) == []
    postgres_server.execute(
        "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    )
    assert customers_in(postgresql_store.engine) == []


def violate_a_constraint(engine, customer_id):
    row = {"customer_id": customer_id, "subject_key": b"s" * 16, "created_at_ms": NOW_MS}
    with writing(engine) as conn:
        conn.execute(insert(customers), row)


def ask_something_that_cannot_be_asked(engine, customer_id):
    with reading(engine) as conn:
        conn.execute(text("SELECT nothing FROM customers WHERE customer_id = :it"), {"it": customer_id})


@pytest.mark.parametrize("mistake", [violate_a_constraint, ask_something_that_cannot_be_asked])
def test_no_error_and_no_log_repeats_whom_it_was_about(store, mistake, caplog):
    store_customer(store, SECRET)
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreRefusedError) as caught:
        mistake(store.engine, SECRET)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in caplog.text


@pytest.mark.postgres
def test_what_the_driver_itself_refuses_is_not_mistaken_for_a_database_that_is_gone(postgresql_store):
    with pytest.raises(StoreRefusedError):
        add_customer(postgresql_store.engine, "nul\x00")


def test_the_password_of_the_database_is_in_no_error_and_no_log(tmp_path, caplog):
    url = "postgresql+psycopg://postgres:hunter2@127.0.0.1:1/tactful"
    settings = settings_for(url, tmp_path)
    engine = open_engine(settings)
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreUnavailableError) as caught:
        customers_in(engine)
    said = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(settings) + repr(engine)
    assert "hunter2" not in said
