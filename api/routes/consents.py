"""Consents of a customer or a visit: read them, change them, ask about them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response, request
from sqlalchemy import Connection

from api.auth import only, require_account, require_in_person
from api.errors import ClockSkewError, Finding, InvalidRequestError
from api.imports.consents import STATUSES
from api.pointers import pointer_to
from api.routes.resource import Resource, json_answer
from api.schemas.consents import (
    ConsentChangeSchema,
    ConsentQuestionSchema,
    ConsentsSchema,
    PermissionSchema,
    ReceiptSchema,
    SubjectTypeSchema,
)
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.consents import append_events, lock_subject, read_choices, read_events, read_ledger
from api.wiring import Wiring, wiring
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, from_word, word
from guardrails.consent.check import LOOSENING, Question, check
from guardrails.consent.events import WHOLE_SUBJECT, ConsentEvent, validate, with_defaults
from guardrails.consent.ledger import Ledger
from guardrails.consent.permission import Permission
from guardrails.consent.purposes import (
    OUTBOUND,
    REGISTER,
    Purpose,
    communications_key,
    entry_of,
    sensitive_key,
)
from guardrails.consent.signals.gpc import gpc_from_header
from guardrails.errors import ConsentEventError
from guardrails.request import AgeAssurance, Choices, SubjectKind
from guardrails.sensitive.classes import CLASS_NAMES

blueprint = Resource("consents", __name__, description="what customers chose, effective on the next request")

_ON_ITS_OWN = tuple(
    entry.key for entry in REGISTER if entry.purpose not in (Purpose.COMMUNICATIONS, Purpose.SENSITIVE)
)
PURPOSES = (*_ON_ITS_OWN, *map(communications_key, OUTBOUND), *map(sensitive_key, CLASS_NAMES))
"""Every purpose key there is, in the order of the register."""


@blueprint.operation(
    "GET",
    "/v1/customers/<id:customer_id>/consents",
    only(Role.SITE, customer=True),
    query=SubjectTypeSchema(),
    answer=ConsentsSchema(),
)
def consents_of(query: dict[str, str], customer_id: str) -> Response:
    """Say where every purpose stands now, with what follows from it."""
    require_account(query["subject_type"])
    found = wiring()
    at_ms = found.clock()
    with reading(found.engine) as conn:
        choices, _ = read_choices(conn, _subject_key(query["subject_type"], customer_id, found))
    ledger = choices.ledger or Ledger.empty()
    return json_answer(
        {
            "subject_type": query["subject_type"],
            "as_of_ms": at_ms,
            "restricted": ledger.restriction_at(at_ms) is not None,
            "purposes": [_state(key, ledger, choices, at_ms, found) for key in PURPOSES],
        }
    )


@blueprint.operation(
    "POST",
    "/v1/customers/<id:customer_id>/consents",
    only(Role.SITE, customer=True),
    status=201,
    body=ConsentChangeSchema(),
    answer=ReceiptSchema(),
    problems=(422, 503),
    example={"purpose": "personalize.content.profiled", "status": "ConsentWithdrawn"},
)
def change_consents(body: dict[str, Any], customer_id: str) -> Response:
    """Store one choice or several; all of them or, if one cannot be, none.

    The choices hold from the next request on, whoever answers it. The receipt names each record and
    what is permitted now.
    """
    found = wiring()
    now_ms = found.clock()
    written, several = (body["events"], True) if "events" in body else ([body], False)
    require_account(body["subject_type"])
    require_in_person(written)
    events = _events(written, several=several, now_ms=now_ms, found=found)
    key = _subject_key(body["subject_type"], customer_id, found)
    with writing(found.engine) as conn:
        lock_subject(conn, key)
        placed = _in_order(events, written, read_ledger(conn, key), _stored(conn, key, written))
        events = [with_defaults(event, found.settings.consent) for event in placed]
        append_events(conn, key, SubjectKind(body["subject_type"]), events, now_ms)
        choices, _ = read_choices(conn, key)
    ledger = choices.ledger or Ledger.empty()
    return json_answer(
        {
            "received_at_ms": now_ms,
            "events": [_entry(event, ledger, choices, now_ms, found) for event in events],
        },
        201,
    )


@blueprint.operation(
    "POST",
    "/v1/consents/check",
    only(Role.SITE),
    body=ConsentQuestionSchema(),
    answer=PermissionSchema(),
    problems=(422, 503),
    example={"customer_id": "1234", "purpose": "marketing.communications.email", "channel": "email"},
)
def check_consent(asked: dict[str, Any]) -> Response:
    """Say whether a purpose may be served, and if not, why not. `Sec-GPC: 1` is honoured."""
    found = wiring()
    _refuse_unknown_purpose(asked["purpose"])
    kind = "account" if "customer_id" in asked else "session"
    with reading(found.engine) as conn:
        choices, _ = read_choices(
            conn, _subject_key(kind, asked.get("customer_id") or asked["session_id"], found)
        )
    question = Question(
        purpose=asked["purpose"],
        at_ms=asked.get("at_ms", found.clock()),
        channel=from_word(Channel, asked["channel"]) if "channel" in asked else None,
        data_category=asked.get("data_category"),
        gpc=gpc_from_header(request.headers.get("Sec-GPC")),
        minor=choices.age_assurance is AgeAssurance.MINOR,
        out_of_context=asked["out_of_context"],
    )
    permission = check(choices.ledger or Ledger.empty(), question, found.settings.consent)
    answer = json_answer(_permission(permission))
    answer.headers["Vary"] = "Sec-GPC"
    return answer


def _subject_key(subject_type: str, subject_id: str, found: Wiring) -> bytes:
    return (
        found.subjects.account(subject_id)
        if subject_type == "account"
        else found.subjects.session(subject_id)
    )


def _refuse_unknown_purpose(key: str) -> None:
    if key not in PURPOSES:
        raise InvalidRequestError.at("/purpose", f"unknown purpose `{key}`")


def _events(
    written: list[dict[str, Any]], *, several: bool, now_ms: int, found: Wiring
) -> list[ConsentEvent]:
    """Turn what was sent into events.

    Raises:
        InvalidRequestError: some cannot be understood; every one of them is named.
        ClockSkewError: one claims a time that cannot be.
    """
    events: list[ConsentEvent] = []
    findings: list[Finding] = []
    for index, fields in enumerate(written):
        event = _event(fields, now_ms, found)
        try:
            validate(event)
        except ConsentEventError as error:
            findings.append(Finding(str(error), pointer=pointer_to("events", index) if several else ""))
        events.append(event)
    if findings:
        raise InvalidRequestError(findings)
    return events


def _event(fields: dict[str, Any], now_ms: int, found: Wiring) -> ConsentEvent:
    at_ms = fields.get("at_ms", now_ms)
    settings = found.settings
    if at_ms > now_ms + settings.max_event_future_s * 1000:
        raise ClockSkewError("a choice cannot be made in the future")
    if at_ms < now_ms - settings.max_event_age_days * DAY_MS:
        raise ClockSkewError(f"a choice made more than {settings.max_event_age_days} days ago is not taken")
    channels = fields.get("channels")
    categories = fields.get("data_categories")
    return ConsentEvent(
        record_id=fields.get("record_id") or found.new_id(),
        purpose=fields["purpose"],
        status=STATUSES[fields["status"]],
        at_ms=at_ms,
        valid_until_ms=fields.get("valid_until_ms"),
        channels=None if channels is None else frozenset(int(from_word(Channel, name)) for name in channels),
        data_categories=None if categories is None else frozenset(categories),
        notice_id=fields.get("notice_id"),
        notice_version=fields.get("notice_version"),
        method=fields["method"],
        actor=fields["actor"],
        explicit=fields["explicit"],
        confirmed_override=fields["confirmed_override"],
    )


def _stored(conn: Connection, key: bytes, written: list[dict[str, Any]]) -> dict[str, ConsentEvent]:
    """Return what is stored already of the events that were sent with an id of their own."""
    sent = {fields["record_id"] for fields in written if "record_id" in fields}
    return (
        {event.record_id: event for event in read_events(conn, key) if event.record_id in sent}
        if sent
        else {}
    )


def _in_order(
    events: list[ConsentEvent],
    written: list[dict[str, Any]],
    ledger: Ledger,
    stored: dict[str, ConsentEvent],
) -> list[ConsentEvent]:
    """Give choices that name no time their time.

    One that is sent again keeps the time it was stored with. Any other comes after what stands,
    although the clock of that may have run ahead of ours: otherwise a withdrawal taken by a host
    whose clock is late would lose against the grant it withdraws.
    """
    latest = {purpose: state.at_ms for purpose, state in ledger.states.items()}
    placed: list[ConsentEvent] = []
    for event, fields in zip(events, written, strict=True):
        moved = event
        if "at_ms" not in fields and event.record_id in stored:
            moved = replace(event, at_ms=stored[event.record_id].at_ms)
        elif "at_ms" not in fields and event.purpose in latest:
            least = latest[event.purpose] + (1 if event.status in LOOSENING else 0)
            moved = replace(event, at_ms=max(event.at_ms, least))
        latest[event.purpose] = max(moved.at_ms, latest.get(event.purpose, 0))
        placed.append(moved)
    return placed


def _state(key: str, ledger: Ledger, choices: Choices, at_ms: int, found: Wiring) -> dict[str, Any]:
    state = ledger.get(key)
    return {
        "purpose": key,
        "meaning": entry_of(key).meaning,
        "status": state.status if state else None,
        "at_ms": state.at_ms if state else None,
        "valid_until_ms": state.valid_until_ms if state else None,
        "permission": _permission(_ask(key, ledger, choices, at_ms, found)),
    }


def _entry(
    event: ConsentEvent, ledger: Ledger, choices: Choices, now_ms: int, found: Wiring
) -> dict[str, Any]:
    at_ms = max(now_ms, event.at_ms)
    whole = event.purpose == WHOLE_SUBJECT
    return {
        "record_id": event.record_id,
        "purpose": event.purpose,
        "status": event.status,
        "at_ms": event.at_ms,
        "valid_until_ms": event.valid_until_ms,
        "permission": None if whole else _permission(_ask(event.purpose, ledger, choices, at_ms, found)),
    }


def _ask(key: str, ledger: Ledger, choices: Choices, at_ms: int, found: Wiring) -> Permission:
    question = Question(
        purpose=key,
        at_ms=at_ms,
        gpc=gpc_from_header(request.headers.get("Sec-GPC")),
        minor=choices.age_assurance is AgeAssurance.MINOR,
    )
    return check(ledger, question, found.settings.consent)


def _permission(permission: Permission) -> dict[str, Any]:
    channels = permission.channels
    return {
        "purpose": permission.purpose,
        "permitted": permission.permitted,
        "because": permission.because,
        "basis": permission.basis,
        "record_id": permission.record_id,
        "notice_version": permission.notice_version,
        "expires_at_ms": permission.expires_at_ms,
        "channels": None if channels is None else [word(Channel(number)) for number in sorted(channels)],
    }
