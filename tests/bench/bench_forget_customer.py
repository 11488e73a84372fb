"""Erasing one customer: how long the answer takes, and how long the work behind it."""

from __future__ import annotations

import tempfile
import time
import uuid

from api.forgetting.begin import Erasable
from api.forgetting.keys import erase
from api.forgetting.worker import Forgetting
from api.logbook import open_logbook
from api.settings import Settings
from api.storage.cascades import Mode
from api.storage.connection import open_engine, upgrade, writing
from api.storage.customers import customer_numbers
from api.storage.decisions import StoredDecision, append_decisions
from api.storage.interactions import event_key, insert_interactions
from api.storage.items import ItemRow, item_numbers, upsert_items
from api.storage.subjects import open_subjects
from api.wiring import now_ms
from engine.vocabulary import Channel, Kind, Provenance
from guardrails.consent.purposes import Purpose
from guardrails.request import SubjectKind

MOST_MS = 50.0
"""What the answer may take, in milliseconds."""


def run(*, quick: bool) -> list[dict[str, object]]:
    """Return one row for each mode; no model was trained, so none has to forget."""
    n = 1_000 if quick else 10_000
    return [_erase(mode, n) for mode in Mode]


def _erase(mode: Mode, n: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_env({"TACTFUL_DATA_DIR": folder})
        engine, subjects = open_engine(settings), open_subjects(settings)
        upgrade(engine)
        logbook = open_logbook(settings, engine, now_ms)
        subject = Erasable.of(subjects, SubjectKind.ACCOUNT, "customer")
        with writing(engine) as conn:
            upsert_items(conn, [ItemRow("item", "Item")], now_ms())
            item_no = item_numbers(conn)["item"]
            customer_no = customer_numbers(conn, ["customer"], subjects, now_ms())["customer"]
            insert_interactions(conn, [_row(number, customer_no, item_no) for number in range(n)])
            append_decisions(conn, logbook.keyring, [_decision(subject.key) for _ in range(n // 10)])
        work = Forgetting(logbook, settings, now_ms)
        started = time.perf_counter()
        recipients = settings.recipients
        begun = erase(logbook, subjects, subject, mode, recipients, lambda: str(uuid.uuid4()), now_ms())
        answered = time.perf_counter()
        cascade = work.finish_now(begun.cascade_id)
        done = time.perf_counter()
        logbook.close()
        engine.dispose()
    answer_ms = (answered - started) * 1000
    return {
        "what": f"{mode}, {n:,} interactions, {n // 10:,} decisions",
        "answer ms": answer_ms,
        "of what it may take": answer_ms / MOST_MS,
        "work s": done - answered,
        "removed or changed": sum(step.n_affected for step in cascade.steps),
        "finished": cascade.finished_at_ms is not None,
    }


def _row(number: int, customer_no: int, item_no: int) -> tuple[object, ...]:
    return (
        *(event_key(f"event {number}"), customer_no, None, item_no, int(Kind.VIEW), now_ms() - number),
        *(int(Channel.WEB), int(Purpose.PROFILING), False, 1, None, int(Provenance.OWN)),
    )


def _decision(subject_key: bytes) -> StoredDecision:
    return StoredDecision(
        decision_id=str(uuid.uuid4()),
        minute=now_ms() // 60_000,
        placement="home",
        basis="popular",
        outcome="shown",
        policy="p" * 64,
        model=None,
        header=b"{}",
        body=bytes(2048),
        subject_key=subject_key,
        exposure=None,
    )


if __name__ == "__main__":
    print(run(quick=False))
