"""The decision log: search the headers, read a whole record."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from flask import Response

from api.auth import only
from api.errors import UnknownDecisionError
from api.routes.resource import Resource, json_answer
from api.schemas.decisions import DecisionPageSchema, DecisionSchema, DecisionSearchSchema
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.decisions import read_decision, search_decisions
from api.wiring import wiring
from guardrails.log.record import open_body

blueprint = Resource("decisions", __name__, description="the log of every decision")


@blueprint.operation(
    "GET", "/v1/decisions", only(Role.AUDITOR), query=DecisionSearchSchema(), answer=DecisionPageSchema()
)
def find_decisions(query: dict[str, Any]) -> Response:
    """Search the log, newest first, a page at a time."""
    found = wiring()
    limit = query.pop("limit")
    customer_id = query.pop("customer_id", None)
    with reading(found.engine) as conn:
        page = search_decisions(
            conn,
            before_index=query.pop("after", None),
            limit=limit + 1,
            subject_key=None if customer_id is None else found.subjects.account(customer_id),
            **query,
        )
    shown = page[:limit]
    return json_answer(
        {
            "decisions": [
                {
                    "decision_id": row.decision_id,
                    "minute": row.minute,
                    "placement": row.placement,
                    "basis": row.basis,
                    "outcome": row.outcome,
                    "policy": row.policy,
                    "model": row.model,
                }
                for row in shown
            ],
            "next": shown[-1].log_index if len(page) > limit else None,
        }
    )


@blueprint.operation(
    "GET", "/v1/decisions/<name:decision_id>", only(Role.AUDITOR), answer=DecisionSchema(), problems=(404,)
)
def decision(decision_id: str) -> Response:
    """Return a whole record: the header as written, and what was asked, known, considered and said."""
    found = wiring()
    with reading(found.engine) as conn:
        stored = read_decision(conn, found.logbook.keyring, decision_id)
    if stored is None:
        raise UnknownDecisionError("this decision is not in the log")
    salts, sections = (None, None) if stored.body is None else open_body(stored.body)
    return json_answer(
        {
            "decision_id": decision_id,
            "log_index": stored.log_index,
            "entry": orjson.Fragment(stored.entry),
            "entry_base64": base64.b64encode(stored.entry).decode(),
            "sections": sections and {name: orjson.Fragment(content) for name, content in sections.items()},
            "salts": salts and {name: base64.b64encode(salt).decode() for name, salt in salts.items()},
        }
    )
