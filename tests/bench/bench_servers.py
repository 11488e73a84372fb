"""Which program serves a WSGI application at the least cost, and with how many threads.

The bare endpoint (Flask answering ``{}``) under each server program and setting, all running at the same
time, asked in short turns one after the other, so that whatever else the machine does falls on all alike.
What a server costs is the CPU time of its processes: requests a second say as much about the client, which
shares the cores. ``of the first`` holds each against the first row, turn by turn.
"""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bench_http import BIN, await_port, free_port
from tests.bench.load import Load, measure, request_bytes

APPLICATION = "tests.bench.peers:bare"
WORKERS = 2
CONNECTIONS = 8
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_REQUESTS = [request_bytes("/v1/recommendations", b'{"customer_id":"1","placement":"home","count":10}')]


@dataclass(frozen=True)
class Program:
    """A server program as it is started; ``{port}`` stands for where it listens."""

    name: str
    command: tuple[str, ...]


def _granian(name: str, *options: str) -> Program:
    always = ("granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log")
    workers = ("--workers", str(WORKERS), "--log-level", "error")
    return Program(f"granian, {name}", (*always, *workers, *options, APPLICATION))


def _gunicorn(name: str, *options: str) -> Program:
    always = ("gunicorn", "--bind", "127.0.0.1:{port}", "--workers", str(WORKERS), "--log-level", "error")
    return Program(f"gunicorn gthread, {name}", (*always, "--worker-class", "gthread", *options, APPLICATION))


_PLAIN = ("--no-ws", "--http", "1")

PROGRAMS = (
    _granian("16 threads", "--blocking-threads", "16"),
    _granian("16 threads, HTTP/1 and no websockets", "--blocking-threads", "16", *_PLAIN),
    _granian("the same, runtime st", "--blocking-threads", "16", *_PLAIN, "--runtime-mode", "st"),
    _granian("the same, runtime mt", "--blocking-threads", "16", *_PLAIN, "--runtime-mode", "mt"),
    _granian(
        "the same, runtime mt of 2",
        *("--blocking-threads", "16", *_PLAIN, "--runtime-mode", "mt", "--runtime-threads", "2"),
    ),
    _granian("1 thread, runtime mt", "--blocking-threads", "1", *_PLAIN, "--runtime-mode", "mt"),
    _granian("4 threads, runtime mt", "--blocking-threads", "4", *_PLAIN, "--runtime-mode", "mt"),
    _granian("116 threads, runtime mt", "--blocking-threads", "116", *_PLAIN, "--runtime-mode", "mt"),
    _gunicorn("16 threads", "--threads", "16"),
    _gunicorn("4 threads", "--threads", "4"),
)


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row a program: CPU time and rate, and both held against the first."""
    turns, seconds = (3, 0.3) if quick else (7, 1.0)
    with _serving(PROGRAMS) as serving:
        for each in serving:
            measure(each.port, _REQUESTS, seconds=0.3, connections=CONNECTIONS)
        taken = [[_turn(each, seconds) for each in serving] for _ in range(turns)]
    return [
        _row(program, [turn[at] for turn in taken], [turn[0] for turn in taken])
        for at, program in enumerate(PROGRAMS)
    ]


@dataclass(frozen=True)
class _Serving:
    port: int
    session: int


@dataclass(frozen=True)
class _Turn:
    load: Load
    cpu_us: float


def _row(program: Program, turns: Sequence[_Turn], first: Sequence[_Turn]) -> dict[str, object]:
    middle = statistics.median
    return {
        "server": program.name,
        "CPU us a request": middle(turn.cpu_us for turn in turns),
        "requests/s": middle(turn.load.per_second for turn in turns),
        "p50 ms": middle(turn.load.p50_ms for turn in turns),
        "p99 ms": middle(turn.load.p99_ms for turn in turns),
        "CPU of the first": middle(a.cpu_us / b.cpu_us for a, b in zip(turns, first, strict=True)),
        "rate of the first": middle(
            a.load.per_second / b.load.per_second for a, b in zip(turns, first, strict=True)
        ),
        "failures": sum(turn.load.failures for turn in turns),
    }


def _turn(serving: _Serving, seconds: float) -> _Turn:
    before = _cpu_ticks(serving.session)
    load = measure(serving.port, _REQUESTS, seconds=seconds, connections=CONNECTIONS)
    ticks = _cpu_ticks(serving.session) - before
    return _Turn(load, 1e6 * ticks / _TICKS_A_SECOND / load.requests)


def _cpu_ticks(session: int) -> int:
    """Return the CPU time so far of all processes of a session (proc(5), ``stat``)."""
    ticks = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session:
                ticks += int(fields[11]) + int(fields[12])
    return ticks


@contextmanager
def _serving(programs: Sequence[Program]) -> Iterator[list[_Serving]]:
    """Run all programs side by side; they start, and stop, together."""
    processes: list[subprocess.Popen[bytes]] = []
    ports = [free_port() for _ in programs]
    try:
        for program, port in zip(programs, ports, strict=True):
            processes.append(_started(program, port))
        for port in ports:
            await_port(port)
        yield [_Serving(port, process.pid) for port, process in zip(ports, processes, strict=True)]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)


def _started(program: Program, port: int) -> subprocess.Popen[bytes]:
    command = [part.format(port=port) for part in program.command]
    return subprocess.Popen(
        [BIN / command[0], *command[1:]],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
