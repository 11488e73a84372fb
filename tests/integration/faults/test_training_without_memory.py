"""A training that has no memory left: it fails and says why, and requests are answered as before."""

import multiprocessing
import os
import signal
import time
from dataclasses import replace

from support.http import serving
from support.learning import keys_of_a_shop_to_learn_from

from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.versions import list_models

PATIENCE_S = 240
N_CUSTOMERS = 60


def ended(shop, where):
    """Wait for the end of a training, and ask for suggestions meanwhile."""
    until = time.monotonic() + PATIENCE_S
    while True:
        assert shop.recommend().status_code == 200
        run = shop.ask("GET", where, Role.ADMIN).json()
        if run["finished_at_ms"]:
            return run
        assert time.monotonic() < until
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
        until = time.monotonic() + PATIENCE_S
        while not (under_way := multiprocessing.active_children()):
            assert time.monotonic() < until
        (training,) = under_way
        os.kill(training.pid, signal.SIGKILL)
        run = ended(shop, begun.headers["Location"])
        assert run["state"] == "failed"
        assert "killed" in run["because"]
        assert is_as_before(shop)
        again = shop.ask("POST", "/v1/models/train", Role.ADMIN, json={})
        assert ended(shop, again.headers["Location"])["state"] == "succeeded"
