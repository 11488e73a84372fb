"""Consent events, which are the truth, and where each purpose stands, which is their projection.

Both are written in one transaction, by whoever holds the subject: without that, two choices at once
could each be projected onto the state before the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from sqlalchemy import Column, Connection, RowMapping, bindparam, exists, insert, select, text

from api.storage.connection import hold_until_end
from api.storage.customers import Preferences, mutes_of, preferences_of
from api.storage.holds import holds_of_each
from api.storage.measured import forget_measured
from api.storage.prepared import Prepared, Rows, Wanted, together
from api.storage.statements import chunks, insert_or_replace
from api.storage.tables import consent_events, consent_states, customers
from guardrails.consent.ages import AgeBand
from guardrails.consent.events import GRANTS, REFUSALS, Parent
from guardrails.consent.ledger import (
    ConsentEvent,
    Ledger,
    PurposeState,
    Status,
    project,
    says_the_same,
)
from guardrails.consent.merge import most_protective
from guardrails.consent.permission import GpcStatus
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.errors import ConsentEventError
from guardrails.holding import Hold
from guardrails.messages import Phrase
from guardrails.request import AgeAssurance, Choices, Mute, SubjectKind

SubjectEvent = tuple[bytes, SubjectKind, ConsentEvent]
"""Subject key, what kind of subject it is, and the event."""

_EVENT_COLUMNS = tuple(consent_events.c[name] for name in ConsentEvent.__dataclass_fields__)
_STATE_COLUMNS = tuple(consent_states.c[name] for name in PurposeState.__dataclass_fields__)
_SETS = ("channels", "data_categories", "item_categories")
_STATES_OF_SUBJECT = select(*_STATE_COLUMNS).where(consent_states.c.subject_key == bindparam("subject_key"))
_STATE_NAMES = tuple(PurposeState.__dataclass_fields__)
_STATES_OF_SUBJECTS = Prepared(
    select(consent_states.c.subject_key, *_STATE_COLUMNS).where(
        consent_states.c.subject_key.in_(bindparam("subject_keys", expanding=True))
    )
)


def append_events(
    conn: Connection,
    subject_key: bytes,
    subject_kind: SubjectKind,
    events: Sequence[ConsentEvent],
    now_ms: int,
) -> list[str]:
    """Store events of one subject and bring the projection up to date; return their record ids.

    An event that is stored already is not stored again.

    Raises:
        ConsentEventError: a record id is taken by another event.
    """
    lock_subject(conn, subject_key)
    _append(conn, [(subject_key, subject_kind, event) for event in events], now_ms)
    return [event.record_id for event in events]


def import_events(conn: Connection, events: Sequence[SubjectEvent], now_ms: int) -> int:
    """Store events of many subjects as ``append_events`` does; return how many were new.

    Raises:
        ConsentEventError: a record id is taken by another event.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(text("LOCK TABLE consent_states IN SHARE ROW EXCLUSIVE MODE"))
    return _append(conn, events, now_ms)


def lock_subject(conn: Connection, subject_key: bytes) -> None:
    """Let nobody else change this subject's consents until the transaction ends.

    Call it first when what is appended depends on what is read. On SQLite a writer is alone anyway.
    """
    if conn.dialect.name != "postgresql":
        return
    conn.execute(text("LOCK TABLE consent_states IN ROW EXCLUSIVE MODE"))  # waits for an import
    number = int.from_bytes(subject_key[:8], "big", signed=True)
    hold_until_end(conn, number)


def read_events(
    conn: Connection, subject_key: bytes, received_by_ms: int | None = None
) -> list[ConsentEvent]:
    """Return the events of a subject that were received by a time, in the order they were stored."""
    query = select(*_EVENT_COLUMNS).where(consent_events.c.subject_key == subject_key)
    if received_by_ms is not None:
        query = query.where(consent_events.c.received_at_ms <= received_by_ms)
    rows = conn.execute(query.order_by(consent_events.c.event_no))
    return [_event(row) for row in rows.mappings()]


def read_ledger(conn: Connection, subject_key: bytes) -> Ledger:
    """Return where every purpose of a subject stands; an empty ledger for a subject never heard of."""
    rows = conn.execute(_STATES_OF_SUBJECT, {"subject_key": subject_key}).mappings()
    return Ledger({row["purpose"]: _state(row) for row in rows})


def read_choices(
    conn: Connection, subject_key: bytes, beside: Sequence[bytes] = ()
) -> tuple[Choices, int | None]:
    """Return a subject's own instructions and its customer number, if it has one.

    Args:
        conn: a connection.
        subject_key: who is asked.
        beside: the device and the visit that the request comes from: what was refused there holds,
            and so does what is held back there.
    """
    (found,) = choices_of_each([(subject_key, beside)]).read(conn)
    return found


def choices_of_each(
    people: Sequence[tuple[bytes, Sequence[bytes]]],
) -> Wanted[list[tuple[Choices, int | None]]]:
    """Return what to ask for what ``read_choices`` returns for each of many; as many statements as for one.

    Args:
        people: who is asked, and who beside them.
    """
    groups = [(subject_key, *beside) for subject_key, beside in people]
    subject_keys = [subject_key for subject_key, _ in people]
    wanted = together(
        preferences_of(subject_keys),
        _ledgers_of({key for keys in groups for key in keys}),
        mutes_of(subject_keys),
        holds_of_each(groups),
    )
    return wanted.then(
        lambda found: [
            _choices(found[0].get(keys[0]), [found[1][key] for key in keys], found[2][keys[0]], held)
            for keys, held in zip(groups, found[3], strict=True)
        ]
    )


def _choices(
    customer: Preferences | None, ledgers: Sequence[Ledger], mutes: tuple[Mute, ...], holds: tuple[Hold, ...]
) -> tuple[Choices, int | None]:
    ledger = ledgers[0] if len(ledgers) == 1 else most_protective(*ledgers)
    if customer is None:
        return Choices(ledger, mutes, holds=holds), None
    choices = Choices(
        ledger,
        mutes,
        holds=holds,
        age_assurance=AgeAssurance(customer.age_assurance),
        non_profiled=customer.non_profiled,
        shared_device=customer.shared_device,
        age_band=None if customer.age_band is None else AgeBand(customer.age_band),
        jurisdiction=customer.jurisdiction,
        limit_sensitive=customer.limit_sensitive,
        history_from_ms=customer.history_from_ms,
    )
    return choices, customer.customer_no


def subjects_with(conn: Connection, purpose: str, at_ms: int) -> dict[int, Ledger]:
    """Return the ledgers of the customers whose consent to ``purpose`` was given by then.

    Whether it still stands, and whether anything stands against it, is for the check to say.
    """
    mine = consent_states.alias()
    granted = exists().where(
        mine.c.subject_key == customers.c.subject_key,
        mine.c.purpose == purpose,
        mine.c.status.in_(sorted(GRANTS)),
        mine.c.at_ms <= at_ms,
    )
    rows = conn.execute(
        select(customers.c.customer_no, *_STATE_COLUMNS)
        .join(consent_states, consent_states.c.subject_key == customers.c.subject_key)
        .where(granted)
    )
    states: dict[int, dict[str, PurposeState]] = {}
    for customer_no, *values in rows:
        state = _state_of(values)
        states.setdefault(customer_no, {})[state.purpose] = state
    return {customer_no: Ledger(of_customer) for customer_no, of_customer in sorted(states.items())}


def customer_ids_with(conn: Connection, purpose: str, at_ms: int) -> list[str]:
    """Return the shop's keys of the customers whose consent to ``purpose`` was given by then, oldest first.

    Whether it still stands, and whether anything stands against it, is for the check to say.
    """
    return list(
        conn.scalars(
            select(customers.c.customer_id)
            .join(consent_states, consent_states.c.subject_key == customers.c.subject_key)
            .where(
                consent_states.c.purpose == purpose,
                consent_states.c.status.in_(sorted(GRANTS)),
                consent_states.c.at_ms <= at_ms,
            )
            .order_by(customers.c.customer_no)
        )
    )


def _ledgers_of(subject_keys: Iterable[bytes]) -> Wanted[dict[bytes, Ledger]]:
    """Return what to ask for where the purposes of each subject stand; one statement for up to 500."""
    keys = sorted(set(subject_keys))

    def found(rows: Sequence[Rows]) -> dict[bytes, Ledger]:
        states: dict[bytes, dict[str, PurposeState]] = {key: {} for key in keys}
        for key, *values in rows[0]:
            state = _state_of(values)
            states[key][state.purpose] = state
        return {key: Ledger(of_subject) for key, of_subject in states.items()}

    return Wanted([_STATES_OF_SUBJECTS.asking(subject_keys=keys)], found)


def _append(conn: Connection, events: Sequence[SubjectEvent], now_ms: int) -> int:
    new = _without_stored(conn, events)
    if not new:
        return 0
    conn.execute(insert(consent_events), [_event_row(each, now_ms) for each in new])
    states = _read_states(conn, {subject_key for subject_key, _, _ in new})
    touched: dict[tuple[bytes, str], PurposeState] = {}
    for subject_key, _, event in new:
        key = subject_key, event.purpose
        states[key] = touched[key] = project(states.get(key), event)
    _store_states(conn, touched)
    _forget_measured(conn, touched)
    return len(new)


def _forget_measured(conn: Connection, states: dict[tuple[bytes, str], PurposeState]) -> None:
    """Remove what was measured of who takes back that they may be: it was kept for nothing else."""
    refused = [
        subject_key
        for (subject_key, purpose), state in states.items()
        if purpose == KEY_OF[Purpose.PERFORMANCE] and state.status in REFUSALS
    ]
    forget_measured(conn, refused)


def _without_stored(conn: Connection, events: Sequence[SubjectEvent]) -> list[SubjectEvent]:
    """Return the events that are not stored, each once.

    Raises:
        ConsentEventError: a record id is taken by another event: dropping this one could lose a
            withdrawal.
    """
    known = _stored_events(conn, [event.record_id for _, _, event in events])
    new: list[SubjectEvent] = []
    for subject_key, subject_kind, event in events:
        stored = known.get(event.record_id)
        if stored is None:
            known[event.record_id] = subject_key, event
            new.append((subject_key, subject_kind, event))
        elif stored[0] != subject_key or not says_the_same(stored[1], event):
            taken = Phrase("the record id `{id}` is taken by another event", id=event.record_id)
            raise ConsentEventError(taken)
    return new


def _stored_events(conn: Connection, record_ids: Sequence[str]) -> dict[str, tuple[bytes, ConsentEvent]]:
    query = select(consent_events.c.subject_key, *_EVENT_COLUMNS)
    queries = (query.where(consent_events.c.record_id.in_(some)) for some in chunks(record_ids))
    found = itertools.chain.from_iterable(conn.execute(each).mappings() for each in queries)
    return {row["record_id"]: (row["subject_key"], _event(row)) for row in found}


def _read_states(conn: Connection, subject_keys: Iterable[bytes]) -> dict[tuple[bytes, str], PurposeState]:
    query = select(consent_states.c.subject_key, *_STATE_COLUMNS)
    queries = (query.where(consent_states.c.subject_key.in_(some)) for some in chunks(sorted(subject_keys)))
    found = itertools.chain.from_iterable(conn.execute(each).mappings() for each in queries)
    return {(row["subject_key"], row["purpose"]): _state(row) for row in found}


def _store_states(conn: Connection, states: dict[tuple[bytes, str], PurposeState]) -> None:
    rows = [
        {**_values(state, PurposeState), "subject_key": subject_key}
        for (subject_key, _), state in states.items()
    ]
    if rows:
        conn.execute(insert_or_replace(conn, consent_states, "subject_key", "purpose"), rows)


def _event_row(each: SubjectEvent, now_ms: int) -> dict[str, Any]:
    subject_key, subject_kind, event = each
    return {
        **_values(event, ConsentEvent),
        "subject_key": subject_key,
        "subject_kind": subject_kind,
        "received_at_ms": now_ms,
        "parent": None if event.parent is None else orjson.dumps(asdict(event.parent)).decode(),
    }


def _values(of: ConsentEvent | PurposeState, kind: type[ConsentEvent | PurposeState]) -> dict[str, Any]:
    """Return the columns of an event or a state; sets of names become JSON lists."""
    values = {name: getattr(of, name) for name in kind.__dataclass_fields__}
    return values | {name: _to_json(values[name]) for name in _SETS}


def _event(row: RowMapping) -> ConsentEvent:
    fields = _fields(row, _EVENT_COLUMNS)
    parent = fields["parent"]
    return ConsentEvent(
        **fields
        | {
            "gpc": GpcStatus(fields["gpc"]),
            "parent": None if parent is None else Parent(**orjson.loads(parent)),
        }
    )


def _state_of(values: Sequence[Any]) -> PurposeState:
    """Return the state whose columns these are, in their order."""
    given = dict(zip(_STATE_NAMES, values, strict=True))
    return PurposeState(
        **given | {"status": Status(given["status"])} | {name: _from_json(given[name]) for name in _SETS}
    )


def _state(row: RowMapping) -> PurposeState:
    return PurposeState(**_fields(row, _STATE_COLUMNS))


def _fields(row: RowMapping, columns: Iterable[Column[Any]]) -> dict[str, Any]:
    values = {column.name: row[column] for column in columns}
    return values | {"status": Status(row["status"])} | {name: _from_json(row[name]) for name in _SETS}


def _to_json(named: frozenset[int] | frozenset[str] | None) -> str | None:
    return None if named is None else orjson.dumps(sorted(named)).decode()


def _from_json(text_: str | None) -> frozenset[Any] | None:
    return None if text_ is None else frozenset(orjson.loads(text_))
