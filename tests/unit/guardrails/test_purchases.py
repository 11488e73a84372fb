"""What is found of repeat and of new purchases, on a shop small enough to tell by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix
from support import shops
from support.shops import NOW_MS, PLACEMENTS, did

from engine.interactions import Interactions
from engine.vocabulary import Kind
from guardrails.purchases import (
    GUARDED,
    NEW,
    OWN_FREQUENCY,
    POPULARITY,
    REPEAT,
    UNGUARDED,
    Found,
    Purchases,
    measure_purchases,
)
from guardrails.request import Choices, Mute, MuteScope
from guardrails.restraint import Shopper

HOME = PLACEMENTS["home"]
AGREED = Choices(shops.a_ledger(*shops.EVERYTHING))
K = 5


def a_shopper(
    *items: str, choices: Choices = AGREED, age_days: int = 20, kind: Kind = Kind.PURCHASE
) -> Shopper:
    rows = [did(item, kind=kind, age_days=age_days) for item in items]
    return Shopper(choices, Interactions.from_rows(rows))


def bought(*baskets: tuple[str, ...]) -> csr_matrix:
    matrix = np.zeros((len(baskets), shops.a_catalogue().n_items))
    for row, items in enumerate(baskets):
        matrix[row, [shops.idx(item) for item in items]] = 1.0
    return csr_matrix(matrix)


def measured(shoppers: list[Shopper], relevant: csr_matrix, k: int = K, **house) -> Purchases:
    return measure_purchases(shops.a_house(**house), shoppers, relevant, HOME, NOW_MS, k)


def found(report: Purchases) -> dict[tuple[str, str], Found]:
    return {(asked.purchases, row.ranked_by): row for asked in report.questions for row in asked.found}


def test_repeat_and_new_purchases_are_told_apart_and_counted():
    report = measured(
        [a_shopper("milk-0", "bread-0"), a_shopper("soap-0")],
        bought(("milk-0", "bread-1", "soap-1"), ("soap-1",)),
    )
    assert (report.k, report.placement) == (K, "home")
    assert [(asked.purchases, asked.n_customers, asked.n_items) for asked in report.questions] == [
        (REPEAT, 1, 1),
        (NEW, 2, 3),
    ]


def test_what_was_only_looked_at_is_new_when_it_is_bought():
    report = measured([a_shopper("milk-0", kind=Kind.VIEW)], bought(("milk-0",)))
    assert [asked.n_items for asked in report.questions] == [0, 1]


def test_own_frequency_ranks_what_was_bought_most_often_and_latest_first():
    often = a_shopper("milk-0", "milk-0", "bread-0", "lamp-0")
    found_first = found(measured([often], bought(("milk-0",)), k=1))
    assert found_first[REPEAT, OWN_FREQUENCY].recall == 1.0
    assert found(measured([often], bought(("lamp-0",)), k=1))[REPEAT, OWN_FREQUENCY].recall == 0.0


def test_popularity_ranks_what_the_customer_had_bought_or_all_else():
    sellers = shops.a_house().recommender.popular(3, np.empty(0, np.int32)).item_idx
    ids = shops.a_catalogue().item_ids
    best, second = (ids[row] for row in sellers[:2].tolist())
    report = found(measured([a_shopper("lamp-0", best)], bought((best, second)), k=1))
    assert report[REPEAT, POPULARITY].recall == report[NEW, POPULARITY].recall == 1.0


def test_consents_and_wishes_count_only_where_guardrails_do():
    muting = Choices(AGREED.ledger, mutes=(Mute(MuteScope.CATEGORY, "Food", None),))
    food = ("milk-0", "milk-1", "milk-2", "milk-3", "bread-0", "bread-1", "bread-2")
    rows = found(measured([a_shopper("milk-0", choices=muting)], bought(food)))
    assert rows[REPEAT, UNGUARDED].recall == 1.0
    assert rows[REPEAT, GUARDED].recall == 0.0
    assert rows[NEW, GUARDED].recall < rows[NEW, UNGUARDED].recall


def test_of_who_agreed_to_nothing_nothing_is_known_whatever_is_off():
    rows = found(measured([a_shopper("milk-0", choices=Choices(shops.a_ledger()))], bought(("milk-0",))))
    assert rows[REPEAT, GUARDED].recall == rows[REPEAT, UNGUARDED].recall == 0.0
    assert rows[REPEAT, OWN_FREQUENCY].recall == 1.0


def test_what_is_not_for_sale_is_not_to_be_found():
    catalogue = shops.a_catalogue()
    withdrawn = replace(catalogue, available=np.zeros(catalogue.n_items, np.bool_))
    report = measured([a_shopper("milk-0")], bought(("milk-0", "milk-1")), catalogue=withdrawn)
    assert [asked.n_items for asked in report.questions] == [0, 0]
    assert {row.recall for asked in report.questions for row in asked.found} == {0.0}


def test_rankings_of_what_sells_leave_what_is_owned_as_it_is():
    catalogue = shops.a_catalogue()
    sold = np.ones(catalogue.n_items, np.bool_)
    sold[shops.idx("bread-0")] = False
    report = measured(
        [a_shopper("bread-0", "milk-0", "soap-0"), a_shopper("lamp-0")],
        bought(("bread-0", "milk-0", "soap-0"), ("lamp-0", "milk-0")),
        catalogue=replace(catalogue, available=sold),
    )
    assert [(asked.n_customers, asked.n_items) for asked in report.questions] == [(2, 3), (1, 1)]
    assert found(report)[REPEAT, OWN_FREQUENCY].recall == 1.0


def test_intervals_hold_the_figures_and_measuring_again_gives_the_same():
    shoppers = [a_shopper("milk-0", "bread-0"), a_shopper("soap-0"), a_shopper("milk-1", "soap-1")]
    relevant = bought(("milk-0", "soap-1"), ("milk-0", "soap-0"), ("milk-0", "milk-1"))
    report = measured(shoppers, relevant)
    assert report == measured(shoppers, relevant)
    for row in found(report).values():
        assert row.recall_from <= row.recall <= row.recall_to
        assert row.ndcg_from <= row.ndcg <= row.ndcg_to


def test_nobody_to_measure_finds_nothing():
    report = measured([], bought())
    assert [(asked.n_customers, asked.n_items) for asked in report.questions] == [(0, 0), (0, 0)]


def test_progress_counts_every_ranking_once():
    seen = []
    measure_purchases(
        shops.a_house(),
        [a_shopper("milk-0"), a_shopper("soap-0")],
        bought(("milk-0",), ("soap-0",)),
        HOME,
        NOW_MS,
        K,
        lambda done, total, message: seen.append((done, total, message)),
    )
    assert [done for done, _, _ in seen] == list(range(1, 9))
    assert {total for _, total, _ in seen} == {8}
    assert seen[0][2] == f"{REPEAT}, {UNGUARDED}"
