"""Reading Complete Journey: prices, times, titles and what is left out, on a few rows of its shape."""

from datetime import datetime

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.demo import journey
from api.demo.journey import (
    WEEK_MS,
    read_purchases,
    unit_prices,
    weeks_to_move,
    write_interactions,
    write_items,
)
from api.errors import DemoDataError
from engine.interactions import DAY_MS

NOW_MS = 20_000 * DAY_MS


@pytest.fixture
def folder(tmp_path):
    """Two files of the shape of the package's."""
    bought = {
        "household_id": [2, 1, 1, 1],
        "basket_id": [31_000, 31_001, 31_002, 31_003],
        "product_id": [10, 10, 11, 12],
        "quantity": [1, 2, 1, 0],
        "sales_value": [1.99, 3.0, 0.35, 0.0],
        "transaction_timestamp": pa.array(
            [datetime(2017, 12, day, 10, 30) for day in (31, 3, 2, 30)],  # noqa: DTZ001  as in the data
            pa.timestamp("ns"),
        ),
    }
    products = {
        "product_id": [10, 11, 12, 13],
        "department": ["GROCERY", "DRUG GM", "FUEL", "MISCELLANEOUS"],
        "brand": ["National", "Private", "National", "National"],
        "product_category": ["SOUP", "FAMILY PLANNING", "FUEL", None],
        "product_type": ["CONDENSED SOUP", "PREGNANCY TEST KITS", "GASOLINE-REG UNLEADED", None],
        "package_size": ["10.7 OZ", "2 CT", None, None],
    }
    pq.write_table(pa.table(bought), tmp_path / "transactions.parquet")
    pq.write_table(pa.table(products), tmp_path / "products.parquet")
    return tmp_path


def test_the_last_purchase_falls_into_the_seven_days_before_now_on_its_own_weekday(folder):
    purchases = read_purchases(folder, NOW_MS)
    last_in_the_data_ms = int(datetime.fromisoformat("2017-12-31T10:30:00+00:00").timestamp() * 1000)
    assert 0 <= NOW_MS - purchases.at_ms.max() < WEEK_MS
    assert purchases.at_ms.max() - last_in_the_data_ms == purchases.weeks_moved * WEEK_MS


def test_purchases_come_by_household_and_time_and_without_till_corrections(folder):
    purchases = read_purchases(folder, NOW_MS)
    assert purchases.household.tolist() == [1, 1, 2]
    assert purchases.product.tolist() == [11, 10, 10]
    assert purchases.paid_minor.tolist() == [35, 300, 199]
    assert purchases.n_left_out == 1


@pytest.mark.parametrize(
    ("last_ms", "weeks"), [(NOW_MS, 0), (NOW_MS - WEEK_MS, 1), (NOW_MS - WEEK_MS + 1, 0)]
)
def test_times_move_by_whole_weeks(last_ms, weeks):
    assert weeks_to_move(last_ms, NOW_MS) == weeks


@pytest.mark.parametrize(
    ("quantity", "paid_minor", "price"),
    [
        ([1], [199], 199),
        ([1, 1, 1], [100, 500, 120], 120),
        ([1, 2], [150, 200], 125),
        ([2], [301], 151),
        ([1, 1], [0, 250], 250),
    ],
    ids=["one sale", "the middle one", "between two", "half a cent up", "what was free says nothing"],
)
def test_a_price_is_the_median_paid_for_one_piece(quantity, paid_minor, price):
    product = np.full(len(quantity), 7)
    assert unit_prices(product, np.array(quantity), np.array(paid_minor)) == {7: price}


def test_what_was_never_sold_or_for_less_than_a_cent_has_no_price():
    product, quantity, paid = np.array([1, 2]), np.array([1, 10_000]), np.array([0, 30])
    assert unit_prices(product, quantity, paid) == {}


def test_items_are_written_in_our_own_fields(folder, tmp_path):
    assert write_items(folder, {10: 175}, tmp_path / "items.jsonl") == 4
    items = [orjson.loads(line) for line in (tmp_path / "items.jsonl").read_bytes().splitlines()]
    assert items[0] == {
        "item_id": "10",
        "title": "Condensed soup, 10.7 OZ",
        "category": "GROCERY > SOUP > CONDENSED SOUP",
        "brand": "National",
        "price_minor": 175,
        "currency": "USD",
        "available": True,
    }
    assert items[1]["title"] == "Pregnancy test kits, 2 CT"
    assert (items[1]["price_minor"], items[1]["currency"]) == (None, None)


def test_fuel_and_goods_that_nobody_described_are_not_for_sale(folder, tmp_path):
    write_items(folder, {}, tmp_path / "items.jsonl")
    items = [orjson.loads(line) for line in (tmp_path / "items.jsonl").read_bytes().splitlines()]
    assert [item["available"] for item in items] == [True, True, False, False]


def test_purchases_are_written_with_the_purpose_they_may_be_kept_under(folder, tmp_path):
    purchases = read_purchases(folder, NOW_MS)
    purposes = np.array(["personalize.content.profiling", "essential.service", "essential.service"])
    write_interactions(purchases, purposes, tmp_path / "purchases.parquet")
    rows = pq.read_table(tmp_path / "purchases.parquet").to_pylist()
    assert [row["purpose"] for row in rows] == purposes.tolist()
    assert rows[0] == {
        "event_id": "31002-11",
        "customer_id": "1",
        "item_id": "11",
        "kind": "purchase",
        "at_ms": int(purchases.at_ms[0]),
        "channel": "in_store",
        "purpose": "personalize.content.profiling",
        "quantity": 1,
        "value_minor": 35,
        "currency": "USD",
    }


def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setattr(journey, "PACKAGE", "no_such_package_here")
    with pytest.raises(DemoDataError, match="pip install"):
        journey.data_folder()


def test_a_damaged_file_is_named(folder):
    (folder / "transactions.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DemoDataError, match=r"`transactions\.parquet`"):
        read_purchases(folder, NOW_MS)
