"""The life of a server under traffic: renewed, robbed of a worker, drained, stopped, and nobody is lost."""

import os
import shutil
import signal
import subprocess
import time
from base64 import b64encode
from pathlib import Path

import httpx
import pytest
from alembic import command
from sqlalchemy import select, text
from support.http import fill
from support.running import SERVE, Callers, running

import migrations
from api.storage.api_keys import Role
from api.storage.connection import alembic_config, reading, writing
from api.storage.tables import decisions

CUT_OFF = {"ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected", "BrokenPipeError"}
"""What becomes of a request that nobody has begun to work on when there is no server any more."""

CUT_SHORT = CUT_OFF | {"IncompleteRead"}
"""The same of requests that a worker was working on when it was killed: of one it may have said half."""


@pytest.fixture
def site_key(sqlite_store):
    return fill(sqlite_store.settings)[Role.SITE]


@pytest.fixture
def environ(sqlite_store, tmp_path):
    return environ_of(sqlite_store, tmp_path)


def environ_of(store, tmp_path):
    """Return the shop's settings; whom to turn to is in a file."""
    settings = store.settings
    (tmp_path / "contact").write_text("before@shop.example")
    return {
        "TACTFUL_DATABASE_URL": settings.database_url,
        "TACTFUL_DATA_DIR": str(settings.data_dir),
        "TACTFUL_PSEUDONYM_KEY": b64encode(settings.pseudonym_key).decode(),
        "TACTFUL_PURGES_DAILY": "0",
        "TACTFUL_CONTACT_FILE": str(tmp_path / "contact"),
    }


def recorded(store):
    with reading(store.engine) as conn:
        return set(conn.scalars(select(decisions.c.decision_id)))


@pytest.fixture
def release(tmp_path):
    """The migrations in a folder of their own, which a new release can be put into."""
    folder = tmp_path / "release"
    shutil.copytree(Path(migrations.__file__).parent, folder / "migrations")
    return folder


def add_migration(release, head):
    """Put a migration there that adds what the code of before knows nothing of."""
    (release / "migrations" / "versions" / "9000_more.py").write_text(
        f"""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9000", "{head}", None, None


def upgrade():
    op.add_column("items", sa.Column("colour", sa.Text()))
    op.create_table("colours", sa.Column("name", sa.Text(), primary_key=True))
"""
    )


def heads(store):
    with reading(store.engine) as conn:
        return set(conn.scalars(text("SELECT version_num FROM alembic_version")))


def test_a_server_comes_to_another_release_under_traffic_and_loses_nobody(store, release, tmp_path):
    site_key, environ = fill(store.settings)[Role.SITE], environ_of(store, tmp_path)
    environ |= {"PYTHONPATH": os.pathsep.join([str(release), os.environ.get("PYTHONPATH", "")])}
    contact = tmp_path / "contact"
    with running(tmp_path / "log", environ) as server, Callers(server, site_key) as callers:
        before = server.workers()
        add_migration(release, *heads(store))
        upgrading = subprocess.run(
            [*SERVE[:-1], "db", "upgrade"], env={**os.environ, **environ}, capture_output=True, check=False
        )
        assert upgrading.returncode == 0, upgrading.stderr.decode()
        assert heads(store) == {"9000"}
        callers.wait_for_more(20)  # the release before answers from a database that has more than it knows
        assert server.readiness()["because"] == []

        contact.write_text("after@shop.example")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("server:workers:ready", 2)
        while server.workers() & before:  # they answer what they have begun
            callers.wait_for_more(1)
        callers.wait_for_more(20)
        assert len(server.workers()) == 2
        assert "after@shop.example" in httpx.get(f"{server.url}/transparency", timeout=60).text

        contact.rename(tmp_path / "elsewhere")  # what is there now cannot be started from
        now = server.workers()
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("server:reload:refused")
        callers.wait_for_more(20)
        assert server.workers() == now
        callers.stop()
        assert callers.failures == []
        assert set(callers.answered) == recorded(store)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0


def test_a_server_does_not_start_on_a_database_of_the_release_before(sqlite_store, environ):
    with writing(sqlite_store.engine) as conn:
        command.downgrade(alembic_config(conn), "-1")
    tried = subprocess.run(
        SERVE, env={**os.environ, **environ, "TACTFUL_PORT": "1"}, capture_output=True, check=False
    )
    assert tried.returncode != 0
    assert b"tactful db upgrade" in tried.stderr


def test_a_worker_that_dies_is_replaced_and_its_counts_are_kept(sqlite_store, site_key, environ, tmp_path):
    with running(tmp_path / "log", environ) as server, Callers(server, site_key) as callers:
        dead = min(server.workers())
        os.kill(dead, signal.SIGKILL)
        server.wait_for("server:worker:died")
        server.wait_for("server:workers:ready")
        while len(server.workers()) < 2 or dead in server.workers():
            callers.wait_for_more(1)
        callers.wait_for_more(20)
        callers.stop()
        assert set(callers.failures) <= CUT_SHORT
        assert len(callers.failures) <= 4  # no more than it was working on
        assert set(callers.answered) <= recorded(sqlite_store)
        until = time.monotonic() + 60
        while counted(server.figures()) < len(callers.answered):
            assert time.monotonic() < until


def counted(figures):
    """How many decisions all workers have counted, those that are gone as well."""
    lines = [line for line in figures.splitlines() if line.startswith("tactful_decisions_total")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_a_server_that_is_told_to_stop_says_so_first_and_answers_what_it_has_begun(
    sqlite_store, site_key, environ, tmp_path
):
    with running(tmp_path / "log", environ | {"TACTFUL_DRAIN_S": "2"}) as server:
        callers = Callers(server, site_key)
        with callers:
            assert server.readiness()["ready"] is True
            server.process.send_signal(signal.SIGTERM)
            server.wait_for("server:drain:begun")
            until = time.monotonic() + 2
            while (ready := server.readiness())["ready"]:
                assert time.monotonic() < until
            assert ready["because"] == ["stopping"]
            assert callers.failures == []
            callers.wait_for_more(1)  # it answers on
            assert server.process.wait(30) == 0
        assert set(callers.failures) <= CUT_OFF
        assert set(callers.answered) == recorded(
            sqlite_store
        )  # whatever was recorded was answered, and in full
    assert server.events("server:stopped")[0]["n_killed"] == 0
