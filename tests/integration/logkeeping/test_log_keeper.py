"""What the log needs and no request does: heartbeats, witnesses, the spool, self-checks, new keys."""

import sys
from dataclasses import replace

import orjson
import pytest
from click.testing import CliRunner
from sqlalchemy import update
from support.http import fill, serving
from support.stores import NOW_MS, Clock, a_decision
from support.witnesses import a_witness

from api.cli import main
from api.errors import SettingsError, StoreUnavailableError
from api.log_signers import LogSigners
from api.logbook import keyring_of, rotate_key_encryption_key
from api.logkeeping import CHECKED_FROM_HOUR, CHECKED_WITHIN_MS, LogKeeper
from api.metrics import Metrics
from api.settings import Witness
from api.storage.connection import reading, writing
from api.storage.decisions import index_of, stored_among
from api.storage.keyring import KeyName
from api.storage.log import append_entries, entry, last_minute, read_entries, read_state
from api.storage.spool import Spool
from api.storage.tables import decision_bodies
from api.witness.keys import make_keys
from guardrails.log.notes import NoteSigner
from guardrails.log.verifier import InvalidError, open_note, parse_vkey, verify_rotation

DAY_MS = 86_400_000


@pytest.fixture
def clock():
    return Clock(NOW_MS)


@pytest.fixture
def spool(store):
    return Spool(store.settings.spool_dir)


def a_keeper(store, spool, clock, **settings):
    asked = replace(store.settings, **settings)
    return LogKeeper(store.logbook, spool, asked, Metrics(), "b" * 64, clock)


def entries(store):
    with reading(store.engine) as conn:
        return [orjson.loads(each) for each in read_entries(conn, 0, read_state(conn).size)]


def vouched_size(store):
    last = store.logbook.guard.last()
    return 0 if last is None else last.size


def record(store, *decision_ids):
    with writing(store.engine) as conn:
        grown = store.logbook.append(conn, [a_decision(each) for each in decision_ids])
    store.logbook.publish(grown.after)


def test_a_quiet_log_says_now_and_then_that_it_is_there(store, spool, clock):
    keeper = a_keeper(store, spool, clock, log_heartbeat_minutes=10)
    assert keeper.beat()
    clock.advance(9 * 60_000)
    assert not keeper.beat()
    clock.advance(60_000)
    assert keeper.beat()
    assert [each["type"] for each in entries(store)] == ["heartbeat", "heartbeat"]
    assert entries(store)[0] == {
        "v": 2,
        "type": "heartbeat",
        "t_min": NOW_MS // 60_000,
        "n_spooled": 0,
    }
    assert vouched_size(store) == 2


def test_two_keepers_add_one_heartbeat(store, spool, clock):
    keepers = [a_keeper(store, spool, clock) for _ in range(2)]
    assert [keeper.beat() for keeper in keepers] == [True, False]


def test_a_clock_that_was_put_back_makes_one_heartbeat_and_no_storm(store, spool, clock):
    keeper = a_keeper(store, spool, clock)
    keeper.beat()
    clock.advance(-DAY_MS)
    assert [keeper.beat() for _ in range(3)] == [True, False, False]
    clock.advance(2 * DAY_MS)
    assert [keeper.beat() for _ in range(3)] == [True, False, False]


def test_what_somebody_stored_and_could_not_vouch_for_is_vouched_for(store, spool, clock):
    with writing(store.engine) as conn:
        append_entries(conn, [entry("config", NOW_MS, what="something")])
    assert vouched_size(store) == 0
    a_keeper(store, spool, clock).vouch()
    assert vouched_size(store) == 1


def test_the_spool_is_brought_into_the_log_once_however_often_it_is_tried(store, spool, clock):
    keeper = a_keeper(store, spool, clock)
    for name in "abc":
        spool.keep(a_decision(name))
    record(store, "b")  # somebody brought it, and was stopped before the file was removed
    assert keeper.drain() == 2
    assert keeper.drain() == 0
    assert spool.is_empty
    with reading(store.engine) as conn:
        assert stored_among(conn, ["a", "b", "c"]) == {"a", "b", "c"}
        assert [index_of(conn, name) for name in "bac"] == [0, 1, 2]


def test_what_cannot_be_brought_stays_in_the_spool(store, spool, clock, monkeypatch):
    keeper = a_keeper(store, spool, clock)
    spool.keep(a_decision("a"))

    def fail(*_args):
        raise StoreUnavailableError("gone")

    monkeypatch.setattr(store.logbook, "append", fail)
    with pytest.raises(StoreUnavailableError):
        keeper.drain()
    assert spool.count() == 1
    monkeypatch.undo()
    spool.keep(a_decision("b"))
    assert (keeper.drain(), keeper.drain()) == (1, 1)


def test_a_witness_is_shown_every_tree_that_has_grown_and_signs_it(store, spool, clock, tmp_path):
    (signer,) = make_keys(tmp_path / "witness.key", "witness.example/w1", post_quantum=False)
    with a_witness(tmp_path, store.logbook.vkeys) as running:
        keeper = a_keeper(store, spool, clock, log_witnesses=(Witness(running.url, signer.vkey),))
        assert keeper.ask_witnesses() == 0  # there is nothing to be witnessed yet
        for n_signed in (1, 2):
            record(store, f"decision {n_signed}", f"another {n_signed}")
            clock.advance(60_000)
            assert keeper.ask_witnesses() == 1
            assert keeper.ask_witnesses() == 0
            assert store.logbook.standing().n_witnessed == 2 * n_signed
        open_note(store.logbook.witnessed().encode(), [parse_vkey(signer.vkey)])
        with store.logbook.guard._store.writing() as conn:
            conn.exec_driver_sql("DELETE FROM cosignatures")  # the witness knows better than we do
        record(store, "the last")
        clock.advance(60_000)
        assert keeper.ask_witnesses() == 1


def test_a_signature_of_somebody_else_is_not_kept(store, spool, clock, tmp_path):
    make_keys(tmp_path / "witness.key", "witness.example/w1", post_quantum=False)
    stranger = NoteSigner("witness.example/w1", b"s" * 32)
    record(store, "one")
    with a_witness(tmp_path, store.logbook.vkeys) as running:
        keeper = a_keeper(store, spool, clock, log_witnesses=(Witness(running.url, stranger.vkey),))
        assert keeper.ask_witnesses() == 0
    assert store.logbook.witnessed() is None


def test_a_night_s_check_makes_decisions_of_the_day_again_and_the_log_says_so(sqlite_store):
    settings = sqlite_store.settings
    with serving(settings, fill(settings)) as shop:
        for _ in range(3):
            shop.recommend()
        found = shop.wiring
        tomorrow = Clock(found.clock() + DAY_MS)
        tomorrow.now_ms += (3 * 3_600_000 - tomorrow.now_ms) % DAY_MS - DAY_MS * (
            tomorrow.now_ms % DAY_MS > 3 * 3_600_000
        )
        keeper = LogKeeper(found.logbook, found.spool, settings, found.metrics, found.build, tomorrow)
        check = keeper.check_itself()
        assert (check.n, check.n_exact, check.n_failed) == (1, 1, 0)
        assert keeper.check_itself() is None
        said = entries(sqlite_store)[-1]
        assert (said["type"], said["n"], said["n_exact"], said["build"]) == ("self_check", 1, 1, found.build)
        with writing(found.engine) as conn:
            conn.execute(update(decision_bodies).values(sealed=b"changed by somebody" * 10))
        with found.logbook.guard._store.writing() as conn:
            conn.exec_driver_sql("DELETE FROM duties")
        assert keeper._check(tomorrow() // 60_000 - 2880, tomorrow() // 60_000).n_failed == 1


def test_a_night_s_check_of_somebody_who_died_is_taken_over(store, spool, clock, monkeypatch):
    record(store, "one")
    clock.advance(DAY_MS - clock.now_ms % DAY_MS + CHECKED_FROM_HOUR * 3_600_000)
    dying, other = a_keeper(store, spool, clock), a_keeper(store, spool, clock)
    monkeypatch.setattr(dying, "_check", lambda *_: sys.exit("killed"))
    with pytest.raises(SystemExit):
        dying.check_itself()
    assert other.check_itself() is None
    clock.advance(CHECKED_WITHIN_MS)
    assert other.check_itself() is not None
    assert [each.get("type") for each in entries(store)].count("self_check") == 1
    clock.advance(CHECKED_WITHIN_MS)
    assert other.check_itself() is None


def test_a_new_key_takes_the_place_of_the_old_one_and_both_sign_that(store):
    record(store, "before")
    (old,) = store.logbook.vkeys
    new = store.logbook.rotate()
    assert store.logbook.vkeys == (new,)
    assert new != old
    said = entries(store)[-1]
    verified = verify_rotation(said, store.settings.log_origin, 1)
    assert verified == (parse_vkey(old), parse_vkey(new))
    by_both = store.logbook.guard.last().note.encode()
    open_note(by_both, [parse_vkey(old)])
    open_note(by_both, [parse_vkey(new)])
    record(store, "after")
    by_new = store.logbook.guard.last().note.encode()
    open_note(by_new, [parse_vkey(new)])
    with pytest.raises(InvalidError):
        open_note(by_new, [parse_vkey(old)])
    assert LogSigners(store.settings).now()[0].vkey == new


@pytest.mark.parametrize("step", ["append_entries", "_sign_by_both", "take_over"])
def test_a_change_of_key_that_was_interrupted_is_gone_on_with(store, monkeypatch, step):
    record(store, "before")

    class StoppedError(Exception):
        pass

    def stop(*_args):
        raise StoppedError

    where = {
        "append_entries": "api.logbook.append_entries",
        "_sign_by_both": "api.logbook.Logbook._sign_by_both",
        "take_over": "api.log_signers.LogSigners.take_over",
    }
    monkeypatch.setattr(where[step], stop)
    with pytest.raises(StoppedError):
        store.logbook.rotate()
    monkeypatch.undo()
    record(store, "meanwhile")  # by a server that runs
    new = store.logbook.rotate()
    assert [each.get("type") for each in entries(store)].count("key_rotate") == 1
    assert store.logbook.vkeys == (new,)
    open_note(store.logbook.checkpoint().encode(), [parse_vkey(new)])
    assert not store.settings.next_log_key_file.exists()


def test_a_key_that_is_set_by_a_variable_is_not_rotated(store):
    with pytest.raises(SettingsError, match="TACTFUL_LOG_KEY"):
        LogSigners(replace(store.settings, log_key=b"k" * 32)).rotation()


def test_keys_are_wrapped_again_and_who_has_the_old_key_makes_none(store):
    name = KeyName(b"a" * 16, 2026)
    key = store.keyring.for_sealing([name])[name]
    with keyring_of(store.settings) as another:
        assert rotate_key_encryption_key(store.settings, another) == 1
    with pytest.raises(StoreUnavailableError, match="another key-encryption key"):
        store.keyring.for_sealing([KeyName(b"b" * 16, 2026)])
    with keyring_of(store.settings) as after:
        assert after.for_opening([name]) == {name: key}


def test_keys_are_rotated_on_the_command_line(sqlite_store, monkeypatch):
    monkeypatch.setenv("TACTFUL_DATABASE_URL", sqlite_store.settings.database_url)
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(sqlite_store.settings.data_dir))
    rotated = CliRunner().invoke(main, ["log", "rotate-key"])
    assert rotated.exit_code == 0, rotated.output
    assert rotated.stdout.strip() == sqlite_store.logbook.vkeys[0]
    assert CliRunner().invoke(main, ["log", "rotate-kek"]).exit_code == 0


def test_what_is_decided_about_keys_is_in_the_log(store):
    fill(store.settings, model=False)
    said = [each for each in entries(store) if each.get("type") == "config"]
    assert {each["what"] for each in said} == {"key_created"}
    assert {each["role"] for each in said} == {"site", "marketer", "approver", "auditor", "admin"}
    with reading(store.engine) as conn:
        assert last_minute(conn) is not None
