"""Rows of W come out of the customers who have their items, to the bit, wherever these are counted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from engine.models import LEARNERS
from engine.models.base import Counted
from engine.models.pairs import count_pairs, relate_factors

COUNTED = sorted(name for name, kind in LEARNERS.items() if issubclass(kind, Counted))
N_CUSTOMERS, N_ITEMS = 200, 40


@pytest.fixture(scope="module")
def weights() -> csr_matrix:
    random = np.random.default_rng(3)
    dense = random.integers(1, 1 << 16, (N_CUSTOMERS, N_ITEMS)) / (1 << 16)
    return csr_matrix(np.where(random.random(dense.shape) < 0.15, dense, 0.0))


def those_who_have(weights: csr_matrix, rows: np.ndarray) -> csr_matrix:
    """Customers with an item of ``rows``, all their items with them, in the same order."""
    return csr_matrix(weights[np.flatnonzero(np.diff(csr_matrix(weights[:, rows]).indptr))])


@pytest.mark.parametrize("name", COUNTED)
def test_rows_are_the_same_where_only_those_are_who_have_their_items(weights, name):
    learner, floor = LEARNERS[name](n_neighbours=6), np.full(N_ITEMS, 2, np.int32)
    sums, everything = learner.item_sums(weights), learner.product(weights)
    for rows in np.array_split(np.arange(N_ITEMS), 7):
        some = those_who_have(weights, rows)
        assert 0 < some.shape[0] < N_CUSTOMERS
        apart, together = (
            count_pairs(product, floor, 6, rows) for product in (learner.product(some, sums), everything)
        )
        assert apart.item_to_item.nnz > 0
        for part in ("indptr", "indices", "data"):
            assert np.array_equal(getattr(apart.item_to_item, part), getattr(together.item_to_item, part))
        assert np.array_equal(apart.support, together.support)


@pytest.mark.parametrize("name", COUNTED)
def test_without_customers_the_sums_are_nothing(name):
    nobody = csr_matrix((0, N_ITEMS))
    assert not LEARNERS[name]().item_sums(nobody).any()
    assert LEARNERS[name]().product(nobody, np.zeros(N_ITEMS)).left.nnz == 0


def test_rows_of_factors_are_the_same_as_well(weights):
    factors, floor = np.random.default_rng(4).normal(size=(N_ITEMS, 5)), np.full(N_ITEMS, 2, np.int32)
    rows = np.arange(10, 20)
    together = relate_factors(weights, factors, factors, floor, 6, rows)
    apart = relate_factors(those_who_have(weights, rows), factors, factors, floor, 6, rows)
    assert together.item_to_item.nnz > 0
    assert (apart.item_to_item != together.item_to_item).nnz == 0
    assert np.array_equal(apart.support, together.support)
