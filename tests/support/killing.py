"""Processes that write the log, and are killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import httpx
from support import record_until_killed

from api.routes.recommendations import LOG_INDEX
from api.settings import Settings

TESTS = Path(record_until_killed.__file__).parent.parent
PATIENCE_S = 60.0


class RecordingProcess:
    """Records from four threads in a process of its own, and says what was acknowledged."""

    def __init__(self, settings: Settings) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "support.record_until_killed"),
                *(settings.database_url, str(settings.data_dir), f"{uuid4()}-"),
            ],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
        assert self._process.stdout is not None
        self._said = self._process.stdout.readline()  # it has begun

    def kill(self) -> dict[str, int]:
        """Kill it; return the place of each decision that it was told is durable."""
        os.kill(self._process.pid, signal.SIGKILL)
        assert self._process.stdout is not None
        said = self._said + self._process.stdout.read()
        self._process.wait()
        self._process.stdout.close()
        lines = [line.split() for line in said.decode().split("\n")[:-1]]
        return {decision_id: int(log_index) for decision_id, log_index in lines}


class Server:
    """``tactful serve`` with two workers, under load from eight clients.

    Attributes:
        answered: ids of the decisions that were answered, with their place in the log.
        spooled: ids of those that were answered while the log could not be written.
        n_failed: requests that were not answered with 200.
    """

    def __init__(self, settings: Settings, key: str, log: Path, under: Sequence[str] = ()) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.answered: dict[str, int] = {}
        self.spooled: set[str] = set()
        self.n_failed = 0
        self._key = key
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [
                *(*under, sys.executable, "-c", "from api.cli import main; main()"),
                *("serve", "--workers", "2", "--port", str(self._port)),
            ],
            env={
                **os.environ,
                "TACTFUL_DATABASE_URL": settings.database_url,
                "TACTFUL_DATA_DIR": str(settings.data_dir),
                "TACTFUL_PSEUDONYM_KEY": b64encode(settings.pseudonym_key or b"").decode(),
                "TACTFUL_PURGES_DAILY": "0",
            },
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._stopped = threading.Event()
        self._clients = [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(8)]

    def begin_load(self) -> None:
        """Let the clients ask, each as soon as it was answered."""
        for client in self._clients:
            client.start()

    def wait_for_answers(self, n: int) -> None:
        """Wait until clients were answered so often."""
        until = time.monotonic() + PATIENCE_S
        while len(self.answered) < n:
            assert time.monotonic() < until
            time.sleep(0.01)

    def wait_until_it_answers(self) -> None:
        """Wait for the first answer of a recommendation."""
        until = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill all of it at once, and let the clients see that."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._stopped.set()
        for client in self._clients:
            if client.is_alive():
                client.join(PATIENCE_S)
        self._log.close()

    def kill_a_worker(self) -> None:
        """Kill one of the processes that answer; another takes its place."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        os.kill(int(children.split()[0]), signal.SIGKILL)

    def _answers(self) -> bool:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=10) as client:
                return self._recommend(client, "first")
        except httpx.HTTPError:
            return False

    def _ask(self, number: int) -> None:
        while not self._stopped.is_set():
            with (
                suppress(httpx.HTTPError),
                httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=30) as client,
            ):
                while not self._stopped.is_set():
                    self._recommend(client, f"customer-{number}")
            time.sleep(0.01)

    def _recommend(self, client: httpx.Client, customer_id: str) -> bool:
        answer = client.post(
            "/v1/recommendations",
            json={"placement": "home", "customer_id": customer_id},
            headers={"Authorization": f"Bearer {self._key}"},
        )
        if answer.status_code != httpx.codes.OK:
            self.n_failed += 1
            return False
        decision_id = json.loads(answer.content)["decision_id"]
        if LOG_INDEX in answer.headers:
            self.answered[decision_id] = int(answer.headers[LOG_INDEX])
        else:
            self.spooled.add(decision_id)
        return True


@contextmanager
def a_server(settings: Settings, key: str, log: Path, under: Sequence[str] = ()) -> Iterator[Server]:
    """Run a server, under a command that runs others if one is given; it is killed when left."""
    server = Server(settings, key, log, under)
    try:
        server.wait_until_it_answers()
        yield server
    finally:
        server.kill()
