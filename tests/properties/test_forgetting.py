"""Forgetting is exact: the model without somebody is the model that never had them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.models import item_ids
from support.tries import tries

from engine.artefact import Manifest, ModelArrays, write_artefact
from engine.errors import ModelFitError
from engine.interactions import DAY_MS, Interactions, Weighting
from engine.models import LEARNERS
from engine.models.base import Counted
from engine.training import Goods, Recounted, Trained, TrainingSettings, fit, forget, refit
from engine.training.learn import weigh
from engine.vocabulary import Channel, Kind

pytestmark = pytest.mark.thorough

N_ITEMS, N_CUSTOMERS, N_SHELVES = 18, 15, 3
IDS = item_ids(N_ITEMS)
NOW_MS = 20_000 * DAY_MS
COUNTED = sorted(name for name, kind in LEARNERS.items() if issubclass(kind, Counted))
SETTINGS = TrainingSettings(max_items_per_customer=5, min_support_sensitive=3)
PURCHASE, VIEW, RETURN, CART = map(int, (Kind.PURCHASE, Kind.VIEW, Kind.RETURN, Kind.CART))

Rows = list[tuple[int, int, int, int]]
"""Customer, item, kind, time."""


@st.composite
def shops(draw) -> Rows:
    """Customers of whom most keep to a shelf of their own, so that what one does reaches not every item."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows = draw(st.integers(1, 150))
    strays = draw(st.sampled_from([0.0, 0.02, 0.2]))
    customer = random.integers(0, N_CUSTOMERS, n_rows)
    shelf = np.where(
        random.random(n_rows) < strays, random.integers(0, N_SHELVES, n_rows), customer % N_SHELVES
    )
    item = (random.integers(0, N_ITEMS // N_SHELVES, n_rows) ** 2) % (
        N_ITEMS // N_SHELVES
    ) * N_SHELVES + shelf
    kind = random.choice([PURCHASE, VIEW, RETURN], n_rows, p=[0.7, 0.25, 0.05])
    at_ms = NOW_MS - random.choice([0, 1, 40, 77, 150, 400], n_rows) * DAY_MS
    return list(zip(customer.tolist(), item.tolist(), kind.tolist(), at_ms.tolist(), strict=True))


@st.composite
def recipes(draw) -> Manifest:
    """How a model was made that counts pairs; with few neighbours, so that rows are cut."""
    name = draw(st.sampled_from(COUNTED))
    return Manifest(
        learner=name,
        params={**LEARNERS[name]().get_params(), "n_neighbours": draw(st.sampled_from([2, 100]))},
        min_support=2,
        trend=draw(st.sampled_from([{}, {"half_life_days": 28, "exponent": 1.0}])),
        repeat_shift=draw(st.sampled_from([0, 6])),
    )


tiers = st.lists(st.sampled_from([0, 0, 0, 1]), min_size=N_ITEMS, max_size=N_ITEMS).map(
    lambda tier: np.array(tier, np.int8)
)
WORDS = ("green", "tea", "lamp", "brass", "oat", "biscuits", "")
goods = st.builds(
    lambda category, words: Goods(np.array(category, np.int32), tuple(map(" ".join, words))),
    st.lists(st.integers(-1, 3), min_size=N_ITEMS, max_size=N_ITEMS),
    st.lists(st.lists(st.sampled_from(WORDS), max_size=3), min_size=N_ITEMS, max_size=N_ITEMS),
)
customers = st.sets(st.integers(0, N_CUSTOMERS - 1), max_size=4)


def interactions(found: Rows) -> Interactions:
    return Interactions.from_rows([(*row, int(Channel.WEB), 0, 0, 0) for row in found])


def split(found: Interactions, gone: set[int]) -> tuple[Interactions, Interactions]:
    goes = np.isin(found.customer_idx, sorted(gone))
    return found.where(~goes), found.where(goes)


def learned(
    recipe: Manifest, found: Interactions, tier: np.ndarray, goods: Goods | None = None
) -> Trained | None:
    """Learn from everything; ``None`` if there is nothing."""
    try:
        return refit(recipe, found, IDS, tier, now_ms=NOW_MS, goods=goods, settings=SETTINGS)
    except ModelFitError:
        return None


def without(
    trained: Trained, found: Interactions, gone: set[int], tier: np.ndarray, goods: Goods | None = None
) -> Recounted:
    forgotten = forget(*trained, *split(found, gone), tier, goods=goods, settings=SETTINGS)
    assert forgotten is not None
    return forgotten


def same(left: ModelArrays, right: ModelArrays) -> bool:
    return all(
        np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()
        for ours, theirs in zip(vars(left).values(), vars(right).values(), strict=True)
    )


@tries(25)
@given(recipes(), shops(), tiers, goods, customers)
def test_taking_customers_out_gives_the_model_that_never_had_them(recipe, found, tier, said, gone):
    found = interactions(found)
    trained, never = learned(recipe, found, tier, said), learned(recipe, split(found, gone)[0], tier, said)
    assume(trained is not None and never is not None)
    forgotten = without(trained, found, gone, tier, said).trained
    assert same(forgotten.arrays, never.arrays)
    assert forgotten.manifest == never.manifest
    assert forgotten.manifest.repeat_shift == recipe.repeat_shift


@tries(25)
@given(recipes(), shops(), tiers, goods, st.permutations(range(N_CUSTOMERS)), st.integers(2, 5))
def test_one_after_the_other_is_the_same_as_all_at_once(recipe, found, tier, said, order, n_gone):
    found, gone = interactions(found), set(order[:n_gone])
    trained = learned(recipe, found, tier, said)
    assume(trained is not None and learned(recipe, split(found, gone)[0], tier, said) is not None)
    at_once = without(trained, found, gone, tier, said).trained
    step, there = trained, found
    for customer in order[:n_gone]:
        step = without(step, there, {customer}, tier, said).trained
        there = split(there, {customer})[0]
    assert same(step.arrays, at_once.arrays)
    assert step.manifest == at_once.manifest


@tries(25)
@given(recipes(), shops(), tiers, customers)
def test_no_edge_is_left_that_too_few_of_the_others_share(recipe, found, tier, gone):
    found = interactions(found)
    trained, stay = learned(recipe, found, tier), split(found, gone)[0]
    assume(trained is not None and learned(recipe, stay, tier) is not None)
    arrays = without(trained, found, gone, tier).trained.arrays
    stay = stay.where(stay.kind != RETURN)
    has = np.zeros((N_CUSTOMERS, N_ITEMS), bool)
    has[stay.customer_idx, stay.item_idx] = True
    row = np.repeat(np.arange(N_ITEMS), np.diff(arrays.indptr))
    shared = (has[:, row] & has[:, arrays.indices]).sum(axis=0)
    assert np.all(arrays.weights > 0)
    assert np.all(arrays.support <= shared)
    assert np.all(arrays.support >= np.where((tier[row] > 0) | (tier[arrays.indices] > 0), 3, 2))


@tries(25)
@given(st.sampled_from(sorted(LEARNERS)), shops(), st.permutations(range(N_CUSTOMERS)), st.data())
def test_neither_the_numbers_of_customers_nor_any_order_change_a_bit(name, found, order, data):
    """Trained with a contest: the numbers differ, and have gaps, as where others never were."""
    assume(any(row[2] != RETURN for row in found))
    contest = TrainingSettings(fallback=name, min_validated=3, learners=("popular", name))
    shuffled = data.draw(st.permutations(found))
    renumbered = [(order[row[0]] * 1000, *row[1:]) for row in shuffled]
    one, other = (
        fit(interactions(each), IDS, np.zeros(N_ITEMS, np.int8), now_ms=NOW_MS, settings=contest)
        for each in (found, renumbered)
    )
    assert same(one.arrays, other.arrays)
    assert one.manifest.training_digest == other.manifest.training_digest


@tries(25)
@given(st.sampled_from(sorted(LEARNERS)), shops())
def test_learning_anew_without_a_contest_gives_what_the_contest_chose(name, found):
    assume(any(row[2] != RETURN for row in found))
    tier = np.zeros(N_ITEMS, np.int8)
    contest = TrainingSettings(fallback=name, min_validated=3, learners=("popular", name))
    trained = fit(interactions(found), IDS, tier, now_ms=NOW_MS, settings=contest)
    again = refit(trained.manifest, interactions(found), IDS, tier, now_ms=NOW_MS, settings=contest)
    assert same(again.arrays, trained.arrays)
    assert again.manifest == trained.manifest


@tries(25)
@given(shops(), customers)
def test_what_one_customer_contributes_does_not_depend_on_the_others(found, gone):
    """Clipping to the heaviest items and saturation look at nobody else."""
    found, shape = interactions(found), (N_CUSTOMERS, N_ITEMS)
    everybody = weigh(found, shape, SETTINGS, NOW_MS).learned.toarray()
    stay = weigh(split(found, gone)[0], shape, SETTINGS, NOW_MS).learned.toarray()
    kept = [customer for customer in range(N_CUSTOMERS) if customer not in gone]
    assert np.array_equal(everybody[kept], stay[kept])
    assert not stay[sorted(gone)].any()


WALK = Manifest(learner="walk", params=LEARNERS["walk"]().get_params(), min_support=2)


@tries(25)
@given(shops(), st.data())
def test_a_training_set_that_is_not_the_one_it_was_is_noticed(found, data):
    """One interaction more, less or other than at training, and the model has to be learned anew."""
    found = [row for row in found if row[2] != RETURN]
    assume(found)
    tier = np.zeros(N_ITEMS, np.int8)
    trained = learned(WALK, interactions(found), tier)
    place = data.draw(st.integers(0, len(found) - 1))
    customer, item, kind, at_ms = found[place]
    instead = data.draw(
        st.sampled_from(
            [
                [],
                [found[place], found[place]],
                [(customer, item, kind, at_ms + 1)],
                [(customer, (item + 1) % N_ITEMS, kind, at_ms)],
                [found[place], (customer, item, CART, at_ms)],
                [found[place], (N_CUSTOMERS, item, kind, at_ms)],
            ]
        )
    )
    changed = interactions([*found[:place], *instead, *found[place + 1 :]])
    assume(len(changed))
    assert forget(*trained, interactions(found), Interactions.empty(), tier, settings=SETTINGS) is not None
    assert forget(*trained, changed, Interactions.empty(), tier, settings=SETTINGS) is None


@pytest.fixture
def trained() -> tuple[Trained, Interactions]:
    random = np.random.default_rng(3)
    found = interactions(
        [
            (customer, int(item), PURCHASE, NOW_MS - int(day) * DAY_MS)
            for customer in range(60)
            for item, day in zip(random.permutation(N_ITEMS)[:5], random.integers(0, 300, 5), strict=True)
        ]
    )
    return refit(WALK, found, IDS, np.zeros(N_ITEMS, np.int8), now_ms=NOW_MS), found


@pytest.mark.parametrize(
    "circumstances",
    [
        {"tier": np.eye(1, N_ITEMS, dtype=np.int8)[0]},
        {"goods": Goods(np.zeros(N_ITEMS, np.int32), ("",) * N_ITEMS)},
        {"goods": Goods.none(N_ITEMS)._replace(texts=("tea",) * N_ITEMS)},
        {"settings": TrainingSettings(max_items_per_customer=3)},
        {"settings": TrainingSettings(popularity_half_life_days=15)},
        {"settings": TrainingSettings(weighting=Weighting(view=0.1))},
        {"as_of_ms": NOW_MS - DAY_MS},
        {"training_digest": ""},
        {"learner": "als", "params": {}},
        {"params": {"target": 0.2}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_under_other_circumstances_the_model_has_to_be_learned_anew(trained, circumstances):
    model, found = trained
    changed = dict(circumstances)
    tier = changed.pop("tier", np.zeros(N_ITEMS, np.int8))
    other, said = changed.pop("settings", None), changed.pop("goods", None)
    manifest = replace(model.manifest, **changed)
    assert forget(model.arrays, manifest, *split(found, {1}), tier, goods=said, settings=other) is None


def test_a_model_of_factors_has_to_be_learned_anew(trained):
    _, found = trained
    tier = np.zeros(N_ITEMS, np.int8)
    als = refit(Manifest(learner="als", min_support=2), found, IDS, tier, now_ms=NOW_MS)
    assert forget(*als, *split(found, {1}), tier) is None


@pytest.mark.parametrize(
    ("changed", "match"),
    [({"learner": "oracle"}, "not a learner"), ({"params": {"wisdom": 1}}, "no parameter `wisdom`")],
)
def test_a_learner_of_another_version_is_refused(trained, changed, match):
    model, found = trained
    tier = np.zeros(N_ITEMS, np.int8)
    with pytest.raises(ModelFitError, match=match):
        forget(model.arrays, replace(model.manifest, **changed), *split(found, {1}), tier)


def test_with_nobody_left_there_is_no_model(trained):
    model, found = trained
    tier = np.zeros(N_ITEMS, np.int8)
    assert forget(*model, Interactions.empty(), found, tier) is None
    with pytest.raises(ModelFitError, match="no interactions"):
        refit(model.manifest, Interactions.empty(), IDS, tier, now_ms=NOW_MS)


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_written_has_the_version_of_the_model_that_never_had_them(trained, name, tmp_path):
    _, found = trained
    tier = np.zeros(N_ITEMS, np.int8)
    recipe = Manifest(learner=name, min_support=2)
    before, never = (
        refit(recipe, each, IDS, tier, now_ms=NOW_MS) for each in (found, split(found, {7, 30})[0])
    )
    after = forget(*before, *split(found, {7, 30}), tier)
    versions = [write_artefact(tmp_path, *each) for each in (before, after.trained, never)]
    assert versions[0] != versions[1] == versions[2]


def test_rows_out_of_reach_stay_as_they_are():
    """Two shelves that nobody shares: what somebody did at one leaves the rows of the other alone."""
    at_ms = NOW_MS - DAY_MS
    found = interactions(
        [(c, item, PURCHASE, at_ms) for c in range(8) for item in range(c % 2, 10, 2) if item != c]
    )
    tier = np.zeros(N_ITEMS, np.int8)
    model = refit(WALK, found, IDS, tier, now_ms=NOW_MS)
    assert forget(*model, *split(found, {0}), tier).n_rows_rebuilt == 5
    assert forget(*model, *split(found, set()), tier).n_rows_rebuilt == 0
