"""Forgetting is exact: the model without somebody is the model that never had them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.models import item_ids

from engine.artefact import ModelArrays, write_artefact
from engine.errors import ModelFitError
from engine.interactions import DAY_MS, Interactions
from engine.models import LEARNERS
from engine.models.base import Counted
from engine.training import Forgotten, Trained, TrainingSettings, fit, forget, refit
from engine.vocabulary import Channel, Kind

N_ITEMS, N_CUSTOMERS = 12, 10
IDS = item_ids(N_ITEMS)
NOW_MS = 20_000 * DAY_MS
COUNTED = sorted(name for name, kind in LEARNERS.items() if issubclass(kind, Counted))
SETTINGS = {
    name: TrainingSettings(fallback=name, min_validated=10**6, max_items_per_customer=5) for name in LEARNERS
}
"""Nothing is compared: the learner is the fallback, with the least floor."""

rows = st.lists(
    st.tuples(
        st.integers(0, N_CUSTOMERS - 1),
        st.integers(0, N_ITEMS - 1),
        st.sampled_from([int(Kind.PURCHASE), int(Kind.VIEW), int(Kind.RETURN)]),
        st.sampled_from([0, 1, 40, 400]).map(lambda days: NOW_MS - days * DAY_MS),
    ),
    min_size=1,
    max_size=90,
)
tiers = st.lists(st.sampled_from([0, 0, 0, 1]), min_size=N_ITEMS, max_size=N_ITEMS)
customers = st.sets(st.integers(0, N_CUSTOMERS - 1))
learner_names = st.sampled_from(COUNTED)


def interactions(found: list[tuple[int, int, int, int]]) -> Interactions:
    return Interactions.from_rows([(*row, int(Channel.WEB), 0, 0) for row in found])


def split(found: Interactions, gone: set[int]) -> tuple[Interactions, Interactions]:
    goes = np.isin(found.customer_idx, sorted(gone))
    return found.where(~goes), found.where(goes)


def settings_of(name: str) -> TrainingSettings:
    return replace(SETTINGS[name], min_support_sensitive=3)


def learned(name: str, found: Interactions, tier: np.ndarray) -> Trained | None:
    try:
        return fit(found, IDS, tier, now_ms=NOW_MS, settings=settings_of(name))
    except ModelFitError:
        return None


def without(trained: Trained, name: str, found: Interactions, gone: set[int], tier: np.ndarray) -> Forgotten:
    forgotten = forget(*trained, *split(found, gone), tier, settings=settings_of(name))
    assert forgotten is not None
    return forgotten


def same(left: ModelArrays, right: ModelArrays) -> bool:
    return all(
        np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()
        for ours, theirs in zip(vars(left).values(), vars(right).values(), strict=True)
    )


@given(learner_names, rows, tiers, customers)
def test_taking_customers_out_gives_the_model_that_never_had_them(name, found, tier, gone):
    found, tier = interactions(found), np.array(tier, np.int8)
    trained, never = learned(name, found, tier), learned(name, split(found, gone)[0], tier)
    if trained is None or never is None:
        return
    forgotten = without(trained, name, found, gone, tier).trained
    again = refit(
        trained.manifest, split(found, gone)[0], IDS, tier, now_ms=NOW_MS, settings=settings_of(name)
    )
    assert same(forgotten.arrays, never.arrays)
    assert same(again.arrays, never.arrays)
    assert forgotten.manifest == never.manifest == again.manifest


@given(learner_names, rows, tiers, st.permutations(range(N_CUSTOMERS)), st.integers(1, 5))
def test_one_after_the_other_is_the_same_as_all_at_once(name, found, tier, order, n_gone):
    found, tier = interactions(found), np.array(tier, np.int8)
    trained = learned(name, found, tier)
    gone = set(order[:n_gone])
    if trained is None or learned(name, split(found, gone)[0], tier) is None:
        return
    at_once = without(trained, name, found, gone, tier).trained
    step, there = trained, found
    for customer in order[:n_gone]:
        step = without(step, name, there, {customer}, tier).trained
        there = split(there, {customer})[0]
    assert same(step.arrays, at_once.arrays)
    assert step.manifest == at_once.manifest


@given(learner_names, rows, tiers, customers)
def test_no_edge_is_left_that_too_few_of_the_others_share(name, found, tier, gone):
    found, tier = interactions(found), np.array(tier, np.int8)
    trained = learned(name, found, tier)
    stay = split(found, gone)[0]
    if trained is None or learned(name, stay, tier) is None:
        return
    arrays = without(trained, name, found, gone, tier).trained.arrays
    stay = stay.where(stay.kind != Kind.RETURN)
    has = np.zeros((N_CUSTOMERS, N_ITEMS), bool)
    has[stay.customer_idx, stay.item_idx] = True
    row = np.repeat(np.arange(N_ITEMS), np.diff(arrays.indptr))
    shared = (has[:, row] & has[:, arrays.indices]).sum(axis=0)
    assert np.all(arrays.weights > 0)
    assert np.all(arrays.support <= shared)
    assert np.all(arrays.support >= np.where((tier[row] > 0) | (tier[arrays.indices] > 0), 3, 2))


@given(
    st.sampled_from(sorted(LEARNERS)),
    rows,
    st.permutations(range(N_CUSTOMERS)),
    st.integers(1, 1000),
    st.data(),
)
def test_neither_the_numbers_of_customers_nor_any_order_change_a_bit(name, found, order, gap, data):
    tier = np.zeros(N_ITEMS, np.int8)
    settings = TrainingSettings(fallback=name, min_validated=3, learners=("popular", name))
    renumbered = [(order[row[0]] * gap, *row[1:]) for row in data.draw(st.permutations(found))]
    models = []
    for each in (found, renumbered):
        try:
            models.append(fit(interactions(each), IDS, tier, now_ms=NOW_MS, settings=settings))
        except ModelFitError:
            models.append(None)
    one, other = models
    assert (one is None) == (other is None)
    if one is not None:
        assert same(one.arrays, other.arrays)
        assert one.manifest.training_digest == other.manifest.training_digest


@given(rows, customers)
def test_what_one_customer_contributes_does_not_depend_on_the_others(found, gone):
    """Clipping to the heaviest items and saturation look at nobody else."""
    from engine.training.learn import weigh  # noqa: PLC0415  the one white-box look here

    found = interactions(found)
    settings = settings_of("walk")
    everybody = weigh(found, (N_CUSTOMERS, N_ITEMS), settings, NOW_MS).learned.toarray()
    stay = weigh(split(found, gone)[0], (N_CUSTOMERS, N_ITEMS), settings, NOW_MS).learned.toarray()
    kept = [customer for customer in range(N_CUSTOMERS) if customer not in gone]
    assert np.array_equal(everybody[kept], stay[kept])
    assert not stay[sorted(gone)].any()


@given(rows, st.data())
def test_a_training_set_that_is_not_the_one_it_was_is_noticed(found, data):
    """One interaction more, less or other than at training, and the model has to be learned anew."""
    tier = np.zeros(N_ITEMS, np.int8)
    trained = learned("walk", interactions(found), tier)
    if trained is None:
        return
    place = data.draw(st.integers(0, len(found) - 1))
    if found[place][2] == Kind.RETURN:
        return
    customer, item, kind, at_ms = found[place]
    other = data.draw(
        st.sampled_from(
            [
                [],
                [found[place], found[place]],
                [(customer, item, kind, at_ms + 1)],
                [(customer, (item + 1) % N_ITEMS, kind, at_ms)],
                [(N_CUSTOMERS, item, int(Kind.CART), at_ms), found[place]],
            ]
        )
    )
    changed = interactions([*found[:place], *other, *found[place + 1 :], (99, 0, int(Kind.PURCHASE), NOW_MS)])
    gone = interactions([(99, 0, int(Kind.PURCHASE), NOW_MS)])
    assert forget(*trained, changed, gone, tier, settings=settings_of("walk")) is None


@pytest.mark.parametrize("name", COUNTED)
def test_with_nobody_left_there_is_no_model(name):
    found = interactions([(0, 0, int(Kind.PURCHASE), NOW_MS), (0, 1, int(Kind.PURCHASE), NOW_MS)])
    tier = np.zeros(N_ITEMS, np.int8)
    trained = learned(name, found, tier)
    with pytest.raises(ModelFitError, match="nobody left"):
        forget(*trained, Interactions.empty(), found, tier, settings=settings_of(name))
    with pytest.raises(ModelFitError, match="no interactions"):
        refit(trained.manifest, Interactions.empty(), IDS, tier, now_ms=NOW_MS)


def test_what_is_written_has_the_version_of_the_model_that_never_had_them(tmp_path):
    random = np.random.default_rng(3)
    found = interactions(
        [
            (customer, int(item), int(Kind.PURCHASE), NOW_MS - int(day) * DAY_MS)
            for customer in range(60)
            for item, day in zip(random.permutation(N_ITEMS)[:5], random.integers(0, 300, 5), strict=True)
        ]
    )
    tier = np.zeros(N_ITEMS, np.int8)
    for name in COUNTED:
        trained, never = learned(name, found, tier), learned(name, split(found, {7, 30})[0], tier)
        versions = [
            write_artefact(tmp_path, *each)
            for each in (trained, without(trained, name, found, {7, 30}, tier).trained, never)
        ]
        assert versions[0] != versions[1] == versions[2]
