"""``tactful serve`` as a process, and callers that never stop asking and remember everything."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

PATIENCE_S = 240.0
PAUSE_S = 0.02
"""Between two requests of a caller: the load is to be there, not to be high."""

SERVE = (sys.executable, "-P", "-c", "from api.cli import main; main()", "serve")


class Running:
    """A server with two workers.

    Args:
        log: file that its log is added to.
        environ: its settings.
        before: what it is started by, if not by itself.

    Attributes:
        url: where it listens.
        process: the one that watches over the workers.
    """

    def __init__(self, log: Path, environ: Mapping[str, str], before: Sequence[str] = ()) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        own = {"TACTFUL_PORT": str(self.port), "TACTFUL_WORKERS": "2", "TACTFUL_METRICS_PUBLIC": "1"}
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*before, *SERVE], env={**os.environ, **own, **environ}, stdout=out, stderr=out
            )

    def workers(self) -> set[int]:
        """The processes that answer."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(pid) for pid in children.split()}

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it has logged under a name."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def wait_for(self, name: str, n: int = 1) -> None:
        """Wait until it has logged something so often."""
        until = time.monotonic() + PATIENCE_S
        while len(self.events(name)) < n:
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.05)

    def readiness(self) -> Any:
        """What it says of being ready."""
        return httpx.get(f"{self.url}/readyz", timeout=PATIENCE_S).json()

    def figures(self) -> str:
        """What it tells Prometheus."""
        return httpx.get(f"{self.url}/metrics", timeout=PATIENCE_S).text


@contextmanager
def running(log: Path, environ: Mapping[str, str]) -> Iterator[Running]:
    """Run a server and wait until it can answer; it is killed when left, if it still runs."""
    server = Running(log, environ)
    try:
        server.wait_for("server:workers:ready")
        yield server
    finally:
        server.process.kill()
        server.process.wait()


class Callers:
    """Callers that ask without end: half of them keep their connection, half take a new one each time.

    Attributes:
        answered: ids of the decisions that were answered.
        failures: what else came of a request.
    """

    def __init__(self, server: Running, key: str, n: int = 4) -> None:
        self.answered: list[str] = []
        self.failures: list[str] = []
        self._server, self._key = server, key
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(n)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait_for_more(len(self._threads))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask no more, and wait for what was asked."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, n: int) -> None:
        """Wait until so many more were answered."""
        goal, until = len(self.answered) + n, time.monotonic() + PATIENCE_S
        while len(self.answered) < goal:
            assert time.monotonic() < until
            time.sleep(0.01)

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=PATIENCE_S)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        body = json.dumps({"placement": "home", "customer_id": f"customer-{number}"})
        while not self._over.wait(PAUSE_S):
            try:
                connection.request("POST", "/v1/recommendations", body, headers)
                answer = connection.getresponse()
                content = answer.read()
                if answer.status == httpx.codes.OK:
                    self.answered.append(json.loads(content)["decision_id"])
                else:
                    self.failures.append(str(answer.status))
                if number % 2:
                    connection.close()  # it comes back over another one
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(type(error).__name__)
                connection.close()
        connection.close()
