"""What customers ask for under GDPR 15 to 22, with the clock that it starts (GDPR 12(3))."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.auth import only, require_own
from api.errors import UnknownDecisionError
from api.rights import answering, asking
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
from api.storage.decisions import decision_subject
from api.storage.requests import (
    RequestKind,
    RequestRow,
    RequestState,
    find_requests,
    requests_of,
)
from api.wiring import wiring

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
    row = asking.ask_for(
        found,
        found.subjects.account(customer_id),
        RequestKind(body["kind"]),
        purpose=body.get("purpose"),
        decision_id=body.get("decision_id"),
    )
    return json_answer(_document(row, found.clock()), 201)


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
        if "extension" in body:
            days, because = body["extension"]["days"], body["extension"]["because"]
            row = answering.put_off(conn, request_id, days, because, now_ms)
        else:
            state = RequestState(body["state"])
            row = answering.close(conn, request_id, state, body["outcome"], now_ms)
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
    with writing(found.engine) as conn:
        subject_key = decision_subject(conn, decision_id)
        require_own(subject_key)
        if subject_key is None:
            raise UnknownDecisionError("this decision is not in the log, or was made for nobody")
        row, is_new = asking.contest(conn, found, subject_key, decision_id)
    return json_answer(_document(row, found.clock()), 201 if is_new else 200)


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
