"""What every request asks of the database is compiled once, and finds what SQLAlchemy would find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    create_engine,
    event,
    insert,
    select,
)

from api.storage.prepared import SIZES, Prepared, PreparedColumns, Wanted, each_of, together
from api.storage.statements import CHUNK

THINGS = Table(
    "things",
    MetaData(),
    Column("number", Integer, primary_key=True),
    Column("digest", LargeBinary),
    Column("name", Text),
    Column("fine", Boolean),
    sqlite_autoincrement=True,
)
N = 1200
AMONG = select(*THINGS.c).where(THINGS.c.number.in_(bindparam("numbers", expanding=True)))


@pytest.fixture(scope="module")
def conn():
    engine = create_engine("sqlite://")
    THINGS.metadata.create_all(engine)
    rows = [
        {"digest": bytes([n % 256]) * 16, "name": f"no. {n}", "fine": None if n % 5 == 0 else n % 2 == 0}
        for n in range(1, N + 1)
    ]
    with engine.connect() as connection:
        connection.execute(insert(THINGS), rows)
        yield connection
    engine.dispose()


@given(st.lists(st.integers(-5, N + 5), max_size=3 * CHUNK, unique=True))
def test_a_list_of_any_length_finds_what_sqlalchemy_finds_in_the_same_types(conn, numbers):
    prepared = Prepared(AMONG)
    found = prepared.rows(conn, numbers=numbers)
    assert sorted(found) == sorted(map(tuple, conn.execute(AMONG, {"numbers": numbers})))
    assert all(row[3] is None or isinstance(row[3], bool) for row in found)


def test_however_long_the_lists_are_few_statements_are_kept(conn):
    prepared = Prepared(AMONG)
    for n in range(0, N, 7):
        prepared.rows(conn, numbers=list(range(n)))
    assert len(prepared._compiled) <= len(SIZES)
    again = dict(prepared._compiled)
    prepared.rows(conn, numbers=list(range(7)))
    assert all(prepared._compiled[key] is kept for key, kept in again.items())
    assert len(again) == len(prepared._compiled)


def test_an_empty_list_asks_nothing(conn):
    sent = []
    with listening(conn, sent):
        assert Prepared(AMONG).rows(conn, numbers=[]) == []
        assert Wanted((), len).read(conn) == 0
    assert sent == []


def test_values_that_are_always_the_same_need_not_be_given(conn):
    prepared = Prepared(
        select(THINGS.c.number).where(THINGS.c.name == bindparam("name"), THINGS.c.number % 2 == 1)
    )
    assert prepared.rows(conn, name="no. 7") == [(7,)]
    assert prepared.rows(conn, name="no. 8") == []


def test_a_value_that_is_missing_is_an_error(conn):
    with pytest.raises(KeyError):
        Prepared(AMONG).rows(conn)


def test_whoever_listens_to_the_engine_hears_of_each_statement(conn):
    sent = []
    with listening(conn, sent):
        Prepared(AMONG).rows(conn, numbers=[1, 2])
    ((statement, values),) = sent
    assert statement.startswith("SELECT things.number")
    assert values == (1, 2)


class listening:  # noqa: N801  used like a function
    def __init__(self, conn, sent):
        self.engine = conn.engine
        self.note = lambda conn, cursor, statement, values, *_: sent.append((statement, values))

    def __enter__(self):
        event.listen(self.engine, "before_cursor_execute", self.note)

    def __exit__(self, *_):
        event.remove(self.engine, "before_cursor_execute", self.note)


@pytest.mark.parametrize("up_to", [0, 1, N])
def test_columns_hold_the_numbers_of_the_rows(conn, up_to):
    columns = PreparedColumns(
        select(THINGS.c.number, (THINGS.c.number * 2).label("twice")).where(
            THINGS.c.number <= bindparam("up_to")
        )
    )
    wanted = Wanted([columns.asking(up_to=up_to)], lambda rows: columns.arrays(rows[0]))
    found = wanted.read(conn)
    assert found.dtype == np.int64
    assert found.shape == (2, up_to)
    order = np.argsort(found[0])
    assert found[:, order].tolist() == [list(range(1, up_to + 1)), list(range(2, 2 * up_to + 1, 2))]


def test_what_is_no_number_is_refused(conn):
    columns = PreparedColumns(select(THINGS.c.name).where(THINGS.c.number <= bindparam("up_to")))
    with pytest.raises(ValueError, match=r".+"):
        Wanted([columns.asking(up_to=2)], lambda rows: columns.arrays(rows[0])).read(conn)


def test_what_is_wanted_together_is_handed_out_apart(conn):
    one = Prepared(select(THINGS.c.name).where(THINGS.c.number == bindparam("number")))

    def named(*numbers):
        return Wanted([one.asking(number=each) for each in numbers], lambda rows: [row[0][0] for row in rows])

    nothing = Wanted((), len)
    names, none, more = together(named(1, 2), nothing, each_of([named(3), nothing, named(4, 5)])).read(conn)
    assert names == ["no. 1", "no. 2"]
    assert none == 0
    assert more == [["no. 3"], 0, ["no. 4", "no. 5"]]
    assert named(9).then(len).read(conn) == 1
