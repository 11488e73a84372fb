"""A drill: the database is lost and put back, and what was promised before holds after."""

import sqlite3
import threading
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.engine import make_url
from support.http import BUYER, EVERYTHING, fill, serving
from support.waiting import until

from api.cli import main
from api.errors import StoreRefusedError
from api.routes.recommendations import LOG_INDEX
from api.storage.api_keys import Role
from api.storage.connection import back_up, open_engine, reading
from api.storage.customers import all_customer_ids


@pytest.fixture
def environ(sqlite_store, monkeypatch):
    settings = sqlite_store.settings
    monkeypatch.setenv("TACTFUL_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("TACTFUL_PSEUDONYM_KEY", b64encode(settings.pseudonym_key).decode())


def tactful(*arguments):
    return CliRunner().invoke(main, list(arguments))


@contextmanager
def traffic(shop):
    """Ask without end; nothing may fail."""
    over, statuses = threading.Event(), []

    def ask():
        while not over.is_set():
            statuses.append(shop.recommend(customer_id=f"customer-{len(statuses)}").status_code)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield statuses
    finally:
        over.set()
        thread.join()
        assert set(statuses) == {200}


def put_back(backup, settings):
    file = Path(make_url(settings.database_url).database)
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.write_bytes(backup.read_bytes())


def is_known(shop, customer_id):
    with reading(shop.wiring.engine) as conn:
        return customer_id in all_customer_ids(conn)


@pytest.mark.usefixtures("environ")
def test_a_lost_database_is_put_back_and_who_was_erased_meanwhile_stays_erased(
    sqlite_store, tmp_path, monkeypatch
):
    settings = sqlite_store.settings
    keys, backup = fill(settings), tmp_path / "backups" / "tactful.db"
    backup.parent.mkdir()
    with serving(settings, keys) as shop:
        shop.choose("given", *EVERYTHING)
        before = shop.recommend(customer_id=BUYER).json()["decision_id"]
        with traffic(shop) as statuses:
            until(lambda: len(statuses) > 3)
            assert tactful("db", "backup", str(backup)).exit_code == 0
            until(lambda: len(statuses) > 6)
        assert is_known(shop, BUYER)
        shop.ask("DELETE", f"/v1/customers/{BUYER}")
        until(lambda: not is_known(shop, BUYER))
    put_back(backup, settings)

    with serving(settings, keys) as shop:  # the guard remembers more than the database does
        assert shop.client.get("/readyz").json()["because"] == ["log_forked"]
        answer = shop.recommend(customer_id=BUYER)
        assert answer.status_code == 200
        assert LOG_INDEX not in answer.headers
        assert "log_unavailable" in answer.json()["degraded_because"]
    last_signed = tactful("log", "checkpoint").stdout
    assert last_signed.startswith(f"{settings.log_origin}\n")
    for file in settings.data_dir.glob("checkpoints.db*"):
        file.rename(tmp_path / "backups" / file.name)

    goes_on = replace(settings, log_origin="shop.example/decisions-2")
    monkeypatch.setenv("TACTFUL_LOG_ORIGIN", goes_on.log_origin)
    with serving(goes_on, keys) as shop:
        until(lambda: not is_known(shop, BUYER))
        assert shop.client.get("/readyz").json()["because"] == []
        assert int(shop.recommend().headers[LOG_INDEX]) >= 0
        record = shop.decision(before)
        assert record["sections"] is None  # its key was destroyed, in a store that was not put back
        export = shop.ask("GET", f"/v1/customers/{BUYER}/export", Role.SITE)
        assert "bread-1" not in export.text
    verified = tactful("log", "verify", "--allow-unwitnessed")
    assert verified.exit_code == 0, verified.output
    now = tactful("log", "checkpoint").stdout
    assert now.split("\n")[2] != last_signed.split("\n")[2]  # two histories: what is gone can be shown


@pytest.mark.usefixtures("environ")
def test_a_backup_is_whole_and_its_owners_alone(sqlite_store, tmp_path):
    fill(sqlite_store.settings)
    file = tmp_path / "copy.db"
    assert tactful("db", "backup", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o077 == 0
    with sqlite3.connect(file) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("PRAGMA freelist_count").fetchone() == (0,)  # nothing of what was deleted
    again = tactful("db", "backup", str(file))
    assert again.exit_code != 0
    assert "already" in again.output


@pytest.mark.usefixtures("environ")
def test_a_backup_that_cannot_be_written_leaves_nothing_behind(sqlite_store, tmp_path):
    engine = open_engine(sqlite_store.settings)
    with pytest.raises(StoreRefusedError, match="cannot be written"):
        back_up(engine, tmp_path / "nowhere" / "copy.db")
    engine.dispose()
    assert not (tmp_path / "nowhere").exists()
    assert [file.name for file in tmp_path.glob(".copy*")] == []


@pytest.mark.postgres
def test_a_postgresql_database_is_referred_to_its_own_tool(postgresql_store, tmp_path):
    with pytest.raises(StoreRefusedError, match="pg_dump"):
        back_up(postgresql_store.engine, tmp_path / "copy.db")
