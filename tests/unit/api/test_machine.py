from __future__ import annotations

import pytest

from api import machine


@pytest.fixture
def files(tmp_path, monkeypatch):
    for name in ("_MEMORY", "_LIMIT", "_USED"):
        monkeypatch.setattr(machine, name, tmp_path / name)
    return tmp_path


def test_what_is_free_is_what_the_machine_has_available(files):
    (files / "_MEMORY").write_text("MemTotal:  900 kB\nMemAvailable:  300 kB\n")
    assert machine.free_memory_bytes() == 300 * 1024


def test_the_limit_of_a_container_counts_where_it_is_lower(files):
    (files / "_MEMORY").write_text("MemAvailable:  300 kB\n")
    (files / "_LIMIT").write_text("5000\n")
    (files / "_USED").write_text("1000\n")
    assert machine.free_memory_bytes() == 4000
    (files / "_LIMIT").write_text("max\n")
    assert machine.free_memory_bytes() == 300 * 1024


def test_where_nothing_tells_nothing_is_known(files):
    assert machine.free_memory_bytes() is None
