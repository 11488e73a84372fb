"""Interactions: stored in bulk and once, read straight into arrays."""

from __future__ import annotations

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
    Select,
    Text,
    bindparam,
    column,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from api.storage.bulk import PACKED, at_ms_of, read_bulk, unpacked
from api.storage.prepared import PreparedColumns, Rows, Wanted
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
    literal_column(PACKED, BigInteger),
    interactions.c.interaction_no,
)


def _histories_of(customer_no: ColumnElement[int], since_ms: ColumnElement[int]) -> Select[Any]:
    return select(interactions.c.customer_no, *_READ_COLUMNS).where(
        interactions.c.customer_no == customer_no, interactions.c.at_ms >= since_ms
    )


_ASKED_ON_SQLITE = func.json_each(bindparam("wanted", type_=Text)).table_valued("value")
_ASKED_ON_POSTGRESQL = (
    func.unnest(bindparam("numbers", type_=ARRAY(BigInteger)), bindparam("times", type_=ARRAY(BigInteger)))
    .table_valued(column("customer_no", BigInteger), column("since_ms", BigInteger))
    .render_derived()
)
_HISTORIES = PreparedColumns(
    _histories_of(
        func.json_extract(_ASKED_ON_SQLITE.c.value, "$[0]"),
        func.json_extract(_ASKED_ON_SQLITE.c.value, "$[1]"),
    ),
    _histories_of(_ASKED_ON_POSTGRESQL.c.customer_no, _ASKED_ON_POSTGRESQL.c.since_ms),
)
_SINCE = interactions.c.at_ms >= bindparam("since_ms")
_HISTORY = PreparedColumns(
    select(*_READ_COLUMNS).where(interactions.c.customer_no == bindparam("customer_no"), _SINCE)
)
_SESSION = PreparedColumns(
    select(*_READ_COLUMNS).where(interactions.c.session_key == bindparam("session_key"), _SINCE)
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
    return histories({customer_no: since_ms}, catalogue).read(conn)[customer_no]


def histories(since_ms: Mapping[int, int], catalogue: Catalogue) -> Wanted[dict[int, Interactions]]:
    """Return what to ask for what ``read_history`` does for each of many customers; one statement for all.

    Args:
        since_ms: from when on, by customer.
        catalogue: what the shop sells.
    """
    if not since_ms:
        return Wanted((), lambda _: {})
    if len(since_ms) == 1:  # the usual request: there is a shorter statement for it
        ((customer_no, from_ms),) = since_ms.items()
        alone = _HISTORY.asking(customer_no=customer_no, since_ms=from_ms)
        return Wanted([alone], lambda rows: {customer_no: _in_order(_HISTORY.arrays(rows[0]), catalogue)})
    wanted = sorted(since_ms)
    times = [since_ms[customer_no] for customer_no in wanted]
    pairs = orjson.dumps(list(zip(wanted, times, strict=True))).decode()
    together = _HISTORIES.asking(wanted=pairs, numbers=wanted, times=times)
    return Wanted([together], lambda rows: _by_customer(_HISTORIES.arrays(rows[0]), wanted, catalogue))


def session(session_key: bytes, since_ms: int, catalogue: Catalogue) -> Wanted[Interactions]:
    """Return what to ask for the interactions of a visit, oldest first; of known items only."""
    asked = _SESSION.asking(session_key=session_key, since_ms=since_ms)
    return Wanted([asked], lambda rows: _in_order(_SESSION.arrays(rows[0]), catalogue))


def history_and_session(
    customer_no: int,
    history_since_ms: int,
    session_key: bytes,
    session_since_ms: int,
    catalogue: Catalogue,
) -> Wanted[tuple[Interactions, Interactions]]:
    """Return what to ask for history and visit; what happened in the visit is left out of the history.

    A customer who is logged in leaves one interaction that belongs to both; it counts once.
    """

    def apart(rows: Sequence[Rows]) -> tuple[Interactions, Interactions]:
        history, visit = _HISTORY.arrays(rows[0]), _SESSION.arrays(rows[1])
        history = history[:, ~np.isin(history[_NUMBER], visit[_NUMBER])]
        return _in_order(history, catalogue), _in_order(visit, catalogue)

    return Wanted(
        [
            _HISTORY.asking(customer_no=customer_no, since_ms=history_since_ms),
            _SESSION.asking(session_key=session_key, since_ms=session_since_ms),
        ],
        apart,
    )


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


_ITEM, _REST, _NUMBER = range(-3, 0)
"""Where the columns stand that are read of an interaction; in front of them may be the customer."""


def _by_customer(
    columns: NDArray[np.int64], customer_nos: Sequence[int], catalogue: Catalogue
) -> dict[int, Interactions]:
    """Return the histories in columns whose first is the customer; the customers ascend."""
    columns = columns[:, catalogue.idx_of_no(columns[_ITEM]) >= 0]
    columns = columns[:, np.lexsort((columns[_NUMBER], at_ms_of(columns[_REST]), columns[0]))]
    found = _of_columns(columns, catalogue)
    ends = np.searchsorted(columns[0], customer_nos, side="right").tolist()
    starts = [0, *ends[:-1]]
    return {
        customer_no: found.between(start, end)
        for customer_no, start, end in zip(customer_nos, starts, ends, strict=True)
    }


def _in_order(columns: NDArray[np.int64], catalogue: Catalogue) -> Interactions:
    """Return one customer's interactions, oldest first; of known items only."""
    found = _of_columns(columns[:, np.lexsort((columns[_NUMBER], at_ms_of(columns[_REST])))], catalogue)
    is_known = found.item_idx >= 0
    return found if is_known.all() else found.where(is_known)


def _of_columns(columns: NDArray[np.int64], catalogue: Catalogue) -> Interactions:
    return Interactions(
        customer_idx=np.zeros(columns.shape[1], np.int32),
        item_idx=catalogue.idx_of_no(columns[_ITEM]),
        **unpacked(columns[_REST]),
    )
