"""Decisions in the log: search, read, prove, replay; whatever is personal is logged before it is told."""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

import orjson
from flask import Response

from api.auditing import Auditor, Look, OpenedRecord
from api.auth import calling_key, only
from api.errors import (
    ChangedRecordError,
    Finding,
    InvalidRequestError,
    NotInLogError,
    PolicyDocumentError,
    UnknownDecisionError,
)
from api.houses import LoadedPolicy, governing, loaded_version
from api.languages import choose_language
from api.logging import warn
from api.replaying import replay
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
from api.storage.connection import reading
from api.storage.decisions import entry_at, index_of, search_decisions
from api.wiring import wiring
from guardrails.errors import PolicyError, RecordError
from guardrails.log.bundle import receipt_extra
from guardrails.log.counterfactual import counterfactuals
from guardrails.log.counterfactual_words import sentence
from guardrails.log.record import SECTIONS
from guardrails.log.sealing import base64url
from guardrails.log.terms import REASON, RULE, SHOWN

blueprint = Resource("decisions", __name__, description="every decision, as it was recorded")

_TERMS = {"rule": RULE, "reason": REASON, "shown": SHOWN}
"""What of a search is found out from records, and the beginning of its terms."""


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
    found = wiring()
    limit, customer_id = query.pop("limit"), query.pop("customer_id", None)
    told = {name: query.pop(name) for name in _TERMS if name in query}
    subject_key = None if customer_id is None else found.subjects.account(customer_id)
    with reading(found.engine) as conn:
        page = search_decisions(
            conn,
            before_index=query.pop("after", None),
            limit=limit + 1,
            subject_key=subject_key,
            terms=[_TERMS[name] + value for name, value in told.items()],
            **query,
        )
    shown = page[:limit]
    logged_at = None
    if told or subject_key is not None:
        details = {**query, **told, "of_a_customer": subject_key is not None}
        logged_at = _auditor().disclose(Look.SEARCH, len(shown), details, subject_key)
    return json_answer(
        {
            "decisions": shown,
            "next": shown[-1].log_index if len(page) > limit else None,
            "logged_at": logged_at,
        }
    )


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
    found = _opened(decision_id, Look.RECORD, query["sections"])
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
    found = wiring()
    with reading(found.engine) as conn:
        log_index, entry = index_of(conn, decision_id), entry_at(conn, decision_id)
    if log_index is None:
        raise UnknownDecisionError("this decision is not in the log")
    if entry is None:
        raise NotInLogError("the entry of this decision was pruned")
    return json_answer(
        {
            "decision_id": decision_id,
            "log_index": log_index,
            "entry_base64": base64.b64encode(entry).decode(),
            "receipt": found.logbook.receipt(log_index, receipt_extra(entry)),
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
    found = wiring()
    opened = _opened(decision_id, Look.REPLAY, SECTIONS)
    report = None
    if opened.sections is not None:
        with reading(found.engine) as conn:
            header = orjson.loads(opened.stored.entry)
            report = replay(conn, found.settings, opened.sections, header, found.build)
    return json_answer(
        {
            "decision_id": decision_id,
            "log_index": opened.stored.log_index,
            "erased": report is None,
            "rules": report and report.l1,
            "candidates": report and report.l2,
            "logged_at": opened.logged_at,
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
    opened = _opened(decision_id, Look.COUNTERFACTUALS, SECTIONS)
    if opened.sections is None or opened.logged_at is None:
        raise NotInLogError("the personal part of this decision was erased")
    sections = {name: orjson.loads(content) for name, content in opened.sections.items()}
    policy = governing(_policy_of(opened), None)
    item_id, language = query.get("item_id"), choose_language(query.get("language"))
    told = counterfactuals(
        sections,
        policy.rules,
        policy.limits,
        policy.slate_rules,
        items=None if item_id is None else {item_id},
    )
    if item_id is not None and not told:
        raise InvalidRequestError([Finding("was neither shown nor withheld", parameter="item_id")])
    return json_answer(
        {
            "decision_id": decision_id,
            "log_index": opened.stored.log_index,
            "counterfactuals": [{**each.to_plain(), "sentence": sentence(each, language)} for each in told],
            "logged_at": opened.logged_at,
        }
    )


def _auditor() -> Auditor:
    found = wiring()
    return Auditor(found.logbook, found.subjects, calling_key().key_id, found.clock())


def _opened(decision_id: str, kind: Look, sections: Collection[str]) -> OpenedRecord:
    """Return a decision after the look was logged.

    Raises:
        UnknownDecisionError: it is not in the log.
        ChangedRecordError: its body is not the one that was sealed.
    """
    try:
        found = _auditor().read(decision_id, kind, sections)
    except RecordError as error:
        warn("decision:open:failed", error)
        raise ChangedRecordError("the body of this decision is not the one that was sealed") from None
    if found is None:
        raise UnknownDecisionError("this decision is not in the log")
    return found


def _policy_of(opened: OpenedRecord) -> LoadedPolicy:
    """Return the policy that a decision was made by.

    Raises:
        NotInLogError: it is not kept any more, or cannot be read.
    """
    try:
        with reading(wiring().engine) as conn:
            return loaded_version(conn, opened.stored.policy)
    except (PolicyError, PolicyDocumentError):
        raise NotInLogError("the policy of this decision cannot be loaded any more") from None
