"""``POST /v1/recommendations``: what it takes and what it answers with.

Everything is read in one transaction, begun after the request arrived, so whatever was withdrawn
before that is withdrawn here. Nothing is sent that is not on the disk already: in the log, or, where that
cannot be written, in the spool, and then it is an answer that uses nothing of anybody.
"""

from __future__ import annotations

from typing import Any

from flask import Response, request

from api.auth import asked_in_person, only, transaction_of_caller
from api.consents.people import Person
from api.consents.signals import ADPC, take_adpc
from api.errors import OverloadedError, StoreRefusedError, StoreUnavailableError
from api.limits.gate import asks_least
from api.logging import warn
from api.recommending import recommended, recommended_in_haste, recommended_to_anybody
from api.routes.resource import Resource
from api.schemas.recommendation import (
    RecommendationAnswerSchema,
    RecommendationRequestSchema,
)
from api.storage.api_keys import Role
from api.wiring import Wiring, wiring

LOG_INDEX = "Tactful-Log-Index"
"""The header of an answer that says where in the log it is recorded."""

_HEADERS = {"Vary": "Sec-GPC, ADPC"}

blueprint = Resource("recommendations", __name__, description="suggestions with their reasons")


@blueprint.operation(
    "POST",
    "/v1/recommendations",
    only(Role.SITE, customer=True, in_outage=True, reads_on=True),
    body=RecommendationRequestSchema(),
    answer=RecommendationAnswerSchema(),
    problems=(422, 503),
    example={
        "customer_id": "1234",
        "placement": "product_page",
        "context": {"item_id": "821867"},
        "count": 4,
    },
)
def recommend(asked: dict[str, Any]) -> Response:
    """Suggest items for one customer in one placement.

    `Sec-GPC: 1` is honoured, and what an `ADPC` header decides is stored first. The answer was
    recorded before it was sent; `decision_id` finds it in the log. Without a model, or where consent
    cannot be read, the answer steps down to what sells well, or to nothing, and `degraded` says so.
    Where the log cannot be written, it is what sells well for whoever asks: nothing of the customer, the
    visit or the page is used, and its record enters the log as soon as that is back. Where more is asked at
    once than can be worked on, the answer is likewise what sells well, and recorded in the log.

    With a customer's token the answer is for that customer, and the request holds what a page of theirs can
    know: no visit, no device, and nothing that is for the shop alone to say.

    With `after` a list goes on: the next ranks, without what its pages have shown. Each page is a decision of
    its own, made by what is permitted, in stock and in force at that moment, and names the one before it.
    """
    found = wiring()
    asked = asked_in_person(asked)
    subject = Person.of(
        found.subjects,
        customer_id=asked.get("customer_id"),
        device_id=asked.get("device_id"),
        session_id=asked.get("session_id"),
    )
    begun = transaction_of_caller()
    in_haste, said = asks_least(request.environ), request.headers.get(ADPC)
    if in_haste or said is not None:
        begun.end()  # nothing waits for the log in it, and what the header says is seen in another
    take_adpc(said, subject, found)
    try:
        answer, log_index = _in_haste(asked, found) if in_haste else recommended(asked, subject, found, begun)
    except (StoreUnavailableError, StoreRefusedError) as error:
        if "after" in asked:  # where the pages before cannot be read, a further one would repeat them
            raise
        warn("decision:record:failed", error)
        answer = recommended_to_anybody(asked, found)
    else:
        headers = {**_HEADERS, LOG_INDEX: str(log_index)}
        return Response(answer, content_type="application/json", headers=headers)
    return Response(answer, content_type="application/json", headers=_HEADERS)


def _in_haste(asked: dict[str, Any], found: Wiring) -> tuple[bytes, int]:
    if "after" in asked:  # what the pages before have shown is not read, and would come again
        raise OverloadedError("more is asked at once than can be worked on")
    return recommended_in_haste(asked, found)
