"""Taking down what customers ask for, and carrying out at once what needs no examination."""

from __future__ import annotations

from sqlalchemy import Connection

from api.consents.choosing import Choosing
from api.consents.people import Person
from api.errors import InvalidRequestError
from api.rights.objections import object_to, objected_to, restrict
from api.storage.connection import writing
from api.storage.consents import lock_subject
from api.storage.decisions import decision_subject
from api.storage.requests import (
    RequestKind,
    RequestRow,
    RequestState,
    close_request,
    get_request,
    open_request,
    requests_of,
)
from api.wiring import Wiring
from guardrails.request import SubjectKind


def ask_for(
    found: Wiring,
    subject_key: bytes,
    kind: RequestKind,
    *,
    purpose: str | None = None,
    decision_id: str | None = None,
) -> RequestRow:
    """Take a request of a customer down and return it; a restriction and an objection are carried out.

    Args:
        found: the shop.
        subject_key: who asks.
        kind: what for.
        purpose: what is objected to; ``None`` for all direct marketing.
        decision_id: the decision that is contested.

    Raises:
        InvalidRequestError: the purpose cannot be objected to, or the decision was for somebody else.
        ErasedError: the customer is being erased.
    """
    now_ms, consent = found.clock(), found.runtime.current().house.consent
    objections = objected_to(purpose, consent) if kind is RequestKind.OBJECTION else ()
    with writing(found.engine) as conn:
        if decision_id is not None and decision_subject(conn, decision_id) != subject_key:
            raise InvalidRequestError.at("/decision_id", "is no decision made for this customer")
        row = open_request(conn, found.new_id(), subject_key, kind, now_ms, decision_id)
        if kind is RequestKind.OBJECTION:
            object_to(_choosing(conn, subject_key, found, now_ms), objections)
            return _done(conn, row, f"objection in force: {', '.join(objections)}", now_ms)
        if kind is RequestKind.RESTRICTION:
            restrict(_choosing(conn, subject_key, found, now_ms))
            return _done(conn, row, "restriction in force", now_ms)
    return row


def contest(conn: Connection, found: Wiring, subject_key: bytes, decision_id: str) -> tuple[RequestRow, bool]:
    """Take down that a decision is contested (GDPR 22(3)); while that is open it stays one request.

    Args:
        conn: a writing connection.
        found: the shop.
        subject_key: whom the decision was made for.
        decision_id: which decision.

    Returns:
        The request, and whether it is new.
    """
    lock_subject(conn, subject_key)
    of_subject = (row for row in requests_of(conn, subject_key) if row.state is RequestState.OPEN)
    standing = next((row for row in of_subject if row.decision_id == decision_id), None)
    if standing is not None:
        return standing, False
    kind, request_id = RequestKind.CONTEST, found.new_id()
    return open_request(conn, request_id, subject_key, kind, found.clock(), decision_id), True


def _choosing(conn: Connection, subject_key: bytes, found: Wiring, now_ms: int) -> Choosing:
    return Choosing(
        conn=conn,
        person=Person(SubjectKind.ACCOUNT, subject_key),
        subjects=found.subjects,
        settings=found.settings,
        now_ms=now_ms,
        new_id=found.new_id,
    )


def _done(conn: Connection, row: RequestRow, outcome: str, now_ms: int) -> RequestRow:
    close_request(conn, row.request_id, RequestState.DONE, outcome, now_ms)
    return get_request(conn, row.request_id) or row
