"""What is written while one waits: plain lines where there is no terminal, and data by itself."""

import json

import numpy as np
import pytest

from api.cli import terminal
from api.cli.demo import TimedStages, demo_environ


@pytest.fixture
def _at_once(monkeypatch):
    monkeypatch.setattr(terminal, "PLAIN_EVERY_S", 0.0)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(
    ("done", "total", "said"),
    [
        (50, 100, "importing: 50 %, about 0 s left, half\n"),
        (50, None, "importing: half\n"),
        (0, 100, "importing: half\n"),
    ],
    ids=["with an estimate", "of unknown length", "not begun"],
)
def test_progress_is_a_plain_line_where_there_is_no_terminal(capsys, done, total, said):
    with terminal.progress("importing") as show:
        show(done, total, "half")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", said)


@pytest.mark.usefixtures("_at_once")
def test_what_is_left_of_the_next_stage_is_not_reckoned_from_the_time_of_the_last(capsys, monkeypatch):
    clock = iter([0.0, 100.0, 100.0, 101.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(clock))
    with terminal.progress("evaluating") as show:
        show(7, 7, "learning")
        show(0, 100, "serving")
        show(1, 100, "serving")
    assert capsys.readouterr().err.splitlines()[-1] == "evaluating: 1 %, about 99 s left, serving"


def test_progress_is_not_written_more_often_than_every_few_seconds(capsys):
    with terminal.progress("importing") as show:
        for done in range(1000):
            show(done, 1000, "")
    assert capsys.readouterr().err == ""


def test_progress_is_drawn_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with terminal.progress("importing") as show:
        show(50, 100, "half")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "importing" in captured.err


def test_data_is_one_json_document_on_standard_output(capsys):
    terminal.print_json({"n": np.int64(3), "share": 0.5})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"n": 3, "share": 0.5}
    assert captured.err == ""


def test_stages_keep_their_times_and_name_them_on_standard_error(capsys):
    stages = TimedStages()
    with stages("first") as show:
        show(1, 1, "")
    with stages("second"):
        pass
    assert [name for name, _ in stages.done] == ["first", "second"]
    assert stages.total_s == sum(seconds for _, seconds in stages.done)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("first ")


def test_a_stage_that_fails_is_not_done(capsys):
    stages = TimedStages()
    with pytest.raises(ValueError, match="broken"), stages("first"):
        raise ValueError("broken")
    assert stages.done == []


@pytest.mark.parametrize(("environ", "folder"), [({}, "var/demo"), ({"TACTFUL_DATA_DIR": "x"}, "x")])
def test_the_demo_keeps_to_itself_unless_a_folder_is_named(environ, folder):
    assert demo_environ(environ)["TACTFUL_DATA_DIR"] == folder


def test_the_demo_is_where_its_data_comes_from_unless_told_otherwise():
    assert demo_environ({})["TACTFUL_CONSENT_JURISDICTION"] == "US"
    assert demo_environ({"TACTFUL_CONSENT_JURISDICTION": "DK"})["TACTFUL_CONSENT_JURISDICTION"] == "DK"
