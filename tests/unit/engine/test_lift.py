"""What an item tells of a class: among equally active customers, of enough of them, both ways."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from engine.artefact import Manifest
from engine.errors import ModelFitError
from engine.interactions import DAY_MS, Interactions
from engine.models import LEARNERS
from engine.training import Classes, TrainingSettings, fit, forget, refit
from engine.training.lift import MIN_SUPPORT, lifts

N_CUSTOMERS, N_ITEMS = 600, 30
BEER, PROXY, AVOIDED = 0, 1, 2


def classes(agreed=None, names=("alcohol",)):
    of_item = np.full(N_ITEMS, -1, np.int16)
    of_item[BEER] = 0
    everybody = np.ones((N_CUSTOMERS, len(names)), np.bool_)
    return Classes(names, of_item, everybody if agreed is None else agreed)


@pytest.fixture
def shop():
    """A third drinks; most who drink buy nuts, hardly anybody who does buys juice; all else is chance."""
    random = np.random.default_rng(3)
    bought = random.random((N_CUSTOMERS, N_ITEMS)) < 0.3
    drinks = random.random(N_CUSTOMERS) < 0.33
    bought[:, BEER] = drinks
    bought[:, PROXY] = random.random(N_CUSTOMERS) < np.where(drinks, 0.7, 0.05)
    bought[:, AVOIDED] = random.random(N_CUSTOMERS) < np.where(drinks, 0.02, 0.6)
    return bought


def found(bought, known=None):
    lift = lifts(csr_matrix(bought.astype(float)), known or classes())
    return dict(zip(lift.item.tolist(), lift.percent.tolist(), strict=True))


def test_who_buys_the_proxy_mostly_has_the_class(shop):
    assert found(shop)[PROXY] > 200


def test_that_somebody_has_not_is_told_as_well(shop):
    assert found(shop)[AVOIDED] > 120


def test_goods_of_the_class_do_not_count_as_its_proxies(shop):
    assert BEER not in found(shop)


def test_what_is_chance_is_rarely_stated_and_never_much(shop):
    by_chance = {item: percent for item, percent in found(shop).items() if item > AVOIDED}
    assert len(by_chance) <= 6  # one in twenty of each direction would be usual
    assert all(percent < 115 for percent in by_chance.values())


def test_nothing_is_stated_of_items_that_too_few_have_bought(shop):
    few = np.flatnonzero(shop[:, PROXY])[MIN_SUPPORT - 1 :]
    shop[few, PROXY] = False
    assert shop[:, PROXY].sum() == MIN_SUPPORT - 1
    assert PROXY not in found(shop)


def test_only_customers_who_agreed_are_learned_from(shop):
    agreed = np.zeros((N_CUSTOMERS, 1), np.bool_)
    agreed[: N_CUSTOMERS // 2] = True
    before = found(shop, classes(agreed))
    shop[N_CUSTOMERS // 2 :] = ~shop[N_CUSTOMERS // 2 :]
    assert found(shop, classes(agreed)) == before
    assert PROXY in before


@pytest.mark.parametrize("drinks", [True, False])
def test_where_all_or_none_have_the_class_nothing_can_be_known(shop, drinks):
    shop[:, BEER] = drinks
    assert found(shop) == {}


def test_nobody_agreed_and_nothing_is_known(shop):
    assert found(shop, classes(np.zeros((N_CUSTOMERS, 1), np.bool_))) == {}


def test_buying_much_is_not_taken_for_a_taste():
    """Whoever buys more has more of everything: no item tells more of the class than its buyers' number."""
    random = np.random.default_rng(5)
    activity = random.random(4000)
    bought = random.random((4000, N_ITEMS)) < 0.6 * activity[:, None] ** 3
    plain = bought[bought[:, BEER]].mean(axis=0) / bought.mean(axis=0)
    known = classes(np.ones((4000, 1), np.bool_))
    stated = found(bought, known)
    assert np.all(plain[1:] > 1.5)
    assert all(percent < 115 for percent in stated.values())


def interactions(bought):
    customer, item = np.nonzero(bought)
    return Interactions.from_rows(
        [
            (int(c), int(i), 5, (20_000 - int(c + i) % 300) * DAY_MS, 1, 0, 0, 0)
            for c, i in zip(customer, item, strict=True)
        ]
    )


IDS = tuple(f"item-{number:02d}" for number in range(N_ITEMS))
QUICKLY = TrainingSettings(learners=("cosine",), min_supports=(2,))


def learned(bought, known):
    tier = np.zeros(N_ITEMS, np.int8)
    tier[BEER] = 2
    return fit(interactions(bought), IDS, tier, now_ms=20_000 * DAY_MS, classes=known, settings=QUICKLY)


def test_the_model_keeps_what_tells(shop):
    trained = learned(shop, classes())
    assert trained.arrays.classes == ("alcohol",)
    assert PROXY in trained.arrays.lift_item.tolist()
    assert trained.manifest.n_lifts == trained.arrays.lift_item.size
    assert trained.manifest.min_support_lift == MIN_SUPPORT


def test_a_model_without_classes_knows_of_none(shop):
    assert learned(shop, None).arrays.lift_item.size == 0


def test_who_has_agreed_is_part_of_what_a_model_was_made_from(shop):
    one_less = classes().agreed.copy()
    one_less[7] = False
    with_all, without_one = (learned(shop, each).manifest for each in (classes(), classes(one_less)))
    assert with_all.training_digest != without_one.training_digest


@pytest.mark.parametrize(
    ("known", "complaint"),
    [
        (classes()._replace(of_item=np.full(3, -1, np.int16)), "one entry an item"),
        (classes(np.ones((5, 1), np.bool_)), "one row a customer"),
    ],
)
def test_classes_that_do_not_fit_are_refused(shop, known, complaint):
    with pytest.raises(ModelFitError, match=complaint):
        learned(shop, known)


def test_lifts_without_somebody_are_those_of_a_shop_that_never_had_them(shop):
    tier = np.zeros(N_ITEMS, np.int8)
    tier[BEER] = 2
    found, known = interactions(shop), classes()
    facts = {"now_ms": 20_000 * DAY_MS, "classes": known}
    recipe = Manifest(learner="walk", params=LEARNERS["walk"]().get_params(), min_support=2)
    trained = refit(recipe, found, IDS, tier, **facts)
    goes = np.isin(found.customer_idx, np.flatnonzero(shop[:, PROXY])[:40])
    forgotten = forget(*trained, found.where(~goes), found.where(goes), tier, classes=known)
    never = refit(recipe, found.where(~goes), IDS, tier, **facts)
    assert forgotten is not None
    for name in ("lift_item", "lift_class", "lift_percent"):
        assert np.array_equal(getattr(forgotten.trained.arrays, name), getattr(never.arrays, name))
    assert not np.array_equal(never.arrays.lift_percent, trained.arrays.lift_percent)
    assert forgotten.trained.manifest == never.manifest


def test_a_model_cannot_be_taken_from_when_somebody_has_agreed_to_something_else_since(shop):
    tier = np.zeros(N_ITEMS, np.int8)
    found, known = interactions(shop), classes()
    recipe = Manifest(learner="walk", params=LEARNERS["walk"]().get_params(), min_support=2)
    trained = refit(recipe, found, IDS, tier, now_ms=20_000 * DAY_MS, classes=known)
    known.agreed[3] = False
    assert forget(*trained, found, Interactions.empty(), tier, classes=known) is None
