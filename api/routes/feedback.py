"""What customers say of suggestions, and what they did with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, request
from sqlalchemy import Connection

from api.auth import only, require_own
from api.consents.erased import refuse_erased
from api.errors import Finding, InvalidRequestError, UnknownDecisionError
from api.measuring.attribution import count_feedback
from api.measuring.experiments import key_in_experiment
from api.pointers import pointer_to
from api.routes.resource import Resource, json_answer
from api.schemas.customers import FeedbackAnswerSchema, FeedbackSchema
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.customers import add_mute
from api.storage.decisions import decision_subject, has_body, read_decision
from api.storage.exposures import read_exposure
from api.storage.feedback import UNWANTED, FeedbackKind, add_feedback
from api.storage.items import ItemRecord, read_item
from api.wiring import Wiring, wiring
from engine.interactions import DAY_MS
from guardrails.consent.signals.gpc import gpc_from_header
from guardrails.log.reading import sections_of
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

    `shown` (the customer has seen it), `clicked`, `added_to_cart`, `purchased` and `too_personal` are counted
    as well, in sums that tell of nobody, if the customer agreed to be measured; `counted` says how many were.
    Without that, `shown` is not kept at all.
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
        key = key_in_experiment(conn, snapshot, found.subjects, subject_key, now_ms)
        until_ms = now_ms + snapshot.house_for(key).limits.holds.item_mute_days * DAY_MS
        numbers = _numbers(conn, decision_id, said, found)
        kinds = [(item_no, FeedbackKind(each["kind"])) for item_no, each in zip(numbers, said, strict=True)]
        n_stored = sum(
            add_feedback(conn, decision_id, item_no, kind, now_ms)
            for item_no, kind in kinds
            if kind is not FeedbackKind.SHOWN
        )
        muted = _mute_unwanted(conn, decision_id, said, until_ms, now_ms)
        gpc = gpc_from_header(request.headers.get("Sec-GPC"))
        n_counted = count_feedback(
            conn, found.subjects, found.settings.consent, subject_key, decision_id, kinds, now_ms, gpc=gpc
        )
    answer = json_answer(
        {
            "stored": n_stored,
            "counted": n_counted,
            "muted": muted,
            "muted_until_ms": until_ms if muted else None,
        }
    )
    answer.headers["Vary"] = "Sec-GPC"
    return answer


def _numbers(conn: Connection, decision_id: str, said: list[dict[str, Any]], found: Wiring) -> list[int]:
    """Return the storage key of each item.

    Raises:
        UnknownDecisionError: the decision is not in the log, or what it was made from was erased:
            nothing would ever remove what is said of it now.
        InvalidRequestError: an item is unknown, or was not suggested.
    """
    if not has_body(conn, decision_id):
        raise UnknownDecisionError("this decision is not in the log")
    was_suggested = _suggested(conn, decision_id, found)
    numbers: list[int] = []
    findings: list[Finding] = []
    for index, each in enumerate(said):
        item = read_item(conn, each["item_id"])
        where = pointer_to("items", index, "item_id")
        if item is None:
            findings.append(Finding("unknown item", pointer=where))
        elif not was_suggested(item):
            findings.append(Finding("was not suggested by this decision", pointer=where))
        else:
            numbers.append(item.item_no)
    if findings:
        raise InvalidRequestError(findings)
    return numbers


def _suggested(conn: Connection, decision_id: str, found: Wiring) -> Callable[[ItemRecord], bool]:
    """Return what tells whether a decision suggested an item; its record is read where nothing else does."""
    exposure = read_exposure(conn, decision_id)
    if exposure is not None:
        numbers = {item_no for item_no, _ in exposure.suggestions}
        return lambda item: item.item_no in numbers
    stored = read_decision(conn, found.logbook.keyring, decision_id)
    listed = sections_of(stored.body)["out"]["list"] if stored is not None and stored.body else ()
    item_ids = {each["item"] for each in listed}
    return lambda item: item.row.item_id in item_ids


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
