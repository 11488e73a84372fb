"""Decisions made durable per second, beside the rate at which SQLite itself commits one row."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
import time
import uuid
from pathlib import Path

from api.logbook import open_logbook
from api.settings import Settings
from api.storage.connection import open_engine, upgrade
from api.storage.decisions import StoredDecision
from api.storage.recorder import Recorder
from api.wiring import now_ms
from guardrails.log.canonical import canonical

HEADER_BYTES, BODY_BYTES = 700, 2048


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row for the peer and one for each number of threads that hand decisions in."""
    seconds = 1.0 if quick else 5.0
    with tempfile.TemporaryDirectory() as folder:
        own = _sqlite_commits(Path(folder) / "peer.db", seconds)
        rows: list[dict[str, object]] = [
            {"what": "sqlite3, one row a commit", "per second": own, "ratio": 1.0}
        ]
        for n_threads in (1, 8, 32):
            rate = _decisions(Path(folder) / f"shop{n_threads}", n_threads, seconds)
            rows.append({"what": f"recorder, {n_threads} threads", "per second": rate, "ratio": rate / own})
    return rows


def _sqlite_commits(path: Path, seconds: float) -> float:
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute("PRAGMA synchronous=FULL")
    conn.execute("CREATE TABLE peer (id TEXT PRIMARY KEY, body BLOB)")
    body, n, start = bytes(BODY_BYTES), 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        conn.execute("INSERT INTO peer VALUES (?, ?)", (str(uuid.uuid4()), body))
        n += 1
    conn.close()
    return n / seconds


def _decisions(folder: Path, n_threads: int, seconds: float) -> float:
    settings = Settings.from_env({"TACTFUL_DATA_DIR": str(folder)})
    engine = open_engine(settings)
    upgrade(engine)
    logbook = open_logbook(settings, engine, now_ms)
    recorder = Recorder(logbook)
    recorder.start()
    counts = [0] * n_threads
    end = time.perf_counter() + seconds

    def hand_in(thread: int) -> None:
        while time.perf_counter() < end:
            recorder.submit(_decision())
            counts[thread] += 1

    threads = [threading.Thread(target=hand_in, args=(number,)) for number in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    logbook.close()
    engine.dispose()
    return sum(counts) / seconds


def _decision() -> StoredDecision:
    decision_id = str(uuid.uuid4())
    return StoredDecision(
        decision_id=decision_id,
        minute=29_000_000,
        placement="home",
        basis="profile",
        outcome="personalised",
        policy="0" * 64,
        model="0" * 64,
        header=canonical({"id": decision_id, "of": "0" * (HEADER_BYTES - 53)}),
        body=bytes(BODY_BYTES),
        subject_key=uuid.uuid4().bytes,
        exposure=None,
    )
