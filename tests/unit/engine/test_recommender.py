from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import pytest
from support import models

from engine.artefact import WEIGHT_SCALE, Manifest, ModelArrays, load_artefact, write_artefact
from engine.interactions import WEIGHT_ONE
from engine.serving.candidates import Candidates
from engine.serving.recommender import DUE_AFTER, MICRO, NoModel, Recommender
from engine.training.mixing import MOST_SHIFT
from engine.vocabulary import Kind, Origin, RowSource, Source

NOTHING = np.empty(0, np.int32)
IDS = models.item_ids(5)
EDGES = np.array(
    [
        [0, 8, 4, 4, 0],
        [8, 0, 2, 0, 0],
        [4, 2, 0, 0, 1],
        [4, 0, 0, 0, 0],
        [0, 0, 1, 0, 0],
    ],
    np.int32,
)


@pytest.fixture
def bind(tmp_path: Path):
    def bound(arrays: ModelArrays, repeat_shift: int = 0, **catalogue) -> Recommender:
        manifest = Manifest(learner="walk", repeat_shift=repeat_shift)
        artefact = load_artefact(tmp_path / write_artefact(tmp_path, arrays, manifest))
        return Recommender(artefact, models.catalogue(catalogue.pop("ids", IDS), **catalogue))

    return bound


def pairs(candidates: Candidates) -> list[tuple[int, int]]:
    return list(zip(candidates.item_idx.tolist(), candidates.score.tolist(), strict=True))


def test_what_goes_with_the_evidence_is_ranked_by_score_and_then_by_item(bind):
    found = bind(models.model(EDGES)).goes_with(models.evidence([0, 1]), NOTHING, 10)
    assert pairs(found) == [(0, 8), (1, 8), (2, 6), (3, 4)]
    assert set(found.source.tolist()) == {Source.GOES_WITH}
    assert found.evidence[found.ptr[2] : found.ptr[3]].tolist() == [0, 1]
    assert found.contribution[found.ptr[2] : found.ptr[3]].tolist() == [4, 2]
    assert found.support[found.ptr[2] : found.ptr[3]].tolist() == [102, 102]


def test_a_model_of_the_same_items_shares_with_the_one_before_which_is_which(tmp_path):
    stocked, other = (models.catalogue(ids, available=[True] * 5) for ids in (IDS, (*IDS[:-1], "item-9999")))
    manifest = Manifest(learner="walk")
    before = load_artefact(tmp_path / write_artefact(tmp_path, models.model(EDGES), manifest))
    later = models.model(EDGES + EDGES)
    after = load_artefact(tmp_path / write_artefact(tmp_path, later, manifest), like=before)
    binding = Recommender(before, stocked).binding
    assert Recommender(after, stocked, binding).binding is binding
    elsewhere = Recommender(after, other, binding)
    assert elsewhere.binding.item_of_row.tolist() == [0, 1, 2, 3, -1]
    found, afresh = (
        each.goes_with(models.evidence([0, 1]), NOTHING, 10)
        for each in (Recommender(after, stocked, binding), Recommender(after, stocked))
    )
    assert pairs(found) == pairs(afresh) == [(0, 16), (1, 16), (2, 12), (3, 8)]


def test_a_model_goes_with_the_last_who_uses_it_whatever_it_remembers(bind, no_collector):
    recommender = bind(models.model(EDGES), category=[0, 0, 1, 1, 1])
    remembered = weakref.ref(recommender), weakref.ref(recommender.telling(frozenset({"health"})))
    recommender.mask(frozenset({"health"}), 2 * MICRO)
    narrowed = recommender.within(("Food",))
    assert pairs(narrowed.goes_with(models.evidence([0]), NOTHING, 10)) == [(1, 8)]
    del recommender
    assert [each() is None for each in remembered] == [True, False]
    del narrowed
    assert [each() for each in remembered] == [None, None]


def test_excluded_and_unavailable_items_are_not_proposed(bind):
    recommender = bind(models.model(EDGES), available=[True, True, True, False, True])
    found = recommender.goes_with(models.evidence([0]), np.array([1], np.int32), 10)
    assert pairs(found) == [(2, 4)]


def test_evidence_about_items_the_model_does_not_know_contributes_nothing(bind):
    recommender = bind(models.model(EDGES), ids=(*IDS, "item-9999"))
    assert len(recommender.goes_with(models.evidence([5, -1, 77]), NOTHING, 10)) == 0
    assert pairs(recommender.goes_with(models.evidence([5, 4]), NOTHING, 10)) == [(2, 1)]


def test_rows_are_those_of_the_catalogue_when_it_differs_from_the_model(bind):
    recommender = bind(models.model(EDGES), ids=("a-new-one", "item-0000", "item-0002", "item-0003", "zzz"))
    found = recommender.goes_with(models.evidence([1]), NOTHING, 10)
    assert pairs(found) == [(2, 4), (3, 4)]


def test_many_customers_at_once_get_what_each_gets_alone(bind):
    recommender = bind(models.model(EDGES))
    pieces = [models.evidence([item]) for item in range(5)] * 4
    excludes = [np.array([item], np.int32) for item in range(5)] * 4
    alone = [pairs(recommender.goes_with(*case, 2)) for case in zip(pieces, excludes, strict=True)]
    for n_threads in (1, 3):
        together = recommender.goes_with_each(pieces, excludes, 2, n_threads)
        assert [pairs(found) for found in together] == alone


def test_what_was_just_bought_is_not_due_again(bind):
    half, interval = WEIGHT_SCALE // 2, 3 * DUE_AFTER
    recommender = bind(
        models.model(
            EDGES, repeat=[half, 0, half, half, half], interval_days=[interval, interval, 0, interval + 1, 1]
        )
    )
    due = recommender.buy_again(models.evidence([0, 1, 2, 3], age_days=3), 10)
    assert pairs(due) == [(0, half)]
    assert due.source.tolist() == [Source.BUY_AGAIN]
    assert due.support.tolist() == [30]
    assert len(recommender.buy_again(models.evidence([0], age_days=2), 10)) == 0
    assert len(recommender.buy_again(models.evidence([4], age_days=0), 10)) == 0


def test_only_purchases_in_the_history_are_bought_again(bind):
    recommender = bind(models.model(EDGES, repeat=[WEIGHT_SCALE] * 5, interval_days=[2] * 5))
    for seen in ({"kind": Kind.VIEW}, {"origin": Origin.SESSION}, {"origin": Origin.CONTEXT}):
        assert len(recommender.buy_again(models.evidence([0], age_days=5, **seen), 10)) == 0


def test_repeat_purchases_are_ranked_by_weight_times_propensity_and_name_their_piece(bind):
    recommender = bind(
        models.model(EDGES, repeat=[WEIGHT_SCALE // 4, WEIGHT_SCALE, 1, 1, 1], interval_days=[2] * 5),
        available=[True, True, True, True, False],
    )
    found = recommender.buy_again(
        models.evidence([4, 0, 1], [WEIGHT_ONE, 2 * WEIGHT_ONE, WEIGHT_ONE // 4], age_days=5), 5
    )
    assert pairs(found) == [(0, WEIGHT_SCALE // 2), (1, WEIGHT_SCALE // 4)]
    assert found.evidence.tolist() == [1, 2]
    assert found.contribution.tolist() == found.score.tolist()


@pytest.mark.parametrize("shift", [0, 2, MOST_SHIFT])
def test_what_is_bought_again_counts_as_much_as_was_learned_in_exact_integers(bind, shift):
    odd = [WEIGHT_SCALE // 3, WEIGHT_SCALE // 7, 1, WEIGHT_SCALE, 5]
    recommender = bind(models.model(EDGES, repeat=odd, interval_days=[2] * 5), repeat_shift=shift)
    items, weights = [0, 1, 2, 3, 0], [3, WEIGHT_ONE + 1, WEIGHT_ONE // 2 + 7, 12_345, 1000 * WEIGHT_ONE]
    found = recommender.buy_again(models.evidence(items, weights, age_days=5), 5)
    exact = [(weight * odd[item] << shift) // WEIGHT_ONE for item, weight in zip(items, weights, strict=True)]
    assert dict(pairs(found))[0] == exact[0] + exact[4]
    assert dict(pairs(found))[1] == exact[1]
    for row in range(len(found)):
        parts = slice(found.ptr[row], found.ptr[row + 1])
        assert found.score[row] == found.contribution[parts].sum()
        assert found.contribution[parts].tolist() == [exact[piece] for piece in found.evidence[parts]]
    assert found.score.tolist() == sorted(found.score.tolist(), reverse=True)


def test_no_purchase_contributes_more_than_a_record_can_hold(bind):
    arrays = models.model(EDGES, repeat=[WEIGHT_SCALE] * 5, interval_days=[2] * 5)
    recommender = bind(arrays, repeat_shift=MOST_SHIFT)
    found = recommender.buy_again(models.evidence([1], [5000 * WEIGHT_ONE], age_days=5), 5)
    assert pairs(found) == [(1, 2**53 - 1)]
    assert found.contribution.tolist() == found.score.tolist()


def test_the_popular_are_listed_best_first_without_those_nobody_may_be_named_for(bind):
    recommender = bind(
        models.model(EDGES, popularity=[5, 0, 9, 5, 7]), available=[True, True, True, True, False]
    )
    found = recommender.popular(10, NOTHING)
    assert pairs(found) == [(2, 9), (0, 5), (3, 5)]
    assert found.base.tolist() == found.score.tolist()
    assert found.ptr.tolist() == [0, 0, 0, 0]
    assert pairs(recommender.popular(1, np.array([2, 0], np.int32))) == [(3, 5)]


def test_the_popular_of_a_category_and_of_several(bind):
    recommender = bind(models.model(EDGES, popularity=[5, 6, 9, 5, 7]), category=[0, 0, 1, 2, -1])
    assert pairs(recommender.popular(10, NOTHING, category=0)) == [(1, 6), (0, 5)]
    several = recommender.popular_in(np.array([2, 0, 0, -1, 99], np.int32), 2, np.array([1], np.int32))
    assert pairs(several) == [(0, 5), (3, 5)]
    assert set(several.source.tolist()) == {Source.POPULAR_IN_CATEGORY}


def test_asking_for_none_gives_none(bind):
    recommender = bind(
        models.model(EDGES, popularity=[1] * 5, repeat=[WEIGHT_SCALE] * 5, interval_days=[1] * 5)
    )
    seen = models.evidence([0, 1], age_days=9)
    for found in (
        recommender.goes_with(seen, NOTHING, 0),
        recommender.buy_again(seen, 0),
        recommender.popular(0, NOTHING),
        recommender.popular_in(np.array([0], np.int32), 0, NOTHING),
    ):
        assert len(found) == 0
        assert found.ptr.tolist() == [0]


def test_the_most_popular_of_a_brand_are_its_own_best_first(bind):
    arrays = models.model(EDGES, popularity=[3, 9, 9, 4, 7])
    recommender = bind(arrays, brand=[0, 1, 1, 0, -1], available=[True, True, True, False, True])
    found = recommender.popular_of_brand(1, 5, NOTHING)
    assert pairs(found) == [(1, 9), (2, 9)]
    assert set(found.source.tolist()) == {Source.BRAND}
    assert pairs(recommender.popular_of_brand(1, 1, np.array([1], np.int32))) == [(2, 9)]
    assert pairs(recommender.popular_of_brand(0, 5, NOTHING)) == [(0, 3)]
    assert [len(recommender.popular_of_brand(brand, 5, NOTHING)) for brand in (-1, 2)] == [0, 0]


def test_the_recommender_says_which_model_it_speaks_for(bind, tmp_path: Path):
    recommender = bind(models.model(EDGES), ids=(*IDS, "z"))
    assert (tmp_path / str(recommender.version)).is_dir()
    assert recommender.n_items == 6
    assert not recommender.latent


def test_without_a_model_nothing_is_proposed_and_there_is_no_version():
    nobody = NoModel(models.catalogue(IDS))
    assert nobody.version is None
    assert nobody.n_items == 5
    assert not nobody.latent
    for found in (
        nobody.goes_with(models.evidence([0]), NOTHING, 5),
        nobody.buy_again(models.evidence([0]), 5),
        nobody.popular(5, NOTHING),
        nobody.popular_in(np.array([0], np.int32), 5, NOTHING),
        nobody.popular_of_brand(0, 5, NOTHING),
    ):
        assert len(found) == 0


def test_a_model_of_an_empty_shop_and_an_empty_catalogue_propose_nothing(bind):
    empty = bind(models.model(np.zeros((0, 0), np.int32)), ids=())
    assert len(empty.goes_with(models.evidence([0]), NOTHING, 5)) == 0
    assert len(empty.buy_again(models.evidence([]), 5)) == 0
    assert len(empty.popular(5, NOTHING)) == 0


class TestWhatAProposalRestsOn:
    """Row 1 was filled by way of categories; edges from row 0 to items 2 and 3 come from texts."""

    def proposed(self, bind, items: list[int], weights: list[int] | None = None, **catalogue):
        arrays = models.model(EDGES)
        arrays.row_source[1] = RowSource.CATEGORY
        arrays.support[1:3] = 0
        recommender = bind(arrays, **catalogue)
        found = recommender.goes_with(models.evidence(items, weights), NOTHING, 10)
        return dict(zip(found.item_idx.tolist(), map(Source, found.source.tolist()), strict=True))

    def test_each_says_of_its_largest_contribution_what_stood_in_for_customers(self, bind):
        assert self.proposed(bind, [0]) == {
            1: Source.GOES_WITH,
            2: Source.BY_CONTENT,
            3: Source.BY_CONTENT,
        }
        assert self.proposed(bind, [1]) == {0: Source.BY_CATEGORY, 2: Source.BY_CATEGORY}
        assert set(self.proposed(bind, [2, 3, 4]).values()) == {Source.GOES_WITH}

    def test_of_several_the_largest_counts_and_of_equals_the_first(self, bind):
        assert self.proposed(bind, [0, 1])[2] is Source.BY_CONTENT
        assert self.proposed(bind, [1, 0])[2] is Source.BY_CONTENT
        assert self.proposed(bind, [1, 0], [4 * WEIGHT_ONE, WEIGHT_ONE])[2] is Source.BY_CATEGORY
        equal = [2 * WEIGHT_ONE, WEIGHT_ONE]
        assert self.proposed(bind, [1, 0], equal)[2] is Source.BY_CATEGORY
        assert self.proposed(bind, [0, 1], equal[::-1])[2] is Source.BY_CONTENT

    def test_where_nothing_is_proposed_there_is_nothing_to_say(self, bind):
        assert self.proposed(bind, [1], available=[False] * 5) == {}
        assert self.proposed(bind, [77, -1]) == {}
