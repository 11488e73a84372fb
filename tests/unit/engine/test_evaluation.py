from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_csr

from engine.errors import DatasetError, ModelFitError
from engine.evaluation.bootstrap import Bootstrap, error_of_difference, interval
from engine.evaluation.folder import evaluate_folder, read_folder
from engine.evaluation.metrics import diversity, novelty, popularity_bias
from engine.evaluation.ranking import rank_by, scores_of
from engine.interactions import WEIGHT_ONE
from engine.models import learner_named
from engine.models.integers import quantized
from engine.models.pairs import Pairs
from engine.serving import kernel

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


FEW = ("popular", "cosine", "walk", "blend")


def test_learners_that_see_the_groups_beat_popularity_and_one_of_them_is_chosen(folder):
    seen: list[tuple[str, int, int]] = []
    report = evaluate_folder(folder, 10, FEW, progress=lambda *step: seen.append(step)).as_dict()
    by_name = {row["learner"]: row for row in report["learners"]}
    assert [*by_name, *(row["learner"] for row in report["skipped"])] == list(FEW)
    assert by_name["walk"]["recall"] > 0.9
    assert by_name["popular"]["recall"] < 0.5
    chosen = report["chosen"]
    assert chosen["learner"] != "popular"
    assert chosen == {name: by_name[chosen["learner"]][name] for name in chosen}
    done = [done for _, done, _ in seen]
    assert done == sorted(done)
    assert seen[-1] == ("done", done[-1], done[-1])
    assert {total for *_, total in seen} == {done[-1]}


def test_the_choice_does_not_depend_on_the_test_data(folder):
    before = evaluate_folder(folder, learners=FEW, clock=lambda: 0.0)
    (folder / "test.txt.gz").write_bytes(gzip.compress(b"3 111\n"))
    after = evaluate_folder(folder, learners=FEW, clock=lambda: 0.0)
    assert before.chosen == after.chosen
    rows = list(zip(before.rows, after.rows, strict=True))
    assert all(one.get("validation") == other.get("validation") for one, other in rows)
    assert all(one.get("params") == other.get("params") for one, other in rows)
    assert before.rows[2]["recall"] != after.rows[2]["recall"]


def test_figures_repeat_to_the_last_digit(folder):
    first, second = (
        evaluate_folder(folder, learners=("walk", "lowpass", "blend"), clock=lambda: 0.0) for _ in range(2)
    )
    assert first == second


def test_what_was_measured_is_not_measured_again(folder, tmp_path):
    file = tmp_path / "measured.jsonl"
    first = evaluate_folder(folder, learners=FEW, clock=lambda: 0.0, remember=file)
    n_lines = len(file.read_bytes().splitlines())
    assert evaluate_folder(folder, learners=FEW, clock=lambda: 0.0, remember=file) == first
    assert len(file.read_bytes().splitlines()) == n_lines > len(FEW)


def test_where_memory_does_not_do_a_learner_is_left_out_and_says_why(folder):
    half = learner_named("walk").memory_bytes(read_folder(folder).train) // 2
    report = evaluate_folder(folder, learners=("popular", "walk"), memory_bytes=half)
    assert report.chosen == "popular"
    assert report.as_dict()["skipped"][0]["learner"] == "walk"
    with pytest.raises(ModelFitError, match="nothing could be chosen"):
        evaluate_folder(folder, learners=("walk",), memory_bytes=1000)


def test_many_customers_are_ranked_by_the_integers_that_are_served():
    random = np.random.default_rng(0)
    matrix = random_csr(40, 40, 0.3, random_state=1, format="csr")
    matrix.data = np.round(matrix.data, 1) + 0.1  # many ties
    matrix.setdiag(0)
    matrix.eliminate_zeros()
    pairs = Pairs(matrix, np.ones(matrix.nnz, np.int32))
    evidence = random_csr(30, 40, 0.1, random_state=2, format="csr")
    asked = random.permutation(30)[:20]
    ranked = rank_by(pairs, evidence, evidence, asked, 7)
    whole = quantized(pairs).item_to_item
    for row, customer in zip(ranked, asked.tolist(), strict=True):
        known = evidence.indices[evidence.indptr[customer] : evidence.indptr[customer + 1]].astype(np.int32)
        weights = evidence.data[evidence.indptr[customer] : evidence.indptr[customer + 1]]
        arrays = whole.indptr, whole.indices, whole.data, pairs.support, np.ones(40, np.bool_)
        served = kernel.score(*arrays, known, np.rint(weights * WEIGHT_ONE).astype(np.int64), known, 7)
        assert row[row >= 0].tolist() == served.item.tolist()


def test_scores_of_candidates_are_sums_of_entries():
    matrix = csr_matrix(np.array([[0, 0.5, 0.25], [0, 0, 1.0], [0, 0, 0]]))
    pairs = Pairs(matrix, np.ones(3, np.int32))
    evidence = csr_matrix(np.array([[1.0, 0.5, 0], [0, 0, 1.0]]))
    candidates = np.array([[2, 1, -1], [0, 1, 2]], np.int32)
    scores = scores_of(pairs, evidence, np.arange(2), candidates)
    assert np.allclose(scores, [[0.75, 0.5, 0], [0, 0, 0]])


def test_draws_say_how_sure_a_mean_is():
    values = np.random.default_rng(0).random(400)
    drawn = Bootstrap(400).means(values)
    low, high = interval(float(values.mean()), drawn)
    assert low < values.mean() < high
    assert np.isclose(drawn.std(), values.std() / 20, rtol=0.15)
    assert error_of_difference(drawn, Bootstrap(400).means(values + 1)) < 1e-9


def test_rare_items_are_new_and_unlike_items_make_a_list_diverse():
    has = csr_matrix(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]], np.float64))
    alike, unlike, single = (np.array([row], np.int32) for row in ([0, 1], [2, 3], [2, -1]))
    assert np.isclose(diversity(alike, has), 1 - 2 / np.sqrt(8))
    assert diversity(unlike, has) == 1.0
    assert diversity(single, has) == 0.0
    n_having = np.array([4.0, 2.0, 1.0, 1.0])
    assert (novelty(alike, n_having, 4), novelty(unlike, n_having, 4)) == (0.5, 2.0)
    assert popularity_bias(alike, csr_matrix(np.array([[0, 0, 1, 1]])), n_having) > 0
    assert popularity_bias(unlike, csr_matrix(np.array([[0, 0, 1, 1]])), n_having) == 0


def test_a_privacy_floor_can_be_asked_for(folder):
    report = evaluate_folder(folder, learners=("walk",), min_support=1000)
    assert report.min_support == 1000
    assert report.rows[0]["recall"] == 0.0


def test_customers_without_training_data_count_and_those_without_test_data_do_not(tmp_path):
    (tmp_path / "train.txt").write_text("1 10 20\n2 10 20\n3 10\n4 10 20\n")
    (tmp_path / "test.txt").write_text("3 20\n9 10\n4\n")
    walk = evaluate_folder(tmp_path, k=1, learners=("walk",)).rows[0]
    assert (walk["recall"], walk["ndcg"]) == (0.5, 0.5)


def test_reading_numbers_customers_and_items_afresh_and_takes_each_pair_once(tmp_path):
    (tmp_path / "train.txt").write_text("5 70 70 90\n\n2 80\n5 80\n")
    (tmp_path / "test.txt").write_text("2 99\n")
    split = read_folder(tmp_path)
    assert split.train.toarray().tolist() == [[0, 1, 0, 0], [1, 1, 1, 0]]
    assert split.test.toarray().tolist() == [[0, 0, 0, 1], [0, 0, 0, 0]]


def test_the_place_of_each_item_in_its_line_is_known(tmp_path):
    (tmp_path / "train.txt").write_text("5 70 90 70 80\n2 80 70\n")
    (tmp_path / "test.txt").write_text("2 99\n")
    split = read_folder(tmp_path)
    assert split.train.indices.tolist() == [0, 1, 0, 1, 2]
    first_line, second_line = split.place[2:], split.place[:2]
    assert np.argsort(first_line).tolist() == [0, 2, 1]
    assert np.argsort(second_line).tolist() == [1, 0]


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
