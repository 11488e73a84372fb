"""What customers say of suggestions, and what they did with them."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from api.auth import only, require_own
from api.errors import UnknownDecisionError
from api.feedback import take_feedback
from api.routes.resource import Resource, json_answer
from api.schemas.customers import FeedbackAnswerSchema, FeedbackSchema
from api.schemas.items import ShownItemSchema, ShownItemsSchema
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.decisions import decision_subject, has_body
from api.storage.items import read_item
from api.suggested import suggested_ids
from api.wiring import wiring
from guardrails.consent.signals.gpc import gpc_from_header

_SHOWN = tuple(ShownItemSchema().fields)

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
    gpc = body["gpc"] or gpc_from_header(request.headers.get("Sec-GPC"))
    answer = json_answer(take_feedback(wiring(), decision_id, body["items"], require_own, gpc=gpc))
    answer.headers["Vary"] = "Sec-GPC"
    return answer


@blueprint.operation(
    "GET",
    "/v1/decisions/<name:decision_id>/items",
    only(Role.SITE, customer=True),
    answer=ShownItemsSchema(),
    problems=(404, 503),
)
def shown_items(decision_id: str) -> Response:
    """Return what a page needs to show the suggestions of a decision: title, link, picture and price of each.

    It is what anybody sees of them in the shop, as it is now. What the shop has no longer is left out.
    """
    found = wiring()
    with reading(found.engine) as conn:
        require_own(decision_subject(conn, decision_id))
        if not has_body(conn, decision_id):
            raise UnknownDecisionError("this decision is not in the log")
        item_ids = suggested_ids(conn, decision_id, found.logbook.keyring)
        rows = [item.row for item in (read_item(conn, each) for each in item_ids) if item is not None]
    return json_answer({"items": [{name: getattr(row, name) for name in _SHOWN} for row in rows]})
