"""A training that has no memory left: it fails and says why, and requests are answered as before."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace

from support.http import serving
from support.learning import keys_of_a_shop_to_learn_from
from support.waiting import until

from api.models.runs import CLAIM_MS
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.training_runs import RunState, TrainingRun
from api.storage.versions import list_models
from api.wiring import now_ms

PATIENCE_S = 240
N_CUSTOMERS = 60
CONFINED_TO = 64 * 10**9
MORE_THAN_THAT_MB = 100_000

CONFINED = """
import pickle, resource, sys, threading
from contextlib import suppress
from multiprocessing import Pipe
from api.models.runs import train_apart

settings, run, most = pickle.load(sys.stdin.buffer)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
ours, theirs = Pipe()

def tell():
    with suppress(EOFError):
        while True:
            print(ours.recv()[0])

telling = threading.Thread(target=tell, daemon=True)
telling.start()
train_apart(settings, run, theirs)
telling.join()
"""
"""Trains in a process that whoever runs the machine has set a limit for."""


def a_run():
    """Return a training that was asked for."""
    return TrainingRun(
        run_id="one",
        state=RunState.QUEUED,
        stage="",
        n_done=0,
        n_total=None,
        budget_s=1,
        may_activate=True,
        actor="a key",
        requested_at_ms=now_ms(),
        started_at_ms=None,
        claimed_until_ms=now_ms() + CLAIM_MS,
        finished_at_ms=None,
        version=None,
        activated=None,
        because=None,
    )


def ended(shop, where):
    """Wait for the end of a training, and ask for suggestions meanwhile."""
    end = time.monotonic() + PATIENCE_S
    while True:
        assert shop.recommend().status_code == 200
        run = shop.ask("GET", where, Role.ADMIN).json()
        if run["finished_at_ms"]:
            return run
        assert time.monotonic() < end
        time.sleep(0.3)


def is_as_before(shop):
    with reading(shop.wiring.engine) as conn:
        models = list_models(conn)
    return (
        models == []
        and not any(shop.settings.artefacts_dir.glob("*/"))
        and shop.recommend().json()["model_version"] is None
    )


def test_a_training_that_may_take_no_more_memory_fails_and_says_so(sqlite_store):
    keys = keys_of_a_shop_to_learn_from(sqlite_store, N_CUSTOMERS)
    with serving(replace(sqlite_store.settings, training_memory_mb=1), keys) as shop:
        begun = shop.ask("POST", "/v1/models/train", Role.ADMIN, json={})
        run = ended(shop, begun.headers["Location"])
        assert run["state"] == "failed"
        assert "enough memory" in run["because"]
        assert is_as_before(shop)


def test_a_training_that_the_machine_kills_for_its_memory_fails_and_says_so(sqlite_store):
    keys = keys_of_a_shop_to_learn_from(sqlite_store, N_CUSTOMERS)
    with serving(sqlite_store.settings, keys) as shop:
        begun = shop.ask("POST", "/v1/models/train", Role.ADMIN, json={})
        (training,) = until(multiprocessing.active_children, PATIENCE_S)
        os.kill(training.pid, signal.SIGKILL)
        run = ended(shop, begun.headers["Location"])
        assert run["state"] == "failed"
        assert "killed" in run["because"]
        assert is_as_before(shop)
        again = shop.ask("POST", "/v1/models/train", Role.ADMIN, json={})
        assert ended(shop, again.headers["Location"])["state"] == "succeeded"


def test_a_training_that_may_take_more_than_its_process_stays_within_what_the_process_may(sqlite_store):
    keys_of_a_shop_to_learn_from(sqlite_store, N_CUSTOMERS)
    settings = replace(sqlite_store.settings, training_memory_mb=MORE_THAN_THAT_MB)
    given = pickle.dumps((settings, a_run(), CONFINED_TO))
    trained = subprocess.run(
        [sys.executable, "-c", CONFINED], input=given, capture_output=True, timeout=PATIENCE_S, check=True
    )
    assert trained.stdout.split()[-1] == b"done"
