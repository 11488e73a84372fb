"""``tactful serve`` as a process: it answers, keeps ids out of its log, and stops when told to."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from api.cli import main
from api.cli.server import shared_figures

PATIENCE_S = 60


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(tmp_path, monkeypatch, port):
    """A server on a shop of its own, answering; its log is collected in a file."""
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))
    monkeypatch.setenv("TACTFUL_METRICS_PUBLIC", "1")
    assert CliRunner().invoke(main, ["db", "upgrade"]).exit_code == 0
    made = CliRunner().invoke(main, ["keys", "create", "--role", "site", "--label", "x", "--json"])
    command = [sys.executable, "-c", "from api.cli import main; main()", "serve", "--workers", "2"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--port", str(port)], env=os.environ, stdout=log, stderr=log)
    process.key = json.loads(made.stdout)["key"]
    process.log = tmp_path / "log"
    try:
        _wait_until_it_answers(process, port)
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_until_it_answers(process, port):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert process.poll() is None, process.log.read_text()
        try:
            httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(process.log.read_text())


def test_it_answers_logs_no_id_and_stops_with_exit_code_0(server, port):
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/recommendations",
        json={"customer_id": "customer-4711", "placement": "home"},
        headers={"Authorization": f"Bearer {server.key}"},
        timeout=PATIENCE_S,
    )
    assert (answer.status_code, answer.json()["degraded_because"]) == (200, ["model_missing"])
    assert_figures_are_added_up_over_workers(port)
    server.send_signal(signal.SIGTERM)
    assert server.wait(PATIENCE_S) == 0
    log = server.log.read_text()
    assert "/v1/recommendations" in log
    assert "customer-4711" not in log
    assert server.key not in log


def assert_figures_are_added_up_over_workers(port):
    """Whichever worker answers, the one decision is counted."""
    for _ in range(4):
        figures = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S).text
        counted = [line for line in figures.splitlines() if line.startswith("tactful_decisions_total")]
        assert sum(float(line.rpartition(" ")[2]) for line in counted) == 1.0


def test_the_folder_for_figures_is_gone_with_the_server(monkeypatch):
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    with shared_figures():
        folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
        assert folder.is_dir()
    assert not folder.exists()
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


def test_a_folder_for_figures_that_was_given_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with shared_figures():
        assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(tmp_path)
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(tmp_path)
