"""What customers say of suggestions, and what they did with them."""

from __future__ import annotations

from typing import Any

from flask import Response
from sqlalchemy import Connection

from api.auth import only, require_own
from api.consents.erased import refuse_erased
from api.errors import Finding, InvalidRequestError, UnknownDecisionError
from api.pointers import pointer_to
from api.routes.resource import Resource, json_answer
from api.schemas.customers import FeedbackAnswerSchema, FeedbackSchema
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.customers import add_mute
from api.storage.decisions import decision_subject, has_body
from api.storage.exposures import read_exposure
from api.storage.feedback import UNWANTED, FeedbackKind, add_feedback
from api.storage.items import read_item
from api.wiring import wiring
from engine.interactions import DAY_MS
from guardrails.request import Mute, MuteScope

blueprint = Resource("feedback", __name__, description="what customers say of suggestions")


@blueprint.operation(
    "POST",
    "/v1/decisions/<name:decision_id>/feedback",
    only(Role.SITE, customer=True),
    body=FeedbackSchema(),
    answer=FeedbackAnswerSchema(),
    problems=(404, 409, 422, 503),
    example={"items": [{"item_id": "821867", "kind": "not_interested"}]},
)
def give_feedback(body: dict[str, Any], decision_id: str) -> Response:
    """Take down what a customer says of the suggestions of a decision.

    Said twice it counts once. `not_interested` and `too_personal` also mute the item for this customer
    or visit, for as long as the policy says. What is waved off (these two, `irrelevant`, and
    `dismissed` for a prompt that was closed) is not shown again for a while, on any channel.
    """
    found = wiring()
    now_ms = found.clock()
    said = body["items"]
    with reading(found.engine) as conn:
        snapshot = found.runtime.as_of(conn)
    with writing(found.engine) as conn:
        subject_key = decision_subject(conn, decision_id)
        require_own(subject_key)
        if subject_key is not None:
            refuse_erased(conn, found.subjects, subject_key)
        until_ms = now_ms + snapshot.house_for(subject_key).limits.holds.item_mute_days * DAY_MS
        numbers = _numbers(conn, decision_id, said)
        n_stored = sum(
            add_feedback(conn, decision_id, item_no, FeedbackKind(each["kind"]), now_ms)
            for item_no, each in zip(numbers, said, strict=True)
        )
        muted = _mute_unwanted(conn, decision_id, said, until_ms, now_ms)
    return json_answer({"stored": n_stored, "muted": muted, "muted_until_ms": until_ms if muted else None})


def _numbers(conn: Connection, decision_id: str, said: list[dict[str, Any]]) -> list[int]:
    """Return the storage key of each item.

    Raises:
        UnknownDecisionError: the decision is not in the log, or what it was made from was erased:
            nothing would ever remove what is said of it now.
        InvalidRequestError: an item is unknown, or was not suggested as far as that is remembered.
    """
    if not has_body(conn, decision_id):
        raise UnknownDecisionError("this decision is not in the log")
    exposure = read_exposure(conn, decision_id)
    suggested = None if exposure is None else {item_no for item_no, _ in exposure.suggestions}
    numbers: list[int] = []
    findings: list[Finding] = []
    for index, each in enumerate(said):
        item = read_item(conn, each["item_id"])
        where = pointer_to("items", index, "item_id")
        if item is None:
            findings.append(Finding("unknown item", pointer=where))
        elif suggested is not None and item.item_no not in suggested:
            findings.append(Finding("was not suggested by this decision", pointer=where))
        else:
            numbers.append(item.item_no)
    if findings:
        raise InvalidRequestError(findings)
    return numbers


def _mute_unwanted(
    conn: Connection, decision_id: str, said: list[dict[str, Any]], until_ms: int, now_ms: int
) -> list[str]:
    """Mute what the customer is not interested in, for whomever the decision was made."""
    subject_key = decision_subject(conn, decision_id)
    if subject_key is None:
        return []
    unwanted = [each["item_id"] for each in said if each["kind"] in UNWANTED]
    for item_id in unwanted:
        add_mute(conn, subject_key, Mute(MuteScope.ITEM, item_id, until_ms), now_ms)
    return unwanted
