"""``tactful export`` on the command line."""

import io
import json
import stat
import zipfile

import pytest
from click.testing import CliRunner

from api.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command on a shop that knows of one consent of Anna's."""
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))
    monkeypatch.setenv("TACTFUL_CONTROLLER", "Shop Ltd")

    def invoke(*arguments):
        return CliRunner().invoke(main, [str(each) for each in arguments])

    assert invoke("db", "upgrade").exit_code == 0
    consents = tmp_path / "consents.csv"
    consents.write_text("customer_id,purpose,status,at\nanna,functional.storage,given,2026-01-01T00:00:00Z\n")
    imported = invoke("import", "consents", consents)
    assert imported.exit_code == 0, imported.output
    return invoke


def test_everything_goes_to_standard_output(run):
    shown = run("export", "anna")
    assert shown.exit_code == 0, shown.output
    document = json.loads(shown.stdout)
    assert document["controller"] == "Shop Ltd"
    assert document["sections"]["person"]["rows"][0]["id"] == "anna"
    (event,) = document["sections"]["consent_events"]["rows"]
    assert event["purpose"] == "functional.storage"
    assert run("export", "anna", "--json").stdout.startswith('{"format":')


def test_a_file_is_its_owners_alone(run, tmp_path):
    file = tmp_path / "anna.zip"
    told = run("export", "anna", "--format", "csv", "--out", file, "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout) == {
        "file": str(file),
        "format": "csv",
        "scope": "access",
        "n_bytes": file.stat().st_size,
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "person.csv" in zipfile.ZipFile(io.BytesIO(file.read_bytes())).namelist()


def test_what_can_be_taken_along_is_less(run, tmp_path):
    file = tmp_path / "anna.json"
    assert run("export", "anna", "--scope", "portability", "--out", file).exit_code == 0
    assert "decisions" not in json.loads(file.read_text())["sections"]


def test_that_it_was_asked_for_is_taken_down(run):
    run("export", "anna")
    document = json.loads(run("export", "anna").stdout)
    assert [row["kind"] for row in document["sections"]["requests"]["rows"]] == ["access", "access"]


@pytest.mark.parametrize(
    "arguments",
    [(), ("anna", "--format", "xml"), ("anna", "--scope", "all"), ("anna", "--format", "csv", "--json")],
)
def test_what_cannot_be_understood_is_refused(run, arguments):
    assert run("export", *arguments).exit_code == 2


def test_a_file_that_cannot_be_written_is_told_in_one_line(run, tmp_path):
    told = run("export", "anna", "--out", tmp_path / "nowhere" / "anna.json")
    assert told.exit_code == 1
    assert "Traceback" not in told.output
