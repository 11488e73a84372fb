"""The few SQL phrases that differ from one database to the other, or that several tables need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Value = TypeVar("Value")

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


def insert_rows(
    conn: Connection, table: Table, names: tuple[str, ...], rows: Sequence[tuple[object, ...]]
) -> None:
    """Insert rows as they are, past all that SQLAlchemy does for each value of each row.

    For the way of every decision alone: it takes a third of the time there.

    Args:
        conn: a writing connection.
        table: where to.
        names: of the columns that are given.
        rows: values as the driver takes them, in the order of the names.
    """
    if rows:
        conn.exec_driver_sql(_insertion(table, names, conn.dialect.name), list(rows))


@cache
def _insertion(table: Table, names: tuple[str, ...], dialect: str) -> str:
    """Return the INSERT; every name in it is one of ours."""
    place = "%s" if dialect == "postgresql" else "?"
    columns = ", ".join(table.c[name].name for name in names)
    return f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join([place] * len(names))})"  # noqa: S608  as above


def chunks(values: Sequence[Value], size: int = CHUNK) -> Iterator[Sequence[Value]]:
    """Cut values into runs of at most ``size``."""
    return (values[start : start + size] for start in range(0, len(values), size))
