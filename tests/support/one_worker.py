"""``tactful serve`` with one worker, on a shop of the tests."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from api.settings import Settings

PATIENCE_S = 60
COMMAND = (sys.executable, "-c", "from api.cli import main; main()")


def log_of(settings: Settings) -> Path:
    """Where the server's standard output and error go."""
    return settings.data_dir / "server.log"


def environ_of(settings: Settings) -> dict[str, str]:
    """The environment that leads to a shop."""
    return {
        **os.environ,
        "TACTFUL_DATA_DIR": str(settings.data_dir),
        "TACTFUL_DATABASE_URL": settings.database_url,
        "TACTFUL_PSEUDONYM_KEY": base64.b64encode(b"k" * 32).decode(),
    }


@contextmanager
def one_worker(settings: Settings, more: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Serve a shop; yield the process and where it listens. In the end it has to stop when it is told to.

    Args:
        settings: of the shop.
        more: further settings.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {**environ_of(settings), "TACTFUL_PORT": str(port), "TACTFUL_WORKERS": "1", **more}
    log = log_of(settings)
    with log.open("wb") as written:
        process = subprocess.Popen((*COMMAND, "serve"), env=environ, stdout=written, stderr=written)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, url, log)
        yield process, url
        assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(f"{url}/readyz", timeout=5).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text())
