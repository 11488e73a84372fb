"""Killed at any moment: all that was answered is in the log, and the tree is whole."""

import os
import random
import time

import pytest
from support.http import fill
from support.killing import RecordingProcess, a_server
from support.soundness import Soundness

from api.storage.api_keys import Role

ROUNDS = int(os.environ.get("KILL_ROUNDS", "0"))
"""So many rounds of each kind where it is set; a few otherwise."""

RANDOM = random.Random(20)


def test_a_recording_process_that_is_killed_loses_nothing_that_was_acknowledged(store):
    sound = Soundness(store.settings)
    n_answered = 0
    for _ in range(ROUNDS or 4):
        process = RecordingProcess(store.settings)
        time.sleep(RANDOM.uniform(0, 0.4))
        answered = process.kill()
        n_answered += len(answered)
        sound.check(answered)
    assert n_answered > 100


@pytest.mark.parametrize("one_worker", [False, True], ids=["all of it", "one worker"])
def test_a_server_that_is_killed_loses_nothing_that_was_answered(store, tmp_path, one_worker):
    keys = fill(store.settings)
    sound = Soundness(store.settings)
    n_answered = 0
    for _ in range(ROUNDS // 2 or 1):
        with a_server(store.settings, keys[Role.SITE], tmp_path / "server.log") as server:
            server.begin_load()
            server.wait_for_answers(RANDOM.randrange(12, 60))
            time.sleep(RANDOM.uniform(0, 0.1))
            if one_worker:
                server.kill_a_worker()
                time.sleep(RANDOM.uniform(0, 0.8))
        assert server.n_failed == 0
        n_answered += len(server.answered)
        sound.check(server.answered)
    assert n_answered > 10
