"""Figures of workers that come and go: counts stay, what the dead said of themselves goes, as do files."""

import os
import subprocess
import sys
import time

from api.figures_folder import JUST_MADE_S, holding, remove_left

WORKER = """
import sys
from api.figures_folder import take_place
place = take_place()
from prometheus_client import CollectorRegistry, Counter, Gauge
registry = CollectorRegistry()
Counter("counted", "of all", registry=registry).inc()
Gauge("present", "those that are", registry=registry, multiprocess_mode="livesum").set(1)
print(place, flush=True)
sys.stdin.read()
"""
READER = """
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from api.figures_folder import forget_the_dead
forget_the_dead()
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


BUSY_WORKER = """
import sys
from api.figures_folder import take_place
place = take_place()
from api.metrics import Metrics
Metrics().connections_in_use.set(sys.argv[1])
print(place, flush=True)
sys.stdin.read()
"""


def a_worker(environ, *program):
    worker = subprocess.Popen(
        [sys.executable, "-c", *(program or [WORKER])],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return worker, worker.stdout.readline().strip()


def figures(environ):
    read = subprocess.run(
        [sys.executable, "-c", READER], env=environ, capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in read.stdout.splitlines() if line and line[0] != "#"]
    return {name: float(value) for name, value in lines}


def kill(worker):
    worker.kill()
    worker.communicate()


def test_workers_take_the_places_of_those_that_are_gone(tmp_path):
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    (one, first), (two, second) = a_worker(environ), a_worker(environ)
    assert [first, second] == ["place0", "place1"]
    assert figures(environ) == {"counted_total": 2, "present": 2}
    kill(one)
    assert figures(environ) == {"counted_total": 2, "present": 1}
    three, third = a_worker(environ)
    assert third == "place0"
    assert figures(environ) == {"counted_total": 3, "present": 2}
    assert len(list(tmp_path.iterdir())) == 2 * 3  # two places: a lock, counts, and what each says of itself
    kill(two)
    kill(three)
    assert figures(environ) == {"counted_total": 3}


def test_connections_are_those_of_the_worker_that_has_most_for_each_may_have_only_so_many(tmp_path):
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    workers = [a_worker(environ, BUSY_WORKER, n)[0] for n in ("20", "7")]
    assert figures(environ)["tactful_connections_in_use"] == 20
    for each in workers:
        kill(each)


def test_what_is_somebody_elses_is_not_even_opened(tmp_path, monkeypatch):
    (tmp_path / "figures-ours").mkdir()
    theirs = tmp_path / "figures-theirs"
    theirs.mkdir()
    os.mkfifo(theirs / "place0")  # to open it would take until somebody writes
    os.utime(theirs, (0, 0))
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    remove_left(tmp_path / "figures-ours", "figures-")
    assert theirs.exists()


def test_what_killed_servers_left_is_removed_and_nothing_that_is_held_or_was_just_made(tmp_path):
    folders = {name: tmp_path / f"figures-{name}" for name in ("ours", "left", "server", "worker", "new")}
    for folder in (*folders.values(), tmp_path / "other"):
        folder.mkdir()
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folders["left"])}
    kill(a_worker(environ)[0])
    working, _ = a_worker({**environ, "PROMETHEUS_MULTIPROC_DIR": str(folders["worker"])})
    long_ago = time.time() - JUST_MADE_S - 1
    for folder in tmp_path.iterdir():
        if folder != folders["new"]:
            os.utime(folder, (long_ago, long_ago))
    with holding(folders["server"]):
        remove_left(folders["ours"], "figures-")
    kept = {folder.name for folder in tmp_path.iterdir()}
    assert kept == {"figures-ours", "figures-server", "figures-worker", "figures-new", "other"}
    kill(working)
    os.utime(folders["worker"], (long_ago, long_ago))
    remove_left(folders["ours"], "figures-")
    assert {folder.name for folder in tmp_path.iterdir()} == {"figures-ours", "figures-new", "other"}
