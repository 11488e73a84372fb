"""How much what is bought again counts beside what is new."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from support import models

from engine.interactions import DAY_MS, Interactions
from engine.models.pairs import Pairs
from engine.training import TrainingSettings, fit, forget, refit
from engine.training.mixing import MOST_ASKED, SHIFTS, Mixed, mixed
from engine.training.weights import summed_weights
from engine.vocabulary import Channel, Kind

N_CUSTOMERS, N_ITEMS, N_OWN = 45, 60, 5
NOBODYS = N_ITEMS - 1
"""An item that nobody has a habit of."""

CUT_DAY = 972
WEEKLY = range(930, CUT_DAY - 3, 7)
SETTINGS = TrainingSettings()
FLOOR = np.full(N_ITEMS, 2, np.int32)

Rows = list[tuple[int, int, int]]
"""Customer, item, day."""


def own(customer: int) -> list[int]:
    """What a customer buys every week."""
    return [(customer * 7 + step * 11) % NOBODYS for step in range(N_OWN)]


def habits(days: range) -> Rows:
    return [
        (customer, item, day) for customer in range(N_CUSTOMERS) for item in own(customer) for day in days
    ]


def interactions(rows: Rows, kind: Kind = Kind.PURCHASE) -> Interactions:
    return Interactions.from_rows([(c, i, kind, day * DAY_MS, Channel.WEB, 0, 0, 0) for c, i, day in rows])


def everything_goes_with(wanted: int) -> Pairs:
    """W in which everything goes with everything, and best with one item, on a scale of its own."""
    edges = np.full((N_ITEMS, N_ITEMS), 40.0)
    edges[:, wanted] = 41.0
    np.fill_diagonal(edges, 0.0)
    matrix = csr_matrix(edges)
    return Pairs(matrix, np.full(matrix.nnz, 9, np.int32))


def choose(past: Rows, later: Interactions, **settings) -> Mixed | None:
    before = interactions(past)
    seen = summed_weights(before, (N_CUSTOMERS, N_ITEMS), SETTINGS.weighting, CUT_DAY * DAY_MS)
    chosen = replace(SETTINGS, **settings)
    return mixed(everything_goes_with(NOBODYS), seen, seen, before, later, FLOOR, CUT_DAY * DAY_MS, chosen)


def test_where_customers_buy_the_same_again_it_counts_for_more():
    found = choose(habits(WEEKLY), interactions(habits(range(CUT_DAY + 1, CUT_DAY + 2))))
    assert found is not None
    assert found.shift > 0
    assert found.n_customers == N_CUSTOMERS
    assert found.ndcg == 1.0  # the five of a customer, before all that is new
    assert found.ndcg_without < found.ndcg


def test_of_those_that_do_as_well_the_smallest_is_chosen():
    found = choose(habits(WEEKLY), interactions(habits(range(CUT_DAY + 1, CUT_DAY + 2))))
    assert found is not None
    assert 0 < found.shift < SHIFTS[-1]
    once = [(customer, NOBODYS, CUT_DAY - 20) for customer in range(N_CUSTOMERS)]
    once_more = [(customer, NOBODYS, CUT_DAY + 1) for customer in range(N_CUSTOMERS)]
    out_of_reach = choose(habits(WEEKLY) + once, interactions(once_more))
    assert out_of_reach == Mixed(0, N_CUSTOMERS, 0.0, 0.0)


def test_where_customers_go_on_to_what_is_new_it_counts_as_before():
    new = [(customer, NOBODYS, CUT_DAY + 3) for customer in range(N_CUSTOMERS)]
    found = choose(habits(WEEKLY), interactions(new))
    assert found == Mixed(0, N_CUSTOMERS, 1.0, 1.0)


@pytest.mark.parametrize(
    ("past", "later"),
    [
        (habits(WEEKLY), Interactions.empty()),
        (habits(WEEKLY), interactions(habits(range(CUT_DAY + 1, CUT_DAY + 2)), Kind.VIEW)),
        (habits(range(940, 941)), interactions(habits(range(CUT_DAY + 1, CUT_DAY + 2)))),
        (habits(WEEKLY), interactions([(0, own(0)[0], CUT_DAY + 1)])),
    ],
    ids=["nothing happened", "nothing was bought", "nobody came back before", "too few customers"],
)
def test_where_nothing_can_be_told_nothing_is_chosen(past, later):
    assert choose(past, later) is None


def test_at_most_half_of_a_slate_is_bought_again():
    """Customers buy nothing but their five again; of a slate of four two can be among them."""
    found = choose(habits(WEEKLY), interactions(habits(range(CUT_DAY + 1, CUT_DAY + 2))), k=4)
    assert found is not None
    two_of_four = 1.0 + 1.0 / np.log2(3)
    all_of_four = sum(1.0 / np.log2(rank + 1) for rank in range(1, 5))
    assert found.ndcg == pytest.approx(two_of_four / all_of_four)


@pytest.fixture(scope="module")
def weekly_shop() -> Interactions:
    """A year of habits, and one thing that is new to each customer every month."""
    random = np.random.default_rng(4)
    rows = [(customer, item, day) for customer, item, _ in habits(range(1)) for day in range(640, 1000, 7)]
    for customer in range(N_CUSTOMERS):
        rows += [
            (customer, int(item), day)
            for day, item in zip(range(650, 1000, 30), random.permutation(N_ITEMS), strict=False)
        ]
    return interactions(rows)


def test_a_model_says_how_much_was_chosen_and_keeps_to_it_when_it_is_made_again(weekly_shop):
    ids, tier, now_ms = models.item_ids(N_ITEMS), np.zeros(N_ITEMS, np.int8), 1000 * DAY_MS
    settings = TrainingSettings(learners=("cosine",))
    trained = fit(weekly_shop, ids, tier, now_ms=now_ms, settings=settings)
    manifest = trained.manifest
    assert manifest.repeats["shift"] == manifest.repeat_shift
    assert manifest.repeats["ndcg"] >= manifest.repeats["ndcg_without"] > 0
    assert manifest.repeats["n_customers"] <= min(N_CUSTOMERS, MOST_ASKED)
    again = refit(manifest, weekly_shop, ids, tier, now_ms=now_ms, settings=settings)
    goes = weekly_shop.customer_idx == 3
    forgotten = forget(*trained, weekly_shop.where(~goes), weekly_shop.where(goes), tier, settings=settings)
    assert forgotten is not None
    for other in (again.manifest, forgotten.trained.manifest):
        assert (other.repeat_shift, other.repeats) == (manifest.repeat_shift, manifest.repeats)
