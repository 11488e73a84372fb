"""``tactful forget`` and ``tactful purge`` on a shop of their own."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from support.in_force import put_unreadable

from api.cli import main
from api.logging import LOGGER
from api.settings import Settings
from api.storage.connection import open_engine

NOW = datetime.now(UTC)
CUSTOMER = "customer-with-a-name"


def run(*arguments, **more):
    return CliRunner().invoke(main, [str(each) for each in arguments], **more)


def write(file, records):
    file.write_text("\n".join(json.dumps(record) for record in records))
    return file


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Two customers who bought and looked around, some of it long ago."""
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))
    monkeypatch.setenv("TACTFUL_RECIPIENTS", "newsletter")
    assert run("db", "upgrade").exit_code == 0
    items = [{"item_id": "bread", "title": "Bread", "category": "Food > Bread"}]
    events = [
        {
            "customer_id": customer,
            "item_id": "bread",
            "kind": kind,
            "at": (NOW - timedelta(days=days)).isoformat(timespec="seconds"),
            "purpose": "personalize.content.profiling",
        }
        for customer in (CUSTOMER, "somebody-else")
        for kind in ("view", "purchase")
        for days in (1, 100)
    ]
    assert run("import", "items", write(tmp_path / "items.jsonl", items)).exit_code == 0
    file = write(tmp_path / "events.jsonl", events)
    assert run("import", "events", file).exit_code == 0
    return file


def test_an_erasure_runs_to_its_end_and_prints_the_receipt(shop, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    result = run("forget", CUSTOMER, "--yes")
    assert result.exit_code == 0, result.output
    for word in ("history", "complete", "recipient newsletter", "pending"):
        assert word in result.stdout
    assert "is finished" in result.stderr
    assert CUSTOMER not in result.output


def test_the_receipt_as_json_adds_up_and_a_second_erasure_finds_nothing(shop):
    told = json.loads(run("forget", CUSTOMER, "--mode", "anonymize", "--json", "--yes").stdout)
    counts = {each["step"]: each["n_affected"] for each in told["steps"]}
    assert (told["mode"], counts["history"], counts["customer"]) == ("anonymize", 4, 1)
    again = json.loads(run("forget", CUSTOMER, "--json", "--yes").stdout)
    assert {each["n_affected"] for each in again["steps"]} == {0}


def test_an_import_does_not_bring_an_erased_customer_back(shop):
    run("forget", CUSTOMER, "--yes")
    told = json.loads(run("import", "events", shop, "--json").stdout)
    assert (told["inserted"], told["unchanged"], told["rejected"]) == (0, 4, 4)


def test_the_log_never_names_the_customer(shop, caplog, monkeypatch):
    monkeypatch.setattr(LOGGER, "propagate", True)
    with caplog.at_level("INFO", logger=LOGGER.name):
        run("forget", CUSTOMER, "--yes")
    assert CUSTOMER not in caplog.text
    assert all(CUSTOMER not in str(getattr(record, "fields", "")) for record in caplog.records)


def test_a_step_that_fails_is_shown_and_the_exit_code_says_so(shop, monkeypatch):
    def broken(*args):
        raise OSError

    monkeypatch.setattr("api.forgetting.worker.forget_in_files", broken)
    result = run("forget", CUSTOMER, "--yes", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["finished_at_ms"] is None
    assert {each["step"]: each["status"] for each in told["steps"]}["files"] == "error"
    assert run("forget", CUSTOMER, "--yes").exit_code == 1  # it is tried again later, not at once
    assert "files" in run("forget", CUSTOMER, "--yes").output


def test_on_another_host_it_removes_the_files_that_name_whom_the_first_has_erased(
    shop, tmp_path, monkeypatch
):
    here, there = tmp_path / "shop", tmp_path / "another host"
    there.mkdir()
    for key in here.glob("*.key"):
        shutil.copy(key, there)
    named, of_others = (
        write(there / f"{number}.jsonl.rejects.jsonl", [{"customer_id": name}])
        for number, name in enumerate((CUSTOMER, "somebody-else"))
    )
    assert run("forget", CUSTOMER, "--yes").exit_code == 0
    assert named.exists()
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(there))
    for name, file in (("DATABASE", "tactful"), ("KEYS", "keys"), ("CHECKPOINTS", "checkpoints")):
        monkeypatch.setenv(f"TACTFUL_{name}_URL", f"sqlite:///{here / file}.db")
    result = run("forget", CUSTOMER, "--yes")
    assert result.exit_code == 0, result.output
    assert "files of this host named them, removed or changed: 1\n" in result.stderr
    assert (named.exists(), of_others.exists()) == (False, True)
    assert "files of this host" not in run("forget", CUSTOMER, "--yes").stderr


def test_on_a_terminal_it_asks_first(shop, monkeypatch):
    monkeypatch.setattr("api.cli.forget.asks", lambda: True)
    refused = run("forget", CUSTOMER, input="n\n")
    assert refused.exit_code == 1
    assert "cannot be undone" in refused.output
    assert run("forget", CUSTOMER, "--json", input="y\n").exit_code == 0


def test_the_purge_counts_first_then_removes_then_finds_nothing(shop, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")

    def counts(*options):
        told = json.loads(run("purge", "--json", *options).stdout)
        return {store: n for store, n in told["counts"].items() if n}

    assert counts("--dry-run") == {"history": 2}
    assert counts() == {"history": 2}
    assert counts() == {}
    shown = run("purge")
    assert "order facts" in shown.stdout
    assert "0 in all" in shown.stderr


def test_the_purge_says_what_waits_for_a_policy_that_can_be_read(shop, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    engine = open_engine(Settings.from_env(os.environ))
    put_unreadable(engine)
    engine.dispose()
    told = json.loads(run("purge", "--json").stdout)
    assert "history" in told["waiting"]
    assert not set(told["waiting"]) & set(told["counts"])
    said = run("purge").stderr
    assert "The policy in force cannot be read." in said
    assert "history" in said
