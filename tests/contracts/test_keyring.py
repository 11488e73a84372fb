"""What the store of keys promises, whichever database it stands on."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, select, update
from support import log_elsewhere

from api.errors import StoreUnavailableError
from api.storage.apart import Apart
from api.storage.bodies import key_name
from api.storage.connection import open_url, reading
from api.storage.keyring import KeyName, Keyring, metadata, subject_keys
from guardrails.errors import RecordError
from guardrails.log.sealing import KEY_BYTES, NOBODY, digest, unwrap

KEK, OTHER_KEK = b"K" * KEY_BYTES, b"L" * KEY_BYTES
ANNA, BERT = b"anna".ljust(16), b"bert".ljust(16)
A_23, A_24, B_24, NOBODYS = (
    KeyName(ANNA, 2023),
    KeyName(ANNA, 2024),
    KeyName(BERT, 2024),
    KeyName(NOBODY, 2024),
)
ALL = (A_23, A_24, B_24, NOBODYS)


@pytest.fixture
def keyring(apart_url):
    with_it = Keyring(Apart(apart_url, metadata), KEK)
    yield with_it
    with_it.close()


def stored(url):
    engine = open_url(url)
    with reading(engine) as conn:
        rows = conn.execute(select(subject_keys)).all()
    engine.dispose()
    return {KeyName(bytes(row.subject_key), row.year): row for row in rows}


def in_files(folder):
    """Every byte of a SQLite store: the file, and what it has beside itself."""
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


class TestMaking:
    def test_a_key_is_made_once_and_found_from_then_on(self, keyring):
        made = keyring.for_sealing(ALL)
        assert set(made) == set(ALL)
        assert {len(key) for key in made.values()} == {KEY_BYTES}
        assert len(set(made.values())) == len(ALL)
        assert keyring.for_sealing(ALL) == made == keyring.for_opening(ALL)

    def test_opening_makes_none(self, keyring):
        assert keyring.for_opening(ALL) == {}
        assert keyring.count() == {}

    def test_years_and_subjects_are_apart(self, keyring):
        keyring.for_sealing([A_23, B_24])
        assert set(keyring.for_opening(ALL)) == {A_23, B_24}

    def test_a_year_ends_at_midnight_utc(self):
        new_year = 1_704_067_200 // 60
        assert (key_name(ANNA, new_year - 1), key_name(ANNA, new_year)) == (A_23, A_24)
        assert key_name(None, new_year) == NOBODYS

    def test_threads_that_ask_at_once_get_the_same_key(self, keyring):
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: keyring.for_sealing([A_24])[A_24], range(40)))
        assert len(set(found)) == 1

    def test_processes_that_ask_at_once_get_the_same_keys(self, apart_url, keyring):
        names = [KeyName(bytes([number]) * 16, 2024) for number in range(20)]
        with log_elsewhere.processes(3) as pool:
            work = [pool.submit(log_elsewhere.take_keys, apart_url, KEK, names) for _ in range(3)]
            found = [each.result() for each in work]
        assert found[0] == found[1] == found[2] == keyring.for_opening(names)
        assert len(set(found[0].values())) == len(names)

    def test_a_key_is_durable_when_it_is_handed_out(self, apart_url, keyring):
        made = keyring.for_sealing([A_24])
        again = Keyring(Apart(apart_url, metadata), KEK)
        assert again.for_opening([A_24]) == made
        again.close()

    def test_more_keys_than_one_query_takes_are_found(self, keyring):
        names = [KeyName(number.to_bytes(16, "big"), 2024) for number in range(1_201)]
        made = keyring.for_sealing(names)
        assert len(made) == len(names)
        assert keyring.for_opening(names) == made
        assert keyring.destroy([name.subject_key for name in names]) == len(names)


class TestAtRest:
    def test_keys_are_wrapped_and_say_with_what(self, apart_url, keyring):
        made = keyring.for_sealing(ALL)
        rows = stored(apart_url)
        assert set(rows) == set(ALL)
        for name, row in rows.items():
            assert row.wrapped_key != made[name]
            assert unwrap(KEK, bytes(row.wrapped_key)) == made[name]
            assert row.kek_id == digest(KEK)
        assert keyring.count() == {digest(KEK): len(ALL)}

    def test_no_byte_of_a_key_is_in_the_file(self, tmp_path):
        url = f"sqlite:///{tmp_path / 'keys.db'}"
        keyring = Keyring(Apart(url, metadata), KEK)
        made = keyring.for_sealing(ALL)
        content = in_files(tmp_path)
        assert ANNA in content
        assert not any(key[:8] in content for key in (*made.values(), KEK))
        keyring.close()

    def test_a_file_of_keys_can_be_read_by_its_owner_only(self, tmp_path):
        keyring = Keyring(Apart(f"sqlite:///{tmp_path / 'keys.db'}", metadata), KEK)
        keyring.for_sealing([A_24])
        assert (tmp_path / "keys.db").stat().st_mode & 0o077 == 0
        keyring.close()

    def test_another_key_encryption_key_is_a_clear_error(self, apart_url, keyring):
        keyring.for_sealing([A_24])
        other = Keyring(Apart(apart_url, metadata), OTHER_KEK)
        for ask in (other.for_opening, other.for_sealing):
            with pytest.raises(RecordError, match="does not open with this key-encryption key"):
                ask([A_24])
        other.close()


class TestDestroying:
    def test_every_key_of_the_subjects_is_gone_and_no_other(self, keyring):
        made = keyring.for_sealing(ALL)
        assert keyring.destroy([ANNA]) == 2
        assert keyring.for_opening(ALL) == {name: made[name] for name in (B_24, NOBODYS)}
        assert keyring.destroy([ANNA]) == 0

    def test_who_comes_back_gets_another_key(self, keyring):
        before = keyring.for_sealing([A_24])
        keyring.destroy([ANNA])
        assert keyring.for_sealing([A_24]) != before

    def test_nothing_of_a_key_is_left_in_the_file_or_its_log(self, tmp_path):
        url = f"sqlite:///{tmp_path / 'keys.db'}"
        keyring = Keyring(Apart(url, metadata), KEK)
        keyring.for_sealing(ALL)
        wrapped = {name: bytes(row.wrapped_key) for name, row in stored(url).items()}
        assert all(each in in_files(tmp_path) for each in wrapped.values())
        keyring.destroy([ANNA])
        keyring.clear_destroyed()
        left = in_files(tmp_path)
        assert ANNA not in left
        assert {name for name, each in wrapped.items() if each in left} == {B_24, NOBODYS}
        keyring.close()

    def test_while_somebody_still_reads_from_before_it_is_not_done(self, tmp_path):
        url = f"sqlite:///{tmp_path / 'keys.db'}"
        keyring = Keyring(Apart(url, metadata), KEK)
        keyring.for_sealing(ALL)
        engine = open_url(url)
        with reading(engine) as conn:
            conn.execute(select(subject_keys)).all()
            assert keyring.destroy([ANNA]) == 2
            with pytest.raises(StoreUnavailableError):
                keyring.clear_destroyed()
        keyring.clear_destroyed()
        assert ANNA not in in_files(tmp_path)
        engine.dispose()
        keyring.close()

    def test_what_is_left_behind_is_removed_by_many_at_once(self, keyring):
        keyring.for_sealing(ALL)
        keyring.destroy([ANNA])
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(lambda _: keyring.clear_destroyed(), range(24))) == [None] * 24

    def test_years_before_go_of_those_who_are_named(self, keyring):
        b_23 = KeyName(BERT, 2023)
        keyring.for_sealing([*ALL, b_23])
        assert keyring.subjects_before(2024) == [ANNA, BERT]
        assert keyring.destroy_before(2024, [ANNA]) == 1
        assert set(keyring.for_opening([*ALL, b_23])) == {A_24, B_24, NOBODYS, b_23}
        assert keyring.subjects_before(2024) == [BERT]
        assert keyring.destroy_before(2024, [ANNA, BERT]) == 1
        assert keyring.subjects_before(2025) == [NOBODY, ANNA, BERT]
        assert keyring.destroy_before(2025, keyring.subjects_before(2025)) == 3
        assert keyring.count() == {}


class TestRewrapping:
    def test_every_key_stays_what_it_was_under_the_new_one(self, apart_url, keyring):
        made = keyring.for_sealing(ALL)
        assert keyring.rewrap(OTHER_KEK) == len(ALL)
        assert keyring.for_opening(ALL) == made
        assert keyring.count() == {digest(OTHER_KEK): len(ALL)}
        before = Keyring(Apart(apart_url, metadata), KEK)
        with pytest.raises(RecordError):
            before.for_opening(ALL)
        before.close()
        after = Keyring(Apart(apart_url, metadata), OTHER_KEK)
        assert after.for_opening(ALL) == made
        after.close()

    def test_what_is_made_afterwards_is_wrapped_with_the_new_one(self, keyring):
        keyring.for_sealing([A_23])
        keyring.rewrap(OTHER_KEK)
        keyring.for_sealing([A_24])
        assert keyring.count() == {digest(OTHER_KEK): 2}

    def test_done_again_it_changes_nothing(self, apart_url, keyring):
        made = keyring.for_sealing([A_23, A_24])
        again = Keyring(Apart(apart_url, metadata), KEK)
        assert keyring.rewrap(OTHER_KEK) == 2
        assert again.rewrap(OTHER_KEK) == 0
        assert again.for_opening(ALL) == keyring.for_opening(ALL) == made
        again.close()

    def test_a_process_that_was_not_told_makes_no_key_with_the_former_one(self, apart_url, keyring):
        late = Keyring(Apart(apart_url, metadata), KEK)
        keyring.for_sealing([A_24])
        keyring.rewrap(OTHER_KEK)
        with pytest.raises(StoreUnavailableError, match="another key-encryption key now"):
            late.for_sealing([B_24])
        assert keyring.count() == {digest(OTHER_KEK): 1}
        late.close()

    def test_where_one_cannot_be_opened_none_is_rewrapped(self, apart_url, keyring):
        made = keyring.for_sealing([A_23, B_24, NOBODYS])
        with keyring._store.writing() as conn:
            damaged = subject_keys.c.subject_key == BERT
            conn.execute(update(subject_keys).where(damaged).values(wrapped_key=bytes(40)))
        before = stored(apart_url)
        with pytest.raises(RecordError, match="key-encryption key"):
            keyring.rewrap(OTHER_KEK)
        assert stored(apart_url) == before
        assert keyring.for_opening([A_23]) == {A_23: made[A_23]}

    def test_stopped_in_the_middle_nothing_has_happened(self, apart_url, keyring):
        made = keyring.for_sealing(ALL)
        before = stored(apart_url)
        engine = keyring._store.engine
        updates = []

        def stop(conn, cursor, statement, *rest):
            if statement.startswith("UPDATE"):
                updates.append(statement)
            if len(updates) == 3:
                raise KeyboardInterrupt

        event.listen(engine, "before_cursor_execute", stop)
        with pytest.raises(KeyboardInterrupt):
            keyring.rewrap(OTHER_KEK)
        event.remove(engine, "before_cursor_execute", stop)
        assert stored(apart_url) == before
        assert keyring.for_opening(ALL) == made
        assert keyring.rewrap(OTHER_KEK) == len(ALL)


def test_a_store_of_keys_that_is_gone_is_unavailable(tmp_path):
    keyring = Keyring(Apart(f"sqlite:///{tmp_path / 'keys.db'}", metadata), KEK)
    keyring.for_sealing([A_24])
    keyring.close()
    (tmp_path / "keys.db").write_bytes(b"this was never a database" * 1000)
    with pytest.raises(StoreUnavailableError):
        keyring.for_opening([A_24])
