"""Erasing one of a thousand customers: time to the destroyed key, beside deleting their rows one by one.

The peer deletes bodies, what they are found by and whose they were, of another customer with as many
records in the same log. What is left is checked: no body of theirs opens, those of others do.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from collections.abc import Callable

from sqlalchemy import Engine, select

from api.forgetting.begin import Erasable
from api.forgetting.keys import erase
from api.forgetting.worker import Forgetting
from api.logbook import Logbook, open_logbook
from api.settings import Settings
from api.storage.cascades import Cascade, Mode
from api.storage.connection import open_engine, reading, upgrade, writing
from api.storage.customers import customer_numbers
from api.storage.decisions import StoredDecision, read_decision
from api.storage.erasure import erase_places
from api.storage.statements import chunks
from api.storage.subjects import Subjects, open_subjects
from api.storage.tables import decision_subjects
from api.wiring import now_ms
from guardrails.request import SubjectKind

MOST_MS = 50.0
"""What it may take until the key is destroyed and the log tells of it, in milliseconds."""

N_CUSTOMERS = 1_000
N_TIMES = 6
TERMS = tuple(f"rule:G{number:02d}" for number in range(60))


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row a number of records."""
    return [_erase_one(n) for n in ((100, 1_000) if quick else (100, 1_000, 10_000))]


def _erase_one(n_records: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_env({"TACTFUL_DATA_DIR": folder})
        engine, subjects = open_engine(settings), open_subjects(settings)
        upgrade(engine)
        logbook = open_logbook(settings, engine, now_ms)
        gone, *others = [f"customer-{number}" for number in range(N_CUSTOMERS)]
        *warm, peer = others[-N_TIMES:]
        with writing(engine) as conn:
            customer_numbers(conn, [gone, *others], subjects, now_ms())
        decided = {each: _decide(logbook, subjects, each, n_records) for each in (gone, *warm, peer)}
        kept = [each for other in others[:20] for each in _decide(logbook, subjects, other, 5)]
        of_peer = _time(lambda: _delete_rows(engine, subjects.account(peer)))

        def erased(customer: str) -> Cascade:
            subject = Erasable.of(subjects, SubjectKind.ACCOUNT, customer)
            return erase(logbook, subjects, subject, Mode.DELETE, (), lambda: str(uuid.uuid4()), now_ms())

        answers_ms = [_time(lambda each=each: erased(each)) for each in warm]
        begun = erased(gone)
        n_open = _count_open(engine, logbook, decided[gone])
        work_ms = _time(lambda: Forgetting(logbook, settings, now_ms).finish_now(begun.cascade_id))
        n_kept = _count_open(engine, logbook, kept)
        logbook.close()
        engine.dispose()
    return {
        "records of the customer": n_records,
        "key destroyed, logged ms": statistics.median(answers_ms),
        "of what it may take": statistics.median(answers_ms) / MOST_MS,
        "their rows deleted ms (peer)": of_peer,
        "work behind it ms": work_ms,
        "theirs that open": n_open,
        "others' that open": f"{n_kept} of {len(kept)}",
    }


def _decide(logbook: Logbook, subjects: Subjects, customer: str, n: int) -> list[str]:
    key = subjects.account(customer)
    ids = [str(uuid.uuid4()) for _ in range(n)]
    for some in chunks(ids, 500):
        with writing(logbook.engine) as conn:
            grown = logbook.append(conn, [_decision(each, key, subjects.suppression(key)) for each in some])
        logbook.publish(grown.after)
    return ids


def _decision(decision_id: str, key: bytes, suppression_key: bytes) -> StoredDecision:
    number = int(decision_id[:4], 16)
    return StoredDecision(
        decision_id=decision_id,
        minute=now_ms() // 60_000,
        placement="home",
        basis="popular",
        outcome="shown",
        policy="p" * 64,
        model=None,
        header=b'{"id":"' + decision_id.encode() + b'","t_min":1,"type":"decision","v":2}',
        body=bytes(700),
        subject_key=key,
        exposure=None,
        suppression_key=suppression_key,
        terms=tuple(TERMS[(number + step) % len(TERMS)] for step in (0, 7, 19)),
    )


def _delete_rows(engine: Engine, key: bytes) -> None:
    """Delete bodies and what they are found by, in runs as the work behind an erasure does."""
    while True:
        with writing(engine) as conn:
            mine = select(decision_subjects.c.log_index).where(decision_subjects.c.subject_key == key)
            places = list(conn.scalars(mine.limit(500)))
            erase_places(conn, places)
        if not places:
            return


def _count_open(engine: Engine, logbook: Logbook, ids: list[str]) -> int:
    with reading(engine) as conn:
        found = [read_decision(conn, logbook.keyring, each) for each in ids[:500]]
    return sum(each is not None and each.body is not None for each in found)


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    print(run(quick=False))
