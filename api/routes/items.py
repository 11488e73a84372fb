"""Items of the catalogue: add and replace in batches, look one up."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response

from api.auth import only
from api.errors import FieldError, Finding, InvalidRequestError, UnknownItemError
from api.imports.items import ITEM_FIELDS, read_item
from api.languages import say
from api.pointers import pointer_to
from api.routes.resource import Resource, json_answer
from api.schemas.base import canonical_text
from api.schemas.items import ItemBatchAnswerSchema, ItemBatchSchema, StoredItemSchema
from api.storage import items as store
from api.storage.api_keys import Role
from api.storage.classified import DECIDED
from api.storage.connection import reading, writing
from api.storage.versions import active
from api.wiring import wiring
from guardrails.messages import Phrase
from guardrails.sensitive.occasions import names_of

PATIENCE_S = 5.0
"""How long an answer waits until what it stored is judged by."""

_DECIDED = tuple(str(column.name) for column in DECIDED)

blueprint = Resource("items", __name__, description="the catalogue")


@blueprint.operation(
    "PUT",
    "/v1/items",
    only(Role.SITE),
    body=ItemBatchSchema(),
    answer=ItemBatchAnswerSchema(),
    also={207: ItemBatchAnswerSchema()},
    problems=(422, 503),
    example={"items": [{"item_id": "821867", "title": "Bread knife", "price": "12.50", "currency": "EUR"}]},
)
def put_items(body: dict[str, Any]) -> Response:
    """Add or replace items. Good ones are kept; 207 says that some were not, and `errors` which.

    A batch without a single good item is refused with 422.
    """
    found = wiring()
    rows, findings = _read(body["items"])
    if not rows:
        raise InvalidRequestError(finding for _, finding in findings)
    with writing(found.engine) as conn:
        counts = store.upsert_items(conn, rows, found.clock())
        versions = active(conn)
    document = {
        "inserted": counts.inserted,
        "changed": counts.changed,
        "unchanged": counts.unchanged,
        "rejected": len(findings),
        "in_force": found.runtime.wait_for(versions, PATIENCE_S),
        "errors": [
            {"index": index, "pointer": finding.pointer, "detail": say(finding.detail)}
            for index, finding in findings
        ],
    }
    return json_answer(document, 207 if findings else 200)


@blueprint.operation(
    "GET",
    "/v1/items/<id:item_id>",
    only(Role.SITE, Role.MARKETER, Role.AUDITOR),
    answer=StoredItemSchema(),
    problems=(404,),
)
def item(item_id: str) -> Response:
    """Return an item, with how sensitive it was found to be and what decided that."""
    with reading(wiring().engine) as conn:
        record = store.read_item(conn, item_id)
    if record is None:
        raise UnknownItemError("this item is not in the catalogue")
    decided = {name: getattr(record, name) for name in (*_DECIDED, "updated_at_ms")}
    said = asdict(record.row)
    said_occasions = names_of(said.pop("shop_occasions"))
    return json_answer(
        {**said, **decided, "occasions": names_of(record.occasions), "shop_occasions": said_occasions}
    )


def _read(sent: list[Any]) -> tuple[list[store.ItemRow], list[tuple[int, Finding]]]:
    """Understand every item; those that cannot be are named by position and field."""
    rows: list[store.ItemRow] = []
    findings: list[tuple[int, Finding]] = []
    first: dict[str, int] = {}
    for index, record in enumerate(sent):
        try:
            rows.append(_row(record, index, first))
        except FieldError as error:
            where = ("items", index, error.field) if error.field else ("items", index)
            findings.append((index, Finding(error.reason, pointer=pointer_to(*where))))
    return rows, findings


def _row(record: Any, index: int, first: dict[str, int]) -> store.ItemRow:
    """Understand one item.

    Args:
        record: as it was sent.
        index: its position.
        first: position of each item id so far; added to.

    Raises:
        FieldError: a field is unknown, missing or cannot be used, or the item is there twice.
    """
    if not isinstance(record, dict):
        raise FieldError("", "is not an object")
    unknown = sorted(set(record) - ITEM_FIELDS.known)
    if unknown:
        raise FieldError(unknown[0], "is unknown")
    in_form = {
        name: canonical_text(value) if isinstance(value, str) else value for name, value in record.items()
    }
    row = read_item(in_form)
    if first.setdefault(row.item_id, index) != index:
        raise FieldError("item_id", Phrase("is the same as that of item {index}", index=first[row.item_id]))
    return row
