"""What customers can see and set right: signals seen, corrections, and the evidence they correct."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, insert, or_, select, update

from api.storage.statements import insert_new
from api.storage.tables import corrections, interactions, items, signals_seen
from engine.vocabulary import Kind
from guardrails.consent.collection import ORDER_FACTS
from guardrails.consent.purposes import Purpose

_SIGNALS_OF = (
    select(
        signals_seen.c.signal,
        signals_seen.c.value,
        signals_seen.c.first_seen_ms,
        signals_seen.c.changed_at_ms,
    )
    .where(signals_seen.c.subject_key == bindparam("subject_key"))
    .order_by(signals_seen.c.signal)
)


@dataclass(frozen=True, slots=True)
class SignalRow:
    """A privacy signal that a subject's browser or shop was seen to send.

    Attributes:
        signal: which, such as ``gpc``.
        value: what it said last.
        first_seen_ms: when it was first seen, milliseconds since the epoch.
        changed_at_ms: since when it says so.
    """

    signal: str
    value: str
    first_seen_ms: int
    changed_at_ms: int


class CorrectionScope(StrEnum):
    """What a correction is about."""

    ITEM = "item"
    CATEGORY = "category"
    BRAND = "brand"


class CorrectionAction(StrEnum):
    """What becomes of the evidence."""

    DROP = "drop"
    RELABEL = "relabel"


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """Something that a customer set right (GDPR 16).

    Attributes:
        at_ms: when, milliseconds since the epoch.
        scope: what it is about.
        value: item id, category path (covers all below it) or brand.
        action: what became of the evidence.
        n_interactions: how many interactions that changed.
    """

    at_ms: int
    scope: CorrectionScope
    value: str
    action: CorrectionAction
    n_interactions: int


def note_signal(conn: Connection, subject_key: bytes, signal: str, value: str, now_ms: int) -> bool:
    """Take down that a signal was seen, the first time and when it changes; tell whether that is new.

    W3C Global Privacy Control advises against a trail of every request, and this keeps none.
    """
    row = {
        "subject_key": subject_key,
        "signal": signal,
        "value": value,
        "first_seen_ms": now_ms,
        "changed_at_ms": now_ms,
    }
    first = insert_new(conn, signals_seen).execution_options(preserve_rowcount=True)
    if conn.execute(first, row).rowcount == 1:
        return True
    changed = conn.execute(
        update(signals_seen)
        .where(
            signals_seen.c.subject_key == subject_key,
            signals_seen.c.signal == signal,
            signals_seen.c.value != value,
        )
        .values(value=value, changed_at_ms=now_ms)
    )
    return changed.rowcount == 1


def read_signals(conn: Connection, subject_key: bytes) -> list[SignalRow]:
    """Return the signals that a subject was seen to send, by name."""
    rows = conn.execute(_SIGNALS_OF, {"subject_key": subject_key})
    return [SignalRow(*row) for row in rows]


def read_corrections(conn: Connection, subject_key: bytes) -> list[CorrectionRow]:
    """Return what a subject has set right, oldest first."""
    rows = conn.execute(
        select(*(corrections.c[name] for name in CorrectionRow.__dataclass_fields__))
        .where(corrections.c.subject_key == subject_key)
        .order_by(corrections.c.correction_no)
    ).mappings()
    return [
        CorrectionRow(
            **{
                **row,
                "scope": CorrectionScope(row["scope"]),
                "action": CorrectionAction(row["action"]),
            }
        )
        for row in rows
    ]


def correct(
    conn: Connection,
    subject_key: bytes,
    customer_no: int,
    scope: CorrectionScope,
    value: str,
    action: CorrectionAction,
    now_ms: int,
) -> CorrectionRow:
    """Take evidence out of a customer's profile, or mark it as gifts; take down that it was done.

    Dropped, an order or a return stays as a fact of the contract, under a purpose that is never
    evidence; anything else is deleted. A gift was for somebody else and is no evidence either.

    Args:
        conn: a writing connection that holds the subject.
        subject_key: whose it is.
        customer_no: storage key of the customer.
        scope: what ``value`` names.
        value: item id, category path (covers all below it) or brand.
        action: what becomes of the evidence.
        now_ms: the clock, milliseconds since the epoch.
    """
    evidence = and_(
        interactions.c.customer_no == customer_no,
        interactions.c.purpose == int(Purpose.PROFILING),
        interactions.c.item_no.in_(select(items.c.item_no).where(_names(scope, value))),
    )
    change = _relabel if action is CorrectionAction.RELABEL else _drop
    row = CorrectionRow(now_ms, scope, value, action, change(conn, evidence))
    conn.execute(insert(corrections), {**asdict(row), "subject_key": subject_key})
    return row


def _names(scope: CorrectionScope, value: str) -> ColumnElement[bool]:
    """Return the condition on items that a correction names; compared letter by letter."""
    if scope is CorrectionScope.ITEM:
        return items.c.item_id == value
    if scope is CorrectionScope.BRAND:
        return items.c.brand == value
    below = f"{value} > "
    return or_(items.c.category == value, func.substr(items.c.category, 1, len(below)) == below)


def _relabel(conn: Connection, evidence: ColumnElement[bool]) -> int:
    """Mark as gifts; a return stays what it is, because it only ever holds suggestions back."""
    relabelled = (
        update(interactions)
        .where(evidence, ~interactions.c.is_gift, interactions.c.kind != int(Kind.RETURN))
        .values(is_gift=True)
    )
    return conn.execute(relabelled).rowcount


def _drop(conn: Connection, evidence: ColumnElement[bool]) -> int:
    order = interactions.c.kind.in_([int(kind) for kind in ORDER_FACTS])
    as_order = update(interactions).where(evidence, order).values(purpose=int(Purpose.ESSENTIAL_SERVICE))
    n_kept = conn.execute(as_order).rowcount
    return n_kept + conn.execute(delete(interactions).where(evidence)).rowcount
