"""Metrics equal their definitions, written out naively."""

from __future__ import annotations

from math import log2

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from engine.evaluation.bootstrap import Bootstrap, interval
from engine.evaluation.metrics import answered, coverage, ndcg_at_k, recall_at_k

N_ITEMS = 12


@st.composite
def rankings(draw: st.DrawFn) -> tuple[np.ndarray, list[set[int]]]:
    k = draw(st.integers(1, 6))
    n_customers = draw(st.integers(1, 5))
    ranked = np.full((n_customers, k), -1, np.int32)
    wanted = []
    for customer in range(n_customers):
        items = draw(st.lists(st.integers(0, N_ITEMS - 1), max_size=k, unique=True))
        ranked[customer, : len(items)] = items
        wanted.append(draw(st.sets(st.integers(0, N_ITEMS - 1), max_size=8)))
    return ranked, wanted


def as_matrix(wanted: list[set[int]]) -> csr_matrix:
    dense = np.zeros((len(wanted), N_ITEMS))
    for customer, items in enumerate(wanted):
        dense[customer, list(items)] = 1
    return csr_matrix(dense)


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


@given(rankings())
def test_recall_is_hits_over_all_there_was_to_find(case):
    ranked, wanted = case
    expected = mean(
        [len(set(row) & items) / len(items) for row, items in zip(ranked, wanted, strict=True) if items]
    )
    assert np.isclose(recall_at_k(ranked, as_matrix(wanted)), expected)


@given(rankings())
def test_ndcg_is_gain_over_the_gain_of_the_best_ranking_of_that_length(case):
    ranked, wanted = case
    values = []
    for row, items in zip(ranked, wanted, strict=True):
        if items:
            gain = sum(1 / log2(place + 1) for place, item in enumerate(row, 1) if item in items)
            best = sum(1 / log2(place + 1) for place in range(1, min(len(row), len(items)) + 1))
            values.append(gain / best)
    found = ndcg_at_k(ranked, as_matrix(wanted))
    assert np.isclose(found, mean(values))
    assert 0 <= found <= 1 + 1e-12


@given(rankings())
def test_coverage_and_answered_count_what_was_shown(case):
    ranked, _ = case
    assert coverage(ranked, N_ITEMS) == len({int(item) for item in ranked.ravel()} - {-1}) / N_ITEMS
    assert np.isclose(answered(ranked), mean([float(any(row >= 0)) for row in ranked]))


def test_a_perfect_ranking_has_an_ndcg_of_one_and_nothing_to_find_one_of_zero():
    assert ndcg_at_k(np.array([[3, 1, -1]], np.int32), as_matrix([{1, 3}])) == 1.0
    assert ndcg_at_k(np.array([[3, 1, -1]], np.int32), as_matrix([set()])) == 0.0
    assert coverage(np.empty((0, 3), np.int32), 0) == 0.0
    assert answered(np.empty((0, 3), np.int32)) == 0.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_an_interval_holds_its_mean_and_nothing_that_no_customer_reaches(values):
    by_customer = np.array(values)
    low, high = interval(float(by_customer.mean()), Bootstrap(by_customer.size).means(by_customer))
    assert low <= by_customer.mean() <= high
    assert 0 <= low <= high <= by_customer.max() + 1e-12
