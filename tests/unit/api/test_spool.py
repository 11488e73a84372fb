"""The spool: whole records or none, for nobody, once."""

import hashlib

import orjson
import pytest
from support.stores import a_decision

from api.errors import StoreUnavailableError
from api.storage.spool import Spool


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def drained(spool):
    with spool.draining() as waiting:
        return waiting


def test_what_is_kept_comes_out_as_it_was_and_once(spool):
    kept = [a_decision(name, terms=("rule:G05",)) for name in "abc"]
    for each in kept:
        spool.keep(each)
    assert spool.count() == 3
    assert drained(spool) == kept
    assert spool.is_empty
    assert drained(spool) == []


@pytest.mark.parametrize("of_whom", ["subject_key", "suppression_key", "visit_suppression_key", "exposure"])
def test_nothing_about_somebody_is_kept(spool, of_whom):
    with pytest.raises(ValueError, match="about nobody"):
        spool.keep(a_decision(**{of_whom: b"k" * 16}))
    assert spool.is_empty


@pytest.mark.parametrize("n_cut", [1, 40, 2000])
def test_a_record_that_was_not_written_whole_is_passed_over_and_overwritten(spool, tmp_path, n_cut):
    spool.keep(a_decision("a"))
    spool.keep(a_decision("b"))
    file = tmp_path / "spool" / "waiting"
    file.write_bytes(file.read_bytes()[:-n_cut])
    another = Spool(tmp_path / "spool")
    assert another.count() == 1
    another.keep(a_decision("c"))
    assert [each.decision_id for each in drained(another)] == ["a", "c"]


def test_a_flipped_bit_is_found(spool, tmp_path):
    spool.keep(a_decision("a"))
    file = tmp_path / "spool" / "waiting"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    assert spool.count() == 0


def test_a_file_with_something_unreadable_in_it_is_not_removed(spool, tmp_path):
    for name in "ab":
        spool.keep(a_decision(name))
    file = tmp_path / "spool" / "waiting"
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    assert [each.decision_id for each in drained(spool)] == ["a"]
    assert spool.is_empty
    assert [each.read_bytes() for each in (tmp_path / "spool").glob("damaged-*")] == [content]
    spool.keep(a_decision("c"))
    assert [each.decision_id for each in drained(spool)] == ["c"]


def test_nothing_behind_damage_is_overwritten_by_a_process_that_starts(spool, tmp_path):
    for name in "abc":
        spool.keep(a_decision(name))
    file = tmp_path / "spool" / "waiting"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    another = Spool(tmp_path / "spool")
    another.keep(a_decision("d"))
    assert [each.decision_id for each in drained(another)] == ["a"]
    assert [each.read_bytes() for each in (tmp_path / "spool").glob("damaged-*")] == [content]
    assert [each.decision_id for each in drained(another)] == ["d"]


def test_where_damage_was_put_aside_already_nothing_is_kept_until_that_is_drained(spool, tmp_path):
    file = tmp_path / "spool" / "waiting"
    for name in "ab":
        spool.keep(a_decision(name))
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    (tmp_path / "spool" / "draining").write_bytes(content)
    with pytest.raises(StoreUnavailableError):
        Spool(tmp_path / "spool").keep(a_decision("c"))
    assert file.read_bytes() == content


def test_a_record_of_another_version_is_put_aside_and_holds_up_nothing(spool, tmp_path):
    spool.keep(a_decision("a"))
    file = tmp_path / "spool" / "waiting"
    strange = b'{"decision_id": "b"}'
    head = len(strange).to_bytes(4, "big") + hashlib.sha256(strange).digest()
    file.write_bytes(file.read_bytes() + head + strange)
    assert [each.decision_id for each in drained(spool)] == ["a"]
    assert len(list((tmp_path / "spool").glob("damaged-*"))) == 1
    assert spool.is_empty


def test_a_full_spool_keeps_nothing_more_and_nothing_half(tmp_path):
    spool = Spool(tmp_path / "spool", max_bytes=7000)
    spool.keep(a_decision("a"))
    spool.keep(a_decision("b"))
    with pytest.raises(StoreUnavailableError, match="full"):
        spool.keep(a_decision("c"))
    assert [each.decision_id for each in drained(spool)] == ["a", "b"]


def test_two_processes_add_to_one_file(tmp_path):
    one, other = Spool(tmp_path / "spool"), Spool(tmp_path / "spool")
    for number in range(6):
        (one, other)[number % 2].keep(a_decision(str(number)))
    assert [each.decision_id for each in drained(other)] == list("012345")
    one.keep(a_decision("again"))
    assert other.count() == 1


def test_what_was_being_drained_by_somebody_who_stopped_is_drained_first(spool):
    spool.keep(a_decision("a"))
    with pytest.raises(StoreUnavailableError), spool.draining():
        raise StoreUnavailableError("gone again")
    spool.keep(a_decision("b"))
    assert [each.decision_id for each in drained(spool)] == ["a"]
    assert [each.decision_id for each in drained(spool)] == ["b"]


def test_while_one_drains_the_other_finds_nothing_and_both_may_keep(tmp_path):
    one, other = Spool(tmp_path / "spool"), Spool(tmp_path / "spool")
    one.keep(a_decision("a"))
    with one.draining() as waiting:
        assert drained(other) == []
        other.keep(a_decision("b"))
        assert [each.decision_id for each in waiting] == ["a"]
    assert one.count() == 1


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "spool").touch()
    with pytest.raises(StoreUnavailableError, match="cannot be written"):
        Spool(tmp_path / "spool").keep(a_decision("a"))


def test_a_record_of_before_there_were_tallies_is_read_and_adds_nothing(spool, tmp_path):
    spool.keep(a_decision("of before"))
    file = tmp_path / "spool" / "waiting"
    name, content = file.read_bytes()[:16], orjson.loads(file.read_bytes()[16 + 4 + 32 :])
    assert content.pop("tallies")
    former = orjson.dumps(content)
    file.write_bytes(name + len(former).to_bytes(4, "big") + hashlib.sha256(former).digest() + former)
    assert [(each.decision_id, each.tallies) for each in drained(spool)] == [("of before", ())]


@pytest.mark.parametrize("n_bytes", [0, 7, 16])
def test_a_file_that_there_was_no_room_to_begin_is_no_damage(spool, tmp_path, n_bytes):
    file = tmp_path / "spool" / "waiting"
    file.parent.mkdir()
    file.write_bytes(bytes(n_bytes))
    assert drained(spool) == []
    assert [each.name for each in file.parent.iterdir() if "lock" not in each.name] == []
