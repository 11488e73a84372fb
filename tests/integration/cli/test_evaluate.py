"""``tactful evaluate`` on a small folder whose answer is known."""

import gzip
import json

import pytest
from click.testing import CliRunner

from api.cli import main

N_CUSTOMERS = 40


@pytest.fixture
def folder(tmp_path):
    """Two kinds of customers who only buy goods of their own kind, each missing one."""
    train, test = [], []
    for customer in range(N_CUSTOMERS):
        goods = [item for item in range(20) if item % 2 == customer % 2]
        missing = goods.pop(customer % 10)
        train.append(f"{customer} {' '.join(map(str, goods))}")
        test.append(f"{customer} {missing}")
    (tmp_path / "train.txt").write_text("\n".join(train))
    with gzip.open(tmp_path / "test.txt.gz", "wt") as file:
        file.write("\n".join(test))
    return tmp_path


def evaluate(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def test_the_json_has_the_promised_shape_and_the_right_answer(folder):
    result = evaluate(folder, "--k", 5, "--budget-s", 10, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert set(report) == {"chosen", "learners", "skipped", "validation"}
    assert set(report["chosen"]) == {"learner", "recall", "ndcg", "params"}
    figures = {"recall", "recall_low", "recall_high", "ndcg", "ndcg_low", "ndcg_high", "coverage", "answered"}
    further = {"learner", "params", "fit_s", "novelty", "diversity", "popularity_bias", "validation"}
    assert all(set(row) - {"weights"} == figures | further for row in report["learners"])
    by_name = {row["learner"]: row for row in report["learners"]}
    assert {"popular", "cosine", "walk", "als"} <= {*by_name, *(row["learner"] for row in report["skipped"])}
    assert by_name["walk"]["recall"] == 1.0
    chosen = by_name[report["chosen"]["learner"]]
    assert (report["chosen"]["recall"], report["chosen"]["ndcg"]) == (chosen["recall"], chosen["ndcg"])


def test_the_table_names_every_learner_and_marks_the_chosen_one(folder):
    result = evaluate(folder, "--k", 5, "--budget-s", 10)
    assert result.exit_code == 0
    assert result.stdout.count("chosen on the training data alone") == 1
    assert "recall@5" in result.stdout


def test_what_was_measured_is_kept_in_a_file_and_not_measured_again(folder, tmp_path):
    file = tmp_path / "measured.jsonl"
    first = json.loads(evaluate(folder, "--k", 5, "--budget-s", 10, "--resume", file, "--json").stdout)
    before = file.read_bytes().splitlines()
    n_lines = len(before)
    assert n_lines > 5
    again = json.loads(evaluate(folder, "--k", 5, "--budget-s", 10, "--resume", file, "--json").stdout)
    measured = {row["learner"]: row["validation"] for row in first["learners"]}
    assert measured["walk"] == next(
        row["validation"] for row in again["learners"] if row["learner"] == "walk"
    )
    assert file.read_bytes().splitlines()[:n_lines] == before


def test_learners_that_need_more_memory_than_there_is_are_left_out_and_say_so(folder):
    result = evaluate(folder, "--k", 5, "--memory-gb", 0.0001)
    assert result.exit_code == 0, result.output
    assert "GiB" in result.stdout


def test_options_for_a_folder_are_refused_with_guardrails(tmp_path):
    for option in (("--budget-s", 5), ("--memory-gb", 1), ("--resume", tmp_path / "file")):
        result = evaluate("--guardrails", *option)
        assert result.exit_code == 2
        assert "go with a FOLDER" in result.stderr


def test_a_line_that_cannot_be_read_is_named(folder):
    (folder / "train.txt").write_text("1 2 3\n2 x\n")
    result = evaluate(folder)
    assert result.exit_code == 1
    assert "`" in result.stderr
    assert "line 2: field 2 is not a whole number" in result.stderr


def test_a_folder_without_a_test_part_is_refused(folder):
    (folder / "test.txt.gz").unlink()
    result = evaluate(folder)
    assert result.exit_code == 1
    assert "neither `test.txt` nor `test.txt.gz`" in result.stderr
