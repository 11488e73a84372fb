from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from engine.models.degrees import power
from engine.models.nearest import TfIdf
from engine.models.pairs import Pairs, best_of, count_pairs, relate_dense
from engine.models.spectral import right_singular_vectors
from engine.models.walk import Walk


def sparse(n_rows: int = 80, n_columns: int = 50, seed: int = 0) -> csr_matrix:
    random = np.random.default_rng(seed)
    return csr_matrix(random.random((n_rows, n_columns)) * (random.random((n_rows, n_columns)) < 0.3))


@pytest.mark.parametrize(("n_rows", "n_columns"), [(80, 50), (50, 80), (200, 150)])
def test_singular_vectors_span_what_those_of_a_full_decomposition_do(n_rows, n_columns):
    matrix = sparse(n_rows, n_columns).astype(np.float32)
    found = right_singular_vectors(matrix, 4, n_iterations=60, seed=0)
    expected = np.linalg.svd(matrix.toarray())[2][:4].T
    assert found.shape == (n_columns, 4)
    assert np.allclose(found.T @ found, np.eye(4), atol=1e-5)
    assert np.allclose(np.abs(np.sum(found * expected, axis=0)), 1.0, atol=1e-3)


def test_as_many_singular_vectors_as_columns_can_be_asked_for_whatever_the_rank():
    found = right_singular_vectors(csr_matrix(np.ones((6, 4), np.float32)), 4, n_iterations=3, seed=0)
    assert np.allclose(found.T @ found, np.eye(4), atol=1e-5)
    assert np.allclose(np.abs(found[:, 0]), 0.5, atol=1e-5)


def test_the_best_entries_are_those_above_zero_and_of_equals_the_first():
    matrix = csr_matrix(
        np.array([[0.0, 2.0, 2.0, 2.0], [-1.0, 0.0, 3.0, 0.0], [0.0] * 4, [1.0, 3.0, 2.0, 0.0]])
    )
    best, support = best_of(Pairs(matrix, np.arange(matrix.nnz, dtype=np.int32)), 2)
    assert best.toarray().tolist() == [[0, 2, 2, 0], [0, 0, 3, 0], [0] * 4, [0, 3, 2, 0]]
    assert support.tolist() == [0, 1, 4, 6, 7]


def test_a_dense_matrix_is_cut_as_a_product_is():
    weights = sparse()
    product = Walk(n_neighbours=7).product(weights)
    floor = np.full(50, 3, np.int32)
    counted = count_pairs(product, floor, 7)
    dense = ((product.left @ product.right).toarray() * product.column_scale).astype(np.float64)
    related = relate_dense(weights, dense, floor, 7)
    assert np.allclose(related.item_to_item.toarray(), counted.item_to_item.toarray())
    assert related.support.tolist() == counted.support.tolist()


def test_blocks_of_rows_of_a_dense_matrix_come_together_in_order(monkeypatch):
    weights, dense, floor = sparse(), np.random.default_rng(1).random((50, 50)), np.full(50, 2, np.int32)
    whole = relate_dense(weights, dense, floor, 5)
    monkeypatch.setattr("engine.models.pairs._DENSE_ROWS_AT_ONCE", 7)
    blocks = relate_dense(weights, dense, floor, 5)
    assert (whole.item_to_item != blocks.item_to_item).nnz == 0
    assert whole.support.tolist() == blocks.support.tolist()


def test_what_has_no_degree_is_not_divided_by():
    assert power(np.array([0.0, 4.0]), -0.5).tolist() == [0.0, 0.5]


def test_what_all_but_one_have_bought_is_like_nothing_by_tfidf():
    product = TfIdf().product(csr_matrix(np.eye(2)))
    assert (product.left @ product.right).toarray().tolist() == np.zeros((2, 2)).tolist()
