"""Decisions made durable, sealed and vouched for, beside what SQLite itself can commit.

All in one run, on one disk, with the settings of the product: full sync, write-ahead log, deleted bytes
overwritten. The records are real ones, of some 50 candidates. Peers: ``sqlite3`` alone with one row of the
same bytes, one a commit and 64 a commit; and the tables as they were before there was a tree, written by
the same recorder in the same groups. What was shown is remembered by none of them.
"""

from __future__ import annotations

import itertools
import sqlite3
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

from alembic import command
from sqlalchemy import Connection, Engine, text

from api.logbook import Logbook, open_logbook
from api.policies.shipped import shipped_policy
from api.rehearsing.report import held
from api.settings import Settings
from api.storage.connection import alembic_config, create_file, open_engine, upgrade, writing
from api.storage.decisions import StoredDecision
from api.storage.keyring import KeyName
from api.storage.recorder import MAX_BATCH, Recorder
from tests.bench import bench_rehearsal as shop

N_THREADS = 64
N_KNOWN = 2_000
"""Customers whose keys of the year were made before; the others get theirs with their first decision."""

RATE = 500
"""Decisions a second that arrive whether or not those before them are done."""

BYTES_TARGET, RATE_TARGET, ADDED_TARGET_MS = 1_229, 3_000, 25.0
_ROUNDS = 3
_BEFORE_THE_TREE = "0004"

Submit = Callable[[StoredDecision], int]
Row = dict[str, object]


class _Written(Protocol):
    """What a recorder needs of a log."""

    engine: Engine

    def append(self, conn: Connection, decisions: Sequence[StoredDecision]) -> Any: ...

    def publish(self, state: Any) -> Any: ...


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return rows of rates, latencies and sizes, each with its ratio to what it is held against."""
    seconds, n_stored = (1.0, 640) if quick else (5.0, 6_400)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = list(shop._made(folder, held(shipped_policy()), 60 if quick else 400))
        return [
            *_rates(folder, made, seconds),
            *_receipts(folder, made, 20 if quick else 300),
            *_arrivals(folder, made, seconds),
            *_sizes(folder, made, n_stored),
        ]


def _rates(folder: Path, made: Sequence[StoredDecision], seconds: float) -> list[Row]:
    """Rates in turns, so that a noisy moment meets all of them; the median of each counts."""
    ways: dict[str, Callable[[str], float]] = {
        "sqlite3, 1 row a commit": lambda turn: _sqlite(folder / f"one-{turn}.db", made, 1, seconds),
        f"sqlite3, {MAX_BATCH} rows a commit": lambda turn: _sqlite(
            folder / f"many-{turn}.db", made, MAX_BATCH, seconds
        ),
        "before the tree, neither sealed nor hashed": lambda turn: _handed_in(
            _former(folder / f"former-{turn}"), made, seconds
        ),
        "recorded": lambda turn: _handed_in(_log(folder / f"log-{turn}"), made, seconds),
        "recorded, each for a new customer": lambda turn: _handed_in(
            _log(folder / f"new-{turn}"), made, seconds, all_new=True
        ),
        "recorded, 1 thread": lambda turn: _handed_in(
            _log(folder / f"alone-{turn}"), made, seconds, n_threads=1
        ),
    }
    found = {what: [way(f"{turn}") for turn in range(_ROUNDS)] for what, way in ways.items()}
    rates = {what: statistics.median(each) for what, each in found.items()}
    one, many, former, *_ = rates.values()
    return [
        {
            "what": what,
            "decisions/s": rate,
            "of 1 a commit": rate / one,
            f"of {MAX_BATCH} a commit": rate / many,
            "of before the tree": rate / former,
            "of target": rate / RATE_TARGET if what == "recorded" else "",
        }
        for what, rate in rates.items()
    ]


def _sqlite(path: Path, made: Sequence[StoredDecision], n_at_once: int, seconds: float) -> float:
    conn = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "cache_size = -32768"):
        conn.execute(f"PRAGMA {pragma}")
    conn.execute("CREATE TABLE peer (id TEXT PRIMARY KEY, record BLOB)")
    records = itertools.cycle([each.header + each.body for each in made])
    n, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        conn.execute("BEGIN IMMEDIATE")
        rows = [(str(uuid.uuid4()), next(records)) for _ in range(n_at_once)]
        conn.executemany("INSERT INTO peer VALUES (?, ?)", rows)
        conn.execute("COMMIT")
        n += n_at_once
    taken = time.perf_counter() - start
    conn.close()
    return n / taken


class _FormerLog:
    """The tables as they were before: header and body as they are, and whose they are."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def append(self, conn: Connection, decisions: Sequence[StoredDecision]) -> Any:
        rows = [asdict(each) for each in decisions]
        for statement in _FORMER:
            conn.execute(text(statement), rows)
        return SimpleNamespace(first_index=0, after=None)

    def publish(self, state: Any = None) -> None:
        """Nothing vouched for it."""


_FORMER = (
    (
        "INSERT INTO decisions (decision_id, minute, placement, basis, outcome, policy, model, header) "
        "VALUES (:decision_id, :minute, :placement, :basis, :outcome, :policy, :model, :header)"
    ),
    "INSERT INTO decision_bodies (decision_id, body) VALUES (:decision_id, :body)",
    "INSERT INTO decision_subjects (subject_key, decision_id) VALUES (:subject_key, :decision_id)",
)


@contextmanager
def _former(folder: Path) -> Iterator[_Written]:
    engine = open_engine(_settings(folder))
    create_file(engine.url)
    with writing(engine) as conn:
        command.upgrade(alembic_config(conn), _BEFORE_THE_TREE)
    yield _FormerLog(engine)
    engine.dispose()


@contextmanager
def _log(folder: Path) -> Iterator[Logbook]:
    settings = _settings(folder)
    engine = open_engine(settings)
    upgrade(engine)
    logbook = open_logbook(settings, engine, lambda: time.time_ns() // 1_000_000)
    with writing(engine):
        logbook.keyring.for_sealing({KeyName(_known(number), 2024) for number in range(N_KNOWN)})
    yield logbook
    logbook.close()
    engine.dispose()


def _settings(folder: Path) -> Settings:
    return Settings.from_env({"TACTFUL_DATA_DIR": str(folder)})


def _known(number: int) -> bytes:
    return (number % N_KNOWN + 1).to_bytes(16, "big")


def _fresh(made: Sequence[StoredDecision], *, all_new: bool = False) -> Iterator[StoredDecision]:
    """Yield decisions for ever, each under an id of its own; take them under a lock."""
    for number in itertools.count():
        yield replace(
            made[number % len(made)],
            decision_id=str(uuid.uuid4()),
            subject_key=uuid.uuid4().bytes if all_new else _known(number),
        )


@contextmanager
def _recording(written: Any) -> Iterator[Recorder]:
    recorder = Recorder(written)
    recorder.start()
    yield recorder
    recorder.close()


def _handed_in(
    opened: Any,
    made: Sequence[StoredDecision],
    seconds: float,
    *,
    n_threads: int = N_THREADS,
    all_new: bool = False,
) -> float:
    """Return decisions a second that threads hand in one after the other."""
    counts = [0] * n_threads
    with opened as written, _recording(written) as recorder:
        start = time.perf_counter()

        def hand_in(thread: int) -> None:
            for decision in _fresh(made[thread % len(made) :] + made[: thread % len(made)], all_new=all_new):
                if time.perf_counter() - start >= seconds:
                    return
                recorder.submit(decision)
                counts[thread] += 1

        _in_threads(n_threads, hand_in)
        taken = time.perf_counter() - start
    return sum(counts) / taken


def _in_threads(n: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _receipts(folder: Path, made: Sequence[StoredDecision], n: int) -> list[Row]:
    """How long a receipt takes that is asked for when a decision was answered, beside recording it."""
    recorded, proven = [], []
    with _log(folder / "receipts") as logbook, _recording(logbook) as recorder:
        for decision in itertools.islice(_fresh(made), n):
            start = time.perf_counter()
            log_index = recorder.submit(decision)
            answered = time.perf_counter()
            logbook.receipt(log_index)
            recorded.append(1e3 * (answered - start))
            proven.append(1e3 * (time.perf_counter() - answered))
    return [
        {"what": "one decision recorded, nobody else there", **_latencies(recorded)},
        {
            "what": "its receipt, from the answer on",
            **_latencies(proven),
            "of recording": statistics.median(proven) / statistics.median(recorded),
        },
    ]


def _latencies(taken_ms: Sequence[float]) -> Row:
    ordered = sorted(taken_ms)
    return {"p50 ms": ordered[len(ordered) // 2], "p99 ms": ordered[int(len(ordered) * 0.99)]}


def _arrivals(folder: Path, made: Sequence[StoredDecision], seconds: float) -> list[Row]:
    """Latencies at a rate that waits for nobody: from when each was due, not from when it was handed in."""
    former, recorded = [], []
    for turn in range(_ROUNDS):
        former.append(_open_loop(_former(folder / f"due-former-{turn}"), made, seconds))
        recorded.append(_open_loop(_log(folder / f"due-{turn}"), made, seconds))
    before, after = (
        {name: statistics.median(each[name] for each in turns) for name in ("p50 ms", "p99 ms")}
        for turns in (former, recorded)
    )
    added = {name: after[name] - before[name] for name in before}
    return [
        {"what": f"{RATE}/s arrive, before the tree", **before},
        {"what": f"{RATE}/s arrive, recorded", **after},
        {"what": "added", **added, "of target": added["p99 ms"] / ADDED_TARGET_MS},
    ]


def _open_loop(opened: Any, made: Sequence[StoredDecision], seconds: float) -> dict[str, float]:
    n = int(RATE * seconds)
    due = iter(list(enumerate(itertools.islice(_fresh(made), n))))
    lock, taken = threading.Lock(), [0.0] * n
    with opened as written, _recording(written) as recorder:
        start = time.perf_counter() + 0.1

        def hand_in(thread: int) -> None:
            del thread
            while True:
                with lock:
                    number, decision = next(due, (None, None))
                if number is None or decision is None:
                    return
                at = start + number / RATE
                time.sleep(max(0.0, at - time.perf_counter()))
                recorder.submit(decision)
                taken[number] = 1e3 * (time.perf_counter() - at)

        _in_threads(N_THREADS, hand_in)
    found = _latencies(taken)
    return {name: float(str(value)) for name, value in found.items()}


def _sizes(folder: Path, made: Sequence[StoredDecision], n: int) -> list[Row]:
    """Bytes a decision takes in the file, by table, its indexes with it."""
    settings = _settings(folder / "sizes")
    with _log(folder / "sizes") as logbook:
        decisions = _fresh(made)
        for _ in range(0, n, MAX_BATCH):
            with writing(logbook.engine) as conn:
                grown = logbook.append(conn, list(itertools.islice(decisions, MAX_BATCH)))
            logbook.publish(grown.after)
        n_stored = grown.after.size
    conn = sqlite3.connect(settings.data_dir / "tactful.db")
    of = dict(conn.execute(_BYTES_OF).fetchall())
    conn.close()
    total = sum(of.values()) / n_stored
    header, body = (statistics.mean(len(getattr(each, name)) for each in made) for name in ("header", "body"))
    rows: list[Row] = [
        {"what": f"stored: {name}", "bytes": n_bytes / n_stored, "of all": n_bytes / n_stored / total}
        for name, n_bytes in of.items()
        if n_bytes / n_stored >= 1
    ]
    rows.append({"what": "stored: all", "bytes": total, "of target": total / BYTES_TARGET})
    rows.append(
        {
            "what": "of that, header and packed body alone",
            "bytes": header + body,
            "of all": (header + body) / total,
        }
    )
    return rows


_BYTES_OF = """
SELECT schema.name, sum(pages.pgsize)
FROM dbstat AS pages JOIN sqlite_schema AS schema ON schema.name = pages.name
WHERE schema.tbl_name LIKE 'log\\_%' ESCAPE '\\' OR schema.tbl_name LIKE 'decision%'
GROUP BY schema.name ORDER BY schema.name
"""
