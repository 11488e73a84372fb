from __future__ import annotations

import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from engine.evaluation.cuts import Cut, Cuts, are_sorted, cut_lines
from engine.evaluation.remembered import Remembered
from engine.models import learner_named
from engine.models.pairs import Pairs
from engine.training.blending import blend_weights
from engine.training.selection import Contest, Entry, Means, Setting, _tells_apart

N_GROUPS = 4
PLENTY = Means(until_s=float("inf"))


def groups(seed: int = 0, n_customers: int = 120, n_items: int = 80) -> csr_matrix:
    """Customers who keep to the items of their own group."""
    random = np.random.default_rng(seed)
    own = (np.arange(n_customers) % N_GROUPS)[:, None] == np.arange(n_items) % N_GROUPS
    return csr_matrix((own & (random.random(own.shape) < 0.7)).astype(np.float64))


def in_any_order(train: csr_matrix, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(train.nnz)


@pytest.fixture(scope="module")
def cuts() -> Cuts:
    train = groups()
    return cut_lines(train, in_any_order(train))


def contest(cuts: Cuts, means: Means = PLENTY, **options) -> Contest:
    floor = np.ones(cuts.near.popularity.size, np.int32)
    return Contest(cuts, floor, 10, means, **{"clock": time.monotonic, **options})


def test_the_end_of_each_line_is_held_back_and_somewhat_is_left_of_each():
    train = csr_matrix(np.array([[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]], np.float64))
    place = np.array([2, 0, 1, 3, 5, 4, 1, 0, 2, 0])
    near = cut_lines(train, place).near
    assert near.customers.tolist() == [0, 1, 2]
    assert [row.indices.tolist() for row in near.relevant] == [[0], [1], [2]]
    assert (
        near.learned.toarray() + np.vstack([near.relevant.toarray(), np.zeros(4)]) == train.toarray()
    ).all()


def test_the_far_cut_holds_more_back_and_what_the_near_one_holds_back_as_well(cuts):
    near, far = cuts.near, cuts.far
    assert far.learned.nnz < near.learned.nnz
    assert (far.learned.multiply(near.learned) != far.learned).nnz == 0
    assert 0 < cuts.reach <= 0.5


def test_lines_that_follow_one_order_of_items_say_nothing_of_customers():
    train = groups()
    by_number, backwards = train.indices.astype(np.int64), -train.indices.astype(np.int64)
    by_popularity = -np.asarray(train.sum(axis=0)).ravel()[train.indices].astype(np.int64) * 100 + by_number
    assert are_sorted(train, by_number)
    assert are_sorted(train, backwards)
    assert are_sorted(train, by_popularity)
    assert not are_sorted(train, in_any_order(train))


def test_of_sorted_lines_the_end_is_not_what_is_held_back():
    train = groups()
    cuts = cut_lines(train, train.indices.astype(np.int64))
    assert not cuts.by_order
    assert cuts.near.relevant.indices.mean() < 60


def test_customers_with_a_single_item_are_learned_from_and_not_asked():
    near = cut_lines(csr_matrix(np.eye(3)), np.arange(3)).near
    assert near.customers.size == 0
    assert near.learned.nnz == 3


def test_every_learner_has_a_row_and_one_that_learns_edges_is_chosen(cuts):
    outcome = contest(cuts).run(("popular", "cosine", "walk"))
    assert [row["learner"] for row in outcome.rows] == ["popular", "cosine", "walk"]
    assert outcome.best.setting.learner != "popular"
    assert outcome.best.row["ndcg"] > 2 * outcome.rows[0]["ndcg"]
    assert all(row["ndcg_low"] <= row["ndcg"] <= row["ndcg_high"] for row in outcome.rows)


def entry(ndcg: float, drawn: list[float]) -> Entry:
    return Entry(Setting("walk", {}), {}, ndcg, np.log(drawn))


def test_the_first_of_those_that_cannot_be_told_apart_is_kept():
    usual = entry(0.200, [0.19, 0.20, 0.21])
    assert not _tells_apart(entry(0.201, [0.20, 0.19, 0.215]), usual)
    assert _tells_apart(entry(0.210, [0.199, 0.211, 0.22]), usual)
    assert not _tells_apart(usual, usual)
    assert _tells_apart(entry(0.3, [0.3] * 3), entry(0.2, [0.2] * 3))


def test_defaults_are_kept_where_other_settings_are_no_better(cuts):
    """Every item of a group goes with every other, so no exponent makes a difference worth the name."""
    outcome = contest(cuts).run(("walk",))
    assert outcome.best.setting == Setting("walk", {})


def test_a_learner_that_needs_too_much_memory_is_refused_before_it_learns(cuts):
    needed = learner_named("walk").memory_bytes(cuts.near.learned)
    outcome = contest(cuts, Means(float("inf"), memory_bytes=needed - 1)).run(("popular", "walk"))
    assert "GiB of memory" in outcome.rows[1]["skipped"]
    assert outcome.best is None
    enough = contest(cuts, Means(float("inf"), memory_bytes=needed)).run(("popular", "walk"))
    assert enough.best.setting.learner == "walk"


def test_without_time_only_the_first_learner_is_measured(cuts):
    outcome = contest(cuts, Means(until_s=float("-inf"))).run(("cosine", "walk", "blend"))
    assert "ndcg" in outcome.rows[0]
    assert outcome.rows[1]["skipped"] == "the time for comparing learners was used up"
    assert "skipped" in outcome.rows[2]


def test_time_for_what_follows_is_left(cuts):
    ticks = count()
    means = Means(until_s=30.0, each_after=3)
    run = contest(cuts, means, clock=lambda: float(next(ticks)))
    run.run(("popular", "cosine", "tfidf", "bm25", "walk"))
    assert next(ticks) + 3 * 3 <= 30 + 8  # what was begun before may run over by itself, nothing more


def test_a_learner_that_finds_nothing_has_figures_that_say_so(cuts):
    outcome = contest(cuts).run(("popular", "walk", "content"))
    assert (outcome.rows[2]["ndcg"], outcome.rows[2]["answered"]) == (0.0, 0.0)
    assert outcome.best.setting.learner == "walk"


class StoppedError(Exception):
    """Stands for a process that was killed."""


def stop_at(n_steps: int):
    def show(stage: str, done: int, total: int) -> None:
        if done == n_steps:
            raise StoppedError

    return show


def test_a_contest_that_was_stopped_goes_on_where_it_was(cuts, tmp_path):
    names, file = ("popular", "cosine", "walk", "blend"), tmp_path / "measured.jsonl"
    with pytest.raises(StoppedError):
        contest(cuts, remembered=Remembered(file), progress=stop_at(5)).run(names)
    before = file.read_bytes()
    file.write_bytes(before + before[:100])  # the writer was stopped in the middle of a line
    resumed = contest(cuts, remembered=Remembered(file)).run(names)
    assert file.read_bytes().startswith(before)
    lines = file.read_bytes().splitlines()
    assert len(lines) == len(set(lines)) > len(before.splitlines()) > 0
    at_once = contest(cuts).run(names)
    assert resumed.best.setting == at_once.best.setting
    timeless = [
        [{key: value for key, value in row.items() if not key.endswith("_s")} for row in outcome.rows]
        for outcome in (resumed, at_once)
    ]
    assert timeless[0] == timeless[1]


def test_what_was_measured_on_other_data_is_not_taken_for_this(cuts, tmp_path):
    file = tmp_path / "measured.jsonl"
    contest(cuts, remembered=Remembered(file)).run(("popular", "cosine"))
    n_lines = len(file.read_bytes().splitlines())
    train = groups(seed=1)
    contest(cut_lines(train, in_any_order(train)), remembered=Remembered(file)).run(("popular", "cosine"))
    assert len(file.read_bytes().splitlines()) == 2 * n_lines


def test_nothing_of_any_customer_is_remembered(cuts, tmp_path):
    file: Path = tmp_path / "measured.jsonl"
    contest(cuts, remembered=Remembered(file)).run(("cosine",))
    remembered = Remembered(file)
    assert all(set(row) == {"figures", "ndcg", "recall"} for row in remembered._rows.values())
    assert all(len(row["ndcg"]) == 400 != cuts.near.customers.size for row in remembered._rows.values())


def halves() -> tuple[Cut, Pairs, Pairs]:
    """Each customer has one of the even and one of the odd items; each of two matrices knows one of both."""
    n_customers, n_items = 60, 12
    customer = np.arange(n_customers)
    past = csr_matrix((np.ones(n_customers), (customer, customer % 4)), shape=(n_customers, n_items))
    to_find = csr_matrix(
        (
            np.ones(2 * n_customers),
            (np.tile(customer, 2), np.concatenate([4 + customer % 4, 8 + customer % 4])),
        ),
        shape=(n_customers, n_items),
    )
    source = np.arange(4)
    one, other = (csr_matrix((np.ones(4), (source, at + source)), shape=(n_items, n_items)) for at in (4, 8))
    support = np.full(4, 15, np.int32)
    return Cut.of_ones(past, to_find), Pairs(one, support), Pairs(other, support)


def test_a_sum_of_learners_that_know_different_things_takes_of_both():
    cut, one, other = halves()
    weights = blend_weights(cut, [one, other], 2)
    assert weights[0] == 1.0
    assert weights[1] > 0


def test_a_learner_that_adds_nothing_gets_no_weight():
    cut, one, _ = halves()
    misleading = csr_matrix((np.ones(4), (np.arange(4), 8 + (np.arange(4) + 1) % 4)), shape=(12, 12))
    useless = Pairs(misleading, one.support)
    weights = blend_weights(cut, [one, useless], 1)
    assert weights.tolist() == [1.0, 0.0]


def test_a_blend_is_clearly_better_on_what_was_held_back_or_is_left_out(cuts):
    outcome = contest(cuts).run(("cosine", "walk", "lowpass", "blend"))
    by_name = {entry.setting.learner: entry for entry in outcome.entries}
    if "blend" in by_name:
        alone = max(each.outlook for name, each in by_name.items() if name != "blend")
        assert by_name["blend"].outlook > alone
        assert all(weight > 0 for weight in by_name["blend"].row["weights"].values())
    else:
        assert "sum" in outcome.rows[-1]["skipped"]
