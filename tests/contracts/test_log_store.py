"""What the log promises, whichever database it stands on."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, text, update
from support import log_elsewhere
from support.logs import root_of_entries
from support.stores import NOW_MS, a_decision, opened, store_items
from support.tries import tries

from api.errors import ForkedLogError, StoreRefusedError
from api.logbook import entry
from api.storage.connection import reading, writing
from api.storage.decisions import append_decisions, index_of
from api.storage.items import item_numbers
from api.storage.log import (
    Entry,
    append_entries,
    bundles,
    hashes_of,
    last_of,
    lock_log,
    read_entries,
    read_entry,
    read_state,
    read_tile,
)
from api.storage.recorder import Recorder
from api.storage.tables import decisions, log_entries, log_state, log_tiles
from guardrails.log.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, root_at, root_of
from guardrails.log.tiles import TILE_WIDTH

MINUTE = NOW_MS // 60_000
_numbers = count()


def some(n, type_="heartbeat"):
    """Entries that no other is like."""
    return [Entry(type_, MINUTE, b'{"n":%d}' % next(_numbers)) for _ in range(n)]


def append(store, entries):
    with writing(store.engine) as conn:
        return append_entries(conn, entries)


def prune_below(conn, log_index):
    conn.execute(update(log_state).values(min_index=log_index))
    return conn.execute(delete(log_entries).where(log_entries.c.log_index < log_index)).rowcount


def holds_together(conn):
    """Entries, state, frontier and every tile say the same."""
    state = read_state(conn)
    entries = read_entries(conn, 0, state.size)
    assert len(entries) == state.size
    assert state.root == state.frontier.root() == root_of_entries(conn)
    assert root_at(state.size, hashes_of(conn)) == state.root
    leaves = b"".join(leaf_hash(each) for each in entries)
    n_tiles = -(-state.size // TILE_WIDTH)
    assert b"".join(read_tile(conn, 0, number) for number in range(n_tiles)) == leaves
    stored = {(row.level, row.tile): len(row.hashes) // HASH_BYTES for row in conn.execute(select(log_tiles))}
    assert stored == {
        (level, tile): min(TILE_WIDTH, width - tile * TILE_WIDTH)
        for level in range(4)
        for width in [state.size >> (8 * level)]
        for tile in range(-(-width // TILE_WIDTH))
    }
    return True


class TestTheTree:
    def test_begins_empty(self, store):
        with reading(store.engine) as conn:
            state = read_state(conn)
            assert (state.size, state.root, state.min_index) == (0, EMPTY_ROOT, 0)
            assert read_entry(conn, 0) is None

    def test_grows_by_what_is_appended_in_the_order_given(self, store):
        first, second = some(3), some(2)
        assert append(store, first).first_index == 0
        grown = append(store, second)
        with reading(store.engine) as conn:
            assert read_entries(conn, 0, 5) == [each.data for each in first + second]
            assert read_state(conn) == grown.after
            assert read_entry(conn, 4) == second[1].data
            assert read_entry(conn, 5) is None
        assert (grown.first_index, grown.after.size) == (3, 5)
        assert grown.after.root == root_of(leaf_hash(each.data) for each in first + second)

    @tries(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(sizes=st.lists(st.sampled_from([1, 2, 3, 5, 8, 100, 255, 256, 257]), min_size=1, max_size=6))
    def test_tiles_frontier_and_root_are_those_of_the_entries_however_they_came(self, store, sizes):
        for size in sizes:
            with writing(store.engine) as conn:
                before = read_state(conn).size
                assert append_entries(conn, some(size)).first_index == before
        with reading(store.engine) as conn:
            assert holds_together(conn)

    def test_every_earlier_root_can_be_computed_still(self, store):
        roots = {}
        for size in (1, 254, 1, 1, 300):
            after = append(store, some(size)).after
            roots[after.size] = after.root
        with reading(store.engine) as conn:
            assert {size: root_at(size, hashes_of(conn)) for size in roots} == roots

    def test_a_tile_that_is_gone_is_an_error_and_nothing_is_appended(self, store):
        append(store, some(5))
        with writing(store.engine) as conn:
            conn.execute(delete(log_tiles))
        with pytest.raises(ForkedLogError, match="was changed"):
            append(store, some(1))
        with reading(store.engine) as conn:
            assert read_state(conn).size == 5


def append_and_fail(store):
    with writing(store.engine) as conn:
        append_entries(conn, some(300))
        append_decisions(conn, store.keyring, [a_decision("one")])
        raise ZeroDivisionError


def append_beside_half_an_item(store):
    with writing(store.engine) as conn:
        append_entries(conn, some(1))
        conn.execute(text("INSERT INTO items (item_id) VALUES ('half an item')"))


class TestTransactions:
    def test_entries_are_appended_together_with_whatever_else_is_stored(self, store):
        with writing(store.engine) as conn:
            before = lock_log(conn)
            append_entries(conn, some(1), before)
            append_decisions(conn, store.keyring, [a_decision("one"), a_decision("two")])
            append_entries(conn, some(2))
            assert index_of(conn, "two") == 2
        with reading(store.engine) as conn:
            assert read_state(conn).size == 5
            assert holds_together(conn)

    def test_what_is_rolled_back_leaves_no_trace_and_no_gap(self, store):
        append(store, some(3))
        with reading(store.engine) as conn:
            before = {each: conn.execute(select(each)).all() for each in (log_entries, log_state, log_tiles)}
        with pytest.raises(ZeroDivisionError):
            append_and_fail(store)
        with reading(store.engine) as conn:
            after = {table: conn.execute(select(table)).all() for table in before}
            assert after == before
            assert index_of(conn, "one") is None
        assert append(store, some(1)).first_index == 3

    def test_an_entry_and_what_it_tells_of_are_there_both_or_neither(self, store):
        with pytest.raises(StoreRefusedError):
            append_beside_half_an_item(store)
        store_items(store, "lamp")
        with reading(store.engine) as conn:
            assert read_state(conn).size == 0
            assert set(item_numbers(conn)) == {"lamp"}


class TestManyWriters:
    def test_entries_of_many_threads_stand_without_a_gap_each_where_it_was_told(self, store):
        entries = some(60)
        with ThreadPoolExecutor(6) as threads:
            grown = list(threads.map(lambda each: append(store, [each]), entries))
        assert sorted(each.first_index for each in grown) == list(range(60))
        with reading(store.engine) as conn:
            for each, where in zip(entries, grown, strict=True):
                assert read_entry(conn, where.first_index) == each.data
            assert {root_at(each.after.size, hashes_of(conn)) for each in grown} == {
                each.after.root for each in grown
            }
            assert holds_together(conn)

    def test_entries_of_many_processes_stand_without_a_gap_and_are_vouched_for(self, store):
        url, data_dir = store.settings.database_url, store.settings.data_dir
        with log_elsewhere.processes(3) as pool:
            work = [pool.submit(log_elsewhere.append, url, data_dir, name, 25) for name in "abc"]
            written = dict(place for each in work for place in each.result())
        assert sorted(written) == list(range(75))
        with reading(store.engine) as conn:
            assert read_entries(conn, 0, 75) == [written[at] for at in range(75)]
            assert holds_together(conn)
            assert (store.logbook.guard.last().size, store.logbook.guard.last().root) == (
                75,
                read_state(conn).root,
            )


CHANGES = [
    "UPDATE log_entries SET entry = entry",
    "UPDATE log_entries SET log_index = log_index + 10",
    "DELETE FROM log_entries WHERE log_index = 1",
    "UPDATE decisions SET minute = minute + 1",
    "DELETE FROM decisions WHERE log_index = 1",
    "UPDATE log_state SET size = size - 1",
    "UPDATE log_state SET min_index = -1",
    "UPDATE log_state SET min_index = 3",
    "DELETE FROM log_state",
]


class TestTheGuardsOfTheTables:
    @pytest.fixture
    def of_two(self, store):
        with writing(store.engine) as conn:
            append_decisions(conn, store.keyring, [a_decision("one"), a_decision("two")])
        return store

    @pytest.mark.parametrize("change", CHANGES)
    def test_what_is_in_the_log_cannot_be_changed(self, of_two, change):
        with pytest.raises(StoreRefusedError), writing(of_two.engine) as conn:
            conn.execute(text(change))
        with reading(of_two.engine) as conn:
            assert holds_together(conn)

    @pytest.mark.parametrize("table", [log_entries, log_state, decisions])
    def test_what_is_in_the_log_cannot_be_replaced(self, of_two, table):
        with reading(of_two.engine) as conn:
            row = dict(conn.execute(select(table)).mappings().first())
        way = insert(table) if of_two.on_postgresql else insert(table).prefix_with("OR REPLACE")
        with pytest.raises(StoreRefusedError), writing(of_two.engine) as conn:
            conn.execute(way, row)

    def test_a_decision_cannot_be_replaced_by_another_of_its_id(self, of_two):
        way = insert(decisions) if of_two.on_postgresql else insert(decisions).prefix_with("OR REPLACE")
        row = {"log_index": 9, "decision_id": "one", "minute": MINUTE, "kind_no": 1}
        with pytest.raises(StoreRefusedError), writing(of_two.engine) as conn:
            conn.execute(way, row)

    def test_the_log_cannot_be_emptied_at_once(self, of_two):
        if not of_two.on_postgresql:
            pytest.skip("SQLite knows no TRUNCATE")
        for table in ("log_entries", "log_state", "decisions"):
            with pytest.raises(StoreRefusedError), writing(of_two.engine) as conn:
                conn.execute(text(f"TRUNCATE {table}"))

    def test_only_what_is_below_the_first_index_kept_can_be_deleted(self, store):
        append(store, some(600))
        with writing(store.engine) as conn:
            assert prune_below(conn, 300) == 300
        with pytest.raises(StoreRefusedError), writing(store.engine) as conn:
            conn.execute(delete(log_entries).where(log_entries.c.log_index == 300))
        with pytest.raises(StoreRefusedError), writing(store.engine) as conn:
            conn.execute(update(log_state).values(min_index=299))

    def test_a_pruned_tree_grows_on_and_keeps_its_root(self, store):
        entries = some(600)
        append(store, entries)
        with writing(store.engine) as conn:
            before = read_state(conn)
            prune_below(conn, 300)
        more = some(10)
        after = append(store, more).after
        assert (after.size, after.min_index) == (610, 300)
        assert after.root == root_of(leaf_hash(each.data) for each in entries + more)
        with reading(store.engine) as conn:
            assert read_entry(conn, 299) is None
            assert len(read_entries(conn, 0, 610)) == 310
            assert root_at(600, hashes_of(conn)) == before.root


class TestReading:
    @pytest.mark.parametrize("bounds", [(0, 600), (0, 0), (10, 20), (255, 257), (256, 512), (300, 600)])
    def test_bundles_hold_every_entry_of_a_stretch_once_and_in_order(self, store, bounds):
        entries = [each.data for each in some(600)]
        append(store, [Entry("heartbeat", MINUTE, each) for each in entries])
        with reading(store.engine) as conn:
            found = list(bundles(conn, *bounds))
        assert [each for _, run in found for each in run] == entries[slice(*bounds)]
        for number, run in found:
            assert run == [
                each
                for at, each in enumerate(entries)
                if at // TILE_WIDTH == number and bounds[0] <= at < bounds[1]
            ]

    def test_the_minute_of_the_last_entry_of_a_type_is_found(self, store):
        with writing(store.engine) as conn:
            assert last_of(conn, "heartbeat") is None
            for minutes in (1, 5, 3):
                append_entries(conn, [entry("heartbeat", minutes * 60_000 + 59_999)])
            append_entries(conn, [entry("prune", 9 * 60_000)])
            append_decisions(conn, store.keyring, [a_decision()])
            assert (last_of(conn, "heartbeat"), last_of(conn, "prune")) == (3, 9)
            assert last_of(conn, "decision") is None


class TestDecisionsThatAreRefused:
    def test_an_id_that_is_taken_is_refused_and_leaves_no_gap(self, store):
        with writing(store.engine) as conn:
            append_decisions(conn, store.keyring, [a_decision("one")])
        for batch in (["one"], ["two", "one"], ["two", "two"]):
            with pytest.raises(StoreRefusedError), writing(store.engine) as conn:
                append_decisions(conn, store.keyring, [a_decision(each) for each in batch])
        with reading(store.engine) as conn:
            assert read_state(conn).size == 1
            assert holds_together(conn)

    def test_the_recorder_parts_it_from_its_batch_and_the_others_stand_without_a_gap(self, store):
        recorder = Recorder(store.logbook)
        with writing(store.engine) as conn:
            append_decisions(conn, store.keyring, [a_decision("taken")])
        with ThreadPoolExecutor(5) as threads:
            with writing(store.engine) as conn:
                lock_log(conn)
                recorder.start()
                names = ["a", "taken", "b", "taken", "c"]
                work = [threads.submit(recorder.submit, a_decision(each)) for each in names]
            said = [each.exception() or each.result() for each in work]
        recorder.close()
        assert [isinstance(each, StoreRefusedError) for each in said] == [False, True, False, True, False]
        assert sorted(each for each in said if isinstance(each, int)) == [1, 2, 3]
        with reading(store.engine) as conn:
            assert [index_of(conn, each) for each in "abc"] == [said[0], said[2], said[4]]
            assert conn.scalar(select(func.count()).select_from(decisions)) == 4
            assert holds_together(conn)


@pytest.mark.postgres
def test_whoever_waited_for_the_lock_goes_on_from_the_latest_tree_whatever_the_server_isolates(
    postgresql_store,
):
    engine = postgresql_store.engine
    with writing(engine) as conn:
        conn.execute(
            text(
                f"ALTER DATABASE {engine.url.database} SET default_transaction_isolation = 'repeatable read'"
            )
        )
    engine.dispose()
    all_have_read = Barrier(4)

    def read_and_append(_):
        with writing(engine) as conn:
            before = read_state(conn)
            all_have_read.wait()
            return before.size, append_entries(conn, some(1)).first_index

    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(read_and_append, range(4)))
    assert sorted(told) == [(0, 0), (0, 1), (0, 2), (0, 3)]
    with reading(engine) as conn:
        assert read_state(conn).root == root_of_entries(conn)


def test_a_copy_of_the_whole_folder_goes_on_where_the_shop_was(sqlite_store, tmp_path):
    with writing(sqlite_store.engine) as conn:
        grown = sqlite_store.logbook.append(conn, [a_decision("one")])
    sqlite_store.logbook.publish(grown.after)
    copied = tmp_path.with_name(f"{tmp_path.name}-copy")
    shutil.copytree(tmp_path, copied)
    with opened(f"sqlite:///{copied / 'tactful.db'}", copied) as store:
        assert store.logbook.vkeys == sqlite_store.logbook.vkeys
        with writing(store.engine) as conn:
            grown = store.logbook.append(conn, [a_decision("two")])
        assert store.logbook.publish(grown.after).size == 2
