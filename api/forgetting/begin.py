"""The step that answers: one short transaction after which nothing of a subject is used any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from api.forgetting.plan import new_steps
from api.storage.cascades import Cascade, CascadeKind, Mode, insert_cascade, running_erasure
from api.storage.consents import append_events, lock_subject
from api.storage.customers import begin_history
from api.storage.erasure import Whose, customer_number, holds_anything, part_from_request
from api.storage.requests import RequestKind, RequestState, close_request, open_request
from api.storage.subjects import Subjects
from api.storage.suppressions import suppress
from guardrails.consent.events import WHOLE_SUBJECT, ConsentEvent, Status
from guardrails.request import SubjectKind

ERASED = "everything held was erased"
"""Outcome of a request for erasure."""

ERASED_BUT_HELD = "everything held was erased but records that are kept for a legal claim (GDPR 17(3)(e))"
"""Outcome of it while a legal hold stands."""


@dataclass(frozen=True, slots=True)
class Erasable:
    """Somebody who can be erased.

    Attributes:
        key: subject key.
        kind: account, visit or device.
        suppression_key: under which it is remembered that they were.
    """

    key: bytes
    kind: SubjectKind
    suppression_key: bytes

    @classmethod
    def of(cls, subjects: Subjects, kind: SubjectKind, subject_id: str) -> Erasable:
        """Return the subject that the shop knows by an id."""
        derive = {
            SubjectKind.ACCOUNT: subjects.account,
            SubjectKind.SESSION: subjects.session,
            SubjectKind.DEVICE: subjects.device,
        }
        key = derive[kind](subject_id)
        return cls(key, kind, subjects.suppression(key))


def begin_erasure(
    conn: Connection,
    subject: Erasable,
    mode: Mode,
    recipients: Sequence[str],
    new_id: Callable[[], str],
    now_ms: int,
    claimed_until_ms: int = 0,
) -> str:
    """Block a subject, remember that they were erased, and put the erasure on its way.

    From the commit on nothing is served, learned or collected for them: a restriction (GDPR 18)
    stands in the ledger, and what comes in later is withheld as suppressed. How much is held of them
    plays no part in how long this takes.

    Asked again while it is under way, it is the same erasure; of somebody of whom nothing is held
    nothing is left to do but to see to their keys.

    Args:
        conn: a writing connection.
        subject: whom to erase.
        mode: what to leave of the history.
        recipients: who outside is to be told.
        new_id: makes random ids.
        now_ms: the clock, milliseconds since the epoch.
        claimed_until_ms: until when whoever asks will do the work; 0 leaves it to the background.

    Returns:
        The id of the cascade.
    """
    lock_subject(conn, subject.key)
    running = running_erasure(conn, subject.key)
    if running is not None:
        return running
    customer_no = customer_number(conn, subject.key)
    held = holds_anything(conn, Whose((subject.key,), customer_no))
    suppress(conn, subject.suppression_key, now_ms)
    cascade_id, request_id = new_id(), new_id()
    insert_cascade(
        conn,
        Cascade(
            cascade_id=cascade_id,
            kind=CascadeKind.ERASURE,
            mode=mode,
            subject_key=subject.key,
            customer_no=customer_no,
            request_id=request_id,
            requested_at_ms=now_ms,
            claimed_until_ms=claimed_until_ms,
            steps=new_steps(CascadeKind.ERASURE, recipients, now_ms, nothing_to_do=not held),
        ),
    )
    open_request(conn, request_id, subject.key, RequestKind.ERASURE, now_ms)
    if held:
        append_events(conn, subject.key, subject.kind, [_restriction(cascade_id, now_ms)], now_ms)
    return cascade_id


def close_erasure_request(conn: Connection, request_id: str, now_ms: int) -> None:
    """Say that a request for erasure was answered, and forget whose it was."""
    close_request(conn, request_id, RequestState.DONE, ERASED, now_ms)
    part_from_request(conn, request_id, ERASED)


def answer_held_request(conn: Connection, request_id: str, now_ms: int) -> None:
    """Say that a request for erasure was answered as far as a legal hold lets it be."""
    close_request(conn, request_id, RequestState.DONE, ERASED_BUT_HELD, now_ms)


def begin_withdrawal(
    conn: Connection, cascade_id: str, subject_key: bytes, recipients: Sequence[str], now_ms: int
) -> str | None:
    """Put the forgetting of a profile on its way, in the transaction that stores the withdrawal.

    What was collected until now only because profiling was permitted goes, even if the person agrees
    again before it has gone; orders stay as facts of the contract, and so does the record of consent.

    Args:
        conn: the writing connection that stores the choice.
        cascade_id: a fresh random id.
        subject_key: whose profile.
        recipients: who outside is to be told.
        now_ms: the clock, milliseconds since the epoch.

    Returns:
        The id of the cascade; ``None`` for somebody without an account, of whom no profile is kept.
    """
    customer_no = customer_number(conn, subject_key)
    if customer_no is None:
        return None
    begin_history(conn, customer_no, now_ms + 1)
    insert_cascade(
        conn,
        Cascade(
            cascade_id=cascade_id,
            kind=CascadeKind.WITHDRAWAL,
            mode=None,
            subject_key=subject_key,
            customer_no=customer_no,
            request_id=None,
            requested_at_ms=now_ms,
            steps=new_steps(CascadeKind.WITHDRAWAL, recipients, now_ms),
        ),
    )
    return cascade_id


def _restriction(cascade_id: str, now_ms: int) -> ConsentEvent:
    return ConsentEvent(
        record_id=cascade_id,
        purpose=WHOLE_SUBJECT,
        status=Status.RESTRICTED,
        at_ms=now_ms,
        explicit=True,
    )
