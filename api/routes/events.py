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
from api.routes.resource import Resource, json_answer
from api.schemas.events import EventAnswerSchema, EventBatchSchema, EventShapeSchema
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.items import read_item
from api.wiring import Wiring, wiring
from guardrails.consent.signals.gpc import gpc_from_header

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
    """
    found = wiring()
    parsed = parse_events(body, query["shape"], found.settings, found.clock())
    with writing(found.engine) as conn:
        stored = store_events(
            conn,
            parsed.good,
            found.subjects,
            _item_numbers(conn, parsed, found),
            found.clock(),
            found.settings.consent,
            gpc=gpc_from_header(request.headers.get("Sec-GPC")),
        )
    bad = sorted([*parsed.bad, *stored.bad], key=lambda each: each.index)
    if bad and not (stored.n_by_purpose or stored.withheld or parsed.ignored):
        raise InvalidRequestError(Finding(each.reason, pointer=each.pointer) for each in bad)
    answer = json_answer(_document(parsed, stored, bad), 207 if bad else 200)
    answer.headers["Vary"] = "Sec-GPC"
    return answer


def _item_numbers(conn: Connection, parsed: ParsedEvents, found: Wiring) -> dict[str, int]:
    """Return the storage keys of the batch's items; asks the store only for what is quite new."""
    catalogue = found.runtime.current().house.catalogue
    numbers: dict[str, int] = {}
    for item_id in {event.item_id for event in parsed.good}:
        item_idx = catalogue.idx_of_id.get(item_id)
        if item_idx is not None:
            numbers[item_id] = int(catalogue.item_no[item_idx])
        elif (item := read_item(conn, item_id)) is not None:
            numbers[item_id] = item.item_no
    return numbers


def _document(parsed: ParsedEvents, stored: StoredEvents, bad: list[BadEvent]) -> dict[str, Any]:
    return {
        "stored": stored.n_stored,
        "duplicates": stored.n_duplicates,
        "by_purpose": dict(stored.n_by_purpose),
        "withheld": [asdict(each) for each in stored.withheld],
        "ignored": [asdict(each) for each in parsed.ignored],
        "errors": [
            {"index": each.index, "pointer": each.pointer, "detail": say(each.reason)} for each in bad
        ],
    }
