"""The server as it is run, in two processes of its own, and a crowd that never stops asking."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

PATIENCE_S = 60
N_CLIENTS = 4


@dataclass(frozen=True)
class Asked:
    """An answer, and the moments between which it was asked for and received."""

    began: float
    ended: float
    status: int
    decision_id: str
    policy: str


@contextmanager
def served(log_file):
    """Two processes that answer on a port of their own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-c", "from api.cli import main; main()", "serve", "--workers", "2"]
    with log_file.open("wb") as log:
        process = subprocess.Popen([*command, "--port", url.rpartition(":")[2]], stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE_S
        while not is_ready(url):
            assert process.poll() is None, log_file.read_text()
            assert time.monotonic() < until, log_file.read_text()
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def is_ready(url):
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


class Crowd:
    """Clients that ask without a pause, each time over a connection of its own: both workers answer."""

    def __init__(self, url, key, **asked):
        self.asked = {"placement": "home", **asked}
        self.url, self.headers = url, {"Authorization": f"Bearer {key}"}
        self.answers, self.over = [], threading.Event()
        self.clients = [threading.Thread(target=self.ask, args=(number,)) for number in range(N_CLIENTS)]

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for client in self.clients:
            client.join()

    def ask(self, number):
        body = {**self.asked, "customer_id": f"customer-{number}"}
        while not self.over.is_set():
            began = time.monotonic()
            answer = httpx.post(
                f"{self.url}/v1/recommendations", json=body, headers=self.headers, timeout=PATIENCE_S
            )
            told = answer.json()
            self.answers.append(
                Asked(
                    began,
                    time.monotonic(),
                    answer.status_code,
                    told.get("decision_id", ""),
                    told.get("policy_version", ""),
                )
            )
