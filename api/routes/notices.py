"""Notices: register what customers are told, note that it was shown, and by whose law it is judged."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Response

from api.auth import only, require_account
from api.consents.erased import refuse_erased
from api.consents.people import subject_key
from api.errors import InvalidRequestError
from api.routes.resource import Resource, json_answer
from api.schemas.consents import (
    JurisdictionsSchema,
    NoticeAnswerSchema,
    NoticeSchema,
    NoticeServedAnswerSchema,
    NoticeServedSchema,
    NoticesSchema,
)
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.notices import (
    NoticeServed,
    add_served,
    consent_in_force,
    get_notice,
    list_notices,
    put_notice,
)
from api.wiring import wiring
from guardrails.consent.jurisdictions import jurisdiction_of, jurisdictions
from guardrails.consent.notices import Notice
from guardrails.consent.purposes import entry_of
from guardrails.consent.settings import Outdated
from guardrails.errors import UnknownPurposeError
from guardrails.messages import Phrase
from guardrails.request import SubjectKind

blueprint = Resource("notices", __name__, description="what customers are told before they choose")


@blueprint.operation(
    "PUT",
    "/v1/notices",
    only(Role.SITE),
    body=NoticeSchema(),
    answer=NoticeAnswerSchema(),
    problems=(422, 503),
    example={
        "notice_id": "privacy",
        "version": "2026-11",
        "language": "en",
        "jurisdiction": "EU",
        "text": "May we keep what you look at and buy, and choose suggestions from it?",
        "purposes": ["personalize.content.profiling", "personalize.content.profiled"],
    },
)
def register_notice(body: dict[str, Any]) -> Response:
    """Register one version of a notice in one language.

    What was shown under a version never changes: registering it again with other terms is refused.
    With `material_change`, consent given under earlier versions no longer carries from
    `effective_from_ms` on; without it, it stays as it is.
    """
    found = wiring()
    now_ms = found.clock()
    _refuse_unknown_purposes(body["purposes"])
    with writing(found.engine) as conn:
        if "effective_from_ms" not in body:
            known = get_notice(conn, body["notice_id"], body["version"], body["language"])
            body["effective_from_ms"] = now_ms if known is None else known.effective_from_ms
        notice = _notice(body)
        put_notice(conn, notice, now_ms)
        outdated = consent_in_force(conn, found.settings.consent).outdated
    return json_answer(_document(notice, outdated))


@blueprint.operation("GET", "/v1/notices", only(Role.SITE, Role.AUDITOR), answer=NoticesSchema())
def notices() -> Response:
    """List every version of every notice in every language, oldest first."""
    found = wiring()
    with reading(found.engine) as conn:
        registered = list_notices(conn)
        outdated = consent_in_force(conn, found.settings.consent).outdated
    return json_answer({"notices": [_document(notice, outdated) for notice in registered]})


@blueprint.operation(
    "POST",
    "/v1/customers/<id:customer_id>/notices-served",
    only(Role.SITE, customer=True),
    status=201,
    body=NoticeServedSchema(),
    answer=NoticeServedAnswerSchema(),
    problems=(409, 422, 503),
    example={
        "notice_id": "privacy",
        "notice_version": "2026-11",
        "language": "en",
        "surface": "banner",
        "experience_sha256": "0" * 64,
    },
)
def notice_served(body: dict[str, Any], customer_id: str) -> Response:
    """Note that a notice was shown; choices that follow it name `served_id` (GDPR 7(1)).

    `experience_sha256` stands for how it was shown, so that it can be told later that "no" was as
    easy to choose as "yes".
    """
    require_account(body["subject_type"])
    found = wiring()
    kind = SubjectKind(body["subject_type"])
    key = subject_key(found.subjects, kind, customer_id)
    with writing(found.engine) as conn:
        refuse_erased(conn, found.subjects, key)
        if get_notice(conn, body["notice_id"], body["notice_version"], body["language"]) is None:
            raise InvalidRequestError.at("/notice_id", "this notice is not known: register it first")
        served = NoticeServed(
            served_id=found.new_id(),
            subject_key=key,
            notice_id=body["notice_id"],
            notice_version=body["notice_version"],
            language=body["language"],
            surface=body["surface"],
            experience_sha256=body["experience_sha256"],
            at_ms=body.get("at_ms", found.clock()),
        )
        add_served(conn, served)
    return json_answer({"served_id": served.served_id}, 201)


@blueprint.operation(
    "GET",
    "/v1/jurisdictions",
    only(Role.SITE, Role.MARKETER, Role.AUDITOR),
    answer=JurisdictionsSchema(),
)
def laws() -> Response:
    """List what the law of each place asks for, and when that was last compared with the law."""
    found = wiring()
    today = datetime.fromtimestamp(found.clock() / 1000, UTC).date()
    return json_answer(
        {
            "in_force": jurisdiction_of(found.settings.consent.jurisdiction).code,
            "jurisdictions": [
                {
                    **asdict(each),
                    "raised_classes": sorted(each.raised_classes),
                    "reviewed": each.reviewed.isoformat(),
                    "review_by": each.review_by.isoformat(),
                    "overdue": each.review_by < today,
                    "fingerprint": each.fingerprint,
                }
                for each in jurisdictions().values()
            ],
        }
    )


def _refuse_unknown_purposes(keys: list[str]) -> None:
    for index, key in enumerate(keys):
        try:
            entry_of(key)
        except UnknownPurposeError:
            unknown = Phrase("unknown purpose `{key}`", key=key)
            raise InvalidRequestError.at(f"/purposes/{index}", unknown) from None


def _notice(body: dict[str, Any]) -> Notice:
    lists = ("purposes", "data_categories", "controllers", "recipients")
    return Notice(**body | {name: tuple(body[name]) for name in lists})


def _document(notice: Notice, outdated: Outdated) -> dict[str, Any]:
    return {
        **asdict(notice),
        "text_sha256": notice.text_sha256,
        "outdated_since_ms": outdated.get(notice.notice_id, {}).get(notice.version),
    }
