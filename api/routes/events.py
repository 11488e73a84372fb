"""What customers do: taken in batches, kept under the purposes that they permit."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, request
from sqlalchemy import Connection

from api.auth import only
from api.errors import Finding, InvalidRequestError
from api.imports.event_store import StoredEvents, store_events
from api.imports.events import BadEvent, ParsedEvents, parse_events
from api.languages import say
from api.measuring.attribution import HOUR_MS, count_events
from api.routes.resource import Resource, json_answer
from api.schemas.events import EventAnswerSchema, EventBatchSchema, EventShapeSchema
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.items import MEMORIALS, read_item
from api.wiring import wiring
from engine.catalogue import Catalogue
from guardrails.consent.signals.gpc import gpc_from_header
from guardrails.sensitive.classes import class_number

blueprint = Resource("events", __name__, description="what customers do")

_EXAMPLES = {
    "native": {
        "value": {
            "events": [
                {
                    "event_id": "e-1",
                    "kind": "purchase",
                    "item_id": "821867",
                    "customer_id": "1234",
                    "at": "2026-03-01T12:00:00Z",
                    "value": "12.50",
                    "currency": "EUR",
                }
            ]
        }
    },
    "news": {
        "value": {
            "events": [
                {
                    "event_id": "e-2",
                    "kind": "complaint_opened",
                    "reference": "ticket-77",
                    "customer_id": "1234",
                    "at": "2026-03-02T09:00:00Z",
                }
            ]
        }
    },
    "ga4": {
        "value": {
            "client_id": "388.3",
            "user_id": "1234",
            "events": [{"name": "view_item", "params": {"items": [{"item_id": "821867"}]}}],
        }
    },
    "segment": {
        "value": {
            "type": "track",
            "event": "Product Viewed",
            "messageId": "m-1",
            "userId": "1234",
            "properties": {"product_id": "821867"},
        }
    },
}


@blueprint.operation(
    "POST",
    "/v1/events",
    only(Role.SITE),
    body=EventBatchSchema(),
    query=EventShapeSchema(),
    answer=EventAnswerSchema(),
    also={207: EventAnswerSchema()},
    problems=(422, 503),
    examples=_EXAMPLES,
)
def take_events(body: dict[str, Any], query: dict[str, Any]) -> Response:
    """Take a batch of events: ours, Google Analytics 4 e-commerce, or Segment e-commerce.

    Sent again, a batch changes nothing. Good events are kept; 207 says that some were not, and
    `errors` which. `withheld` names those that the customer does not permit to be kept, `ignored`
    those that say nothing about an item. A batch with nothing good in it is refused with 422.

    In our own shape a batch may also hold news that is about no item and holds suggestions back: a
    case (`complaint_opened`, `complaint_closed`: a ticket, a refund, a dispute), a parcel
    (`delivery_delayed`, `delivered`), a payment (`payment_failed`, `credit_declined`), a life event
    (`loss_declared`, `registry_cancelled`), `self_excluded` and `self_exclusion_lifted`, `mute` and
    `unmute`, and `gift` for a purchase. It needs no consent, because it only ever holds back, and may
    come in any order. Of a life event nothing is kept but until when what would hurt stays away.

    A purchase, or what is put in the cart, is owed to the suggestion of it that was seen last before, within
    some hours, and counted in sums that tell of nobody, if the customer agreed to be measured.
    """
    found = wiring()
    with reading(found.engine) as conn:
        house = found.runtime.as_of(conn).house
    parsed = parse_events(body, query["shape"], found.settings, found.clock())
    gpc = gpc_from_header(request.headers.get("Sec-GPC"))
    with writing(found.engine) as conn:
        numbers, memorials = _items(conn, parsed, house.catalogue)
        stored = store_events(
            conn,
            parsed.good,
            found.subjects,
            numbers,
            found.clock(),
            found.settings.consent,
            gpc=gpc,
            circumstances=parsed.circumstances,
            memorials=memorials,
            limits=house.limits,
        )
        n_measured = count_events(
            conn,
            found.subjects,
            found.settings.consent,
            parsed.good,
            numbers,
            found.settings.attribution_hours * HOUR_MS,
            found.clock(),
            gpc=gpc,
        )
    bad = sorted([*parsed.bad, *stored.bad], key=lambda each: each.index)
    if bad and not (stored.n_by_purpose or stored.n_noted or stored.withheld or parsed.ignored):
        raise InvalidRequestError(Finding(each.reason, pointer=each.pointer) for each in bad)
    answer = json_answer(_document(parsed, stored, n_measured, bad), 207 if bad else 200)
    answer.headers["Vary"] = "Sec-GPC"
    return answer


def _items(
    conn: Connection, parsed: ParsedEvents, catalogue: Catalogue
) -> tuple[dict[str, int], frozenset[str]]:
    """Return the storage keys of the batch's items, and which of these items are bought in mourning.

    Asks the store only for what is quite new.
    """
    numbers: dict[str, int] = {}
    memorials: set[str] = set()
    for item_id in {event.item_id for event in parsed.good}:
        item_idx = catalogue.idx_of_id.get(item_id)
        if item_idx is not None:
            numbers[item_id] = int(catalogue.item_no[item_idx])
            sensitive_class = int(catalogue.sensitive_class[item_idx])
            is_memorial = sensitive_class == class_number(MEMORIALS)
        elif (item := read_item(conn, item_id)) is not None:
            numbers[item_id] = item.item_no
            is_memorial = item.sensitive_class == MEMORIALS
        else:
            continue
        if is_memorial:
            memorials.add(item_id)
    return numbers, frozenset(memorials)


def _document(
    parsed: ParsedEvents, stored: StoredEvents, n_measured: int, bad: list[BadEvent]
) -> dict[str, Any]:
    return {
        "stored": stored.n_stored,
        "duplicates": stored.n_duplicates,
        "noted": stored.n_noted,
        "measured": n_measured,
        "by_purpose": dict(stored.n_by_purpose),
        "withheld": [asdict(each) for each in stored.withheld],
        "ignored": [asdict(each) for each in parsed.ignored],
        "errors": [
            {"index": each.index, "pointer": each.pointer, "detail": say(each.reason)} for each in bad
        ],
    }
