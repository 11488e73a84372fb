from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.interactions import DAY_MS, WEIGHT_ONE, Interactions, Weighting, age_in_days
from engine.vocabulary import LEARNED_FROM, Kind

ROWS = [(0, 5, 1, 1_000, 1, 3, 0, 0), (1, 6, 5, 2_000, 2, 0, 1, 3), (2, -1, 7, 3_000, 8, 3, 0, 0)]
NOON_MS = 100 * DAY_MS + DAY_MS // 2


def weigh(kind: Kind, *age_days: int) -> list[int]:
    ages = np.array(age_days, np.int64)
    return Weighting().weigh(np.full(ages.size, kind, np.int8), ages).tolist()


def test_rows_become_columns_of_the_right_type():
    found = Interactions.from_rows(ROWS)
    assert len(found) == 3
    assert [
        (column.dtype.name, column.tolist())
        for column in (found.customer_idx, found.item_idx, found.kind, found.at_ms, found.channel)
    ] == [
        ("int32", [0, 1, 2]),
        ("int32", [5, 6, -1]),
        ("int8", [1, 5, 7]),
        ("int64", [1_000, 2_000, 3_000]),
        ("int8", [1, 2, 8]),
    ]
    assert (found.purpose.dtype, found.is_gift.dtype) == (np.int8, np.bool_)
    assert found.is_gift.tolist() == [False, True, False]


def test_where_keeps_the_order():
    found = Interactions.from_rows(ROWS).where(np.array([True, False, True]))
    assert found.item_idx.tolist() == [5, -1]
    assert found.purpose.tolist() == [3, 3]


def test_joined_runs_follow_each_other():
    runs = [Interactions.from_rows(ROWS[:1]), Interactions.empty(), Interactions.from_rows(ROWS[1:])]
    assert Interactions.joined(*runs).at_ms.tolist() == [1_000, 2_000, 3_000]


def test_nothing_has_the_types_of_something():
    nothing, something = Interactions.empty(), Interactions.from_rows(ROWS)
    assert len(nothing) == 0
    assert {name: column.dtype for name, column in vars(nothing).items()} == {
        name: column.dtype for name, column in vars(something).items()
    }


def test_a_purchase_today_weighs_one():
    assert weigh(Kind.PURCHASE, 0) == [WEIGHT_ONE]


def test_a_weight_halves_with_every_half_life():
    assert weigh(Kind.PURCHASE, 0, 112, 224, 336) == [WEIGHT_ONE >> n for n in range(4)]


def test_what_seems_to_lie_ahead_counts_as_today():
    assert weigh(Kind.PURCHASE, -5) == [WEIGHT_ONE]


@pytest.mark.parametrize("kind", Kind)
def test_only_what_speaks_of_taste_weighs_anything(kind):
    assert (weigh(kind, 0)[0] > 0) == (kind in LEARNED_FROM)


def test_a_stronger_sign_weighs_more():
    order = [Kind.VIEW, Kind.CART, Kind.WISHLIST, Kind.RATING, Kind.PURCHASE]
    weights = [weigh(kind, 10)[0] for kind in order]
    assert weights == sorted(set(weights))


@given(st.sampled_from(Kind), st.lists(st.integers(0, 4_000), min_size=2, max_size=8))
def test_what_is_older_never_weighs_more(kind, ages):
    weights = weigh(kind, *sorted(ages))
    assert weights == sorted(weights, reverse=True)
    assert all(weight >= 0 for weight in weights)


@pytest.mark.parametrize(
    ("before_ms", "days"),
    [(0, 0), (DAY_MS // 2, 0), (DAY_MS // 2 + 1, 1), (DAY_MS, 1), (DAY_MS * 3 // 2 + 1, 2), (-DAY_MS * 3, 0)],
)
def test_age_counts_days_of_the_calendar(before_ms, days):
    assert age_in_days(np.array([NOON_MS - before_ms]), NOON_MS).tolist() == [days]


@given(st.integers(0, DAY_MS - 1), st.integers(0, DAY_MS - 1), st.integers(0, 400 * DAY_MS))
def test_age_is_the_same_all_day_long(first_ms, second_ms, before_ms):
    midnight = 500 * DAY_MS
    at_ms = np.array([midnight - before_ms])
    assert age_in_days(at_ms, midnight + first_ms) == age_in_days(at_ms, midnight + second_ms)
