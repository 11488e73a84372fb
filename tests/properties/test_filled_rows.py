"""What stands in for customers changes nothing that was counted, and nothing that was promised."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from support import shops
from support.replaying import recorded
from support.scenes import HISTORY_FLAWS, SESSION_FLAWS, Scene, scenes, things
from support.tries import tries

from engine.artefact import ModelArrays
from engine.interactions import Interactions
from engine.models.integers import quantized
from engine.models.pairs import Pairs
from engine.serving.recommender import Recommender
from engine.training import Goods
from engine.training.backoff import filled_rows
from engine.vocabulary import RowSource, Source
from guardrails.log.replay import Finding
from guardrails.reasons import ReasonCode
from guardrails.request import Continuation

N_ITEMS, N_CUSTOMERS = 16, 20
WORDS = ("green", "tea", "lamp", "brass", "oat", "")


@cache
def a_filled_recommender() -> Recommender:
    """The shop's model, a third of whose rows go by category and a third by texts."""
    arrays = shops.a_recommender()._artefact
    source = (np.arange(arrays.n_items) % 3).astype(np.int32)
    row = np.repeat(np.arange(arrays.n_items), np.diff(arrays.indptr))
    support = np.where(source[row] == RowSource.CONTENT.value, 0, arrays.support).astype(np.int32)
    support[::7] = 0  # new items in the rows of others
    return Recommender(replace(arrays, row_source=source, support=support), shops.a_catalogue())


@st.composite
def filled_scenes(draw: st.DrawFn) -> Scene:
    """Draw a decision of a shop that knows little, for some categories, or for a further page."""
    scene = draw(scenes())
    within = draw(st.sampled_from([(), (), ("Food",), ("Food > Bread", "Home")]))
    before = draw(st.none() | st.lists(st.sampled_from([*shops.a_catalogue().item_ids, "gone"]), max_size=5))
    request = replace(
        scene.request,
        within=within,
        continues=None if before is None else Continuation("the-page-before", tuple(before)),
    )
    return replace(scene, request=request, house=shops.a_house(recommender=a_filled_recommender()))


@tries(25)
@given(filled_scenes())
def test_a_decision_is_made_again_to_the_same_bytes(scene):
    found = recorded(scene)
    assert found.rules().finding is Finding.EXACT, found.rules()
    assert found.candidates().finding is Finding.EXACT, found.candidates()


@pytest.mark.parametrize("flaw", [*HISTORY_FLAWS, *SESSION_FLAWS])
@tries(4)
@given(scene=filled_scenes(), data=st.data())
def test_what_was_not_admitted_changes_nothing(flaw, scene, data):
    known, of_visit = scene.known, flaw in SESSION_FLAWS
    more = data.draw(
        st.lists(SESSION_FLAWS[flaw] if of_visit else HISTORY_FLAWS[flaw], min_size=1, max_size=4)
    )
    name = "session" if of_visit else "history"
    joined = Interactions.joined(getattr(known, name), Interactions.from_rows(more))
    assert scene.slate(replace(known, **{name: joined})) == scene.slate()


@tries(25)
@given(filled_scenes(), st.lists(things(), min_size=3, max_size=6))
def test_only_customers_who_had_both_are_spoken_of(scene, past):
    decision = scene.decide(shops.knowing(past))
    last = decision.rounds[-1]
    source = dict(zip(last.candidates.item_idx.tolist(), last.candidates.source.tolist(), strict=True))
    for each in decision.suggestions:
        if each.reason.code is ReasonCode.OFTEN_TOGETHER:
            assert source[each.item_idx] == Source.GOES_WITH
        if each.reason.code is ReasonCode.SIMILAR_TO:
            assert source[each.item_idx] == Source.BY_CONTENT


@tries(25)
@given(filled_scenes())
def test_neither_an_earlier_page_nor_another_category_is_suggested(scene):
    catalogue, request = shops.a_catalogue(), scene.request
    for each in scene.decide().suggestions:
        assert catalogue.item_ids[each.item_idx] not in request.shown_before
        assert not request.within or catalogue.within(request.within)[catalogue.category[each.item_idx]]


@st.composite
def shelves(draw: st.DrawFn) -> tuple[Pairs, csr_matrix, np.ndarray, np.ndarray, Goods]:
    """Draw a model of which many rows are empty, and what it was learned from."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    had = random.random((N_CUSTOMERS, N_ITEMS)) < draw(st.sampled_from([0.0, 0.05, 0.2]))
    tier = random.choice([0, 0, 0, 1, 2], N_ITEMS).astype(np.int8)
    floor = np.where(tier > 0, 5, 2).astype(np.int32)
    linked = (random.random((N_ITEMS, N_ITEMS)) < 0.3) & ~np.eye(N_ITEMS, dtype=np.bool_)
    linked[random.random(N_ITEMS) < draw(st.sampled_from([0.3, 0.7, 1.0]))] = False
    matrix = csr_matrix(linked * random.random(linked.shape))
    edges = quantized(Pairs(matrix, np.full(matrix.nnz, 9, np.int32)))
    words = random.choice(WORDS, (N_ITEMS, 3))
    goods = Goods(
        random.integers(-1, 4, N_ITEMS).astype(np.int32), tuple(" ".join(text) for text in words.tolist())
    )
    return edges, csr_matrix(had.astype(np.float64)), floor, tier, goods


def entries(pairs: Pairs) -> dict[tuple[int, int], tuple[int, int]]:
    """Weight and support by row and column, in the order of the matrix."""
    matrix = pairs.item_to_item
    row = np.repeat(np.arange(N_ITEMS), np.diff(matrix.indptr)).tolist()
    values = zip(matrix.data.tolist(), pairs.support.tolist(), strict=True)
    return dict(zip(zip(row, matrix.indices.tolist(), strict=True), values, strict=True))


@tries(25)
@given(shelves())
def test_what_was_counted_is_untouched_and_weighs_as_much_at_least(shelf):
    edges, found = shelf[0], filled_rows(*shelf).edges
    before, after = entries(edges), entries(found)
    assert list(after) == sorted(after), "rows and columns ascend"
    assert len(after) == found.item_to_item.indices.size, "nothing is there twice"
    assert {key: after[key] for key in before} == before
    most = np.median([weight for weight, _ in before.values()]) if before else np.inf
    assert all(0 < after[key][0] <= most for key in after.keys() - before.keys())


@tries(25)
@given(shelves())
def test_nothing_leads_from_or_to_what_is_sensitive_or_to_itself(shelf):
    edges, _, floor, tier, _ = shelf
    filled = filled_rows(*shelf)
    for (row, column), (_, support) in entries(filled.edges).items():
        if (row, column) not in entries(edges):
            assert row != column
            assert tier[row] == tier[column] == 0
            assert support == 0 or support >= max(floor[row], floor[column])


@tries(25)
@given(shelves())
def test_only_rows_and_columns_that_were_empty_are_filled_and_each_says_by_what(shelf):
    edges, had = shelf[0], shelf[1]
    filled = filled_rows(*shelf)
    before, after = entries(edges), entries(filled.edges)
    rows, columns = {row for row, _ in before}, {column for _, column in before}
    n_customers = np.asarray((had > 0).sum(axis=0)).ravel()
    for row, column in after.keys() - before.keys():
        source, support = RowSource(int(filled.row_source[row])), after[row, column][1]
        if source is RowSource.LEARNED or (support == 0 and source is RowSource.CATEGORY):
            assert column not in columns
            assert n_customers[column] < 2
            assert support == 0
        else:
            assert row not in rows
            assert (support > 0) == (source is RowSource.CATEGORY)
    named = np.flatnonzero(filled.row_source != RowSource.LEARNED.value).tolist()
    assert set(named) == {row for row, _ in after} - rows


@tries(25)
@given(shelves(), st.randoms(use_true_random=False))
def test_the_order_of_customers_changes_nothing(shelf, random):
    edges, had, *rest = shelf
    order = list(range(N_CUSTOMERS))
    random.shuffle(order)
    one, other = filled_rows(edges, had, *rest), filled_rows(edges, csr_matrix(had[order]), *rest)
    assert entries(one.edges) == entries(other.edges)
    assert np.array_equal(one.row_source, other.row_source)


def test_the_shop_of_these_scenes_has_rows_of_every_kind():
    arrays: ModelArrays = a_filled_recommender()._artefact
    assert set(arrays.row_source.tolist()) == set(map(int, RowSource))
