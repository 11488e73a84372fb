"""What customers ask for under GDPR 15 to 22, with the clock that it starts (GDPR 12(3))."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from api.auth import only, require_own
from api.consents.choosing import Choosing
from api.consents.people import Person
from api.errors import InvalidRequestError, UnknownDecisionError
from api.rights.objections import object_to, objected_to, restrict
from api.routes.resource import Resource, json_answer
from api.schemas.rights import (
    AskedSchema,
    RequestAnswerSchema,
    RequestChangeSchema,
    RequestPageSchema,
    RequestSearchSchema,
    RequestsSchema,
)
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.consents import lock_subject
from api.storage.decisions import decision_subject
from api.storage.requests import (
    RequestKind,
    RequestRow,
    RequestState,
    close_request,
    extend_request,
    find_requests,
    get_request,
    open_request,
    requests_of,
)
from api.wiring import Wiring, wiring
from guardrails.request import SubjectKind

blueprint = Resource("requests", __name__, description="what customers ask for, each with its clock")


@blueprint.operation(
    "POST",
    "/v1/customers/<id:customer_id>/requests",
    only(Role.SITE, customer=True),
    status=201,
    body=AskedSchema(),
    answer=RequestAnswerSchema(),
    problems=(409, 422, 503),
    example={"kind": "objection"},
)
def ask(body: dict[str, str], customer_id: str) -> Response:
    """Take a request down; it is due after 30 days.

    A restriction and an objection are carried out before this is answered: they hold from the next
    request on. An objection that names no purpose ends all direct marketing. Access and portability
    are quicker by `GET …/export`, erasure by `DELETE`, rectification by `PATCH …/interests`.
    """
    found = wiring()
    now_ms = found.clock()
    kind, decision_id = RequestKind(body["kind"]), body.get("decision_id")
    consent = found.runtime.current().house.consent
    objections = objected_to(body.get("purpose"), consent) if kind is RequestKind.OBJECTION else ()
    subject_key = found.subjects.account(customer_id)
    with writing(found.engine) as conn:
        if decision_id is not None and decision_subject(conn, decision_id) != subject_key:
            raise InvalidRequestError.at("/decision_id", "is no decision made for this customer")
        request_id = found.new_id()
        row = open_request(conn, request_id, subject_key, kind, now_ms, decision_id)
        if kind is RequestKind.OBJECTION:
            object_to(_choosing(conn, subject_key, found, now_ms), objections)
            row = _done(conn, row, f"objection in force: {', '.join(objections)}", now_ms)
        if kind is RequestKind.RESTRICTION:
            restrict(_choosing(conn, subject_key, found, now_ms))
            row = _done(conn, row, "restriction in force", now_ms)
    return json_answer(_document(row, now_ms), 201)


@blueprint.operation(
    "GET",
    "/v1/customers/<id:customer_id>/requests",
    only(Role.SITE, customer=True),
    answer=RequestsSchema(),
)
def requests_of_customer(customer_id: str) -> Response:
    """Return what a customer has asked for, oldest first, and what became of it."""
    found = wiring()
    with reading(found.engine) as conn:
        rows = requests_of(conn, found.subjects.account(customer_id))
    return json_answer({"requests": [_document(row, found.clock()) for row in rows]})


@blueprint.operation(
    "GET", "/v1/requests", only(Role.AUDITOR), query=RequestSearchSchema(), answer=RequestPageSchema()
)
def search_requests(query: dict[str, Any]) -> Response:
    """Search all requests, those due first first; who asked is not told."""
    found = wiring()
    now_ms, limit = found.clock(), query["limit"]
    with reading(found.engine) as conn:
        page = find_requests(
            conn,
            limit=limit + 1,
            after=_place(query.get("after")),
            state=RequestState(query["state"]) if "state" in query else None,
            overdue_at_ms=now_ms if query["overdue"] else None,
        )
    shown = page[:limit]
    return json_answer(
        {
            "requests": [_document(row, now_ms) for row in shown],
            "next": f"{shown[-1].due_at_ms}.{shown[-1].request_id}" if len(page) > limit else None,
        }
    )


@blueprint.operation(
    "PATCH",
    "/v1/requests/<name:request_id>",
    only(Role.SITE),
    body=RequestChangeSchema(),
    answer=RequestAnswerSchema(),
    problems=(404, 422, 503),
    example={"state": "done", "outcome": "sent by mail"},
)
def change_request(body: dict[str, Any], request_id: str) -> Response:
    """Close a request, or put it off once: by at most 60 days, with the reason, before it is due."""
    found = wiring()
    now_ms = found.clock()
    with writing(found.engine) as conn:
        row = get_request(conn, request_id)
        if row is None:
            raise NotFound
        if "extension" in body:
            days, because = body["extension"]["days"], body["extension"]["because"]
            changed, where = extend_request(conn, request_id, days, because, now_ms), "/extension"
        else:
            state = RequestState(body["state"])
            changed, where = close_request(conn, request_id, state, body["outcome"], now_ms), "/state"
        if not changed:
            raise _refusal(row, where)
        row = get_request(conn, request_id) or row
    return json_answer(_document(row, now_ms))


@blueprint.operation(
    "POST",
    "/v1/decisions/<name:decision_id>/contest",
    only(Role.SITE, customer=True),
    status=201,
    answer=RequestAnswerSchema(),
    also={200: RequestAnswerSchema()},
    problems=(404, 503),
)
def contest(decision_id: str) -> Response:
    """Contest a decision: a person has to look at it (GDPR 22(3)).

    Contested again while that is open, it stays one request and the answer is 200.
    """
    found = wiring()
    now_ms = found.clock()
    with writing(found.engine) as conn:
        subject_key = decision_subject(conn, decision_id)
        require_own(subject_key)
        if subject_key is None:
            raise UnknownDecisionError("this decision is not in the log, or was made for nobody")
        lock_subject(conn, subject_key)
        standing = _standing_contest(conn, subject_key, decision_id)
        row = standing or open_request(
            conn, found.new_id(), subject_key, RequestKind.CONTEST, now_ms, decision_id
        )
    return json_answer(_document(row, now_ms), 200 if standing else 201)


def _choosing(conn: Connection, subject_key: bytes, found: Wiring, now_ms: int) -> Choosing:
    return Choosing(
        conn=conn,
        person=Person(SubjectKind.ACCOUNT, subject_key),
        subjects=found.subjects,
        settings=found.settings,
        now_ms=now_ms,
        new_id=found.new_id,
    )


def _standing_contest(conn: Connection, subject_key: bytes, decision_id: str) -> RequestRow | None:
    standing = (row for row in requests_of(conn, subject_key) if row.state is RequestState.OPEN)
    return next((row for row in standing if row.decision_id == decision_id), None)


def _done(conn: Connection, row: RequestRow, outcome: str, now_ms: int) -> RequestRow:
    close_request(conn, row.request_id, RequestState.DONE, outcome, now_ms)
    return get_request(conn, row.request_id) or row


def _refusal(row: RequestRow, where: str) -> InvalidRequestError:
    if row.state is not RequestState.OPEN:
        return InvalidRequestError.at(where, "the request is closed already")
    if row.extended_because is not None:
        return InvalidRequestError.at(where, "the request was put off once already")
    return InvalidRequestError.at(where, "the request is overdue: it can no longer be put off")


def _place(after: str | None) -> tuple[int, str] | None:
    if after is None:
        return None
    due_at_ms, _, request_id = after.partition(".")
    return int(due_at_ms), request_id


def _document(row: RequestRow, now_ms: int) -> dict[str, Any]:
    """Return a request as it is answered: nothing of it says whose it is."""
    return {
        "request_id": row.request_id,
        "kind": row.kind,
        "state": row.state,
        "received_at_ms": row.received_at_ms,
        "due_at_ms": row.due_at_ms,
        "overdue": row.overdue(now_ms),
        "extended_because": row.extended_because,
        "closed_at_ms": row.closed_at_ms,
        "outcome": row.outcome,
        "decision_id": row.decision_id,
    }
