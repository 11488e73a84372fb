"""The few SQL phrases that differ from one database to the other, or that several tables need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Value = TypeVar("Value")

_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]  # a class of SQLAlchemy without types

CHUNK = 500
"""Values in one ``IN (…)``: below the limit of every SQLite that is still in use."""


def insert_into(conn: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that can be told what to do about a row that is there already."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)


def insert_new(conn: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that leaves alone what is there already."""
    return insert_into(conn, table).on_conflict_do_nothing()


def insert_or_replace(conn: Connection, table: Table, *key: str) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that overwrites every other column of a row with the same ``key``."""
    insert = insert_into(conn, table)
    given = {
        column.name: insert.excluded[column.name]
        for column in table.columns
        if column.name not in key and not (column.primary_key and column.autoincrement is True)
    }
    return insert.on_conflict_do_update(index_elements=list(key), set_=given)


def fetch(conn: Connection, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of a query as the driver gives them, past all that SQLAlchemy does for a statement.

    For the way of every decision alone, like those below: it takes a fifth of the time there.

    Args:
        conn: a connection.
        query: SQL; every name in it is one of ours.
        values: as the driver takes them, one for each ``?`` in the query.
    """
    if not conn.in_transaction():
        conn.begin()  # as SQLAlchemy does before the first statement
    found: list[tuple[Any, ...]] = _driver(conn).execute(_worded(query, conn.dialect.name), values).fetchall()
    return found


def change(conn: Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Run a statement once for each row of values, as ``fetch`` does; a server is waited for each time.

    Args:
        conn: a writing connection.
        statement: SQL; every name in it is one of ours.
        rows: values as the driver takes them, one for each ``?`` in the statement.
    """
    if conn.dialect.name == "postgresql":
        for row in rows:
            _driver(conn).execute(_worded(statement, "postgresql"), row)
        return
    cursor = _driver(conn).cursor()
    try:
        cursor.executemany(statement, rows)
    finally:
        cursor.close()


def places(values: Sequence[object]) -> str:
    """Return what stands for values in a query: ``(?, ?, ?)``.

    >>> places("abc")
    '(?, ?, ?)'
    """
    return f"({', '.join('?' * len(values))})"


def _driver(conn: Connection) -> Any:
    return conn.connection.driver_connection


@cache
def _worded(statement: str, dialect: str) -> str:
    """Return a statement as the driver of a database wants it."""
    return statement.replace("?", "%s") if dialect == "postgresql" else statement


def insert_rows(
    conn: Connection, table: Table, names: tuple[str, ...], rows: Sequence[tuple[object, ...]]
) -> None:
    """Insert rows as they are, past all that SQLAlchemy does for a statement, as ``fetch`` does.

    PostgreSQL takes all rows in one statement, as a list of values a column. That is several times faster
    there than a statement a row, and never leaves the server in between two of them: as long as it waits for
    the rest of several that were sent together, it ends no transaction that does nothing, and whoever hangs
    just then would keep the locks of the transaction for good.

    Args:
        conn: a writing connection.
        table: where to.
        names: of the columns that are given.
        rows: values as the driver takes them, in the order of the names.
    """
    _insert(conn, table, names, "", rows)


def insert_unless_there(
    conn: Connection, table: Table, names: tuple[str, ...], rows: Sequence[tuple[object, ...]]
) -> None:
    """Insert rows, as ``insert_rows`` does, and leave alone what is there already."""
    _insert(conn, table, names, " ON CONFLICT DO NOTHING", rows)


def insert_or_update(
    conn: Connection,
    table: Table,
    key: tuple[str, ...],
    names: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """Insert rows, each key once, as ``insert_rows`` does; of what is there the last column is replaced."""
    last = names[-1]
    _insert(conn, table, names, _conflict(key, f"{last} = excluded.{last}"), rows)


def insert_or_add(
    conn: Connection,
    table: Table,
    key: tuple[str, ...],
    counts: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """Insert rows, as ``insert_rows`` does; what is there already by ``key`` is added to.

    Args:
        conn: a writing connection.
        table: where to.
        key: names of the columns of its key.
        counts: names of the columns that are added up.
        rows: values of key and counts, each key once, always in the same order, so no two can deadlock.
    """
    added = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in counts)
    _insert(conn, table, (*key, *counts), _conflict(key, added), rows)


def _conflict(key: tuple[str, ...], change: str) -> str:
    return f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {change}"


def _insert(
    conn: Connection,
    table: Table,
    names: tuple[str, ...],
    otherwise: str,
    rows: Sequence[tuple[object, ...]],
) -> None:
    """Insert rows, and do something else about those that are there already."""
    if not rows:
        return
    dialect = conn.dialect.name
    statement = _insertion(table, names, dialect) + otherwise
    if dialect == "postgresql":
        change(conn, statement, [tuple(map(list, zip(*rows, strict=True)))])
    else:
        change(conn, statement, rows)


@cache
def _insertion(table: Table, names: tuple[str, ...], dialect: str) -> str:
    """Return an INSERT of one row, on PostgreSQL of lists of values; every name in it is one of ours."""
    columns = f"INSERT INTO {table.name} ({', '.join(table.c[name].name for name in names)})"
    if dialect != "postgresql":
        return f"{columns} VALUES {places(names)}"
    types = (table.c[name].type.compile(_POSTGRESQL) for name in names)
    lists = ", ".join(f"?::{each}[]" for each in types)
    return f"{columns} SELECT * FROM unnest({lists})"  # noqa: S608  as above


def chunks(values: Sequence[Value], size: int = CHUNK) -> Iterator[Sequence[Value]]:
    """Cut values into runs of at most ``size``."""
    return (values[start : start + size] for start in range(0, len(values), size))
