from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from engine.training.usefulness import FEWEST, best_scores, usefulness_floor

N = 200
BEST = np.linspace(0.1, 20.0, N)


def gains(n_useless: int) -> tuple[np.ndarray, np.ndarray]:
    """Popularity is right about the first ``n_useless``, the model about all others."""
    useless = np.arange(N) < n_useless
    return np.where(useless, 0.0, 0.5), np.where(useless, 0.5, 0.1)


def test_the_floor_lies_where_the_model_begins_to_beat_what_sells_well():
    floor = usefulness_floor(BEST, *gains(50))
    assert floor == BEST[50]


def test_the_order_of_customers_does_not_matter():
    order = np.random.default_rng(3).permutation(N)
    model, popular = gains(50)
    assert usefulness_floor(BEST[order], model[order], popular[order]) == BEST[50]


def test_a_model_that_always_helps_has_no_floor():
    assert usefulness_floor(BEST, *gains(0)) == 0.0


def test_a_few_unlucky_customers_set_no_floor():
    assert usefulness_floor(BEST, *gains(FEWEST - 1)) == 0.0
    assert usefulness_floor(BEST, *gains(FEWEST)) > 0.0


def test_a_model_that_never_helps_is_left_to_the_contest_to_judge():
    assert usefulness_floor(BEST, *gains(N)) == 0.0


def test_a_loss_that_could_be_chance_sets_no_floor():
    random = np.random.default_rng(5)
    popular = random.random(N)
    assert usefulness_floor(BEST, popular + random.normal(0.0, 0.5, N) + 0.001, popular) == 0.0


def test_nobody_to_measure_sets_no_floor():
    nothing = np.empty(0)
    assert usefulness_floor(nothing, nothing, nothing) == 0.0


@given(st.integers(FEWEST, N - 1))
def test_everybody_below_the_floor_is_better_off_without_the_model(n_useless):
    model, popular = gains(n_useless)
    below = usefulness_floor(BEST, model, popular) > BEST
    assert below.sum() == n_useless
    assert (popular[below] > model[below]).all()


def test_the_best_score_leaves_out_what_was_seen():
    edges = csr_matrix(np.array([[0.0, 2.0, 1.0], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]]))
    evidence = csr_matrix(np.array([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    best = best_scores(edges, evidence, evidence, np.array([0, 1, 2]))
    assert best.tolist() == [2.0, 1.0, 0.0]
