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
    result = evaluate(folder, "--k", 5, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert set(report) == {"chosen", "learners"}
    assert set(report["chosen"]) == {"learner", "recall", "ndcg"}
    assert all(set(row) == {"learner", "recall", "ndcg", "fit_s"} for row in report["learners"])
    by_name = {row["learner"]: row for row in report["learners"]}
    assert {"popular", "cosine", "bm25", "walk", "als"} <= set(by_name)
    assert by_name["walk"]["recall"] == 1.0
    chosen = by_name[report["chosen"]["learner"]]
    assert (report["chosen"]["recall"], report["chosen"]["ndcg"]) == (chosen["recall"], chosen["ndcg"])


def test_the_table_names_every_learner_and_marks_the_chosen_one(folder):
    result = evaluate(folder, "--k", 5)
    assert result.exit_code == 0
    assert result.stdout.count("chosen on the training data alone") == 1
    assert "recall@5" in result.stdout


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
