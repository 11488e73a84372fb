"""A customer with traces everywhere, and a search that finds them wherever bytes are kept."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, Table, func, insert, select
from sqlalchemy.engine import make_url
from support.shops import an_event
from support.stores import NOW_MS, Clock, Store, a_decision, an_exposure, an_interaction, store_items

from api.forgetting.begin import Erasable
from api.forgetting.keys import erase as erase_keys
from api.forgetting.models import ModelForgetting
from api.forgetting.worker import Forgetting
from api.logbook import entry
from api.storage import tables
from api.storage.cascades import Cascade, Mode, get_cascade
from api.storage.connection import reading, writing
from api.storage.consents import append_events
from api.storage.customers import add_mute, customer_numbers
from api.storage.decisions import append_decisions
from api.storage.disclosures import Disclosure, add_disclosure
from api.storage.feedback import FeedbackKind, add_feedback
from api.storage.holds import put_holds
from api.storage.interactions import insert_interactions
from api.storage.legal_holds import LegalHold, insert_hold
from api.storage.measured import MeasuredDecision
from api.storage.requests import RequestKind, open_request
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Intent, Kind
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.holding import Hold, HoldKind
from guardrails.request import Mute, MuteScope, SubjectKind


def nothing_learned(engine: Any, settings: Any, gone: Any, now_ms: int, progress: Any) -> ModelForgetting:
    """Stands in where no model was ever trained."""
    progress(0, None, "nothing was learned")
    return ModelForgetting(None, None, "none", 0, (), 0.0)


@dataclass(frozen=True)
class Planted:
    """Somebody with traces.

    Attributes:
        customer_id: the shop's id.
        customer_no: storage key.
        keys: subject keys of the account and its visits.
        marks: text of theirs that was planted.
    """

    customer_id: str
    customer_no: int
    keys: tuple[bytes, ...]
    marks: tuple[str, ...]

    def needles(self) -> dict[str, bytes]:
        """What a search looks for, in every form that text and keys are written in."""
        found: dict[str, bytes] = {}
        for text in (self.customer_id, *self.marks):
            found[f"{text} in utf-8"] = text.encode()
            found[f"{text} in utf-16"] = text.encode("utf-16-le")
            found[f"{text} in base64"] = _core_of_base64(text.encode())
        for number, key in enumerate(self.keys):
            found[f"key {number}"] = key
            found[f"key {number} in hex"] = key.hex().encode()
            found[f"key {number} in base64"] = base64.b64encode(key)[:20]
        return found


def _core_of_base64(content: bytes) -> bytes:
    """The part of base64 that stays the same whatever stands behind the content."""
    return base64.b64encode(content[: len(content) // 3 * 3])


_numbers = count()


def plant(store: Store, customer_id: str = "customer-mark-00", n_interactions: int = 20) -> Planted:
    """Store a customer with rows in every table that can hold any of theirs."""
    mark = {name: f"{customer_id}-mark-{name}" for name in _PLANTED}
    item_no = store_items(store, "planted-item")["planted-item"]
    subjects = store.subjects
    key, visit, device = (
        subjects.account(customer_id),
        subjects.session(mark["session"]),
        subjects.device(mark["device"]),
    )
    with writing(store.engine) as conn:
        customer_no = customer_numbers(conn, [customer_id], subjects, NOW_MS)[customer_id]
        rows = [
            an_interaction(
                store,
                item_no,
                event_id=f"{mark['event']}-{number}",
                customer_no=customer_no if number % 5 else None,
                session_key=visit if number % 5 == 0 or number % 3 == 0 else None,
                kind=Kind.PURCHASE if number % 2 else Kind.VIEW,
                at_ms=NOW_MS - number * 1000,
            )
            for number in range(n_interactions)
        ]
        insert_interactions(conn, rows)
        for subject, kind in ((key, SubjectKind.ACCOUNT), (visit, SubjectKind.SESSION)):
            _plant_choices(conn, subject, kind, mark)
        _plant_decisions(store, conn, key, visit, customer_no, item_no, mark)
        _plant_looks_and_claims(store, conn, (key, visit), mark)
        conn.execute(
            insert(tables.device_accounts),
            {"device_key": device, "subject_key": key, "last_seen_ms": NOW_MS},
        )
        open_request(conn, f"request-{next(_numbers)}", key, RequestKind.ACCESS, NOW_MS)
        conn.execute(
            tables.requests.update()
            .where(tables.requests.c.subject_key == key)
            .values(outcome=mark["outcome"], extended_because=mark["extension"])
        )
        conn.execute(
            tables.customers.update()
            .where(tables.customers.c.customer_no == customer_no)
            .values(jurisdiction=mark["jurisdiction"])
        )
    _plant_files(store.settings.data_dir, customer_id, mark)
    return Planted(customer_id, customer_no, (key, visit, device), tuple(mark.values()))


_PLANTED = (
    "session",
    "device",
    "event",
    "record",
    "notice",
    "served",
    "category",
    "language",
    "place",
    "actor",
    "signal",
    "parent",
    "goods",
    "mute",
    "brand",
    "case",
    "correction",
    "body",
    "look",
    "claim",
    "outcome",
    "extension",
    "jurisdiction",
    "reject",
    "export",
    "source",
)
"""What is planted; of ``session``, ``device`` and ``event`` only keyed digests are ever stored."""


def _plant_choices(conn: Any, subject: bytes, kind: SubjectKind, mark: dict[str, str]) -> None:
    append_events(
        conn,
        subject,
        kind,
        [
            an_event(
                purpose,
                record_id=f"{mark['record']}-{next(_numbers)}",
                notice_id=mark["notice"],
                notice_version=mark["notice"],
                data_categories=frozenset({mark["category"]}),
                actor=f"import:{mark['actor']}",
            )
            for purpose in (KEY_OF[Purpose.PROFILING], KEY_OF[Purpose.PROFILED_CONTENT])
        ],
        NOW_MS,
    )
    base = {"subject_key": subject}
    conn.execute(
        insert(tables.consent_events),
        {
            **base,
            "record_id": f"{mark['record']}-{next(_numbers)}",
            "subject_kind": kind.value,
            "purpose": KEY_OF[Purpose.SHARING],
            "status": "ConsentRefused",
            "at_ms": NOW_MS,
            "received_at_ms": NOW_MS,
            "method": "api",
            "actor": "data_subject",
            "explicit": True,
            "confirmed_override": False,
            "language": mark["language"],
            "jurisdiction": mark["place"],
            "served_id": mark["served"],
            "signal_sha256": mark["signal"],
            "parent": mark["parent"],
            "item_categories": mark["goods"],
        },
    )
    conn.execute(
        insert(tables.notices_served),
        {
            **base,
            "served_id": f"{mark['served']}-{next(_numbers)}",
            "notice_id": mark["notice"],
            "notice_version": "1",
            "language": mark["language"],
            "surface": "home",
            "experience_sha256": "0" * 64,
            "at_ms": NOW_MS,
        },
    )
    conn.execute(
        insert(tables.signals_seen),
        {**base, "signal": "gpc", "value": mark["signal"], "first_seen_ms": NOW_MS, "changed_at_ms": NOW_MS},
    )
    add_mute(conn, subject, Mute(MuteScope.CATEGORY, mark["mute"], None), NOW_MS)
    add_mute(conn, subject, Mute(MuteScope.BRAND, mark["brand"], None), NOW_MS)
    put_holds(conn, [(subject, Hold(HoldKind.COMPLAINT, mark["case"], NOW_MS, None))])
    conn.execute(
        insert(tables.corrections),
        {
            **base,
            "at_ms": NOW_MS,
            "scope": "item",
            "value": mark["correction"],
            "action": "drop",
            "n_interactions": 1,
        },
    )


def _plant_looks_and_claims(store: Store, conn: Any, keys: Sequence[bytes], mark: dict[str, str]) -> None:
    for number, key in enumerate(keys):
        at = store.logbook.add(conn, entry("disclosure", NOW_MS, kind="record", n=1)).first_index
        add_disclosure(conn, Disclosure(at, key, bytes(16), f'{{"n":"{mark["look"]}"}}'))
        over = LegalHold(f"hold-{next(_numbers)}", key, f"{mark['claim']} {number}", "key-1", NOW_MS, NOW_MS)
        insert_hold(conn, over)


def _plant_decisions(
    store: Store, conn: Any, key: bytes, visit: bytes, customer_no: int, item_no: int, mark: dict[str, str]
) -> None:
    for number in range(6):
        decision_id = f"decision-{next(_numbers)}"
        seen = an_exposure(
            item_no,
            customer_no=customer_no if number % 2 else None,
            session_key=visit if number % 3 == 0 else None,
        )
        append_decisions(
            conn,
            store.keyring,
            [
                a_decision(
                    decision_id,
                    body=(mark["body"] * 200).encode(),
                    subject_key=key if number % 2 else visit,
                    terms=("rule:G17", f"reason:{number}"),
                    **({} if number % 2 else in_visit(store, visit)),
                    exposure=seen if number % 2 or number % 3 == 0 else None,
                    measured=MeasuredDecision(NOW_MS, Channel.WEB, "", ((item_no, Intent.SIMILAR),)),
                )
            ],
        )
        add_feedback(conn, decision_id, item_no, FeedbackKind.CLICKED, NOW_MS)


def _plant_files(data_dir: Path, customer_id: str, mark: dict[str, str]) -> None:
    source = data_dir / "source"
    source.mkdir(parents=True, exist_ok=True)
    number = next(_numbers)
    (source / f"purchases-{number}.jsonl").write_text(f"{customer_id} {mark['source']}")
    (data_dir / f"some-{number}.rejects.jsonl").write_text(f"{customer_id} {mark['reject']}")
    (data_dir / "exports").mkdir(exist_ok=True)
    (data_dir / "exports" / f"{number}.json").write_text(f"{customer_id} {mark['export']}")


def begin(
    store: Store,
    subject_id: str,
    mode: Mode = Mode.DELETE,
    *,
    kind: SubjectKind = SubjectKind.ACCOUNT,
    recipients: Sequence[str] = (),
    now_ms: int = NOW_MS,
) -> str:
    """Begin an erasure and return its id."""
    subject = Erasable.of(store.subjects, kind, subject_id)
    ids = (f"cascade-{next(_numbers)}" for _ in count())
    begun = erase_keys(store.logbook, store.subjects, subject, mode, recipients, ids.__next__, now_ms)
    return begun.cascade_id


def forgetting(store: Store, clock: Clock | None = None, **more: Any) -> Forgetting:
    """What works on cascades, here and now."""
    return Forgetting(
        store.logbook, store.settings, clock or Clock(), **{"forget_in_models": nothing_learned, **more}
    )


def erase(store: Store, subject_id: str, mode: Mode = Mode.DELETE, **more: Any) -> Cascade:
    """Erase somebody to the end and return the receipt."""
    cascade_id = begin(store, subject_id, mode, **more)
    return forgetting(store).finish_now(cascade_id)


def receipt_of(store: Store, cascade_id: str) -> Cascade:
    with reading(store.engine) as conn:
        found = get_cascade(conn, cascade_id)
    assert found is not None
    return found


def counts_of(cascade: Cascade) -> dict[str, int]:
    return {step.downstream: step.n_affected for step in cascade.steps}


def row_counts(store: Store) -> dict[str, int]:
    """How many rows each table holds."""
    with reading(store.engine) as conn:
        return {
            table.name: conn.scalar(select(func.count()).select_from(table)) or 0
            for table in tables.metadata.tables.values()
        }


def traces(store: Store, needles: dict[str, bytes], beside: Iterable[bytes] = ()) -> list[str]:
    """Where any of the needles is found: database, its log and index, every file, and what is beside."""
    hits: list[str] = []
    for place, content in [*_everything(store), *((f"beside {n}", each) for n, each in enumerate(beside))]:
        hits += [f"{name} in {place}" for name, needle in needles.items() if needle in content]
    return hits


def in_visit(store: Store, visit: bytes) -> dict[str, bytes]:
    """What a decision for a visit without an account says of suppression."""
    key = store.subjects.suppression(visit)
    return {"suppression_key": key, "visit_suppression_key": key}


def _everything(store: Store) -> Iterator[tuple[str, bytes]]:
    for file in sorted(store.settings.data_dir.rglob("*")):
        if file.is_file():
            yield file.name, file.read_bytes()
    if store.on_postgresql:
        yield from _dump(store)
        return
    database = Path(make_url(store.settings.database_url).database or "")
    for suffix in ("", "-wal", "-shm"):
        file = database.with_name(database.name + suffix)
        if file.exists():
            yield file.name, file.read_bytes()


def _dump(store: Store) -> Iterator[tuple[str, bytes]]:
    """Every table as the server would copy it out, bytes as they are and as hex."""
    found = MetaData()
    found.reflect(store.engine)
    with store.engine.connect() as conn:
        for table in found.sorted_tables:
            yield table.name, _copied(conn, table)


def _copied(conn: Any, table: Table) -> bytes:
    cursor = conn.connection.driver_connection.cursor()
    with cursor.copy(f'COPY "{table.name}" TO STDOUT (FORMAT binary)') as copy:
        return b"".join(bytes(part) for part in copy)


PLANTED_DAY = (NOW_MS // DAY_MS) * DAY_MS
