"""``tactful recommend``: a mailing to a file, gone on with where it was stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from support.http import BUYER, EVERYTHING, fill

from api.batch import runs
from api.cli import main
from api.settings import Settings
from api.storage.connection import open_engine, reading, upgrade, writing
from api.storage.consents import append_events
from api.storage.customers import customer_numbers
from api.storage.decisions import decisions
from api.storage.subjects import open_subjects
from api.storage.tables import exposures, log_entries
from api.wiring import now_ms
from guardrails.consent.events import ConsentEvent, Status
from guardrails.request import SubjectKind

BY_MAIL = "marketing.communications.email"
MAIL = ("--placement", "email", "--channel", "email", "--count", "3")
PATIENCE_S = 60


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A shop whose buyer and nine others agreed to be written to; `quiet` did not."""
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))
    settings = Settings.from_env({"TACTFUL_DATA_DIR": str(tmp_path / "shop")})
    engine = open_engine(settings)
    upgrade(engine)
    fill(settings)
    agreed(settings, engine, [BUYER, *(f"c-{number}" for number in range(9))])
    engine.dispose()
    return settings


def agreed(settings, engine, customers):
    subjects, at_ms = open_subjects(settings), now_ms() - 1000
    with writing(engine) as conn:
        customer_numbers(conn, [*customers, "quiet"], subjects, at_ms)
        for customer_id in customers:
            events = [
                ConsentEvent(f"{customer_id}-{purpose}", purpose, Status.CONSENT_GIVEN, at_ms, explicit=True)
                for purpose in (*EVERYTHING, BY_MAIL)
            ]
            append_events(conn, subjects.account(customer_id), SubjectKind.ACCOUNT, events, at_ms)


def invoke(*arguments, **more):
    return CliRunner().invoke(main, ["recommend", *map(str, arguments)], **more)


def report_of(*arguments, **more):
    result = invoke(*arguments, "--json", **more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def in_log(settings):
    engine = open_engine(settings)
    with reading(engine) as conn:
        ids = list(conn.scalars(select(decisions.c.decision_id)))
    engine.dispose()
    return ids


def listed(tmp_path, customers, name="customers.txt"):
    path = tmp_path / name
    path.write_text("\n".join(customers) + "\n")
    return path


@pytest.mark.parametrize("processes", [1, 2])
def test_everybody_is_in_the_file_and_in_the_log(settings, tmp_path, processes, monkeypatch):
    monkeypatch.setattr(runs, "GROUP", 3)
    out = tmp_path / "out.jsonl"
    customers = ["unheard-of", BUYER, *(f"c-{number}" for number in range(9)), "quiet"]
    report = report_of(listed(tmp_path, customers), *MAIL, "--output", out, "--processes", processes)
    found = rows(out)
    assert [row["customer_id"] for row in found] == customers
    assert {row["answer"]["decision_id"] for row in found} == set(in_log(settings))
    by_customer = {row["customer_id"]: row["answer"] for row in found}
    assert by_customer[BUYER]["items"]
    assert by_customer["quiet"]["items"] == by_customer["unheard-of"]["items"] == []
    assert report["decided"] == report["customers"] == len(customers)
    assert sum(report["by_basis"].values()) == len(customers)
    assert report["items"] == sum(len(row["answer"]["items"]) for row in found)
    assert out.stat().st_mode & 0o077 == 0


def test_all_are_those_who_agreed_to_the_channel(settings, tmp_path):
    out = tmp_path / "out.jsonl"
    report_of("--all", *MAIL, "--output", out, "--processes", 1)
    assert [row["customer_id"] for row in rows(out)] == [BUYER, *(f"c-{number}" for number in range(9))]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.csv", "name,customer_id,language\nx,c-1,\ny,c-2,de\nz,,\nq,c-1,\n"),
        (
            "c.jsonl",
            '{"customer_id":"c-1"}\n{"customer_id":"c-2","language":"de"}\n7\n{"customer_id":"c-1"}\n',
        ),
    ],
)
def test_files_name_languages_and_bad_lines_are_told(settings, tmp_path, name, text):
    path, out = tmp_path / name, tmp_path / "out.jsonl"
    path.write_text(text)
    report = report_of(path, *MAIL, "--output", out, "--processes", 1)
    first, second = rows(out)
    assert (first["customer_id"], second["customer_id"]) == ("c-1", "c-2")
    assert first["answer"]["options"]["switch"] != second["answer"]["options"]["switch"]
    assert len(report["rejected"]) == 2


def test_customers_come_from_standard_input_as_well(settings, tmp_path):
    out = tmp_path / "out.jsonl"
    report_of("-", *MAIL, "--output", out, "--processes", 1, input="c-1\nc-2\n")
    assert [row["customer_id"] for row in rows(out)] == ["c-1", "c-2"]


def test_a_torn_line_is_dropped_and_the_run_goes_on(settings, tmp_path):
    path, out = listed(tmp_path, [f"c-{number}" for number in range(6)]), tmp_path / "out.jsonl"
    report_of(path, *MAIL, "--output", out, "--processes", 1)
    whole = out.read_bytes()
    kept = whole.splitlines(keepends=True)[:3]
    out.write_bytes(b"".join(kept) + b'{"customer_id":"c-3","ans')
    report = report_of(path, *MAIL, "--output", out, "--processes", 1)
    assert (report["before"], report["decided"]) == (3, 3)
    assert out.read_bytes().startswith(b"".join(kept))
    assert [row["customer_id"] for row in rows(out)] == [f"c-{number}" for number in range(6)]
    again = report_of(path, *MAIL, "--output", out, "--processes", 1)
    assert (again["before"], again["decided"]) == (6, 0)


def test_a_file_of_another_run_is_refused(settings, tmp_path):
    path, out = listed(tmp_path, ["c-1"]), tmp_path / "out.jsonl"
    report_of(path, *MAIL, "--output", out, "--processes", 1)
    before = out.read_bytes()
    for other in (
        (path, "--placement", "email", "--channel", "email", "--count", "2"),
        (listed(tmp_path, ["c-2"], "others.txt"), *MAIL),
        ("--all", *MAIL),
    ):
        refused = invoke(*other, "--output", out, "--processes", 1)
        assert refused.exit_code == 1
        assert "belongs to a run" in refused.stderr
    foreign = tmp_path / "foreign.jsonl"
    foreign.write_text("mine\n")
    refused = invoke(path, *MAIL, "--output", foreign, "--processes", 1)
    assert "not one that this command began" in refused.stderr
    assert foreign.read_text() == "mine\n"
    assert out.read_bytes() == before
    assert len(in_log(settings)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--placement", "nowhere", "--channel", "email"),
        ("--placement", "email", "--channel", "email", "--count", "9"),
        ("--placement", "email", "--channel", "pigeon"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings, tmp_path, arguments):
    out = tmp_path / "out.jsonl"
    refused = invoke(listed(tmp_path, ["c-1"]), *arguments, "--output", out)
    assert refused.exit_code == 2
    assert in_log(settings) == []
    assert invoke(*MAIL, "--output", out).exit_code == 2


def test_what_was_recorded_and_not_written_out_is_given_up_and_decided_again(settings, tmp_path, monkeypatch):
    """As when the process is ended between the commit and the file."""
    path, out = listed(tmp_path, ["c-1", "c-2", "c-3"]), tmp_path / "out.jsonl"
    monkeypatch.setattr(runs, "GROUP", 2)
    monkeypatch.setattr("api.batch.output.Output.write", lambda *_: os._exit(9))
    child = os.fork()
    if child == 0:
        invoke(path, *MAIL, "--output", out, "--processes", 1)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    monkeypatch.undo()
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(settings.data_dir))
    lost = in_log(settings)
    assert len(lost) == 2
    report = report_of(path, *MAIL, "--output", out, "--processes", 1)
    assert (report["repeated"], report["decided"]) == (2, 3)
    engine = open_engine(settings)
    with reading(engine) as conn:
        remembered = set(conn.scalars(select(exposures.c.decision_id)))
        told = [bytes(each) for each in conn.scalars(select(log_entries.c.entry))]
    engine.dispose()
    assert remembered.isdisjoint(lost)
    assert any(b'"what":"not_answered"' in each for each in told)
    assert {row["answer"]["decision_id"] for row in rows(out)} == set(in_log(settings)) - set(lost)


def test_killed_it_leaves_whole_lines_and_goes_on(settings, tmp_path):
    customers = [f"k-{number}" for number in range(400)]
    path, out = listed(tmp_path, customers), tmp_path / "out.jsonl"
    command = [Path(sys.executable).parent / "tactful", "recommend", path, *MAIL, "--output", out]
    command = [*map(str, command), "--processes", "2"]
    running = subprocess.Popen(command, env=os.environ, stderr=subprocess.DEVNULL)
    until = time.monotonic() + PATIENCE_S
    while not out.exists() or out.stat().st_size == 0:
        assert time.monotonic() < until
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    report = json.loads(
        subprocess.run([*command, "--json"], env=os.environ, check=True, stdout=subprocess.PIPE).stdout
    )
    assert report["before"] + report["decided"] == len(customers)
    assert 0 < report["before"] < len(customers)
    found = rows(out)
    assert [row["customer_id"] for row in found] == customers
    ids = {row["answer"]["decision_id"] for row in found}
    assert ids <= set(in_log(settings))
    assert len(in_log(settings)) - len(ids) == report["repeated"] <= runs.GROUP
