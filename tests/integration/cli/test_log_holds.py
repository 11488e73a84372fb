"""Legal holds and pruning on the command line: with a key, and told in the log."""

import json

import pytest
from click.testing import CliRunner
from support.erasing import decide, entries_of_type
from support.stores import NOW_MS

from api.cli.group import main
from api.storage.api_keys import Role, create_key
from api.storage.connection import writing


@pytest.fixture
def run(sqlite_store, monkeypatch):
    """Run a command of the group on a store, with the key of a role."""
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(sqlite_store.settings.data_dir))
    monkeypatch.setenv("TACTFUL_PSEUDONYM_KEY", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")
    with writing(sqlite_store.engine) as conn:
        keys = {role: create_key(conn, role, "tests", NOW_MS)[1] for role in Role}

    def invoke(*arguments, role=Role.AUDITOR):
        return CliRunner().invoke(main, ["log", *arguments], env={"TACTFUL_KEY": role and keys[role]})

    return invoke


def test_a_hold_is_placed_listed_and_released_and_an_erasure_waits_for_it(sqlite_store, run):
    decide(sqlite_store, sqlite_store.subjects.account("anna"), ["d-1"])
    placed = json.loads(run("hold", "anna", "--reason", "claim 4711", "--json").stdout)
    (listed,) = json.loads(run("holds", "--json").stdout)
    assert (listed["hold_id"], listed["reason"]) == (placed["hold_id"], "claim 4711")
    assert "anna" not in run("holds").output
    erased = CliRunner().invoke(main, ["forget", "anna", "--yes", "--json"])
    assert erased.exit_code == 1
    steps = {each["step"]: each for each in json.loads(erased.stdout)["steps"]}
    assert steps["keys"]["status"] == "held"
    assert "legal claim" in steps["keys"]["detail"]
    assert run("release", placed["hold_id"]).exit_code == 0
    assert run("release", placed["hold_id"]).exit_code == 1
    done = CliRunner().invoke(main, ["forget", "anna", "--yes", "--json"])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["finished_at_ms"] is not None
    assert told["log_receipt"].startswith("c2sp.org/tlog-proof@v1\n")
    assert [len(entries_of_type(sqlite_store, each)) for each in ("legal_hold", "erasure")] == [2, 1]


@pytest.mark.parametrize(
    "arguments",
    [("hold", "anna", "--reason", "x"), ("release", "h"), ("holds",), ("prune", "--keep-days", "9")],
)
def test_only_admins_and_auditors_may(run, arguments):
    assert "admin and auditor" in run(*arguments, role=Role.SITE).output
    assert run(*arguments, role=None).exit_code == 2


def test_pruning_asks_for_how_old_and_says_what_went(sqlite_store, run):
    decide(sqlite_store, None, ["d-1"])
    assert run("prune").exit_code == 2
    assert run("prune", "--keep-days", "9", "--before", "2020-01-01").exit_code == 2
    for dry in ((), ("--dry-run",)):
        found = json.loads(run("prune", "--before", "2020-01-01", "--json", *dry).stdout)
        assert found == {"dry_run": bool(dry), "min_index": 0, "n_entries": 0}
