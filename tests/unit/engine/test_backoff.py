"""What stands in for pairs that too few customers share: the category, and what is written about an item."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from support.models import item_ids

from engine.artefact import WEIGHT_SCALE, ModelArrays
from engine.errors import ModelFitError
from engine.interactions import DAY_MS, Interactions
from engine.models.integers import quantized
from engine.models.pairs import Pairs
from engine.training import Goods, Trained, fit, refit
from engine.training.backoff import filled_rows, learned_only
from engine.vocabulary import Channel, Kind, RowSource

NOW_MS = 20_000 * DAY_MS
TEA, BISCUITS, LAMPS = 0, 1, 2


def bought(histories: list[list[int]], n_items: int) -> csr_matrix:
    rows = [(row, item) for row, items in enumerate(histories) for item in items]
    who, what = np.array(rows, np.int64).reshape(-1, 2).T
    return csr_matrix((np.ones(who.size), (who, what)), shape=(len(histories), n_items))


def counted(edges: dict[tuple[int, int], float], n_items: int) -> Pairs:
    rows, columns = np.array(sorted(edges), np.int64).reshape(-1, 2).T
    values = np.array([edges[key] for key in sorted(edges)])
    matrix = csr_matrix((values, (rows, columns)), shape=(n_items, n_items))
    return quantized(Pairs(matrix, np.full(rows.size, 9, np.int32)))


def entries(pairs: Pairs) -> dict[tuple[int, int], tuple[int, int]]:
    matrix = pairs.item_to_item
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    columns = (row, matrix.indices, matrix.data, pairs.support)
    return {(int(r), int(c)): (int(w), int(s)) for r, c, w, s in zip(*columns, strict=True)}


def filled(
    histories: list[list[int]],
    category: list[int],
    *,
    edges: dict[tuple[int, int], float] | None = None,
    texts: tuple[str, ...] | None = None,
    tier: list[int] | None = None,
    floor: int = 2,
) -> tuple[dict[tuple[int, int], tuple[int, int]], list[RowSource]]:
    n_items = len(category)
    goods = Goods(np.array(category, np.int32), texts or ("",) * n_items)
    tiers = np.array(tier or [0] * n_items, np.int8)
    floors = np.where(tiers > 0, 20, floor).astype(np.int32)
    found = filled_rows(counted(edges or {}, n_items), bought(histories, n_items), floors, tiers, goods)
    return entries(found.edges), [RowSource(each) for each in found.row_source.tolist()]


class TestByCategory:
    histories = ([0, 2], [0, 3], [1, 2], [1, 3], [2], [2])
    """Item 0 was bought with biscuits by two customers, and with no biscuits twice."""

    def test_an_item_gets_what_its_customers_like_of_the_category_they_share(self):
        found, source = filled(list(self.histories), [TEA, TEA, BISCUITS, BISCUITS])
        # Both customers of item 0 have biscuits; of six with biscuits, four have item 2 and two have item 3.
        most = WEIGHT_SCALE // 3
        assert found[0, 2] == (int(4 / 6 * most), 2)
        assert found[0, 3] == (int(2 / 6 * most), 2)
        assert source[0] is RowSource.CATEGORY

    def test_each_of_both_steps_needs_as_many_customers_as_the_floor_asks_for(self):
        shelves = [TEA, TEA, BISCUITS, BISCUITS]
        # Two customers of each have something of the other category.
        assert filled(list(self.histories), shelves, floor=3) == ({}, [RowSource.LEARNED] * 4)
        found, _ = filled([*self.histories, [0, 2], [0]], shelves, floor=3)
        # Now three have items 0 and 2; too few customers have item 1, or item 3, to name them.
        assert {key: support for key, (_, support) in found.items()} == {(0, 2): 3, (2, 0): 3}

    def test_an_item_does_not_lead_to_itself_by_way_of_its_own_category(self):
        found, source = filled([[0], [0], [1], [1]], [TEA, TEA])
        assert not found, "nobody who has one tea has another"
        assert source == [RowSource.LEARNED] * 2
        found, _ = filled([[0, 1], [0, 2], [1], [2]], [TEA, TEA, TEA])
        assert set(found) == {(0, 1), (0, 2)}

    def test_what_was_counted_stays_as_it_is(self):
        edges = {(0, 1): 0.5, (0, 2): 0.001, (1, 0): 0.25}
        found, source = filled(list(self.histories), [TEA, TEA, BISCUITS, BISCUITS], edges=edges)
        before = entries(counted(edges, 4))
        assert {key: found[key] for key in before} == before
        assert {row for row, _ in found if (row, _) not in before} == {2, 3}
        assert source == [RowSource.LEARNED] * 2 + [RowSource.CATEGORY] * 2

    def test_nothing_weighs_more_than_the_median_of_what_was_counted(self):
        edges = {(0, 1): 0.5, (0, 2): 0.001, (1, 0): 0.25}
        found, _ = filled(list(self.histories), [TEA, TEA, BISCUITS, BISCUITS], edges=edges)
        median = np.median([weight for weight, _ in entries(counted(edges, 4)).values()])
        assert all(0 < weight <= median for key, (weight, _) in found.items() if key not in edges)

    @pytest.mark.parametrize("sensitive", [0, 2])
    def test_nothing_leads_from_or_to_what_is_sensitive(self, sensitive):
        tier = [int(item == sensitive) for item in range(4)]
        histories = [*self.histories, *([0, 1, 2, 3] for _ in range(30))]
        found, source = filled(histories, [TEA, TEA, BISCUITS, BISCUITS], tier=tier)
        assert found
        assert all(sensitive not in key for key in found)
        assert source[sensitive] is RowSource.LEARNED

    def test_what_was_bought_of_the_sensitive_says_nothing_of_a_category(self):
        histories = [[0, 2]] * 30 + [[3], [3]]
        assert not filled(histories, [TEA, TEA, BISCUITS, BISCUITS], tier=[0, 0, 1, 0])[0]

    def test_without_categories_nothing_is_filled(self):
        assert filled(list(self.histories), [-1] * 4) == ({}, [RowSource.LEARNED] * 4)

    def test_an_item_of_no_category_gets_something_and_is_nothing_that_others_get(self):
        found, _ = filled(list(self.histories), [-1, TEA, BISCUITS, BISCUITS])
        assert (0, 2) in found
        assert all(column != 0 for _, column in found)


TEXTS = (
    "Green tea Sencha organic",
    "Green tea Sencha loose leaf",
    "Reading lamp brass",
    "Oat biscuits",
    "Green tea Sencha organic tin",
)
"""The last one is new."""


class TestByContent:
    histories = ([0, 1], [0, 1], [0, 2], [0, 2], [3], [3])
    edges = {(0, 1): 0.5, (1, 0): 0.4, (0, 2): 0.3, (2, 0): 0.2, (3, 0): 0.1}  # noqa: RUF012 never changed
    shelves = (-1,) * 5

    def filled(self, **more):
        return filled(
            list(self.histories), list(self.shelves), **{"edges": self.edges, "texts": TEXTS, **more}
        )

    def test_a_new_item_leads_to_what_it_is_like_the_most_alike_first(self):
        found, source = self.filled()
        alike = {column: found[4, column] for row, column in found if row == 4}
        assert alike.keys() == {0, 1}
        assert alike[0][0] > alike[1][0]
        assert source[4] is RowSource.CONTENT

    def test_what_a_new_item_is_like_leads_to_it(self):
        found, source = self.filled()
        assert (0, 4) in found
        assert (1, 4) in found
        assert (2, 4) not in found
        assert source[:4] == [RowSource.LEARNED] * 4

    def test_nobody_is_behind_it(self):
        found, _ = self.filled()
        assert {found[key][1] for key in found if 4 in key} == {0}

    def test_what_was_counted_stays_as_it_is_and_weighs_as_much_at_least(self):
        found, _ = self.filled()
        before = entries(counted(self.edges, 5))
        assert {key: found[key] for key in before} == before
        median = np.median([weight for weight, _ in before.values()])
        assert all(0 < found[key][0] <= median for key in found if key not in before)

    @pytest.mark.parametrize("sensitive", [0, 4])
    def test_nothing_leads_from_or_to_what_is_sensitive(self, sensitive):
        before = entries(counted(self.edges, 5))
        found, source = self.filled(tier=[int(item == sensitive) for item in range(5)])
        assert all(sensitive not in key for key in found if key not in before)
        assert source[4] is (RowSource.LEARNED if sensitive == 4 else RowSource.CONTENT)

    def test_what_something_counted_leads_to_is_not_led_to_by_texts(self):
        found, _ = self.filled(edges={**self.edges, (0, 4): 0.5})
        assert (1, 4) not in found
        assert (4, 1) in found

    def test_what_is_only_known_by_way_of_its_category_stays_so(self):
        """A row that customers tell something of is not filled up by texts."""
        found, source = filled(
            [[4, 0], [4, 0], *self.histories],
            [TEA, -1, -1, -1, BISCUITS],
            edges={(0, 1): 0.5},
            texts=TEXTS,
        )
        assert source[4] is RowSource.CATEGORY
        assert {column for row, column in found if row == 4} == {0}

    @pytest.mark.parametrize("text", ["", " ... ", "!"])
    def test_without_words_nothing_is_filled(self, text):
        assert set(self.filled(texts=(text,) * 5)[0]) == set(self.edges)


def trained(goods: Goods | None, histories: list[list[int]], n_items: int) -> Trained:
    rows = [
        (who, item, int(Kind.PURCHASE), NOW_MS - DAY_MS, int(Channel.WEB), 0, 0, 0)
        for who, items in enumerate(histories)
        for item in items
    ]
    return fit(
        Interactions.from_rows(rows),
        item_ids(n_items),
        np.zeros(n_items, np.int8),
        now_ms=NOW_MS,
        goods=goods,
    )


GOODS = Goods(np.array([TEA, TEA, LAMPS, BISCUITS, TEA], np.int32), TEXTS)
HISTORIES = [[0, 1], [0, 1], [0, 3], [1, 3], [2, 3], [2, 0], [2]]


def test_a_model_says_of_each_row_what_it_rests_on():
    arrays = trained(GOODS, HISTORIES, 5).arrays
    # Two went on from the lamp, one to tea and one to biscuits; nobody bought the new tea.
    assert [RowSource(each).name for each in arrays.row_source.tolist()] == [
        "LEARNED",
        "LEARNED",
        "LEARNED",
        "CATEGORY",
        "CONTENT",
    ]


def test_the_scale_and_all_that_was_counted_are_those_of_a_model_without():
    with_goods, without = trained(GOODS, HISTORIES, 5), trained(None, HISTORIES, 5)
    assert with_goods.manifest.scale_exponent == without.manifest.scale_exponent
    assert not without.arrays.row_source.any()
    stripped = learned_only(with_goods.arrays)
    for name, column in vars(without.arrays).items():
        assert np.array_equal(np.asarray(column), np.asarray(getattr(stripped, name))), name


def test_a_model_that_nothing_was_filled_into_is_stripped_of_nothing():
    arrays = trained(None, HISTORIES, 5).arrays
    assert learned_only(arrays) is arrays


def test_popularity_alone_is_filled_with_nothing():
    model = trained(GOODS, HISTORIES, 5)
    rows = [(0, 0, int(Kind.PURCHASE), NOW_MS, int(Channel.WEB), 0, 0, 0)]
    arrays: ModelArrays = refit(
        type(model.manifest)(learner="popular"),
        Interactions.from_rows(rows),
        item_ids(5),
        np.zeros(5, np.int8),
        now_ms=NOW_MS,
        goods=GOODS,
    ).arrays
    assert arrays.indices.size == 0


@pytest.mark.parametrize(
    "goods", [GOODS._replace(texts=TEXTS[1:]), GOODS._replace(category=np.zeros(4, np.int32))]
)
def test_goods_of_other_items_are_refused(goods):
    with pytest.raises(ModelFitError, match="`goods` does not have one entry an item"):
        trained(goods, HISTORIES, 5)
