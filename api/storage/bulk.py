"""Interactions by the million, from the database straight into arrays.

Past all that SQLAlchemy does for each row, but on its connection, so that what is read is of the same
state of the database as all else. What is small of a row travels as one integer that the database
packs: the fewer values cross over, the sooner it is done. Memory holds the arrays in their final
types, and for a moment the largest of them twice; there is never a list of all rows.

Drivers that hand out Arrow tables (ADBC, ConnectorX) were measured beside this: hardly quicker on SQLite,
slower on PostgreSQL, and each reads by a connection of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Connection

from engine.catalogue import Catalogue
from engine.interactions import Interactions
from guardrails.consent.purposes import Purpose

_ROWS_AT_ONCE = 20_000
_NUMBERS_AT_ONCE = 1 << 18

PACKED = (
    "(at_ms << 16) | kind | (channel << 4) | (purpose << 8) | (provenance << 12)"
    " | (CAST(is_gift AS INTEGER) << 14)"
)
"""Time, and the small columns in 16 bits below it, the highest of which is free; see ``unpacked``."""

_WITH_NEW = PACKED + " | (CAST(interaction_no > {after} AS INTEGER) << 15)"

_ON_SQLITE = f"""
    SELECT customer_no, item_no, {_WITH_NEW.format(after="?")}
    FROM interactions
    WHERE customer_no IN (SELECT value FROM json_each(?)) AND purpose IN (SELECT value FROM json_each(?))
    ORDER BY customer_no, at_ms
"""  # noqa: S608  nothing in it is anybody's
_ON_POSTGRESQL = f"""
    SELECT string_agg(
        int8send(customer_no) || int8send(item_no) || int8send({_WITH_NEW.format(after="%s")}), ''
    )
    FROM interactions
    WHERE interaction_no > %s AND interaction_no <= %s AND customer_no IS NOT NULL
        AND purpose = ANY(%s::smallint[])
"""  # noqa: S608  as above
_LAST = "SELECT max(interaction_no) FROM interactions"


class Bulk(NamedTuple):
    """What many customers did, by customer and then oldest first.

    Attributes:
        interactions: ``customer_idx`` is the customer's position among those asked for.
        is_new: shape (n,), bool: stored after the interaction that was asked about.
    """

    interactions: Interactions
    is_new: NDArray[np.bool_]

    def in_order(self) -> Bulk:
        """Return the same in the order promised."""
        customer_idx, at_ms = self.interactions.customer_idx, self.interactions.at_ms
        behind = np.diff(customer_idx)
        if np.all((behind > 0) | ((behind == 0) & (np.diff(at_ms) >= 0))):
            return self
        order = np.lexsort((at_ms, customer_idx))
        columns = {name: column[order] for name, column in vars(self.interactions).items()}
        return Bulk(Interactions(**columns), self.is_new[order])


def read_bulk(
    conn: Connection,
    catalogue: Catalogue,
    customer_nos: NDArray[np.int64],
    purposes: Collection[Purpose],
    after_no: int = 0,
) -> Bulk:
    """Return what customers did with known items that was collected for some purposes.

    Args:
        conn: a connection.
        catalogue: what ``item_idx`` points into.
        customer_nos: storage keys, ascending.
        purposes: any of them.
        after_no: an interaction is new when its number is larger.
    """
    nothing = Interactions.empty()
    found = {field.name: [getattr(nothing, field.name)] for field in fields(Interactions)}
    is_new = [np.zeros(0, np.bool_)]
    for table in _tables(conn, customer_nos, purposes, after_no):
        columns = _columns(table, customer_nos, catalogue)
        is_new.append(columns.pop("is_new"))
        for name, column in columns.items():
            found[name].append(column)
    joined = {name: np.concatenate(found.pop(name)) for name in tuple(found)}
    return Bulk(Interactions(**joined), np.concatenate(is_new)).in_order()


def last_interaction_no(conn: Connection) -> int:
    """Return the largest number of an interaction; 0 where there is none."""
    return conn.exec_driver_sql(_LAST).scalar() or 0


def _tables(
    conn: Connection, customer_nos: NDArray[np.int64], purposes: Collection[Purpose], after_no: int
) -> Iterator[NDArray[np.int64]]:
    """Yield runs of rows, int64, shape (n, 3) each: customer, item, and the rest packed."""
    driver: Any = conn.connection.driver_connection
    collected_for = [int(each) for each in purposes]
    if conn.dialect.name == "postgresql":
        yield from _from_postgresql(driver, collected_for, after_no, last_interaction_no(conn))
        return
    wanted = (orjson.dumps(each).decode() for each in (customer_nos.tolist(), collected_for))
    rows = driver.execute(_ON_SQLITE, (after_no, *wanted))
    while run := rows.fetchmany(_ROWS_AT_ONCE):
        yield np.fromiter(chain.from_iterable(run), np.int64, 3 * len(run)).reshape(-1, 3)


def _from_postgresql(
    driver: Any, collected_for: list[int], after_no: int, last_no: int
) -> Iterator[NDArray[np.int64]]:
    """Yield runs of rows, each of which arrives as a single value; also those of other customers."""
    with driver.cursor(binary=True) as cursor:
        for first_no in range(0, last_no, _NUMBERS_AT_ONCE):
            cursor.execute(_ON_POSTGRESQL, (after_no, first_no, first_no + _NUMBERS_AT_ONCE, collected_for))
            (run,) = cursor.fetchone()
            yield np.frombuffer(run or b"", ">i8").astype(np.int64).reshape(-1, 3)


def _columns(
    table: NDArray[np.int64], customer_nos: NDArray[np.int64], catalogue: Catalogue
) -> dict[str, NDArray[Any]]:
    """Return the columns of ``Interactions``, and ``is_new``, of the rows that were asked for."""
    item_idx = catalogue.idx_of_no(table[:, 1])
    wanted = (item_idx >= 0) & np.isin(table[:, 0], customer_nos)
    customer_no, packed = table[wanted, 0], table[wanted, 2]
    return {
        "customer_idx": np.searchsorted(customer_nos, customer_no).astype(np.int32),
        "item_idx": item_idx[wanted],
        **unpacked(packed),
        "is_new": (packed >> 15 & 1).astype(np.bool_),
    }


def at_ms_of(packed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the times that are in ``PACKED``."""
    return packed >> 16


def unpacked(packed: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return the columns of ``Interactions`` that are in ``PACKED``, by name."""
    return {
        "kind": (packed & 15).astype(np.int8),
        "at_ms": at_ms_of(packed),
        "channel": (packed >> 4 & 15).astype(np.int8),
        "purpose": (packed >> 8 & 15).astype(np.int8),
        "is_gift": (packed >> 14 & 1).astype(np.bool_),
        "provenance": (packed >> 12 & 3).astype(np.int8),
    }
