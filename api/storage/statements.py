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
    """Run a statement once for each row of values, as ``fetch`` does; a server is not waited for in between.

    Args:
        conn: a writing connection.
        statement: SQL; every name in it is one of ours.
        rows: values as the driver takes them, one for each ``?`` in the statement.
    """
    cursor = _driver(conn).cursor()
    try:
        cursor.executemany(_worded(statement, conn.dialect.name), rows)
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
    """Insert rows as they are, as ``change`` does.

    Args:
        conn: a writing connection.
        table: where to.
        names: of the columns that are given.
        rows: values as the driver takes them, in the order of the names.
    """
    if rows:
        change(conn, _insertion(table, names), rows)


def insert_or_update(
    conn: Connection,
    table: Table,
    key: tuple[str, ...],
    names: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """Insert rows, as ``change`` does; of what is there already by ``key`` the last column is overwritten."""
    if rows:
        change(conn, _update(table, key, names), rows)


def insert_or_add(
    conn: Connection,
    table: Table,
    key: tuple[str, ...],
    counts: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """Insert rows; what is there already by ``key`` is added to. As fast, and for the same way alone.

    PostgreSQL takes all rows in one statement, as a list of values a column: that is several times faster
    there than a statement a row.

    Args:
        conn: a writing connection.
        table: where to.
        key: names of the columns of its key.
        counts: names of the columns that are added up.
        rows: values of key and counts, each key once, always in the same order, so no two can deadlock.
    """
    if not rows:
        return
    statement = _addition(table, key, counts, conn.dialect.name)
    if conn.dialect.name == "postgresql":
        _driver(conn).execute(_worded(statement, "postgresql"), tuple(map(list, zip(*rows, strict=True))))
    else:
        change(conn, statement, rows)


@cache
def _addition(table: Table, key: tuple[str, ...], counts: tuple[str, ...], dialect: str) -> str:
    """Return the INSERT; every name in it is one of ours."""
    insertion = _insertion(table, (*key, *counts))
    if dialect == "postgresql":
        types = (table.c[name].type.compile(_POSTGRESQL) for name in (*key, *counts))
        values = ", ".join(f"?::{each}[]" for each in types)
        insertion = f"{insertion.partition(' VALUES ')[0]} SELECT * FROM unnest({values})"  # noqa: S608  as above
    added = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in counts)
    return f"{insertion} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {added}"


@cache
def _update(table: Table, key: tuple[str, ...], names: tuple[str, ...]) -> str:
    """Return the INSERT; every name in it is one of ours."""
    last = names[-1]
    return f"{_insertion(table, names)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {last} = excluded.{last}"


@cache
def _insertion(table: Table, names: tuple[str, ...]) -> str:
    """Return the INSERT; every name in it is one of ours."""
    columns = ", ".join(table.c[name].name for name in names)
    return f"INSERT INTO {table.name} ({columns}) VALUES {places(names)}"  # noqa: S608  as above


def chunks(values: Sequence[Value], size: int = CHUNK) -> Iterator[Sequence[Value]]:
    """Cut values into runs of at most ``size``."""
    return (values[start : start + size] for start in range(0, len(values), size))
