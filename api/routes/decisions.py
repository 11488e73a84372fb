"""Decisions in the log: search, read, prove, replay; whatever is personal is logged before it is told."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from flask import Response

from api.auditing import Auditor, Look
from api.auth import calling_key, only
from api.errors import Finding, InvalidRequestError
from api.languages import choose_language
from api.looking import auditor_of, find, opened, otherwise, proof_of, replayed
from api.routes.resource import Resource, json_answer
from api.schemas.decisions import (
    CounterfactualsQuerySchema,
    CounterfactualsSchema,
    DecisionPageSchema,
    DecisionSchema,
    DecisionSearchSchema,
    ProofSchema,
    RecordQuerySchema,
    ReplaySchema,
)
from api.storage.api_keys import Role
from api.wiring import wiring
from guardrails.log.counterfactual_words import sentence
from guardrails.log.record import SECTIONS
from guardrails.log.sealing import base64url

blueprint = Resource("decisions", __name__, description="every decision, as it was recorded")


@blueprint.operation(
    "GET",
    "/v1/decisions",
    only(Role.AUDITOR),
    query=DecisionSearchSchema(),
    answer=DecisionPageSchema(),
    problems=(503,),
)
def find_decisions(query: dict[str, Any]) -> Response:
    """Search the log, newest first, a page at a time.

    A search by customer, rule or reason tells more of a decision than its entry does, and is itself
    recorded in the log: `logged_at` says where.
    """
    return json_answer(find(_auditor(), query)._asdict())


@blueprint.operation(
    "GET",
    "/v1/decisions/<name:decision_id>",
    only(Role.AUDITOR),
    query=RecordQuerySchema(),
    answer=DecisionSchema(),
    problems=(404, 409, 503),
)
def decision(query: dict[str, Any], decision_id: str) -> Response:
    """Return a record: its entry in the tree, and what was asked, known, considered and said.

    `sections` discloses only some of them: each stands by itself, with the salt that proves it. The look
    is itself recorded in the log before it is answered.
    """
    found = opened(_auditor(), decision_id, Look.RECORD, query["sections"])
    sections, salts = found.sections, found.salts
    return json_answer(
        {
            "decision_id": decision_id,
            "log_index": found.stored.log_index,
            "entry": orjson.Fragment(found.stored.entry),
            "entry_base64": base64.b64encode(found.stored.entry).decode(),
            "sections": sections and {name: orjson.Fragment(content) for name, content in sections.items()},
            "salts": salts and {name: base64url(salt) for name, salt in salts.items()},
            "logged_at": found.logged_at,
        }
    )


@blueprint.operation(
    "GET",
    "/v1/decisions/<name:decision_id>/proof",
    only(Role.AUDITOR),
    answer=ProofSchema(),
    problems=(404, 503),
)
def decision_proof(decision_id: str) -> Response:
    """Prove that a decision is in the log: a receipt that can be checked offline (c2sp.org/tlog-proof)."""
    proof = proof_of(wiring().logbook, decision_id)
    return json_answer(
        {
            "decision_id": decision_id,
            "log_index": proof.log_index,
            "entry_base64": base64.b64encode(proof.entry).decode(),
            "receipt": proof.receipt,
        }
    )


@blueprint.operation(
    "GET",
    "/v1/decisions/<name:decision_id>/replay",
    only(Role.AUDITOR),
    answer=ReplaySchema(),
    problems=(404, 409, 503),
)
def decision_replay(decision_id: str) -> Response:
    """Make a decision again from its record, and say whether every byte is the same.

    First its rules and its answer, from the record and the policy of then; then what was considered,
    from the model and the catalogue of then besides. Nothing is looked up that may have changed since.
    """
    record, report = replayed(_auditor(), decision_id, wiring())
    return json_answer(
        {
            "decision_id": decision_id,
            "log_index": record.stored.log_index,
            "erased": report is None,
            "rules": report and report.l1,
            "candidates": report and report.l2,
            "logged_at": record.logged_at,
        }
    )


@blueprint.operation(
    "GET",
    "/v1/decisions/<name:decision_id>/counterfactuals",
    only(Role.AUDITOR),
    query=CounterfactualsQuerySchema(),
    answer=CounterfactualsSchema(),
    problems=(404, 409, 503),
)
def decision_counterfactuals(query: dict[str, Any], decision_id: str) -> Response:
    """Say of each item that was withheld or shown what little would have made it otherwise.

    The smallest change in the inputs, of up to three of them, found by judging again; only what somebody
    could change is changed. Where there is none, or none was found in time, that is said.
    """
    auditor, item_id = _auditor(), query.get("item_id")
    record = opened(auditor, decision_id, Look.COUNTERFACTUALS, SECTIONS)
    language = choose_language(query.get("language"))
    told = otherwise(record, auditor, item_id)
    if item_id is not None and not told:
        raise InvalidRequestError([Finding("was neither shown nor withheld", parameter="item_id")])
    return json_answer(
        {
            "decision_id": decision_id,
            "log_index": record.stored.log_index,
            "counterfactuals": [{**each.to_plain(), "sentence": sentence(each, language)} for each in told],
            "logged_at": record.logged_at,
        }
    )


def _auditor() -> Auditor:
    return auditor_of(wiring(), calling_key().key_id)
