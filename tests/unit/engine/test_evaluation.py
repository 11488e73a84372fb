from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from engine.errors import DatasetError, ModelFitError
from engine.evaluation import evaluate_folder
from engine.evaluation.folder import hold_out, read_folder

N_GROUPS = 4


def lines_of(matrix: np.ndarray) -> str:
    """Customer and item numbers are scattered, so that nothing may take them for rows."""
    return "".join(
        f"{7 * number + 3} {' '.join(str(100 + 11 * item) for item in np.flatnonzero(row))}\n"
        for number, row in enumerate(matrix)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four groups of customers, each with items of its own: a fifth of what they have is for testing."""
    random = np.random.default_rng(1)
    group_of_customer, group_of_item = np.arange(120) % N_GROUPS, np.arange(80) % N_GROUPS
    has = (group_of_customer[:, None] == group_of_item) & (random.random((120, 80)) < 0.7)
    tested = has & (random.random(has.shape) < 0.2)
    (tmp_path / "train.txt").write_text(lines_of(has & ~tested))
    (tmp_path / "test.txt.gz").write_bytes(gzip.compress(lines_of(tested).encode()))
    return tmp_path


def test_learners_that_see_the_groups_beat_popularity_and_one_of_them_is_chosen(folder):
    seen: list[tuple[str, int, int]] = []
    report = evaluate_folder(folder, k=10, progress=lambda *step: seen.append(step)).as_dict()
    by_name = {row["learner"]: row for row in report["learners"]}
    assert list(by_name) == ["popular", "cosine", "bm25", "walk", "als"]
    assert by_name["walk"]["recall"] > 0.9
    assert by_name["popular"]["recall"] < 0.5
    chosen = report["chosen"]
    assert chosen["learner"] != "popular"
    assert chosen == {key: by_name[chosen["learner"]][key] for key in ("learner", "recall", "ndcg")}
    assert seen[-1] == ("done", 10, 10)
    assert [done for _, done, _ in seen] == list(range(11))


def test_the_choice_does_not_depend_on_the_test_data(folder):
    before = evaluate_folder(folder, learners=("popular", "cosine", "walk"))
    (folder / "test.txt.gz").write_bytes(gzip.compress(b"3 111\n"))
    after = evaluate_folder(folder, learners=("popular", "cosine", "walk"))
    assert before.chosen == after.chosen
    assert before.rows[2].recall != after.rows[2].recall


def test_figures_repeat_to_the_last_digit(folder):
    first, second = (evaluate_folder(folder, learners=("walk", "als"), clock=lambda: 0.0) for _ in range(2))
    assert first == second


def test_a_privacy_floor_can_be_asked_for(folder):
    report = evaluate_folder(folder, learners=("walk",), min_support=1000)
    assert report.min_support == 1000
    assert report.rows[0].recall == 0.0


def test_customers_without_training_data_count_and_those_without_test_data_do_not(tmp_path):
    (tmp_path / "train.txt").write_text("1 10 20\n2 10 20\n3 10\n4 10 20\n")
    (tmp_path / "test.txt").write_text("3 20\n9 10\n4\n")
    walk = evaluate_folder(tmp_path, k=1, learners=("walk",)).rows[0]
    assert (walk.recall, walk.ndcg) == (0.5, 0.5)


def test_reading_numbers_customers_and_items_afresh_and_takes_each_pair_once(tmp_path):
    (tmp_path / "train.txt").write_text("5 70 70 90\n\n2 80\n5 80\n")
    (tmp_path / "test.txt").write_text("2 99\n")
    split = read_folder(tmp_path)
    assert split.train.toarray().tolist() == [[0, 1, 0, 0], [1, 1, 1, 0]]
    assert split.test.toarray().tolist() == [[0, 0, 0, 1], [0, 0, 0, 0]]


def test_holding_out_takes_a_share_and_loses_nothing(folder):
    train = read_folder(folder).train
    split = hold_out(train, 0.2, np.random.default_rng(0))
    assert (split.train + split.test != train).nnz == 0
    assert 0.15 < split.test.nnz / train.nnz < 0.25


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 2\n1 x\n", "`[^`]*train.txt` line 2: field 2 is not a whole number"),
        ("1 -2\n", "line 1: field 2"),
        ("1 2.5\n", "line 1: field 2"),
        ("1 2\n\n7 99999999999999999999\n", "line 3: field 2"),
        ("", "no training interactions"),
        ("1\n2\n", "no training interactions"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path, content, message):
    (tmp_path / "train.txt").write_text(content)
    (tmp_path / "test.txt").write_text("1 2\n")
    with pytest.raises(DatasetError, match=message):
        evaluate_folder(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    (tmp_path / "train.txt").write_text("1 2\n")
    with pytest.raises(DatasetError, match=r"neither `test.txt` nor `test.txt.gz`"):
        evaluate_folder(tmp_path)


@pytest.mark.parametrize("cut", [5, 30])
def test_a_broken_compressed_file_is_named(folder, cut):
    file = folder / "test.txt.gz"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(DatasetError, match=r"test\.txt\.gz"):
        evaluate_folder(folder)


def test_unknown_learners_and_empty_questions_are_refused(folder):
    with pytest.raises(ModelFitError, match="guess"):
        evaluate_folder(folder, learners=("guess",))
    with pytest.raises(DatasetError, match="at least one learner"):
        evaluate_folder(folder, learners=())
    with pytest.raises(DatasetError, match="`k`"):
        evaluate_folder(folder, k=0)
