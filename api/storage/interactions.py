"""Interactions: stored in bulk and once, read straight into arrays."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Text,
    bindparam,
    column,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects import sqlite

from api.storage.bulk import read_bulk
from api.storage.tables import customers, interactions
from engine.catalogue import Catalogue
from engine.interactions import Interactions
from engine.vocabulary import Kind
from guardrails.consent.purposes import Purpose

INTERACTION_COLUMNS = (
    "event_key",
    "customer_no",
    "session_key",
    "item_no",
    "kind",
    "at_ms",
    "channel",
    "purpose",
    "is_gift",
    "quantity",
    "value_minor",
    "provenance",
)
"""What a row to be stored holds, in this order; the names and units are those of the table."""

_INSERT_ON_SQLITE = str(
    sqlite.insert(interactions)
    .values({name: bindparam(name) for name in INTERACTION_COLUMNS})
    .on_conflict_do_nothing(index_elements=["event_key"])
    .compile(dialect=sqlite.dialect(), column_keys=INTERACTION_COLUMNS)
)
_INSERT_ON_POSTGRESQL = """
    INSERT INTO interactions (event_key, customer_no, session_key, item_no, kind, at_ms, channel,
        purpose, is_gift, quantity, value_minor, provenance)
    SELECT * FROM unnest(%s::bytea[], %s::bigint[], %s::bytea[], %s::bigint[], %s::smallint[],
        %s::bigint[], %s::smallint[], %s::smallint[], %s::boolean[], %s::integer[], %s::bigint[],
        %s::smallint[])
    ON CONFLICT (event_key) DO NOTHING
"""

_READ_COLUMNS: tuple[Any, ...] = (
    interactions.c.item_no,
    interactions.c.kind,
    interactions.c.at_ms,
    interactions.c.channel,
    interactions.c.purpose,
    type_coerce(interactions.c.is_gift, Integer),
    interactions.c.provenance,
    interactions.c.interaction_no,
)
_IN_ORDER = (interactions.c.at_ms, interactions.c.interaction_no)


def _histories_of(customer_no: ColumnElement[int], since_ms: ColumnElement[int]) -> Select[Any]:
    return select(interactions.c.customer_no, *_READ_COLUMNS).where(
        interactions.c.customer_no == customer_no, interactions.c.at_ms >= since_ms
    )


_ASKED_ON_SQLITE = func.json_each(bindparam("wanted", type_=Text)).table_valued("value")
_HISTORIES_ON_SQLITE = _histories_of(
    func.json_extract(_ASKED_ON_SQLITE.c.value, "$[0]"), func.json_extract(_ASKED_ON_SQLITE.c.value, "$[1]")
)
_ASKED_ON_POSTGRESQL = (
    func.unnest(bindparam("numbers", type_=ARRAY(BigInteger)), bindparam("times", type_=ARRAY(BigInteger)))
    .table_valued(column("customer_no", BigInteger), column("since_ms", BigInteger))
    .render_derived()
)
_HISTORIES_ON_POSTGRESQL = _histories_of(_ASKED_ON_POSTGRESQL.c.customer_no, _ASKED_ON_POSTGRESQL.c.since_ms)
_HISTORY = (
    select(*_READ_COLUMNS)
    .where(interactions.c.customer_no == bindparam("key"), interactions.c.at_ms >= bindparam("since_ms"))
    .order_by(*_IN_ORDER)
)
_SESSION = (
    select(*_READ_COLUMNS)
    .where(interactions.c.session_key == bindparam("key"), interactions.c.at_ms >= bindparam("since_ms"))
    .order_by(*_IN_ORDER)
)


def event_key(event_id: str) -> bytes:
    """Return the 16-byte key of an event id: the same event is stored once.

    >>> event_key("a") == event_key("a") != event_key("b")
    True
    """
    return blake2b(event_id.encode(), digest_size=16).digest()


def insert_interactions(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
    """Store interactions, each a tuple in the order of ``INTERACTION_COLUMNS``; return how many were new.

    What has been stored under the same event key stays as it is. Fastest in runs of 10,000 and more.
    """
    if not rows:
        return 0
    if conn.dialect.name == "postgresql":
        return conn.exec_driver_sql(_INSERT_ON_POSTGRESQL, tuple(map(list, zip(*rows, strict=True)))).rowcount
    return conn.exec_driver_sql(_INSERT_ON_SQLITE, list(rows)).rowcount


def mark_gift(conn: Connection, event_id: str, subject_key: bytes, session_key: bytes | None) -> bool:
    """Mark a purchase of a subject as a gift; tell whether there is such a purchase.

    Args:
        conn: a writing connection.
        event_id: id of the purchase; of one of several items of an order with its number, as in ``id#2``.
        subject_key: whose it is.
        session_key: the visit it was made in; ``None`` outside one.
    """
    mine = select(customers.c.customer_no).where(customers.c.subject_key == subject_key).scalar_subquery()
    visits = [key for key in {subject_key, session_key} if key is not None]
    marked = conn.execute(
        update(interactions)
        .where(
            interactions.c.event_key == event_key(event_id),
            interactions.c.kind == int(Kind.PURCHASE),
            or_(interactions.c.customer_no == mine, interactions.c.session_key.in_(visits)),
        )
        .values(is_gift=True)
    )
    return marked.rowcount == 1


def read_history(conn: Connection, customer_no: int, since_ms: int, catalogue: Catalogue) -> Interactions:
    """Return a customer's interactions from ``since_ms`` on, oldest first; of known items only."""
    return _from_table(_read(conn, _HISTORY, customer_no, since_ms), catalogue)


def read_histories(
    conn: Connection, since_ms: Mapping[int, int], catalogue: Catalogue
) -> dict[int, Interactions]:
    """Return what ``read_history`` does for each of many customers; one statement for all.

    Args:
        conn: a connection.
        since_ms: from when on, by customer.
        catalogue: what the shop sells.
    """
    if not since_ms:
        return {}
    if len(since_ms) == 1:  # the usual request: there is a shorter statement for it
        ((customer_no, from_ms),) = since_ms.items()
        return {customer_no: read_history(conn, customer_no, from_ms, catalogue)}
    wanted = sorted(since_ms)
    rows = conn.execute(*_histories(conn, [(customer_no, since_ms[customer_no]) for customer_no in wanted]))
    flat = np.fromiter(itertools.chain.from_iterable(rows), np.int64)
    table = flat.reshape(-1, 1 + len(_READ_COLUMNS))
    table = table[catalogue.idx_of_no(table[:, 1]) >= 0]
    table = table[np.lexsort((table[:, -1], table[:, _AT_MS], table[:, 0]))]
    found = _from_table(table[:, 1:], catalogue)
    ends = np.searchsorted(table[:, 0], wanted, side="right").tolist()
    starts = [0, *ends[:-1]]
    return {
        customer_no: found.between(start, end)
        for customer_no, start, end in zip(wanted, starts, ends, strict=True)
    }


_AT_MS = 3
"""Where the time stands in a row of the histories of many."""


def _histories(conn: Connection, wanted: Sequence[tuple[int, int]]) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement that reads histories, in no order, and what it asks for: customer and time."""
    if conn.dialect.name == "postgresql":
        numbers, times = zip(*wanted, strict=True)
        return _HISTORIES_ON_POSTGRESQL, {"numbers": list(numbers), "times": list(times)}
    return _HISTORIES_ON_SQLITE, {"wanted": orjson.dumps(wanted).decode()}


def read_session(conn: Connection, session_key: bytes, since_ms: int, catalogue: Catalogue) -> Interactions:
    """Return the interactions of a visit from ``since_ms`` on, oldest first; of known items only."""
    return _from_table(_read(conn, _SESSION, session_key, since_ms), catalogue)


def read_both(
    conn: Connection,
    customer_no: int,
    history_since_ms: int,
    session_key: bytes,
    session_since_ms: int,
    catalogue: Catalogue,
) -> tuple[Interactions, Interactions]:
    """Return history and visit; what happened in the visit is left out of the history.

    A customer who is logged in leaves one interaction that belongs to both; it counts once.
    """
    history = _read(conn, _HISTORY, customer_no, history_since_ms)
    session = _read(conn, _SESSION, session_key, session_since_ms)
    if session.size:
        history = history[~np.isin(history[:, -1], session[:, -1])]
    return _from_table(history, catalogue), _from_table(session, catalogue)


def read_for_training(
    conn: Connection,
    catalogue: Catalogue,
    customer_nos: Iterable[int],
    purposes: Iterable[Purpose] = (Purpose.PROFILING,),
) -> tuple[Interactions, int]:
    """Return what may be learned from, and of how many customers, by customer and then oldest first.

    Only interactions that were collected for profiling, of these customers, of known items; for other
    purposes only where a measurement asks for them that learns nothing and keeps nothing.
    ``customer_idx`` is the position of the customer in ascending ``customer_nos``.
    """
    wanted = np.unique(np.fromiter(customer_nos, np.int64))
    return read_bulk(conn, catalogue, wanted, tuple(purposes)).interactions, int(wanted.size)


def _read(conn: Connection, query: Select[Any], key: int | bytes, since_ms: int) -> NDArray[np.int64]:
    return _table(conn.execute(query, {"key": key, "since_ms": since_ms}).all())


def _table(rows: Sequence[Any]) -> NDArray[np.int64]:
    """Turn rows of integers into an array, shape (n_rows, n_columns); quicker than ``numpy.array``."""
    flat = np.fromiter(itertools.chain.from_iterable(rows), np.int64)
    return flat.reshape(len(rows), len(_READ_COLUMNS))


def _from_table(table: NDArray[np.int64], catalogue: Catalogue) -> Interactions:
    """Build one customer's interactions from columns in the order of ``_READ_COLUMNS``, of known items."""
    item_idx = catalogue.idx_of_no(table[:, 0])
    found = Interactions(
        customer_idx=np.zeros(len(table), np.int32),
        item_idx=item_idx,
        kind=table[:, 1].astype(np.int8),
        at_ms=table[:, 2].copy(),
        channel=table[:, 3].astype(np.int8),
        purpose=table[:, 4].astype(np.int8),
        is_gift=table[:, 5].astype(np.bool_),
        provenance=table[:, 6].astype(np.int8),
    )
    return found if (item_idx >= 0).all() else found.where(item_idx >= 0)
