from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from support import shops
from support.shops import NOW_MS, PLACEMENTS, an_event, did

from engine.interactions import Interactions
from guardrails.consent.purposes import sensitive_key
from guardrails.policy.limits import Limits, SupportLimits
from guardrails.request import Choices, Mute, MuteScope
from guardrails.restraint import ALL_OFF, ALL_ON, Shopper, measure
from guardrails.rules import CATALOGUE
from guardrails.rules.groups import GROUPS, NEVER_OFF
from guardrails.rules.slate import SLATE_CATALOGUE

HISTORY = ("bread-0", "milk-1", "lamp-0", "soap-1", "wool-0")
HOME = replace(PLACEMENTS["home"], max_count=5)
UNMUTED = Choices(shops.a_ledger(*shops.EVERYTHING))


def a_shopper(choices: Choices = UNMUTED, items: tuple[str, ...] = HISTORY, age_days: int = 5) -> Shopper:
    rows = [did(item, age_days=age_days) for item in items]
    return Shopper(choices, Interactions.from_rows(rows))


def bought(*baskets: list[int]) -> csr_matrix:
    matrix = np.zeros((len(baskets), shops.a_catalogue().n_items))
    for row, items in enumerate(baskets):
        matrix[row, items] = 1.0
    return csr_matrix(matrix)


def costs(shoppers, relevant, house=None, placement=HOME):
    report = measure(house or shops.a_house(), shoppers, relevant, placement, NOW_MS)
    return {row.setting: row for row in report.costs}


def test_every_rule_belongs_to_one_group():
    ids = [rule_id for group in GROUPS.values() for rule_id in group]
    assert len(ids) == len(set(ids))
    assert set(ids) == {rule.id for rule in CATALOGUE} | {rule.id for rule in SLATE_CATALOGUE}


def test_each_group_is_switched_off_once_but_never_consent():
    rows = costs([a_shopper()], bought([shops.idx("milk-0")]))
    assert next(iter(rows)) == ALL_ON
    assert list(rows)[-1] == ALL_OFF
    assert set(rows) == {ALL_ON, ALL_OFF} | {f"without {name}" for name in GROUPS if name != NEVER_OFF}
    switched_off = {rule_id for row in rows.values() for rule_id in row.rules}
    assert switched_off.isdisjoint(GROUPS[NEVER_OFF])
    assert rows[ALL_ON].rules == ()


def test_a_group_without_a_rule_in_force_is_not_measured():
    house = shops.a_house(rules=CATALOGUE[:1], slate_rules=())
    assert list(costs([a_shopper()], bought([shops.idx("milk-0")]), house)) == [ALL_ON, ALL_OFF]


def test_what_a_mute_costs_is_seen_when_wishes_are_not_followed():
    muting = Choices(UNMUTED.ledger, mutes=(Mute(MuteScope.CATEGORY, "Food", None),))
    wanted = bought([shops.idx(item) for item in ("milk-0", "milk-2", "milk-3", "bread-1", "bread-2")])
    rows = costs([a_shopper(muting)], wanted)
    assert rows[ALL_ON].ndcg == 0.0
    assert rows["without wishes"].ndcg > 0.0
    assert rows["without wishes"].cost == pytest.approx(1.0)
    assert rows["without moment"].cost == 0.0


def test_what_is_sensitive_is_suggested_only_with_every_group_off():
    wanted = bought([shops.idx(item) for item in ("beer-0", "beer-1", "beer-2", "test-0", "test-1")])
    rows = costs([a_shopper()], wanted, placement=PLACEMENTS["home"])
    assert rows[ALL_ON].recall == 0.0
    assert rows["without sensitive"].recall == 0.0  # it would still come too close
    assert rows[ALL_OFF].recall > 0.0


def test_what_is_too_old_counts_again_without_the_rules_about_good_grounds():
    old = a_shopper(age_days=400)
    rows = costs([old], bought([shops.idx("milk-0")]))
    assert rows[ALL_ON].personal == 0.0
    assert rows["without grounds"].personal == 1.0


def test_old_sensitive_evidence_stays_out_unless_the_sensitive_group_is_off():
    agreed = shops.a_ledger(*shops.EVERYTHING, but=[an_event(sensitive_key("alcohol"))])
    drinker = a_shopper(Choices(agreed), items=("beer-0", "beer-1", "beer-2"), age_days=60)
    rows = costs([drinker], bought([shops.idx("milk-0")]))
    assert rows["without grounds"].personal == 0.0
    assert rows[ALL_OFF].personal == 1.0


def test_slates_are_counted_and_customers_with_nothing_to_find_left_out():
    report = measure(shops.a_house(), [a_shopper(), a_shopper()], bought([3], []), HOME, NOW_MS)
    assert (report.k, report.placement, report.n_customers) == (5, "home", 1)
    assert all(0 < row.n_shown <= 5 for row in report.costs)


def test_nobody_to_measure_costs_nothing():
    report = measure(shops.a_house(), [], bought(), HOME, NOW_MS)
    assert report.n_customers == 0
    assert all((row.ndcg, row.cost, row.n_shown) == (0.0, 0.0, 0.0) for row in report.costs)


def test_the_interval_holds_the_cost_and_measuring_again_gives_the_same():
    house = shops.a_house(Limits(support=SupportLimits(edge=100)))
    shoppers = [a_shopper(items=HISTORY[: n % 5 + 1]) for n in range(8)]
    relevant = bought(*([shops.idx("milk-0"), shops.idx("bread-2"), n] for n in range(8)))
    rows = costs(shoppers, relevant, house)
    assert rows == costs(shoppers, relevant, house)
    assert all(row.cost_from <= row.cost <= row.cost_to for row in rows.values())


def test_progress_counts_every_slate_once():
    seen = []
    measure(
        shops.a_house(),
        [a_shopper()] * 3,
        bought([1], [2], [3]),
        HOME,
        NOW_MS,
        lambda *told: seen.append(told),
    )
    n_settings = len({name for _, _, name in seen})
    assert [done for done, _, _ in seen] == list(range(1, 3 * n_settings + 1))
    assert {total for _, total, _ in seen} == {3 * n_settings}
