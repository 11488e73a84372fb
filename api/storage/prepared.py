"""Statements of every request: written with SQLAlchemy, compiled once, executed by the driver.

What SQLAlchemy does for a statement each time it is executed (look it up, expand its lists, convert its
values, wrap its rows) takes several times as long as the database takes to find the rows. So these are
compiled once for each kind of database, and the driver keeps them prepared. What is the same: the SQL is
what SQLAlchemy makes of the expression, rows hold what it would put into them, whoever listens to the
engine's ``before_cursor_execute`` hears of them, and the driver's errors are replaced where all of them
are, in ``api.storage.connection``.

What does not depend on one another is asked for together: on PostgreSQL that is one way there and back,
however many statements it takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    Select,
    cast,
    func,
    literal_column,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql import visitors

from api.storage.statements import CHUNK, chunks

Found = TypeVar("Found")
First = TypeVar("First")
Second = TypeVar("Second")
Third = TypeVar("Third")
Fourth = TypeVar("Fourth")
Other = TypeVar("Other")

Row = tuple[Any, ...]
Rows = list[Row]

SIZES = (1, 2, 3, 4, 8, 16, 32, 64, 128, 256, CHUNK)
"""How long lists of values can be. Shorter ones are filled up with their last value, which finds nothing
more, so that there are few statements to keep."""

_DIALECTS: Mapping[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": psycopg.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]  # a class of SQLAlchemy without types
}

_Processor = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value goes to: name and, of one in a list, its number there."""

    name: str
    number: int | None = None

    def filled(self, values: Mapping[str, Any]) -> Any:
        value = values[self.name]
        return value if self.number is None else value[self.number]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement as a driver takes it.

    Attributes:
        text: the SQL.
        places: what goes to each placeholder: a value that is given, or one that is always the same.
        processors: what makes of each column what SQLAlchemy would; empty where that is nothing.
    """

    text: str
    places: tuple[Any, ...]
    processors: tuple[_Processor, ...]

    def arguments(self, values: Mapping[str, Any]) -> Row:
        """Return what goes to the placeholders, in their order."""
        return tuple(each.filled(values) if isinstance(each, _Place) else each for each in self.places)

    def converted(self, rows: Rows) -> Rows:
        """Return the rows with the values that SQLAlchemy would have put into them."""
        if not self.processors:
            return rows
        return [
            tuple(
                value if process is None else process(value)
                for value, process in zip(row, self.processors, strict=True)
            )
            for row in rows
        ]


@dataclass(frozen=True, slots=True)
class _Run:
    """A statement with what goes to its placeholders."""

    compiled: _Compiled
    arguments: Row

    @classmethod
    def of(cls, compiled: _Compiled, values: Mapping[str, Any]) -> _Run:
        return cls(compiled, compiled.arguments(values))


class Prepared:
    """A SELECT that is executed very often; its values are named, at most one of them is a list.

    Args:
        statement: the SELECT; every bound value of it has to be given.
        on_postgresql: what is asked of PostgreSQL instead.
    """

    def __init__(self, statement: Select[Any], on_postgresql: Select[Any] | None = None) -> None:
        self._statements = {
            "sqlite": statement,
            "postgresql": statement if on_postgresql is None else on_postgresql,
        }
        self._listed = {name: _listed(each) for name, each in self._statements.items()}
        self._compiled: dict[tuple[str, int], _Compiled] = {}  # no more than there are kinds and sizes

    def asking(self, **values: Any) -> Question:
        """Return the statement with the values it is to be executed with."""
        return Question(self, values)

    def rows(self, conn: Connection, **values: Any) -> Rows:
        """Return what it finds."""
        (found,) = _answers(conn, [self.asking(**values)])
        return found

    def runs(self, values: Mapping[str, Any], kind: str) -> list[_Run]:
        """Return what is to be executed on a kind of database; nothing for an empty list."""
        listed = self._listed[kind]
        if listed is None:
            return [_Run.of(self._of_size(kind, 0), values)]
        return [
            _Run.of(self._of_size(kind, size), {**values, listed: _filled(some, size)})
            for some in chunks(values[listed])
            for size in (next(each for each in SIZES if each >= len(some)),)
        ]

    def _of_size(self, kind: str, size: int) -> _Compiled:
        """Return it for lists of this length; two threads may both make it, and get the same."""
        compiled = self._compiled.get((kind, size))
        if compiled is None:
            compiled = _compile(self._statements[kind], _DIALECTS[kind], self._listed[kind], size)
            self._compiled[kind, size] = compiled
        return compiled


class PreparedColumns:
    """Whole numbers that are read into arrays a column at a time: nothing is done for each row.

    The database puts each column into one value, so that a single row comes back. Their order is not
    defined; it is the same in all of the columns.

    Args:
        statement: the SELECT; its columns are whole numbers, never null.
        on_postgresql: what is asked of PostgreSQL instead.
    """

    def __init__(self, statement: Select[Any], on_postgresql: Select[Any] | None = None) -> None:
        there = statement if on_postgresql is None else on_postgresql
        self._n_columns = len(statement.selected_columns)
        self._prepared = Prepared(_gathered(statement, _as_json), _gathered(there, _as_bytes))

    def asking(self, **values: Any) -> Question:
        """Return the statement with the values it is to be executed with."""
        return self._prepared.asking(**values)

    def arrays(self, rows: Rows) -> NDArray[np.int64]:
        """Return the columns that came back, int64, shape (n_columns, n_rows).

        Raises:
            ValueError: there is something else than a number among them.
        """
        (columns,) = rows
        if not columns[0]:  # PostgreSQL gathers nothing where there is nothing
            return np.empty((self._n_columns, 0), np.int64)
        return np.stack([_numbers(column) for column in columns])


@dataclass(frozen=True, slots=True)
class Question:
    """A statement and the values it is to be executed with."""

    statement: Prepared
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted(Generic[Found]):
    """What is to be read, and what to make of it.

    Attributes:
        questions: what is asked; none of them needs the answer to another.
        made_of: makes of the rows that each question found what is wanted.
    """

    questions: Sequence[Question]
    made_of: Callable[[Sequence[Rows]], Found]

    def read(self, conn: Connection) -> Found:
        """Return what is wanted."""
        return self.made_of(_answers(conn, self.questions))

    def then(self, make: Callable[[Found], Other]) -> Wanted[Other]:
        """Return the same with something else made of it."""
        return Wanted(self.questions, lambda rows: make(self.made_of(rows)))


def each_of(wanted: Sequence[Wanted[Found]]) -> Wanted[list[Found]]:
    """Return all of these as one, to be asked for at once."""

    def made_of(rows: Sequence[Rows]) -> list[Found]:
        left = iter(rows)
        return [each.made_of([next(left) for _ in each.questions]) for each in wanted]

    return Wanted([question for each in wanted for question in each.questions], made_of)


@overload
def together(first: Wanted[First], second: Wanted[Second], /) -> Wanted[tuple[First, Second]]: ...


@overload
def together(
    first: Wanted[First], second: Wanted[Second], third: Wanted[Third], /
) -> Wanted[tuple[First, Second, Third]]: ...


@overload
def together(
    first: Wanted[First], second: Wanted[Second], third: Wanted[Third], fourth: Wanted[Fourth], /
) -> Wanted[tuple[First, Second, Third, Fourth]]: ...


def together(*wanted: Wanted[Any]) -> Wanted[Any]:
    """Return several things of different kinds as one, to be asked for at once."""
    return each_of(wanted).then(tuple)


def _answers(conn: Connection, questions: Sequence[Question]) -> list[Rows]:
    """Return the rows that each question finds."""
    kind = conn.dialect.name
    if not questions:
        return []
    runs = [each.statement.runs(each.values, kind) for each in questions]
    found = iter(_executed(conn, [run for of_question in runs for run in of_question]))
    return [_joined([next(found) for _ in of_question]) for of_question in runs]


def _joined(parts: Sequence[Rows]) -> Rows:
    return parts[0] if len(parts) == 1 else list(itertools.chain.from_iterable(parts))


def _executed(conn: Connection, runs: Sequence[_Run]) -> list[Rows]:
    """Return the rows of each run.

    Raises:
        Exception: what the driver raises.
    """
    driver: Any = conn.connection.driver_connection
    for listen in conn.engine.dispatch.before_cursor_execute:
        for run in runs:
            listen(conn, None, run.compiled.text, run.arguments, None, False)  # noqa: FBT003  SQLAlchemy's signature
    execute = _on_postgresql if conn.dialect.name == "postgresql" else _on_sqlite
    try:
        return [run.compiled.converted(rows) for run, rows in zip(runs, execute(driver, runs), strict=True)]
    except conn.dialect.loaded_dbapi.Error as error:
        if conn.dialect.is_disconnect(error, driver, None):
            conn.invalidate(error)  # so that nobody is handed it again
        raise


def _on_sqlite(driver: Any, runs: Sequence[_Run]) -> list[Rows]:
    """Execute one after the other; the driver keeps the statements of each connection prepared."""
    return [driver.execute(run.compiled.text, run.arguments).fetchall() for run in runs]


def _on_postgresql(driver: Any, runs: Sequence[_Run]) -> list[Rows]:
    """Send all, then wait for all; the server keeps the statements of each connection prepared."""
    if len(runs) == 1:
        return [_sent(driver, runs[0]).fetchall()]
    with driver.pipeline():
        cursors = [_sent(driver, run) for run in runs]
    return [cursor.fetchall() for cursor in cursors]


def _sent(driver: Any, run: _Run) -> Any:
    return driver.cursor(binary=True).execute(run.compiled.text, run.arguments, prepare=True)


def _compile(statement: Select[Any], dialect: Dialect, listed: str | None, size: int) -> _Compiled:
    """Compile a statement for lists of a length."""
    compiled = statement.compile(dialect=dialect)
    places: dict[str, Any] = {name: _Place(name) for name, bound in compiled.binds.items() if bound.required}
    if listed is not None:
        places[listed] = [_Place(listed, number) for number in range(size)]
    expanded = compiled.construct_expanded_state(places)
    processors = tuple(
        column.type.dialect_impl(dialect).result_processor(dialect, None)
        for column in statement.selected_columns
    )
    return _Compiled(
        text=expanded.statement,
        places=tuple(expanded.positional_parameters),
        processors=processors if any(processors) else (),
    )


def _listed(statement: Select[Any]) -> str | None:
    """Return the name of the value that is a list; ``None`` where there is none."""
    listed = {
        each.key for each in visitors.iterate(statement) if isinstance(each, BindParameter) and each.expanding
    }
    return listed.pop() if listed else None


def _filled(values: Sequence[Any], size: int) -> list[Any]:
    return [*values, *itertools.repeat(values[-1], size - len(values))]


def _gathered(statement: Select[Any], gather: Callable[[ColumnElement[Any]], Any]) -> Select[Any]:
    """Return the statement with each of its columns gathered into one value."""
    columns = [gather(column) for column in statement.selected_columns]
    return statement.with_only_columns(*columns, maintain_column_froms=True)


def _as_json(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.json_group_array(column)


def _as_bytes(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Put the numbers one behind the other, 8 bytes each, the greatest first."""
    return func.string_agg(func.int8send(cast(column, BigInteger)), literal_column("''::bytea"))


def _numbers(gathered: str | bytes) -> NDArray[np.int64]:
    if isinstance(gathered, str):
        return np.fromiter(orjson.loads(gathered), np.int64)
    return np.frombuffer(gathered, ">i8").astype(np.int64)
