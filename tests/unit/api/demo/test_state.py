"""The demo's own files: private, whole, and named when they are not what they should be."""

import stat

import pytest

from api.demo.state import (
    FORMAT,
    DemoState,
    read_examples,
    read_keys,
    read_state,
    write_privately,
    write_state,
)
from api.errors import DemoDataError


def test_where_nothing_was_begun_nothing_is_known(tmp_path):
    assert read_state(tmp_path) is None


def test_what_is_known_is_read_back(tmp_path):
    state = DemoState(format=FORMAT, clock_ms=5, weeks_moved=3, last_purchase_ms=4, finished=True)
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


@pytest.mark.parametrize("version", [1, 99])
def test_a_file_of_another_version_is_refused(tmp_path, version):
    write_state(tmp_path, DemoState(format=version, clock_ms=5))
    with pytest.raises(DemoDataError, match="another version"):
        read_state(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_a_damaged_file_is_named_with_the_way_out(tmp_path, content):
    (tmp_path / "demo.json").write_bytes(content)
    with pytest.raises(DemoDataError, match="start again"):
        read_state(tmp_path)


@pytest.mark.parametrize("read", [read_keys, read_examples])
def test_a_file_that_is_missing_is_named(tmp_path, read):
    with pytest.raises(DemoDataError, match=r"\.json` is missing or damaged"):
        read(tmp_path)


def test_a_file_is_written_whole_and_for_its_owner_alone(tmp_path):
    (tmp_path / "keys.json").write_text("old")
    write_privately(tmp_path / "keys.json", {"site": "secret"})
    assert read_keys(tmp_path) == {"site": "secret"}
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["keys.json"]
