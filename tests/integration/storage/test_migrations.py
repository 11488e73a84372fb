import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from support.logs import root_of_entries
from support.shops import an_event
from support.stores import (
    NOW_MS,
    a_decision,
    an_interaction,
    settings_for,
    store_customer,
    store_interactions,
    store_items,
)

from api.classifying import classify_catalogue
from api.errors import StoreRefusedError, StoreUnavailableError
from api.storage.connection import alembic_config, fit, open_engine, reading, upgrade, writing
from api.storage.consents import append_events
from api.storage.decisions import append_decisions, index_of, read_decision, search_decisions
from api.storage.log import hashes_of, read_entries, read_state
from api.storage.placements import read_placements, seed_placements
from api.storage.release import Fit
from api.storage.tables import metadata
from guardrails.log.merkle import root_at
from guardrails.placements import DEFAULT_PLACEMENTS
from guardrails.request import SubjectKind

CUSTOMER = b"c" * 16
TABLES = ("items", "interactions")


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(store):
    with writing(store.engine) as conn:
        context = MigrationContext.configure(
            conn, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_a_store_can_be_taken_down_and_put_up_again(store):
    with writing(store.engine) as conn:
        command.downgrade(alembic_config(conn), "base")
    assert fit(store.engine) is Fit.BEHIND
    assert set(inspect(store.engine).get_table_names()) == {"alembic_version"}
    upgrade(store.engine)
    assert fit(store.engine) is Fit.FITS
    with reading(store.engine) as conn:
        assert read_placements(conn)


def test_upgrading_twice_changes_nothing(store):
    upgrade(store.engine)
    assert fit(store.engine) is Fit.FITS


def test_a_shop_that_was_there_before_the_holds_goes_up_with_all_it_has_and_down_again(store):
    item_no = store_items(store, "Only 2 left", title="Only 2 left! Christmas tree")["Only 2 left"]
    store_interactions(store, [an_interaction(store, item_no, customer_no=store_customer(store))])

    def rows():
        with reading(store.engine) as conn:
            return [conn.execute(text(f"SELECT * FROM {table}")).mappings().one() for table in TABLES]  # noqa: S608  two known names

    migrate(store, command.downgrade, "0002")
    before = rows()
    assert not {"provenance", "occasions", "pressing"} & {name for row in before for name in row}
    assert not {"holds", "category_marks"} & set(inspect(store.engine).get_table_names())
    migrate(store, command.upgrade, "head")
    assert [row.items() >= old.items() for row, old in zip(rows(), before, strict=True)] == [True, True]
    assert [bool(rows()[0][name]) for name in ("occasions", "pressing", "unclassified", "sponsored")] == [
        False
    ] * 4
    assert rows()[1]["provenance"] == 0
    done = classify_catalogue(store.engine, NOW_MS)
    assert (done.n_changed, done.n_other_occasions) == (1, 1)
    assert rows()[0]["occasions"] != 0
    migrate(store, command.downgrade, "0002")
    assert rows()[1] == before[1]


def migrate(store, step, revision):
    with writing(store.engine) as conn:
        step(alembic_config(conn), revision)


def a_former_decision(seq):
    """A row of revision 0004; every other one was made without a model."""
    header = b'{"id":"d%d","policy":"p%d"}' % (seq, seq % 3)
    of_all = {"seq": seq, "decision_id": f"d{seq}", "minute": 29_000_000 + seq, "header": header}
    common = {"placement": "home", "basis": "profile", "outcome": "shown", "policy": f"p{seq % 3}"}
    return of_all | common | {"model": "m1" if seq % 2 else None}


@pytest.mark.parametrize("n", [0, 1, 600])
def test_headers_of_before_become_the_first_entries_of_the_tree_and_bodies_of_before_are_gone(store, n):
    rows = [a_former_decision(seq) for seq in (*range(1, n), n + 7)[:n]]  # a number was left out
    migrate(store, command.downgrade, "0004")
    if rows:
        with writing(store.engine) as conn:
            names = ", ".join(rows[0])
            values = ", ".join(f":{name}" for name in rows[0])
            insert = text(f"INSERT INTO decisions ({names}) VALUES ({values})")  # noqa: S608  names of columns
            conn.execute(insert, rows[::-1])
            conn.execute(text("INSERT INTO decision_bodies VALUES (:id, :body)"), {"id": "d1", "body": b"?"})
            conn.execute(
                text("INSERT INTO decision_subjects (subject_key, decision_id) VALUES (:key, 'd1')"),
                {"key": CUSTOMER},
            )
    upgrade(store.engine)
    with reading(store.engine) as conn:
        state = read_state(conn)
        assert read_entries(conn, 0, n + 1) == [row["header"] for row in rows]
        assert (state.size, state.min_index) == (n, 0)
        assert state.root == root_of_entries(conn) == root_at(n, hashes_of(conn))
        found = search_decisions(conn, limit=n + 1)[::-1]
        assert [each.log_index for each in found] == list(range(n))
        for each, row in zip(found, rows, strict=True):
            assert {name: getattr(each, name) for name in row if hasattr(each, name)} == {
                name: value for name, value in row.items() if name not in ("seq", "header")
            }
        for table in ("decision_bodies", "decision_subjects"):
            assert conn.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608  two known names
    with writing(store.engine) as conn:
        grown = store.logbook.append(conn, [a_decision("next", subject_key=CUSTOMER)])
    assert grown.first_index == n
    assert store.logbook.publish(grown.after).root == grown.after.root
    with reading(store.engine) as conn:
        assert grown.after.root == root_of_entries(conn)
        assert read_decision(conn, store.keyring, "next").body is not None
        if rows:
            assert read_decision(conn, store.keyring, rows[-1]["decision_id"]).body is None


def test_a_log_that_has_entries_is_not_taken_back(store):
    with writing(store.engine) as conn:
        append_decisions(conn, store.keyring, [a_decision("one")])
    with pytest.raises(RuntimeError, match="not taken back"):
        migrate(store, command.downgrade, "0004")
    assert fit(store.engine) is Fit.FITS
    with reading(store.engine) as conn:
        assert index_of(conn, "one") == 0


def test_upgrading_keeps_the_placements_that_the_shop_has_changed(store):
    with writing(store.engine) as conn:
        conn.execute(text("UPDATE placements SET max_count = 1 WHERE name = 'home'"))
        conn.execute(text("DELETE FROM placements WHERE name = 'cart'"))
    upgrade(store.engine)
    with reading(store.engine) as conn:
        placements = read_placements(conn)
    assert placements["home"].max_count == 1
    assert placements["cart"].max_count > 1


def test_every_default_placement_survives_being_stored(store):
    with writing(store.engine) as conn:
        seed_placements(conn, [])
        assert read_placements(conn) == {each.name: each for each in DEFAULT_PLACEMENTS}


def test_a_database_without_tables_says_what_to_do(tmp_path):
    file = tmp_path / "new.db"
    file.touch()
    engine = open_engine(settings_for(f"sqlite:///{file}", tmp_path))
    assert fit(engine) is Fit.BEHIND
    with pytest.raises(StoreUnavailableError, match="tactful db upgrade"), reading(engine) as conn:
        read_placements(conn)
    engine.dispose()


def test_a_new_file_can_be_read_by_its_owner_only(tmp_path):
    engine = open_engine(settings_for(f"sqlite:///{tmp_path / 'deep' / 'new.db'}", tmp_path))
    upgrade(engine)
    assert (tmp_path / "deep" / "new.db").stat().st_mode & 0o077 == 0
    engine.dispose()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log_entries SET entry = entry",
        "DELETE FROM log_entries",
        "UPDATE decisions SET minute = minute",
        "DELETE FROM decisions",
        "UPDATE log_state SET size = size - 1",
        "UPDATE log_state SET min_index = min_index - 1",
        "UPDATE log_state SET min_index = size + 1",
        "DELETE FROM log_state",
        "UPDATE consent_events SET at_ms = at_ms + 1",
    ],
)
def test_what_is_in_the_log_and_the_ledger_cannot_be_changed(store, change):
    with writing(store.engine) as conn:
        append_decisions(conn, store.keyring, [a_decision()])
        append_events(conn, CUSTOMER, SubjectKind.ACCOUNT, [an_event("third_party_sharing")], NOW_MS)
    with pytest.raises(StoreRefusedError), writing(store.engine) as conn:
        conn.execute(text(change))


@pytest.mark.parametrize("table", ["log_entries", "log_state", "decisions", "consent_events"])
def test_what_is_in_the_log_and_the_ledger_cannot_be_replaced_on_sqlite(sqlite_store, table):
    with writing(sqlite_store.engine) as conn:
        append_decisions(conn, sqlite_store.keyring, [a_decision()])
        append_events(conn, CUSTOMER, SubjectKind.ACCOUNT, [an_event("third_party_sharing")], NOW_MS)
    replace = text(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")  # noqa: S608  two known names
    with pytest.raises(StoreRefusedError), writing(sqlite_store.engine) as conn:
        conn.execute(replace)


@pytest.mark.postgres
@pytest.mark.parametrize("table", ["log_entries", "log_state", "decisions"])
def test_the_log_cannot_be_emptied_on_postgresql(postgresql_store, table):
    with pytest.raises(StoreRefusedError), writing(postgresql_store.engine) as conn:
        conn.execute(text(f"TRUNCATE {table}"))


def test_a_forgotten_customer_takes_their_consent_events_along(store):
    with writing(store.engine) as conn:
        append_events(conn, CUSTOMER, SubjectKind.ACCOUNT, [an_event("third_party_sharing")], NOW_MS)
        assert conn.execute(text("DELETE FROM consent_events")).rowcount == 1
