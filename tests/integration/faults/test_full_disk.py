"""A disk that is full, with all there is on it: nothing is answered that is not kept, nothing damaged."""

import os
import subprocess
import threading
from contextlib import contextmanager

import pytest
from support.http import BUYER, fill, serving
from support.soundness import Soundness
from support.stores import create_store, settings_for
from support.waiting import until

from api.routes.recommendations import LOG_INDEX

SIZE_MB = 32


@contextmanager
def a_small_disk(folder):
    """A file system of its own, in memory, with room for a small shop."""
    if os.geteuid() != 0:
        pytest.skip("file systems are mounted by root")
    folder.mkdir()
    mounting = ["-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)]
    if subprocess.run([*("mount",), *mounting], check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run([*("umount", "-l"), str(folder)], check=True)


@contextmanager
def filled(file):
    """Take all the room that there is, down to the last byte."""
    with file.open("wb", buffering=0) as filler:
        for size in (2**20, 2**12, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                continue
    try:
        yield
    finally:
        file.unlink()


def test_on_a_disk_that_is_full_nothing_is_lost_or_damaged_and_it_goes_on_when_there_is_room(tmp_path):
    folder = tmp_path / "disk"
    recorded, spooled, refused, stopped = {}, set(), [], threading.Event()
    with a_small_disk(folder):
        settings = settings_for(f"sqlite:///{folder / 'tactful.db'}", folder)
        create_store(settings.database_url, folder)
        with serving(settings, fill(settings)) as shop:

            def ask():
                while not stopped.is_set():
                    answer = shop.recommend(customer_id=BUYER)
                    if answer.status_code != 200:
                        refused.append((answer.status_code, answer.json()["type"], answer.headers))
                    elif LOG_INDEX in answer.headers:
                        recorded[answer.json()["decision_id"]] = int(answer.headers[LOG_INDEX])
                    else:
                        spooled.add(answer.json()["decision_id"])

            clients = [threading.Thread(target=ask) for _ in range(4)]
            for client in clients:
                client.start()
            until(lambda: len(recorded) > 20)
            with filled(folder / "filler"):
                until(lambda: len(refused) > 20)
            n_before = len(recorded)
            until(lambda: len(recorded) > n_before + 20)
            stopped.set()
            for client in clients:
                client.join()
            until(lambda: shop.wiring.spool.is_empty)
            assert {(status, type_) for status, type_, _ in refused} == {(503, "/problems/unavailable")}
            assert all("Retry-After" in headers for _, _, headers in refused)
        assert not list(settings.spool_dir.glob("damaged-*"))
        Soundness(settings).check(recorded, spooled)
