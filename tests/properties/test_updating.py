"""Updating is exact: the model with what is new is the model that learned from everything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.models import item_ids
from support.tries import tries

from engine.artefact import Manifest, ModelArrays
from engine.errors import ModelFitError
from engine.interactions import DAY_MS, Interactions
from engine.models import LEARNERS
from engine.models.base import Counted
from engine.training import Trained, TrainingSettings, refit, update
from engine.vocabulary import Channel, Kind

pytestmark = pytest.mark.thorough

N_ITEMS, N_CUSTOMERS = 14, 12
IDS = item_ids(N_ITEMS)
NOW_MS = 20_000 * DAY_MS + DAY_MS // 2
SETTINGS = TrainingSettings(max_items_per_customer=5, min_support_sensitive=3)
COUNTED = sorted(name for name, kind in LEARNERS.items() if issubclass(kind, Counted))
KINDS = (int(Kind.PURCHASE), int(Kind.VIEW), int(Kind.RETURN))
TIER = np.array([0] * (N_ITEMS - 2) + [1, 1], np.int8)

Rows = list[tuple[int, int, int, int]]
"""Customer, item, kind, time."""


@st.composite
def histories(draw) -> tuple[Rows, Rows]:
    """What was done before a model was learned, and what was stored since, some of it late."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_before, n_new = draw(st.integers(1, 120)), draw(st.integers(1, 12))
    n = n_before + n_new
    customer = random.integers(0, N_CUSTOMERS, n)
    item = np.where(random.random(n) < 0.1, random.integers(0, N_ITEMS, n), customer % 3 + 3 * (customer % 4))
    kind = random.choice(KINDS, n, p=[0.7, 0.25, 0.05])
    at_ms = NOW_MS - random.choice([0, 1, 40, 77, 150], n) * DAY_MS
    rows = list(zip(customer.tolist(), item.tolist(), kind.tolist(), at_ms.tolist(), strict=True))
    return rows[:n_before], rows[n_before:]


recipes = st.builds(
    lambda name, n_neighbours: Manifest(
        learner=name,
        params={**LEARNERS[name]().get_params(), "n_neighbours": n_neighbours},
        min_support=2,
    ),
    st.sampled_from(COUNTED),
    st.sampled_from([2, 100]),
)


def interactions(found: Rows, items: list[int] | None = None) -> Interactions:
    """Return rows as columns, their items numbered by ``items`` where these are not all."""
    return Interactions.from_rows(
        [(c, i if items is None else items.index(i), k, t, int(Channel.WEB), 0, 0, 0) for c, i, k, t in found]
    )


def learned(recipe: Manifest, found: Rows, items: list[int] | None = None) -> Trained | None:
    there = list(range(N_ITEMS)) if items is None else items
    ids, tier = tuple(IDS[each] for each in there), TIER[there]
    try:
        return refit(recipe, interactions(found, items), ids, tier, now_ms=NOW_MS, settings=SETTINGS)
    except ModelFitError:
        return None


def same(left: ModelArrays, right: ModelArrays) -> bool:
    return all(
        np.asarray(ours).tobytes() == np.asarray(theirs).tobytes()
        for ours, theirs in zip(vars(left).values(), vars(right).values(), strict=True)
    )


@tries(40)
@given(recipes, histories(), st.integers(0, DAY_MS // 2 - 1))
def test_adding_what_is_new_gives_the_model_that_had_it_all_along(recipe, found, later_ms):
    before, new = found
    model, always = learned(recipe, before), learned(recipe, before + new)
    assume(model is not None and always is not None)
    updated = update(
        *model,
        interactions(before),
        interactions(new),
        IDS,
        TIER,
        now_ms=NOW_MS + later_ms,
        settings=SETTINGS,
    )
    assert updated is not None
    assert same(updated.trained.arrays, always.arrays)
    assert replace(updated.trained.manifest, as_of_ms=NOW_MS) == always.manifest


@tries(25)
@given(recipes, histories(), st.sets(st.integers(0, N_ITEMS - 1), min_size=1, max_size=N_ITEMS - 1))
def test_items_that_are_new_to_the_catalogue_take_their_places(recipe, found, known):
    before = [row for row in found[0] if row[1] in known]
    assume(before)
    model, always = learned(recipe, before, sorted(known)), learned(recipe, before + found[1])
    assume(model is not None and always is not None)
    updated = update(
        *model, interactions(before), interactions(found[1]), IDS, TIER, now_ms=NOW_MS, settings=SETTINGS
    )
    assert updated is not None
    assert same(updated.trained.arrays, always.arrays)
    assert updated.trained.manifest == always.manifest


WALK = Manifest(learner="walk", params=LEARNERS["walk"]().get_params(), min_support=2)
FOUND = [
    (customer, item, int(Kind.PURCHASE), NOW_MS - customer * DAY_MS)
    for customer in range(10)
    for item in range(customer % 2, 10, 2)
]
NEW = [(3, 9, int(Kind.PURCHASE), NOW_MS)]


@pytest.mark.parametrize(
    "changed",
    [
        {"found": FOUND[1:]},
        {"item_ids": IDS[1:], "tier": TIER[1:]},
        {"now_ms": NOW_MS + DAY_MS},
        {"settings": TrainingSettings(max_items_per_customer=3)},
        {"tier": np.eye(1, N_ITEMS, dtype=np.int8)[0]},
        {"learner": "als", "params": {}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_under_other_circumstances_the_model_has_to_be_learned_anew(changed):
    model = learned(WALK, FOUND)
    told = {"item_ids": IDS, "tier": TIER, "now_ms": NOW_MS, "settings": SETTINGS, "found": FOUND, **changed}
    manifest = replace(model.manifest, **{k: told.pop(k) for k in ("learner", "params") if k in told})
    before = interactions(told.pop("found"))
    assert update(model.arrays, manifest, before, interactions(NEW), **told) is None


def test_rows_out_of_reach_stay_as_they_are():
    """Two shelves that nobody shares: what somebody did at one leaves the rows of the other alone."""
    model = learned(WALK, FOUND)
    more = interactions([(4, 2, int(Kind.PURCHASE), NOW_MS), (30, 4, int(Kind.PURCHASE), NOW_MS)])
    updated = update(*model, interactions(FOUND), more, IDS, TIER, now_ms=NOW_MS, settings=SETTINGS)
    assert 0 < updated.n_rows_rebuilt <= 5
