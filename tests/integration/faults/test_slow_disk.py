"""A disk that takes its time: answers wait for it together, and what was answered is on it."""

import shutil

import pytest
from support.http import fill
from support.killing import a_server
from support.soundness import Soundness

from api.storage.api_keys import Role

LATE_US = 200_000
"""How late each write reaches the disk."""

N_ANSWERS = 40

SYNCS = "fsync,fdatasync"


def test_on_a_slow_disk_answers_share_what_they_wait_for_and_none_is_lost(sqlite_store, tmp_path):
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("there is no `strace`, which makes a disk slow")
    settings = sqlite_store.settings
    keys = fill(settings)
    calls = tmp_path / "calls"
    slowly = (
        *(strace, "-f", "--seccomp-bpf", "-qq", "-o", str(calls)),
        *("-e", f"trace={SYNCS}", "-e", f"inject={SYNCS}:delay_enter={LATE_US}"),
    )
    with a_server(settings, keys[Role.SITE], tmp_path / "server.log", slowly) as server:
        calls.write_text("")
        server.begin_load()
        server.wait_for_answers(N_ANSWERS)
    n_syncs = calls.read_text().count("sync(")
    assert server.n_failed == 0
    assert not server.spooled
    assert 0 < n_syncs < 2 * len(server.answered)  # alone, each would wait for database and guard
    Soundness(settings).check(server.answered)
