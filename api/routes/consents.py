"""Consents of a customer, a device or a visit: read them, change them, ask about them."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Response, request
from sqlalchemy import Connection

from api.auth import calling_customer, only, require_account, require_in_person
from api.consents.choosing import Choosing, Chosen
from api.consents.erased import without_interest_in_the_erased
from api.consents.people import Person, subject_key
from api.consents.receipts import receipt_of
from api.consents.signals import drafts_of_signal
from api.consents.written import drafted
from api.errors import InvalidRequestError
from api.languages import say
from api.routes.resource import Resource, json_answer
from api.schemas.consents import (
    CheckedSchema,
    ConsentChangeSchema,
    ConsentQuestionSchema,
    ConsentsSchema,
    ReceiptSchema,
    SubjectTypeSchema,
)
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.consents import read_choices
from api.storage.devices import is_linked
from api.storage.notices import consent_in_force, get_notice
from api.wiring import Wiring, wiring
from engine.vocabulary import Channel, from_word, word
from guardrails.consent.asking import may_ask
from guardrails.consent.check import Question, check
from guardrails.consent.events import WHOLE_SUBJECT, ConsentEvent
from guardrails.consent.ledger import Ledger
from guardrails.consent.notices import Notice
from guardrails.consent.permission import Permission
from guardrails.consent.purposes import (
    OUTBOUND,
    REGISTER,
    Purpose,
    communications_key,
    entry_of,
    sensitive_key,
)
from guardrails.consent.settings import ConsentSettings
from guardrails.consent.signals.gpc import gpc_from_header
from guardrails.messages import Phrase
from guardrails.request import Choices, SubjectKind
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
    key = subject_key(found.subjects, SubjectKind(query["subject_type"]), customer_id)
    with reading(found.engine) as conn:
        consent = consent_in_force(conn, found.settings.consent)
        choices, _ = read_choices(conn, key)
    ledger = choices.ledger or Ledger.empty()
    return json_answer(
        {
            "subject_type": query["subject_type"],
            "as_of_ms": at_ms,
            "restricted": ledger.restriction_at(at_ms) is not None,
            "purposes": [_state(key, choices, at_ms, consent) for key in PURPOSES],
        }
    )


@blueprint.operation(
    "POST",
    "/v1/customers/<id:customer_id>/consents",
    only(Role.SITE, customer=True),
    status=201,
    body=ConsentChangeSchema(),
    answer=ReceiptSchema(),
    problems=(409, 422, 503),
    examples={
        "withdraw": {"value": {"purpose": "personalize.content.profiled", "status": "ConsentWithdrawn"}},
        "a TC string": {"value": {"signal": {"kind": "tcf", "value": "CQq5IMAQq5IMANwABBENCvFgAM0gAAAA…"}}},
    },
)
def change_consents(body: dict[str, Any], customer_id: str) -> Response:
    """Store one choice or several; all of them or, if one cannot be, none.

    The choices hold from the next request on, whoever answers it. The receipt names each record and
    what is permitted now. A `signal` of another consent tool is read into choices; it counts as far
    as nothing newer was said here, and never grants what needs an express statement. Who stops
    permitting a profile has it forgotten: `cascade_id` follows that.
    """
    found = wiring()
    kind, now_ms = SubjectKind(body["subject_type"]), found.clock()
    require_account(body["subject_type"])
    require_in_person(body.get("events", () if "signal" in body else (body,)))
    person = _person(body, kind, customer_id, found)
    with writing(found.engine) as conn:
        _require_known_device(conn, person)
        drafts, notes, gpc = (
            drafts_of_signal(conn, body["signal"], person, customer_id, found, now_ms)
            if "signal" in body
            else (drafted(body, found.settings, now_ms), (), False)
        )
        choosing = Choosing(
            conn=conn,
            person=person,
            subjects=found.subjects,
            settings=found.settings,
            now_ms=now_ms,
            new_id=found.new_id,
            gpc=gpc or gpc_from_header(request.headers.get("Sec-GPC")),
        )
        chosen = choosing.store(drafts)
        answer = _receipt(conn, chosen, person, notes, now_ms, found)
    if chosen.cascade_id is not None:
        found.cascades.wake()
    return json_answer(answer, 201)


@blueprint.operation(
    "POST",
    "/v1/consents/check",
    only(Role.SITE),
    body=ConsentQuestionSchema(),
    answer=CheckedSchema(),
    problems=(422, 503),
    example={"customer_id": "1234", "purpose": "marketing.communications.email", "channel": "email"},
)
def check_consent(asked: dict[str, Any]) -> Response:
    """Say whether a purpose may be served, and if not, why not. `Sec-GPC: 1` is honoured."""
    found = wiring()
    _refuse_unknown_purpose(asked["purpose"])
    ids = {name: asked.get(name) for name in ("customer_id", "device_id", "session_id")}
    person = Person.of(found.subjects, **ids)
    with reading(found.engine) as conn:
        consent = consent_in_force(conn, found.settings.consent)
        key = person.key or b""
        choices, _ = read_choices(conn, key, person.beside)
        choices = without_interest_in_the_erased(conn, found.subjects, key, choices, consent)
    question = Question(
        purpose=asked["purpose"],
        at_ms=asked.get("at_ms", found.clock()),
        channel=from_word(Channel, asked["channel"]) if "channel" in asked else None,
        data_category=asked.get("data_category"),
        gpc=gpc_from_header(request.headers.get("Sec-GPC")),
        minor=choices.minor,
        age_band=choices.age_band,
        jurisdiction=choices.jurisdiction,
        out_of_context=asked["out_of_context"],
    )
    ledger = choices.ledger or Ledger.empty()
    ask = _asking(ledger, question, consent)
    answer = json_answer(
        {
            **_permission(check(ledger, question, consent)),
            "ask": ask,
            "capture_url": (found.settings.consent_url or None) if ask["may_ask"] else None,
        }
    )
    answer.headers["Vary"] = "Sec-GPC"
    return answer


def _person(body: dict[str, Any], kind: SubjectKind, subject_id: str, found: Wiring) -> Person:
    """Return whose choice it is.

    Raises:
        InvalidRequestError: a device is named beside something else than an account.
    """
    device_id = body.get("device_id")
    if device_id is not None and kind is not SubjectKind.ACCOUNT:
        raise InvalidRequestError.at("/device_id", "goes with an account alone")
    device_key = None if device_id is None else found.subjects.device(device_id)
    return Person(kind, subject_key(found.subjects, kind, subject_id), device_key=device_key)


def _require_known_device(conn: Connection, person: Person) -> None:
    """Let customers speak only on devices that the shop has seen them on: it may be somebody else's.

    Raises:
        InvalidRequestError: a customer's token names another one.
    """
    device_key, key = person.device_key, person.key
    if calling_customer() is None or device_key is None or key is None:
        return
    if not is_linked(conn, device_key, key):
        raise InvalidRequestError.at("/device_id", "is for the shop to say")


def _refuse_unknown_purpose(key: str) -> None:
    if key not in PURPOSES:
        raise InvalidRequestError.at("/purpose", Phrase("unknown purpose `{key}`", key=key))


def _receipt(
    conn: Connection, chosen: Chosen, person: Person, notes: tuple[str, ...], now_ms: int, found: Wiring
) -> dict[str, Any]:
    @cache
    def notice_of(notice_id: str | None, version: str | None, language: str | None) -> Notice | None:
        if notice_id is None or version is None:
            return None
        return get_notice(conn, notice_id, version, language)

    def of_event(event: ConsentEvent) -> Notice | None:
        return notice_of(event.notice_id, event.notice_version, event.language)

    settings = found.settings
    return {
        "received_at_ms": now_ms,
        "events": [_entry(event, chosen, now_ms) for event in chosen.events],
        "notes": list(notes),
        "cascade_id": chosen.cascade_id,
        "shared_device": chosen.shared_device,
        "receipt": receipt_of(
            chosen.events,
            of_event,
            principal=(person.key or b"").hex(),
            controller=settings.controller,
            policy_url=settings.parameters_url,
            at_ms=now_ms,
        )
        if chosen.events
        else None,
    }


def _state(key: str, choices: Choices, at_ms: int, consent: ConsentSettings) -> dict[str, Any]:
    ledger = choices.ledger or Ledger.empty()
    state = ledger.get(key)
    question = _question(key, choices, at_ms)
    return {
        "purpose": key,
        "meaning": say(entry_of(key).meaning),
        "status": state.status if state else None,
        "at_ms": state.at_ms if state else None,
        "valid_until_ms": state.valid_until_ms if state else None,
        "permission": _permission(check(ledger, question, consent)),
        "ask": _asking(ledger, question, consent),
    }


def _entry(event: ConsentEvent, chosen: Chosen, now_ms: int) -> dict[str, Any]:
    return {
        "record_id": event.record_id,
        "purpose": event.purpose,
        "status": event.status,
        "at_ms": event.at_ms,
        "valid_until_ms": event.valid_until_ms,
        "permission": None if event.purpose == WHOLE_SUBJECT else _permitted_now(event, chosen, now_ms),
    }


def _permitted_now(event: ConsentEvent, chosen: Chosen, now_ms: int) -> dict[str, Any]:
    question = _question(event.purpose, chosen.choices, max(now_ms, event.at_ms))
    return _permission(check(chosen.choices.ledger or Ledger.empty(), question, chosen.consent))


def _question(key: str, choices: Choices, at_ms: int) -> Question:
    return choices.question(key, at_ms, gpc=gpc_from_header(request.headers.get("Sec-GPC")))


def _asking(ledger: Ledger, question: Question, consent: ConsentSettings) -> dict[str, Any]:
    asking = may_ask(ledger, question, consent)
    return {"may_ask": asking.may_ask, "not_before_ms": asking.not_before_ms}


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
        "data_categories": _sorted(permission.data_categories),
        "item_categories": _sorted(permission.item_categories),
        "gpc": permission.gpc,
    }


def _sorted(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)
