"""What the guard promises: no tree is signed that does not go on from the last one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import event, update
from support import log_elsewhere
from support.stores import NOW_MS, a_decision

from api.errors import ForkedLogError, SettingsError
from api.logbook import Logbook, entry, open_logbook
from api.storage.apart import Apart
from api.storage.connection import reading, writing
from api.storage.guard import Guard, Vouched, metadata
from api.storage.log import append_entries, read_state
from api.storage.tables import log_state
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.merkle import node_hash
from guardrails.log.notes import text_of
from guardrails.log.verifier import open_note, parse_checkpoint, parse_vkey

ROOT, OTHER = b"r" * 32, b"o" * 32


@pytest.fixture
def guard(apart_url):
    found = Guard(Apart(apart_url, metadata))
    yield found
    found.close()


def goes_on(last):
    return True


def forks(last):
    return False


def never():
    raise AssertionError("nothing was to be signed")


def vouch(guard, size, root=ROOT, minute=0, goes_on_from=goes_on):
    return guard.advance(size, root, minute, goes_on_from, lambda: f"note of {size}")


class TestCompareAndSwap:
    def test_before_the_first_nothing_is_remembered(self, guard):
        assert guard.last() is guard.last_cosigned() is guard.at(0) is None

    def test_the_first_tree_is_vouched_for_as_it_is(self, guard):
        assert vouch(guard, 7, minute=3, goes_on_from=forks) == Vouched(7, ROOT, 3, "note of 7")
        assert guard.last() == guard.at(7) == Vouched(7, ROOT, 3, "note of 7")

    def test_a_larger_one_that_goes_on_is_vouched_for(self, guard):
        vouch(guard, 7)
        asked = []
        found = vouch(guard, 9, OTHER, 60, lambda last: asked.append(last) is None)
        assert found == guard.last() == Vouched(9, OTHER, 60, "note of 9")
        assert asked == [Vouched(7, ROOT, 0, "note of 7")]

    def test_a_larger_one_that_does_not_is_refused(self, guard):
        before = vouch(guard, 7)
        with pytest.raises(ForkedLogError):
            guard.advance(9, OTHER, 0, forks, never)
        assert guard.last() == before

    def test_the_same_one_is_not_signed_again(self, guard):
        before = vouch(guard, 7)
        assert guard.advance(7, ROOT, 5, forks, never) == before == guard.last()

    def test_another_one_of_the_same_size_is_refused(self, guard):
        before = vouch(guard, 7)
        with pytest.raises(ForkedLogError):
            guard.advance(7, OTHER, 0, forks, never)
        assert guard.last() == before

    def test_of_a_smaller_one_nothing_is_signed(self, guard):
        before = vouch(guard, 7)
        assert guard.advance(6, OTHER, 0, forks, never) == before == guard.last()

    def test_where_signing_fails_nothing_is_remembered(self, guard):
        def fail():
            raise ZeroDivisionError

        before = vouch(guard, 7)
        with pytest.raises(ZeroDivisionError):
            guard.advance(8, ROOT, 0, goes_on, fail)
        assert guard.last() == before

    def test_of_many_threads_that_vouch_each_gets_a_tree_at_least_its_own(self, guard):
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda size: vouch(guard, size).size, range(1, 61)))
        assert all(got >= size for size, got in enumerate(found, 1))
        assert guard.last().size == 60

    def test_of_two_processes_with_different_trees_one_alone_is_signed(self, apart_url, guard):
        with log_elsewhere.processes(2) as pool:
            work = [pool.submit(log_elsewhere.vouch, apart_url, name, 30) for name in ("one", "two")]
            (signed, n_refused), (others, n_others_refused) = sorted(
                (each.result() for each in work), reverse=True
            )
        assert signed == list(range(1, 31))
        assert others == []
        assert n_refused == 0
        assert n_others_refused > 0 or guard.last().size == 30


class TestWhatIsKept:
    def test_one_checkpoint_an_hour_and_the_last_one(self, guard):
        for size, minute in enumerate((0, 10, 59, 60, 61, 119, 120, 500, 501), 1):
            vouch(guard, size, minute=minute)
        kept = [size for size in range(1, 10) if guard.at(size) is not None]
        assert kept == [3, 6, 7, 9]

    def test_all_that_a_witness_has_signed(self, guard):
        for size in range(1, 9):
            vouched = vouch(guard, size)
            if size in (2, 5):
                guard.cosign(vouched, {"witness": f"line of {size}"})
        assert [size for size in range(1, 9) if guard.at(size) is not None] == [2, 5, 8]
        assert guard.last_cosigned() == guard.at(5)
        assert guard.cosigned(5) == {"witness": "line of 5"}
        assert guard.cosigned(8) == {}

    def test_also_while_the_log_grew_on_before_the_witness_answered(self, guard):
        asked_about = vouch(guard, 2)
        last = vouch(guard, 3)
        guard.cosign(asked_about, {"witness": "line of 2"})
        assert guard.last_cosigned() == asked_about
        assert guard.cosigned(2) == {"witness": "line of 2"}
        assert guard.last() == last

    def test_what_a_witness_signed_first_stays_and_others_join_it(self, guard):
        vouched = vouch(guard, 1)
        guard.cosign(vouched, {"b": "first"})
        guard.cosign(vouched, {"b": "second", "a": "other"})
        assert list(guard.cosigned(1).items()) == [("a", "other"), ("b", "first")]

    def test_a_restart_forgets_nothing(self, apart_url, guard):
        before = vouch(guard, 7)
        guard.cosign(before, {"witness": "line"})
        again = Guard(Apart(apart_url, metadata))
        assert (again.last(), again.cosigned(7)) == (before, {"witness": "line"})
        again.close()


def said(number):
    return entry("heartbeat", NOW_MS, n_spooled=number)


def grow(store, numbers):
    """Append entries as the edge does, and vouch for them."""
    with writing(store.engine) as conn:
        grown = store.logbook.add(conn, *map(said, numbers))
    return store.logbook.publish(grown.after)


def grow_unguarded(store, numbers):
    """Put entries into a database that nobody looks after, as it was when the backup was made."""
    with writing(store.engine) as conn:
        return append_entries(conn, list(map(said, numbers))).after


class TestRestoredDatabases:
    """``restored`` lies where ``store`` was, and the guard remembers ten entries."""

    @pytest.fixture(autouse=True)
    def ten_entries(self, store):
        self.vouched = grow(store, range(10))

    def is_refused(self, restored):
        before = read_size(restored)
        with pytest.raises(ForkedLogError, match="was a backup restored"):
            add(restored)
        with pytest.raises(ForkedLogError, match="was a backup restored"):
            append(restored)
        assert read_size(restored) == before
        return True

    def test_the_same_entries_again_are_the_same_tree(self, restored):
        grow_unguarded(restored, range(10))
        assert restored.logbook.publish() == self.vouched
        assert grow(restored, [10]).size == 11

    @pytest.mark.parametrize("size", [0, 1, 9])
    def test_an_older_one_is_refused_and_not_signed(self, restored, size):
        if size:
            grow_unguarded(restored, range(size))
        assert self.is_refused(restored)
        assert restored.logbook.publish() == self.vouched == restored.logbook.guard.last()

    @pytest.mark.parametrize("n_others", [5, 6, 300])
    def test_one_that_has_grown_again_with_other_entries_is_refused_and_not_signed(self, restored, n_others):
        grow_unguarded(restored, range(5))
        grow_unguarded(restored, range(100, 100 + n_others))
        assert self.is_refused(restored)
        with pytest.raises(ForkedLogError):
            restored.logbook.publish()
        with pytest.raises(ForkedLogError):
            restored.logbook.checkpoint()
        assert restored.logbook.guard.last() == self.vouched

    def test_one_that_is_ahead_with_the_same_beginning_is_vouched_for(self, restored):
        grow_unguarded(restored, range(25))
        assert grow(restored, [25]).size == 26

    def test_one_that_was_committed_but_not_vouched_for_is_vouched_for_by_the_next(self, store):
        after = grow_unguarded(store, [10])
        assert store.logbook.publish().root == after.root

    @pytest.mark.parametrize(
        "change",
        [
            {"root": OTHER},
            {"size": 12, "frontier": ROOT + OTHER, "root": node_hash(ROOT, OTHER)},
            {"frontier": ROOT + OTHER},
            {"frontier": b""},
        ],
    )
    def test_a_state_that_is_not_that_of_the_entries_is_neither_signed_nor_gone_on_from(self, store, change):
        with writing(store.engine) as conn:
            conn.execute(update(log_state).values(**change))
        with pytest.raises(ForkedLogError, match="was changed"):
            store.logbook.publish()
        with pytest.raises(ForkedLogError):
            grow(store, [10])
        assert store.logbook.guard.last() == self.vouched

    def test_what_this_process_has_seen_go_on_is_vouched_for_without_reading_it_again(self, store):
        grow_unguarded(store, range(10, 15))
        with writing(store.engine) as conn:
            grown = store.logbook.add(conn, said(15))
        asked = []
        event.listen(store.engine, "checkout", lambda *_: asked.append(1))
        assert store.logbook.publish(grown.after).size == 16
        assert asked == []
        with pytest.raises(ForkedLogError):
            store.logbook.publish(replace(grown.after, root=OTHER))

    def test_few_trees_are_remembered(self, store):
        for number in range(10, 50):
            with writing(store.engine) as conn:
                store.logbook.add(conn, said(number))
            assert len(store.logbook._chain) <= 32
        assert store.logbook.publish().size == 50

    def test_another_origin_is_refused(self, store):
        book = store.logbook
        renamed = Logbook(
            book.engine, book.keyring, book.guard, book._signers, "another.example/log", lambda: NOW_MS
        )
        grow_unguarded(store, [10])
        with pytest.raises(SettingsError, match="TACTFUL_LOG_ORIGIN"):
            renamed.publish()
        with writing(store.engine) as conn, pytest.raises(SettingsError, match="TACTFUL_LOG_ORIGIN"):
            renamed.add(conn, said(12))
        assert book.publish().size == 11

    def test_a_log_that_is_told_to_signs_with_both_of_its_keys(self, store):
        settings = replace(store.settings, log_post_quantum=True)
        book = open_logbook(settings, store.engine, lambda: NOW_MS)
        grow_unguarded(store, [10])
        text, signed = open_note(book.checkpoint().encode(), [parse_vkey(each) for each in book.vkeys])
        assert [(each.key.kind, each.checked) for each in signed] == [(0x01, True), (0x06, True)]
        assert parse_checkpoint(text).size == 11
        book.close()

    def test_what_was_signed_says_origin_size_and_root(self, store):
        with reading(store.engine) as conn:
            state = read_state(conn)
        found = Checkpoint.parse(text_of(self.vouched.note))
        assert found == Checkpoint(store.logbook.origin, 10, state.root)


def read_size(store):
    with reading(store.engine) as conn:
        return read_state(conn).size


def add(store):
    with writing(store.engine) as conn:
        store.logbook.add(conn, said(1))


def append(store):
    with writing(store.engine) as conn:
        store.logbook.append(conn, [a_decision()])
