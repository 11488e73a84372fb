"""The commands that set a shop up: db, import, keys; and how every command refuses and fails."""

import json
import socket
import stat
import subprocess
import sys

import pytest
from click.testing import CliRunner

from api.cli import main

ITEMS = [
    {"item_id": "a", "title": "Bread, 500 g", "category": "Food > Bread", "price": "2.50", "currency": "EUR"},
    {"item_id": "b", "title": "Milk, 1 l", "category": "Food > Dairy", "price": "1.20", "currency": "EUR"},
    {"item_id": "c", "category": "Food"},
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command on a shop of its own; its data folder is ``run.data_dir``."""
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))

    def invoke(*arguments):
        return CliRunner().invoke(main, [str(each) for each in arguments])

    invoke.data_dir = tmp_path / "shop"
    return invoke


@pytest.fixture
def shop(run):
    """A shop whose database is up to date."""
    assert run("db", "upgrade").exit_code == 0
    return run


@pytest.fixture
def feed(tmp_path):
    file = tmp_path / "items.jsonl"
    file.write_text("\n".join(json.dumps(item) for item in ITEMS))
    return file


def test_help_names_every_command_and_loads_no_heavy_library():
    heavy = ("numpy", "sqlalchemy", "flask", "scipy", "pyarrow", "granian", "implicit", "rich.progress")
    code = (
        "import sys; from api.cli import main; main(['--help'], standalone_mode=False);"
        f"print('HEAVY', [name for name in {heavy!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "HEAVY []" in shown
    for command in (
        "catalog",
        "db",
        "demo",
        "evaluate",
        "forget",
        "guardrails",
        "import",
        "keys",
        "policy",
        "purge",
        "serve",
        "train",
    ):
        assert f"\n  {command} " in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("db", "upgrade", "--forcibly"),
        ("no-such-command",),
        ("import", "items", "/no/such/file"),
        ("keys", "create", "--role", "king", "--label", "x"),
        ("serve", "--port", "0"),
        ("demo", "--no-such-option"),
        ("evaluate", "/no/such/folder"),
    ],
)
def test_what_is_not_understood_is_refused_with_exit_code_2(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.parametrize("arguments", [("keys", "list"), ("train",), ("serve",)])
def test_a_missing_database_is_named_with_the_command_that_makes_it(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr == "Error: the database is not up to date: run `tactful db upgrade`\n"


def test_an_unknown_setting_is_refused(run, monkeypatch):
    monkeypatch.setenv("TACTFUL_DATABSE_URL", "sqlite:///x.db")
    result = run("db", "upgrade")
    assert (result.exit_code, result.stderr) == (1, "Error: unknown setting `TACTFUL_DATABSE_URL`\n")


def test_a_folder_that_cannot_be_made_is_named_without_a_traceback(run, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "file" / "shop"))
    result = run("db", "upgrade")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "not a directory" in result.stderr.lower()


def test_an_upgrade_twice_changes_nothing(run):
    assert run("db", "upgrade").exit_code == 0
    assert run("db", "upgrade").exit_code == 0
    assert stat.S_IMODE((run.data_dir / "tactful.db").stat().st_mode) == 0o600


def test_good_items_are_kept_and_bad_ones_named_by_line_and_reason(shop, feed):
    result = shop("import", "items", feed, "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["inserted"], report["rejected"]) == (2, 1)
    reject = json.loads((feed.parent / "items.jsonl.rejects.jsonl").read_text())
    assert (reject["line"], reject["field"], reject["reason"]) == (3, "title", "is missing")


def test_importing_again_changes_nothing(shop, feed):
    shop("import", "items", feed)
    again = json.loads(shop("import", "items", feed, "--json").stdout)
    assert (again["inserted"], again["changed"], again["unchanged"]) == (0, 0, 2)


def test_rejects_go_where_they_are_told_to(shop, feed, tmp_path):
    result = shop("import", "items", feed, "--rejects", tmp_path / "bad.jsonl")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "2 new" in result.stderr
    assert (tmp_path / "bad.jsonl").exists()


def test_events_and_consents_are_imported(shop, feed, tmp_path):
    shop("import", "items", feed)
    events = tmp_path / "events.csv"
    events.write_text(
        "event_id,customer_id,item_id,kind,at\n1,anna,a,purchase,2026-01-02T03:04:05Z\n2,anna,x,"
    )
    report = json.loads(shop("import", "events", events, "--json").stdout)
    assert (report["inserted"], report["rejected"]) == (1, 1)
    consents = tmp_path / "consents.jsonl"
    consents.write_text(
        '{"customer_id":"anna","purpose":"personalize.content.profiling","status":"given",'
        '"at":"2026-01-02T03:04:05Z"}'
    )
    report = json.loads(shop("import", "consents", consents, "--json").stdout)
    assert (report["inserted"], report["rejected"]) == (1, 0)


def test_a_truncated_file_is_refused_with_its_name(shop, tmp_path):
    broken = tmp_path / "events.parquet"
    broken.write_bytes(b"PAR1")
    result = shop("import", "events", broken)
    assert result.exit_code == 1
    assert result.stderr == "Error: `events.parquet` is not a readable Parquet file\n"


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(shop):
    made = json.loads(shop("keys", "create", "--role", "site", "--label", "shop", "--json").stdout)
    listed = shop("keys", "list", "--json").stdout
    assert made["key"] not in listed
    assert [(key["key_id"], key["revoked_at_ms"]) for key in json.loads(listed)] == [(made["key_id"], None)]
    assert shop("keys", "revoke", made["key_id"]).exit_code == 0
    assert json.loads(shop("keys", "list", "--json").stdout)[0]["revoked_at_ms"] is not None
    again = shop("keys", "revoke", made["key_id"])
    no_such_key = "Error: there is no key with this id in force; `tactful keys list` shows the ids\n"
    assert (again.exit_code, again.stderr) == (1, no_such_key)


def test_the_list_for_people_names_role_and_label(shop):
    shop("keys", "create", "--role", "marketer", "--label", "campaigns")
    listed = shop("keys", "list").stdout
    assert "marketer" in listed
    assert "campaigns" in listed


def test_without_json_only_the_key_itself_goes_to_standard_output(shop):
    result = shop("keys", "create", "--role", "auditor", "--label", "x")
    assert result.stdout.startswith("tactful_auditor_")
    assert result.stdout.count("\n") == 1


def test_a_taken_port_is_named_with_the_setting_that_changes_it(shop):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = shop("serve", "--port", port)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: port `{port}` is taken: stop what listens there, or set TACTFUL_PORT to another\n"
    )
