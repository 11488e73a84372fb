"""The mask of telling items: what a person's evidence may not propose is as if W did not have it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.models import catalogue, evidence, item_ids, model
from support.tries import tries

from engine.artefact import Manifest, load_artefact, write_artefact
from engine.serving.candidates import Candidates, Evidence
from engine.serving.recommender import MICRO, NoModel, Recommender
from engine.vocabulary import Origin

N_ITEMS = 12
LIFTS = {"classes": ("alcohol", "health"), "lift_item": [2, 2, 5, 7], "lift_class": [0, 1, 0, 1]}


def recommender(folder, edges, sold=None):
    arrays = replace(
        model(edges),
        classes=LIFTS["classes"],
        lift_item=np.array(LIFTS["lift_item"], np.int32),
        lift_class=np.array(LIFTS["lift_class"], np.int32),
        lift_percent=np.array([150, 400, 250, 130], np.int32),
    )
    version = write_artefact(folder, arrays, Manifest(learner="cosine"))
    ids = item_ids(N_ITEMS) if sold is None else sold
    return Recommender(load_artefact(folder / version), catalogue(ids))


def some_edges(seed=1):
    random = np.random.default_rng(seed)
    return random.integers(0, 2, (N_ITEMS, N_ITEMS)) * random.integers(1, 1 << 20, (N_ITEMS, N_ITEMS))


def joined(*parts: Evidence) -> Evidence:
    return Evidence(**{name: np.concatenate([vars(each)[name] for each in parts]) for name in vars(parts[0])})


def same(left: Candidates, right: Candidates) -> bool:
    columns = ("item_idx", "score", "ptr", "evidence", "contribution", "support")
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in columns)


NOBODY = np.empty(0, np.int32)


def test_the_greatest_lift_to_a_withheld_class_counts(tmp_path):
    shop = recommender(tmp_path, some_edges())
    assert shop.telling(frozenset({"alcohol", "health"}))[[0, 2, 5, 7]].tolist() == [
        MICRO,
        4 * MICRO,
        2_500_000,
        1_300_000,
    ]
    assert shop.telling(frozenset({"alcohol"}))[2] == 1_500_000
    assert np.all(shop.telling(frozenset({"unheard of"})) == MICRO)


def test_lifts_follow_the_items_into_a_catalogue_that_lacks_some(tmp_path):
    sold = (*item_ids(N_ITEMS)[2:6], "new")
    shop = recommender(tmp_path, some_edges(), sold)
    telling = shop.telling(frozenset(LIFTS["classes"]))
    assert telling.tolist() == [4 * MICRO, MICRO, MICRO, 2_500_000, MICRO]
    mask = shop.mask(frozenset(LIFTS["classes"]), 2 * MICRO)
    assert mask.items.tolist() == [True, False, False, True, False]
    assert np.flatnonzero(mask.rows).tolist() == [2, 5]


def test_exactly_what_is_above_the_limit_is_masked(tmp_path):
    shop = recommender(tmp_path, some_edges())
    both = frozenset(LIFTS["classes"])
    assert np.flatnonzero(shop.mask(both, 2_500_000).items).tolist() == [2]
    assert np.flatnonzero(shop.mask(both, 2_499_999).items).tolist() == [2, 5]
    assert not shop.mask(both, 4 * MICRO).items.any()
    assert shop.mask(both, MICRO - 1).items.all()


@given(st.integers(0, 4 * MICRO), st.integers(0, 4 * MICRO))
@tries(25)
def test_a_lower_limit_masks_no_less(tmp_path_factory, one, other):
    shop = recommender(tmp_path_factory.mktemp("models"), some_edges())
    lower, higher = (shop.mask(frozenset(LIFTS["classes"]), each).items for each in sorted((one, other)))
    assert np.all(lower >= higher)


def test_masked_edges_of_a_person_are_as_if_they_were_not_there(tmp_path):
    edges = some_edges()
    shop = recommender(tmp_path / "with", edges)
    mask = shop.mask(frozenset(LIFTS["classes"]), 2 * MICRO)
    masked = mask.items
    bare = recommender(tmp_path / "without", np.where(masked[None, :], 0, edges))
    known = joined(evidence([0, 3]), evidence([4], origin=Origin.SESSION))
    got = shop.goes_with(known, NOBODY, N_ITEMS, mask)
    assert same(got, bare.goes_with(known, NOBODY, N_ITEMS))
    assert got.n_masked == np.count_nonzero(edges[[0, 3, 4]][:, masked]) > 0
    assert not np.isin(got.item_idx, np.flatnonzero(masked)).any()


def test_what_is_on_the_page_speaks_for_masked_items_too(tmp_path):
    shop = recommender(tmp_path, some_edges())
    mask = shop.mask(frozenset(LIFTS["classes"]), MICRO - 1)
    page = evidence([0, 3], origin=Origin.CONTEXT)
    got = shop.goes_with(page, NOBODY, N_ITEMS, mask)
    assert same(got, shop.goes_with(page, NOBODY, N_ITEMS))
    assert got.n_masked == 0
    mixed = shop.goes_with(joined(page, evidence([4])), NOBODY, N_ITEMS, mask)
    assert np.array_equal(mixed.item_idx, got.item_idx)
    assert np.array_equal(mixed.score, got.score)


def test_without_a_model_nothing_is_known(tmp_path):
    nothing = NoModel(catalogue(item_ids(3)))
    assert nothing.telling(frozenset({"alcohol"})).tolist() == [MICRO] * 3
    assert not nothing.mask(frozenset({"alcohol"}), MICRO).items.any()
    assert nothing.mask(frozenset({"alcohol"}), MICRO - 1).items.all()
