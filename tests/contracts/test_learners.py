"""What every learner promises, whatever it is called and however it learns."""

from __future__ import annotations

import tracemalloc
from inspect import isabstract
from typing import ClassVar

import numpy as np
import pytest
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from scipy.sparse import csr_matrix, diags
from sklearn.base import clone
from sklearn.linear_model import Ridge
from support.models import item_ids
from threadpoolctl import threadpool_limits

from engine.errors import ModelFitError
from engine.interactions import DAY_MS, Interactions
from engine.models import LEARNERS, learner_named
from engine.models.als import ALS
from engine.models.base import Counted, Learner
from engine.models.blend import Blend, blended
from engine.models.content import Content
from engine.models.ease import Ease
from engine.models.integers import quantized
from engine.models.lowpass import LowPass
from engine.models.nearest import BM25, Cosine, TfIdf
from engine.models.pairs import Pairs, Product
from engine.models.popular import Popular
from engine.models.walk import Walk
from engine.training import fit
from engine.vocabulary import Channel, Kind


def random_weights(
    n_customers: int = 60, n_items: int = 40, density: float = 0.2, seed: int = 0
) -> csr_matrix:
    random = np.random.default_rng(seed)
    weights = random.random((n_customers, n_items))
    return csr_matrix(np.where(random.random(weights.shape) < density, weights + 0.01, 0.0))


def shared_customers(weights: csr_matrix) -> np.ndarray:
    bought = (weights.toarray() > 0).astype(int)
    return bought.T @ bought


def checkerboard(n: int = 20) -> csr_matrix:
    """Even customers have the even items and odd ones the odd, all but the item of their own number."""
    customer, item = np.indices((n, n))
    return csr_matrix(((customer % 2 == item % 2) & (customer != item)).astype(float))


def learned_bytes(learner: Learner) -> tuple[bytes, ...]:
    matrix = learner.item_to_item_
    return tuple(array.tobytes() for array in (matrix.data, matrix.indices, matrix.indptr, learner.support_))


def served_bytes(learner: Learner) -> tuple[bytes, ...]:
    matrix, support = quantized(Pairs(learner.item_to_item_, learner.support_))
    return tuple(array.tobytes() for array in (matrix.data, matrix.indices, matrix.indptr, support))


class LearnerContract:
    learner: ClassVar[Learner]
    learns_edges: ClassVar[bool] = True

    def fitted(self, weights: csr_matrix, floor: int | np.ndarray | None = None) -> Learner:
        if isinstance(floor, int):
            floor = np.full(weights.shape[1], floor, np.int32)
        return clone(self.learner).fit(weights, floor)

    def test_it_learns_a_square_matrix_with_sorted_rows_and_positive_entries_off_the_diagonal(self):
        learned = self.fitted(random_weights())
        matrix = learned.item_to_item_
        assert matrix.shape == (40, 40)
        assert (matrix.nnz > 0) == self.learns_edges
        assert np.all(matrix.data > 0)
        assert np.all(matrix.diagonal() == 0)
        assert all(np.all(np.diff(matrix[row].indices) > 0) for row in range(40))

    def test_support_counts_the_customers_who_have_both_items(self):
        weights = random_weights()
        learned = self.fitted(weights)
        row, column = learned.item_to_item_.nonzero()
        assert learned.support_.dtype == np.int32
        assert learned.support_.tolist() == shared_customers(weights)[row, column].tolist()

    @pytest.mark.parametrize("floor", [2, 3, 5])
    def test_no_edge_has_fewer_customers_than_the_floor(self, floor):
        assert self.fitted(random_weights(), floor).support_.min(initial=floor) >= floor

    def test_an_edge_needs_what_the_stricter_of_its_items_asks_for(self):
        floor = np.full(40, 2, np.int32)
        floor[:10] = 5
        learned = self.fitted(random_weights(), floor)
        row, column = learned.item_to_item_.nonzero()
        strict = (row < 10) | (column < 10)
        assert learned.support_[strict].min(initial=5) >= 5
        assert (not self.learns_edges) or learned.support_[~strict].min() < 5

    def test_rows_hold_no_more_than_the_neighbours_asked_for(self):
        if "n_neighbours" in self.learner.get_params():
            few = clone(self.learner).set_params(n_neighbours=3).fit(random_weights())
            assert np.diff(few.item_to_item_.indptr).max() == (3 if self.learns_edges else 0)

    def test_the_floor_is_applied_before_rows_are_cut(self):
        if "n_neighbours" in self.learner.get_params():
            floor = np.full(40, 3, np.int32)
            all_of_them = self.fitted(random_weights(), floor).item_to_item_
            few = clone(self.learner).set_params(n_neighbours=3).fit(random_weights(), floor).item_to_item_
            assert np.diff(few.indptr).tolist() == np.minimum(np.diff(all_of_them.indptr), 3).tolist()

    def test_it_finds_what_goes_together_on_a_checkerboard(self):
        matrix = self.fitted(checkerboard(), 2).item_to_item_
        row, column = matrix.nonzero()
        assert np.all(row % 2 == column % 2)
        # Each item has nine companions; approximate learners may miss a few of the 180 pairs.
        assert matrix.nnz >= 170 or not self.learns_edges

    def test_the_same_weights_give_the_same_bytes_whatever_the_threads(self, monkeypatch):
        weights = random_weights(300, 120)
        first = learned_bytes(self.fitted(weights))
        for n_threads in (2, 1):
            monkeypatch.setattr("os.cpu_count", lambda n_threads=n_threads: n_threads)
            with threadpool_limits(n_threads):
                assert learned_bytes(self.fitted(weights)) == first

    def test_fitting_once_more_forgets_what_was_fitted_before(self):
        learner = self.fitted(random_weights(seed=1))
        again = learned_bytes(learner.fit(random_weights(50, 30)))
        assert (
            again
            == learned_bytes(self.fitted(random_weights(50, 30)))
            == learned_bytes(learner.fit(random_weights(50, 30)))
        )

    def test_what_customers_are_called_does_not_matter(self):
        weights = random_weights()
        shuffled = weights[np.random.default_rng(0).permutation(weights.shape[0])]
        ours, theirs = self.fitted(weights), self.fitted(shuffled)
        assert np.allclose(ours.item_to_item_.toarray(), theirs.item_to_item_.toarray(), atol=1e-2)
        if isinstance(self.learner, Counted):
            # Sums in another order may differ in the last bit, which is not served.
            assert served_bytes(ours) == served_bytes(theirs)

    def test_entries_are_finite(self):
        assert np.all(np.isfinite(self.fitted(random_weights() * 1e-6).item_to_item_.data))

    def test_one_customer_is_too_few_for_a_floor_and_enough_without(self):
        alone = csr_matrix(np.ones((1, 3)))
        assert self.fitted(alone, 2).item_to_item_.nnz == 0
        assert set(self.fitted(alone).support_.tolist()) <= {1}

    def test_what_memory_it_asks_for_is_enough_and_not_beyond_all_bounds(self):
        weights = random_weights(2000, 500, density=0.03)
        learner = clone(self.learner)
        learner.fit(random_weights())  # what is loaded or compiled once does not count
        tracemalloc.start()
        try:
            learner.fit(weights)
            taken = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert taken <= learner.memory_bytes(weights) <= 20 * taken

    def test_settings_worth_trying_are_parameters_and_the_defaults_come_first(self):
        first, *others = type(self.learner).search
        assert first == {}
        for setting in others:
            tried = clone(self.learner).set_params(**setting)
            assert setting.items() <= tried.get_params().items()

    def test_fitting_leaves_the_weights_alone_and_does_not_ask_for_sorted_ones(self):
        weights = random_weights()
        shuffled = weights[:, ::-1].tocsc().tocsr()[:, ::-1]
        shuffled.has_sorted_indices = False
        before = shuffled.copy()
        again = self.fitted(shuffled)
        assert (before != shuffled).nnz == 0
        assert np.allclose(again.item_to_item_.toarray(), self.fitted(weights).item_to_item_.toarray())

    def test_a_clone_has_the_parameters_and_not_what_was_learned(self):
        copy = clone(self.fitted(random_weights()))
        assert copy.get_params() == self.learner.get_params()
        assert not hasattr(copy, "item_to_item_")
        assert not copy.__sklearn_is_fitted__()

    @pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (3, 3)])
    def test_nothing_is_learned_from_nothing(self, shape):
        learned = self.fitted(csr_matrix(shape))
        assert learned.item_to_item_.shape == (shape[1], shape[1])
        assert learned.item_to_item_.nnz == learned.support_.size == 0

    @pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
    def test_weights_that_are_no_weights_are_refused(self, wrong):
        weights = random_weights()
        weights.data[5] = wrong
        with pytest.raises(ModelFitError, match="finite"):
            self.fitted(weights)

    def test_a_floor_of_the_wrong_length_is_refused(self):
        with pytest.raises(ModelFitError, match="floor"):
            self.fitted(random_weights(), np.ones(3, np.int32))

    def test_it_is_found_by_its_name(self):
        name = next(name for name, kind in LEARNERS.items() if kind is type(self.learner))
        assert type(learner_named(name)) is type(self.learner)


class TestPopular(LearnerContract):
    learner = Popular()
    learns_edges = False


class TestCosine(LearnerContract):
    learner = Cosine()

    @pytest.mark.filterwarnings("ignore:Method expects CSR input")
    def test_without_a_floor_it_is_what_implicit_computes(self):
        weights = random_weights()
        theirs = CosineRecommender(K=40, num_threads=1)
        theirs.fit(weights, show_progress=False)
        expected = theirs.similarity.toarray()
        np.fill_diagonal(expected, 0.0)
        assert np.allclose(self.fitted(weights).item_to_item_.toarray(), expected)


class TestTfIdf(LearnerContract):
    learner = TfIdf()

    @pytest.mark.filterwarnings("ignore:Method expects CSR input")
    def test_without_a_floor_it_is_what_implicit_computes(self):
        weights = random_weights()
        theirs = TFIDFRecommender(K=40, num_threads=1)
        theirs.fit(weights, show_progress=False)
        expected = theirs.similarity.toarray()
        np.fill_diagonal(expected, 0.0)
        assert np.allclose(self.fitted(weights).item_to_item_.toarray(), expected)


class TestBM25(LearnerContract):
    learner = BM25()

    @pytest.mark.filterwarnings("ignore:Method expects CSR input")
    def test_without_a_floor_it_is_what_implicit_computes(self):
        weights = random_weights()
        theirs = BM25Recommender(K=40, num_threads=1)
        theirs.fit(weights, show_progress=False)
        expected = theirs.similarity.toarray()
        np.fill_diagonal(expected, 0.0)
        assert np.allclose(self.fitted(weights).item_to_item_.toarray(), expected)


class TestWalk(LearnerContract):
    learner = Walk()

    @pytest.mark.parametrize(("source", "customer", "target"), [(1, 1, 0), (1, 1, 0.1), (0.6, 0.5, 0.3)])
    def test_it_is_the_product_of_matrices_it_is_said_to_be(self, source, customer, target):
        weights = random_weights()
        by_item = diags(np.asarray(weights.sum(axis=0)).ravel() ** -source)
        by_customer = diags(np.asarray(weights.sum(axis=1)).ravel() ** -customer)
        to_item = diags(np.asarray(weights.sum(axis=0)).ravel() ** -target)
        expected = (by_item @ weights.T @ by_customer @ weights @ to_item).toarray()
        np.fill_diagonal(expected, 0.0)
        learned = Walk(source=source, customer=customer, target=target).fit(weights)
        assert np.allclose(learned.item_to_item_.toarray(), expected)

    def test_equal_entries_are_cut_in_order_of_item(self):
        everybody_has_everything = csr_matrix(np.ones((5, 6)))
        kept = Walk(n_neighbours=2).fit(everybody_has_everything).item_to_item_
        assert [kept[row].indices.tolist() for row in range(6)] == [[1, 2], [0, 2], *[[0, 1]] * 4]


class TestLowPass(LearnerContract):
    learner = LowPass(n_factors=2)

    def test_it_is_the_filter_it_is_said_to_be(self):
        weights = random_weights()
        by_customer, by_item = (np.asarray(weights.sum(axis=axis)).ravel() for axis in (1, 0))
        normalized = weights.toarray() / np.sqrt(by_customer)[:, None] / np.sqrt(by_item)
        vectors = np.linalg.svd(normalized)[2][:5].T
        expected = (vectors @ vectors.T) * np.sqrt(by_item) / np.sqrt(by_item)[:, None]
        expected[(expected < 0) | (shared_customers(weights) == 0)] = 0.0
        np.fill_diagonal(expected, 0.0)
        learned = LowPass(n_factors=5, n_iterations=60).fit(weights).item_to_item_.toarray()
        assert np.allclose(learned, expected, atol=1e-4)

    def test_something_is_always_filtered_out(self):
        weights = random_weights()
        assert learned_bytes(LowPass(n_factors=40).fit(weights)) == learned_bytes(
            LowPass(n_factors=10).fit(weights)
        )


class TestEase(LearnerContract):
    learner = Ease(regularization=1.0)

    def test_it_foretells_each_item_from_the_others_as_ridge_regression_does(self):
        weights = random_weights()
        dense = weights.toarray()
        learned = Ease(regularization=3.0).fit(weights).item_to_item_.toarray()
        for item in range(40):
            others = np.delete(np.arange(40), item)
            ridge = Ridge(alpha=3.0, fit_intercept=False).fit(dense[:, others], dense[:, item]).coef_
            shared = shared_customers(weights)[others, item] > 0
            assert np.allclose(learned[others, item], np.where(shared, np.maximum(ridge, 0), 0))

    def test_what_would_take_too_much_memory_is_refused_before_anything_is_computed(self):
        with pytest.raises(
            ModelFitError, match=r"`ease` needs about 2[0-9]\.[0-9] GiB for 30000 items, and may"
        ):
            Ease().fit(csr_matrix((1, 30_000)))

    def test_without_regularization_there_may_be_no_solution(self):
        with pytest.raises(ModelFitError, match="`regularization` is too small"):
            Ease(regularization=0.0).fit(csr_matrix(np.ones((3, 4))))


class TestContent(LearnerContract):
    learner = Content()
    learns_edges = False  # from customers


class TestBlend(LearnerContract):
    learner = Blend()

    def test_it_is_the_weighted_sum_of_its_parts_each_by_its_scale(self):
        weights = random_weights()
        walk, cosine = Walk().fit(weights).item_to_item_, Cosine().fit(weights).item_to_item_
        expected = sum(
            weight * part.toarray() / part.toarray().max(axis=1).mean()
            for weight, part in ((3.0, walk), (0.5, cosine))
        )
        both = Blend((("walk", {}, 3.0), ("cosine", {}, 0.5), ("als", {}, 0.0))).fit(weights)
        assert np.allclose(both.item_to_item_.toarray(), expected)

    def test_parts_are_learned_with_the_parameters_given(self):
        weights = random_weights()
        alone = Walk(source=0.6, customer=0.5, target=0.3).fit(weights).item_to_item_.toarray()
        params = {"source": 0.6, "customer": 0.5, "target": 0.3}
        blend = Blend([["walk", params, 1.0]]).fit(weights).item_to_item_.toarray()
        assert np.allclose(blend * alone.max(axis=1).mean(), alone)

    def test_behind_an_entry_stand_those_of_the_part_that_has_most(self):
        random = np.random.default_rng(0)
        first, second = (csr_matrix(random.random((6, 6)) * (random.random((6, 6)) < 0.5)) for _ in range(2))
        counted = blended(
            [(Pairs(first, np.full(first.nnz, 3, np.int32)), 1.0), (unsupported(second), 1.0)], 6, 6
        )
        row, column = counted.item_to_item.nonzero()
        assert counted.support.tolist() == np.where(first.toarray()[row, column] > 0, 3, 0).tolist()

    @pytest.mark.parametrize(
        ("parts", "latent"),
        [([["walk", {}, 1.0], ["cosine", {}, 1.0]], False), ([["walk", {}, 1.0], ["als", {}, 0.1]], True)],
    )
    def test_it_is_latent_if_any_part_is(self, parts, latent):
        assert Blend(parts).latent == latent

    @pytest.mark.parametrize(
        ("part", "message"),
        [
            (("guess", {}, 1.0), "`guess` is not a learner"),
            (("walk", {"speed": 1}, 1.0), "`walk` has no parameter `speed`"),
            (("walk", {}, -1.0), "the weight of `walk`"),
            (("walk", {}, np.nan), "the weight of `walk`"),
        ],
    )
    def test_parts_that_cannot_be_learned_are_refused(self, part, message):
        with pytest.raises(ModelFitError, match=message):
            Blend((part,)).fit(random_weights())


def unsupported(matrix: csr_matrix) -> Pairs:
    return Pairs(matrix, np.zeros(matrix.nnz, np.int32))


class TestALS(LearnerContract):
    # Weak factors would leave scores of the right sign to chance on data this small.
    learner = ALS(n_factors=8, regularization=0.1)

    def test_it_says_that_its_edges_are_latent(self):
        assert self.learner.latent


def test_every_learner_in_the_registry_keeps_the_contract():
    kept = {type(contract.learner) for contract in LearnerContract.__subclasses__()}
    assert kept == set(LEARNERS.values())


def test_every_learner_that_exists_is_in_the_registry():
    kinds = {kind for kind in (*Learner.__subclasses__(), *Counted.__subclasses__()) if not isabstract(kind)}
    assert {kind for kind in kinds if kind.__module__.startswith("engine.")} == set(LEARNERS.values())


class Together(Counted):
    """How many customers have both: all there is to writing one more learner."""

    n_neighbours = 20

    def item_sums(self, weights: csr_matrix) -> np.ndarray:
        return np.ones(weights.shape[1])  # nothing has to be added up first

    def product(self, weights: csr_matrix, item_sums: np.ndarray | None = None) -> Product:
        return Product.of(weights.T, weights, np.ones(weights.shape[1]))


def test_one_more_learner_is_compared_once_it_is_registered_and_can_be_part_of_a_blend(monkeypatch):
    monkeypatch.setitem(LEARNERS, "together", Together)
    random = np.random.default_rng(0)
    customers = np.repeat(np.arange(100), 10)
    items = 4 * random.integers(0, 10, customers.size) + customers % 4
    days = random.integers(1, 365, customers.size)
    known = Interactions.from_rows(
        [
            (int(customer), int(item), Kind.PURCHASE, int(day) * DAY_MS, Channel.WEB, 0, 0, 0)
            for customer, item, day in zip(customers, items, days, strict=True)
        ]
    )
    trained = fit(known, item_ids(40), np.zeros(40, np.int8), now_ms=365 * DAY_MS)
    figures = next(row for row in trained.manifest.metrics if row["learner"] == "together")
    assert figures["ndcg"] > 0.1
    weights = random_weights()
    assert (
        learned_bytes(Blend((("together", {}, 1.0),)).fit(weights))[1:]
        == learned_bytes(Together().fit(weights))[1:]
    )


def test_an_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(ModelFitError, match=r"`guess` is not a learner: choose from popular, cosine"):
        learner_named("guess")
