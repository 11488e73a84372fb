"""Hosts of their own on this machine: network namespaces, wired to each other, that can be cut off.

In one namespace is a PostgreSQL server, on a bridge; each API host is in one of its own, with a cable to that
bridge and another to us. Run as `PYTHONPATH=tests python -m support.hosts`; it sees to it that there is `ip`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Self

import httpx
from sqlalchemy import create_engine, text
from support.debian import installed
from support.stores import pgserver_in

from api.settings import Settings

PATIENCE_S = 120.0
PORT = 8000
_NUMBERS = count()
_DATABASES = ("tactful", "keys", "guard")


def missing() -> str | None:
    """Return why there can be no namespaces here; ``None`` where there can."""
    if os.geteuid() != 0:
        return "network namespaces are for root"
    if shutil.which("ip") is None and not installed("iproute2"):
        return "there is no `ip`: install iproute2"
    name = f"tactful-{os.getpid()}-try"
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError:
        return "no network namespaces can be made here"
    _ip("netns", "del", name)
    return None


def _ip(*arguments: str) -> None:
    subprocess.run([shutil.which("ip") or "", *arguments], check=True, capture_output=True)


class Server:
    """A PostgreSQL server in a namespace; from outside of it only its socket file is reached.

    Args:
        namespace: where it runs.
        address: where it listens there.
    """

    def __init__(self, namespace: str, address: str, folder: Path) -> None:
        self._namespace, self._address, self._data = namespace, address, folder / "data"
        made = pgserver_in(folder).get_server(self._data, start=False, cleanup_mode=None)
        made.ensure_pgdata_inited()
        self._program, self._user = made.bin_path / "postgres", made.system_user
        with (self._data / "pg_hba.conf").open("a") as file:
            file.write("host all all 10.0.0.0/8 trust\n")
        self.start()
        for name in _DATABASES:
            self.execute(f"CREATE DATABASE {name}", "postgres")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        who = ["--reuid", self._user, "--regid", self._user, "--clear-groups"]
        listening = ["-h", self._address, "-k", str(self._data), "-c", "fsync=off"]
        with self._data.with_name("postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("ip", "netns", "exec", self._namespace, "setpriv", *who),
                    *(str(self._program), "-D", str(self._data), *listening),
                ],
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + PATIENCE_S
        while True:
            with suppress(Exception):
                self.ask("SELECT 1", "postgres")
                return
            assert self._process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it at once, without a word to whoever is connected but that it stops."""
        self._process.send_signal(how)
        self._process.wait(PATIENCE_S)

    def url_of(self, database: str) -> str:
        """Where a database is for us."""
        return f"postgresql+psycopg://postgres@/{database}?host={self._data}"

    def url_for_hosts(self, database: str) -> str:
        """Where a database is for hosts that are wired to it."""
        return f"postgresql+psycopg://postgres@{self._address}/{database}"

    def execute(self, statement: str, database: str = "tactful") -> None:
        """Run a statement that returns nothing."""
        self._run(statement, database)

    def ask(self, query: str, database: str = "tactful") -> list[Any]:
        """Return the rows of a query."""
        return self._run(query, database)

    def _run(self, statement: str, database: str) -> list[Any]:
        engine = create_engine(self.url_of(database), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as conn:
                found = conn.execute(text(statement))
                return list(found) if found.returns_rows else []
        finally:
            engine.dispose()

    def sequencer(self) -> str | None:
        """Return the address of the host that has the lock of the log just now."""
        query = (
            "SELECT host(client_addr) FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE granted "
            "AND locktype = 'advisory' AND objid = x'6c6f67'::int AND client_addr IS NOT NULL"
        )
        found = self.ask(query)
        return found[0][0] if found else None


class Host:
    """A namespace that `tactful serve` runs in.

    Attributes:
        address: where the database sees it.
        url: where we reach it, also when it is cut off from the database.
    """

    def __init__(self, lab: Lab, number: int, folder: Path) -> None:
        front = f"10.{100 + os.getpid() % 100}.{os.getpid() // 100 % 250}"
        self._lab = lab
        self._namespace = f"{lab.name}-{number}"
        self._port, self._cable = f"port{number}", f"tf{os.getpid() % 10**7}-{number}"
        self._front = f"{front}.{4 * number + 2}"
        self.address, self.url = f"10.99.0.{10 + number}", f"http://{self._front}:{PORT}"
        self._folder = folder
        folder.mkdir()
        _ip("netns", "add", self._namespace)
        own = ("-n", self._namespace)
        database = ("-n", lab.name)
        _ip(*own, "link", "add", "back", "type", "veth", "peer", "name", self._port, "netns", lab.name)
        _ip(*own, "link", "add", "front", "type", "veth", "peer", "name", self._cable)
        _ip(*own, "link", "set", self._cable, "netns", str(os.getpid()))
        _ip(*own, "addr", "add", f"{self.address}/24", "dev", "back")
        _ip(*own, "addr", "add", f"{self._front}/30", "dev", "front")
        _ip("addr", "add", f"{front}.{4 * number + 1}/30", "dev", self._cable)
        for link in ("lo", "back", "front"):
            _ip(*own, "link", "set", link, "up")
        _ip("link", "set", self._cable, "up")
        _ip(*database, "link", "set", self._port, "master", "bridge", "up")

    def start(self) -> None:
        """Run the service, and return at once."""
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("ip", "netns", "exec", self._namespace),
                    *(sys.executable, "-c", "from api.cli import main; main()"),
                    *("serve", "--host", self._front, "--port", str(PORT), "--workers", "1"),
                ],
                env={**os.environ, **self._lab.environment, "TACTFUL_DATA_DIR": str(self._folder)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Wait until it says that it is."""
        until = time.monotonic() + PATIENCE_S
        while True:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", timeout=10).status_code == httpx.codes.OK:
                    return
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.1)

    def said(self) -> str:
        """What it wrote to its log."""
        return (self._folder / "server.log").read_text()

    def cut_off(self) -> None:
        """Let nothing through between it and the database; neither end is told."""
        _ip("-n", self._lab.name, "link", "set", self._port, "nomaster")

    def restore(self) -> None:
        """Let everything through again."""
        _ip("-n", self._lab.name, "link", "set", self._port, "master", "bridge")

    def signal(self, what: signal.Signals) -> None:
        """Send a signal to every process of it."""
        os.killpg(self._process.pid, what)

    def kill(self) -> None:
        """Kill every process of it."""
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Kill it, and pull out its cables."""
        self.kill()
        _ip("netns", "del", self._namespace)


@dataclass
class Lab:
    """A database server and hosts around it.

    Attributes:
        name: of the server's namespace, and the beginning of the others'.
        settings: how we see the shop ourselves, without a network.
        environment: settings that all hosts share.
    """

    name: str
    server: Server
    settings: Settings
    environment: dict[str, str]
    hosts: list[Host] = field(default_factory=list)


@contextmanager
def a_lab(folder: Path, n_hosts: int = 2) -> Iterator[Lab]:
    """Wire hosts to a database server; nothing but that server runs yet."""
    name = f"tactful-{os.getpid()}-{next(_NUMBERS)}"
    _ip("netns", "add", name)
    hosts: list[Host] = []
    try:
        _ip("-n", name, "link", "add", "bridge", "type", "bridge")
        _ip("-n", name, "addr", "add", "10.99.0.1/24", "dev", "bridge")
        for link in ("lo", "bridge"):
            _ip("-n", name, "link", "set", link, "up")
        server = Server(name, "10.99.0.1", folder)
        try:
            secrets: dict[str, Any] = {
                "pseudonym_key": b"k" * 32,
                "key_encryption_key": b"e" * 32,
                "log_key": b"l" * 32,
            }
            urls: dict[str, Any] = dict(
                zip(("database_url", "keys_url", "checkpoints_url"), _DATABASES, strict=True)
            )
            shared = folder / "shared"
            settings = Settings(
                data_dir=shared, workers=1, **secrets, **{each: server.url_of(urls[each]) for each in urls}
            )
            lab = Lab(
                name,
                server,
                settings,
                {
                    **{f"TACTFUL_{each.upper()}": b64encode(secrets[each]).decode() for each in secrets},
                    **{f"TACTFUL_{each.upper()}": server.url_for_hosts(urls[each]) for each in urls},
                    "TACTFUL_PURGES_DAILY": "0",
                },
                hosts,
            )
            hosts.extend(Host(lab, number, folder / f"host{number}") for number in range(n_hosts))
            yield lab
        finally:
            for host in hosts:
                if hasattr(host, "_process"):
                    host.close()
            server.stop(signal.SIGQUIT)
    finally:
        _ip("netns", "del", name)


@dataclass(frozen=True)
class Answer:
    """What came of one request.

    Attributes:
        customer_id: whom it was about.
        began: when it was sent, in seconds that only go forward.
        ended: when it was answered.
        status: 0 where the connection broke.
        told: the answer.
        log_index: where in the log it is; ``None`` where it waits in the spool.
    """

    customer_id: str
    began: float
    ended: float
    status: int
    told: dict[str, Any]
    log_index: int | None


class Crowd:
    """Clients of one host that ask without a pause.

    Attributes:
        answers: what they were told, in the order of being told it.
    """

    def __init__(self, host: Host, key: str, customers: list[str]) -> None:
        self._host, self._headers = host, {"Authorization": f"Bearer {key}"}
        self._over = threading.Event()
        self._clients = [threading.Thread(target=self._ask, args=(each,), daemon=True) for each in customers]
        self.answers: list[Answer] = []

    def __enter__(self) -> Self:
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for client in self._clients:
            client.join(PATIENCE_S)

    def recorded(self) -> dict[str, int]:
        """Return decisions that the log had before they were answered, and where."""
        return {
            each.told["decision_id"]: each.log_index for each in self.answers if each.log_index is not None
        }

    def spooled(self) -> set[str]:
        """Return decisions that were to enter the log later."""
        return {
            each.told["decision_id"] for each in self.answers if each.status == 200 and each.log_index is None
        }

    def wait_until(self, holds: Any, patience_s: float = PATIENCE_S) -> float:
        """Wait until an answer of which that holds was asked for from now on; return after how long."""
        since = time.monotonic()
        seen = len(self.answers)
        while time.monotonic() < since + patience_s:
            for each in self.answers[seen:]:
                seen += 1
                if each.began >= since and holds(each):
                    return each.ended - since
            time.sleep(0.01)
        raise AssertionError("nobody was told so")

    def _ask(self, customer_id: str) -> None:
        while not self._over.is_set():
            with httpx.Client(base_url=self._host.url, headers=self._headers, timeout=60) as client:
                while not self._over.is_set():
                    began = time.monotonic()
                    try:
                        answer = client.post(
                            "/v1/recommendations", json={"placement": "home", "customer_id": customer_id}
                        )
                    except httpx.HTTPError:
                        self.answers.append(Answer(customer_id, began, time.monotonic(), 0, {}, None))
                        time.sleep(0.05)
                        break
                    place = answer.headers.get("Tactful-Log-Index")
                    self.answers.append(
                        Answer(
                            customer_id,
                            began,
                            time.monotonic(),
                            answer.status_code,
                            answer.json(),
                            None if place is None else int(place),
                        )
                    )


if __name__ == "__main__":
    sys.exit(missing())
