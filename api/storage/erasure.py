"""Taking one subject out of the tables, a run of rows at a time.

Every function changes at most ``limit`` rows of its store and returns how many it did; nothing left
is 0. So each call is one short transaction, others get to write in between, and a process that dies
on the way has done whole runs and nothing by halves.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    union,
    update,
)

from api.storage.cascades import Mode
from api.storage.statements import chunks
from api.storage.tables import (
    consent_events,
    consent_states,
    corrections,
    customers,
    decision_bodies,
    decision_subjects,
    decisions,
    device_accounts,
    disclosures,
    exposures,
    feedback,
    holds,
    interactions,
    legal_holds,
    measured_suggestions,
    mutes,
    notices_served,
    requests,
    signals_seen,
)
from api.storage.terms import erase_terms
from engine.interactions import DAY_MS
from guardrails.consent.collection import ORDER_FACTS
from guardrails.consent.purposes import Purpose

CHUNK_ROWS = 500
"""Rows of one run: a few milliseconds, which is what other writers wait."""

ANONYMOUS = Purpose.PERFORMANCE
"""Purpose of what is nobody's: counting. It is never evidence and never learned from."""

_ORDERS = tuple(sorted(int(kind) for kind in ORDER_FACTS))


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose rows are meant.

    Attributes:
        keys: subject keys, of one account, or of one or many visits or devices.
        customer_no: storage key of the account, if it is one.
    """

    keys: tuple[bytes, ...]
    customer_no: int | None = None


def customer_number(conn: Connection, subject_key: bytes) -> int | None:
    """Return the storage key of the account behind a subject key; ``None`` when there is none."""
    found: int | None = conn.scalar(
        select(customers.c.customer_no).where(customers.c.subject_key == subject_key)
    )
    return found


def customer_id_of(conn: Connection, customer_no: int | None) -> str | None:
    """Return the shop's own id of an account; ``None`` when there is none."""
    found: str | None = conn.scalar(
        select(customers.c.customer_id).where(customers.c.customer_no == customer_no)
    )
    return found


def linked_visits(conn: Connection, customer_no: int | None) -> list[bytes]:
    """Return the visits in which a customer was logged in, as far as that was remembered."""
    if customer_no is None:
        return []
    parts = [
        select(table.c.session_key).where(
            table.c.customer_no == customer_no, table.c.session_key.is_not(None)
        )
        for table in (interactions, exposures)
    ]
    return sorted(conn.scalars(union(*parts)))


def holds_anything(conn: Connection, whose: Whose) -> bool:
    """Tell whether any table holds a row of a subject; an account is one by itself."""
    there = [exists().where(condition) for condition in _rows_of(whose)]
    return bool(conn.scalar(select(or_(*there))))


def erase_history(
    conn: Connection, whose: Whose, mode: Mode, limit: int = CHUNK_ROWS, *, parting: bool = True
) -> int:
    """Remove interactions, or make them nobody's.

    What an account did in a visit is the account's: erasing the visit only parts the two, if at all.
    """
    mine = _in_visit_or_account(interactions, whose)
    if mode is Mode.DELETE:
        gone = delete_some(conn, interactions, mine, limit)
    else:
        gone = _anonymize_some(conn, mine, limit)
    return gone or (_part_some(conn, interactions, whose, limit) if parting else 0)


def erase_exposures(conn: Connection, whose: Whose, limit: int = CHUNK_ROWS, *, parting: bool = True) -> int:
    """Remove what was shown, also where it is remembered for a visit alone.

    Erase the feedback first, which is found by what was shown, and the decisions last.
    """
    gone = delete_some(conn, exposures, _in_visit_or_account(exposures, whose), limit)
    gone = gone or delete_some(conn, exposures, exposures.c.decision_id.in_(_decided(whose)), limit)
    return gone or (_part_some(conn, exposures, whose, limit) if parting else 0)


def erase_feedback(conn: Connection, whose: Whose, limit: int = CHUNK_ROWS) -> int:
    """Remove what was said of suggestions, and what was measured of them; sums tell of nobody, and stay."""
    shown = select(exposures.c.decision_id).where(_in_visit_or_account(exposures, whose))
    said = or_(feedback.c.decision_id.in_(_decided(whose)), feedback.c.decision_id.in_(shown))
    gone = delete_some(conn, feedback, said, limit)
    mine = measured_suggestions.c.subject_key.in_(whose.keys)
    return gone or delete_some(conn, measured_suggestions, mine, limit)


def erase_decisions(conn: Connection, whose: Whose, limit: int = CHUNK_ROWS) -> int:
    """Remove the bodies of decisions, what they can be found by, and whose they were.

    The entries stay: they name nobody, and prove what was decided under which policy and model
    (GDPR 17(3)(e)).
    """
    mine = decision_subjects.c.subject_key.in_(whose.keys)
    places = list(conn.scalars(select(decision_subjects.c.log_index).where(mine).limit(limit)))
    erase_places(conn, places)
    return len(places)


def erase_places(conn: Connection, places: Sequence[int]) -> None:
    """Remove the bodies of decisions, what they can be found by, and whose they were."""
    for some in chunks(places):
        conn.execute(delete(decision_bodies).where(decision_bodies.c.log_index.in_(some)))
        erase_terms(conn, some)
        conn.execute(delete(decision_subjects).where(decision_subjects.c.log_index.in_(some)))


def count_decisions(conn: Connection, keys: Sequence[bytes]) -> int:
    """Return of how many decisions it is kept that they were for the subjects."""
    counted = select(func.count()).select_from(decision_subjects)
    return sum(
        conn.scalar(counted.where(decision_subjects.c.subject_key.in_(some))) or 0 for some in chunks(keys)
    )


def places_of(conn: Connection, keys: Sequence[bytes]) -> list[int]:
    """Return where in the log the decisions for the subjects are."""
    found = (
        conn.scalars(select(decision_subjects.c.log_index).where(decision_subjects.c.subject_key.in_(some)))
        for some in chunks(keys)
    )
    return sorted(itertools.chain.from_iterable(found))


def erase_disclosures(conn: Connection, whose: Whose, limit: int = CHUNK_ROWS) -> int:
    """Remove what exactly was looked at; the entries stay and say that something was."""
    return delete_some(conn, disclosures, disclosures.c.subject_key.in_(whose.keys), limit)


def erase_legal_holds(conn: Connection, whose: Whose) -> None:
    """Remove that there were legal holds, which are over; their entries stay and say nothing of whose."""
    conn.execute(delete(legal_holds).where(legal_holds.c.subject_key.in_(whose.keys)))


def erase_preferences(conn: Connection, whose: Whose, limit: int = CHUNK_ROWS) -> int:
    """Remove mutes and holds."""
    gone = 0
    for table in (mutes, holds):
        if gone < limit:
            gone += delete_some(conn, table, table.c.subject_key.in_(whose.keys), limit - gone)
    return gone


def erase_corrections(conn: Connection, whose: Whose, limit: int = CHUNK_ROWS) -> int:
    """Remove what was set right."""
    return delete_some(conn, corrections, corrections.c.subject_key.in_(whose.keys), limit)


def part_from_requests(
    conn: Connection, whose: Whose, but: str | None, now_ms: int, limit: int = CHUNK_ROWS
) -> int:
    """Make requests nobody's; what is left is that one was made, when, and when it was answered.

    Args:
        conn: a writing connection.
        whose: whose requests.
        but: the request that the erasure itself answers.
        now_ms: when those that are open are closed: nothing is left to answer them from.
        limit: most requests.
    """
    mine = requests.c.subject_key.in_(whose.keys) & (requests.c.request_id != (but or ""))
    ids = list(conn.scalars(select(requests.c.request_id).where(mine).limit(limit)))
    if ids:
        these = requests.c.request_id.in_(ids)
        closed = {"state": "done", "closed_at_ms": now_ms}
        conn.execute(update(requests).where(these, requests.c.state == "open").values(closed))
        nobodys = {"subject_key": None, "extended_because": None, "outcome": None, "decision_id": None}
        conn.execute(update(requests).where(these).values(nobodys))
    return len(ids)


def part_from_request(conn: Connection, request_id: str, outcome: str) -> None:
    """Make one request nobody's, and leave it saying what became of it."""
    nobodys = {"subject_key": None, "outcome": outcome}
    conn.execute(update(requests).where(requests.c.request_id == request_id).values(nobodys))


def erase_consents(conn: Connection, whose: Whose, but: str | None, limit: int = CHUNK_ROWS) -> int:
    """Remove consents, notices served, signals seen and devices; ``but`` is the record of the restriction.

    The projection of consents is not counted: it says nothing that its events do not.
    """
    keys = whose.keys
    gone = 0
    for table, mine in (
        (
            consent_events,
            consent_events.c.subject_key.in_(keys) & (consent_events.c.record_id != (but or "")),
        ),
        (notices_served, notices_served.c.subject_key.in_(keys)),
        (signals_seen, signals_seen.c.subject_key.in_(keys)),
        (
            device_accounts,
            or_(device_accounts.c.subject_key.in_(keys), device_accounts.c.device_key.in_(keys)),
        ),
    ):
        if gone < limit:
            gone += delete_some(conn, table, mine, limit - gone)
    return gone


def erase_what_remains(conn: Connection, whose: Whose) -> int:
    """Remove the restriction, the projection and the customer; return 1 for a customer."""
    for table in (consent_events, consent_states):
        conn.execute(delete(table).where(table.c.subject_key.in_(whose.keys)))
    return conn.execute(delete(customers).where(customers.c.subject_key.in_(whose.keys))).rowcount


def withdraw_history(conn: Connection, customer_no: int, until_ms: int, limit: int = CHUNK_ROWS) -> int:
    """Take the profile out of a history: orders become facts of the contract, the rest goes.

    Args:
        conn: a writing connection.
        customer_no: whose.
        until_ms: what happened later was collected under a later consent and stays.
        limit: most interactions.
    """
    profiled = (
        (interactions.c.customer_no == customer_no)
        & (interactions.c.purpose == int(Purpose.PROFILING))
        & (interactions.c.at_ms <= until_ms)
    )
    is_order = interactions.c.kind.in_(_ORDERS)
    gone = delete_some(conn, interactions, profiled & ~is_order, limit)
    if gone:
        return gone
    facts = {"purpose": int(Purpose.ESSENTIAL_SERVICE), "session_key": None}
    return update_some(conn, interactions, profiled & is_order, facts, limit)


def withdraw_feedback(conn: Connection, customer_no: int, until_ms: int, limit: int = CHUNK_ROWS) -> int:
    """Remove feedback on what was chosen from the profile; before what was shown, as above."""
    shown = select(exposures.c.decision_id).where(_profiled(customer_no, until_ms))
    return delete_some(conn, feedback, feedback.c.decision_id.in_(shown), limit)


def withdraw_exposures(conn: Connection, customer_no: int, until_ms: int, limit: int = CHUNK_ROWS) -> int:
    """Forget what the customer was shown; messages, which rest on their own consent, are still counted.

    What was shown in a visit that may be remembered stays with the visit.
    """
    mine = _profiled(customer_no, until_ms)
    gone = delete_some(conn, exposures, mine & exposures.c.session_key.is_(None), limit)
    return gone or update_some(conn, exposures, mine, {"customer_no": None}, limit)


def _profiled(customer_no: int, until_ms: int) -> ColumnElement[bool]:
    return (exposures.c.customer_no == customer_no) & (exposures.c.at_ms <= until_ms) & ~exposures.c.outbound


def _rows_of(whose: Whose) -> list[ColumnElement[bool]]:
    keys = whose.keys
    keyed = (
        customers,
        consent_events,
        consent_states,
        notices_served,
        signals_seen,
        device_accounts,
        mutes,
        holds,
        corrections,
        requests,
        decision_subjects,
        disclosures,
        legal_holds,
        measured_suggestions,
    )
    return [
        *(table.c.subject_key.in_(keys) for table in keyed),
        device_accounts.c.device_key.in_(keys),
        *(table.c.session_key.in_(keys) for table in (interactions, exposures)),
    ]


def _decided(whose: Whose) -> Select[tuple[str]]:
    """Ids of the decisions for a subject."""
    return (
        select(decisions.c.decision_id)
        .join(decision_subjects, decision_subjects.c.log_index == decisions.c.log_index)
        .where(decision_subjects.c.subject_key.in_(whose.keys))
    )


def _in_visit_or_account(table: Table, whose: Whose) -> ColumnElement[bool]:
    """Rows of the account, and of the visits as far as nobody was logged in."""
    in_visit = table.c.session_key.in_(whose.keys) & table.c.customer_no.is_(None)
    return in_visit if whose.customer_no is None else or_(in_visit, table.c.customer_no == whose.customer_no)


def _part_some(conn: Connection, table: Table, whose: Whose, limit: int) -> int:
    return update_some(conn, table, table.c.session_key.in_(whose.keys), {"session_key": None}, limit)


def _anonymize_some(conn: Connection, mine: ColumnElement[bool], limit: int) -> int:
    """Keep interactions as nobody's: no customer, no visit, no id, the day alone.

    The days and the goods stay, which is what they are kept for. The number of the row becomes a random
    one below zero: in the order in which they were stored, rows of one customer stand together, and
    among rows that still tell the minute.
    """
    numbers = list(conn.scalars(select(interactions.c.interaction_no).where(mine).limit(limit)))
    if numbers:
        conn.execute(
            update(interactions)
            .where(interactions.c.interaction_no == bindparam("number"))
            .values(
                interaction_no=bindparam("random_number"),
                event_key=bindparam("random_key"),
                customer_no=None,
                session_key=None,
                at_ms=interactions.c.at_ms - interactions.c.at_ms % DAY_MS,
                purpose=int(ANONYMOUS),
            ),
            [
                {
                    "number": number,
                    "random_number": -1 - secrets.randbits(62),
                    "random_key": secrets.token_bytes(16),
                }
                for number in numbers
            ],
        )
    return len(numbers)


def delete_some(conn: Connection, table: Table, condition: ColumnElement[bool], limit: int) -> int:
    """Delete at most ``limit`` rows that meet a condition; return how many that were."""
    return conn.execute(delete(table).where(_among(table, condition, limit))).rowcount


def update_some(
    conn: Connection, table: Table, condition: ColumnElement[bool], values: dict[str, Any], limit: int
) -> int:
    """Change at most ``limit`` rows that meet a condition; return how many that were."""
    return conn.execute(update(table).where(_among(table, condition, limit)).values(values)).rowcount


def _among(table: Table, condition: ColumnElement[bool], limit: int) -> ColumnElement[bool]:
    """Whether a row is one of the first that meet the condition."""
    key: Sequence[Any] = tuple(table.primary_key.columns)
    some = select(*key).where(condition).limit(limit)
    return key[0].in_(some) if len(key) == 1 else tuple_(*key).in_(some)
