"""``POST /v1/recommendations/batch``: the same for many customers, answered while it is worked on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import orjson
from flask import Response, stream_with_context
from marshmallow import ValidationError

from api.auth import only
from api.batch.groups import GROUP, Made, Mailing, Recipient, make_group
from api.errors import Finding, InvalidRequestError
from api.pointers import pointer_to
from api.problems import document_of, findings_from
from api.recommending import question_for_many
from api.routes.resource import Resource
from api.schemas.batch import BatchRequestSchema, RecipientSchema
from api.storage.api_keys import Role
from api.storage.statements import chunks
from api.wiring import Wiring, wiring

MEDIA_TYPE = "application/x-ndjson"

_RECIPIENT = RecipientSchema()

blueprint = Resource("batch", __name__, description="suggestions for many customers at once")


@blueprint.operation(
    "POST",
    "/v1/recommendations/batch",
    only(Role.SITE),
    body=BatchRequestSchema(),
    answer=None,
    problems=(422, 503),
    example={
        "placement": "email",
        "channel": "email",
        "count": 6,
        "customers": ["1234", {"customer_id": "1235", "language": "de"}],
    },
)
def recommend_batch(asked: dict[str, Any]) -> Response:
    """Suggest items for many customers, one line of JSON each, in their order (`application/x-ndjson`).

    Each line is what the customer would have got alone, and was recorded before it was sent. For a
    customer who cannot be read, or who is named twice, it is a problem document whose pointer says which;
    the others are answered. A line that is a problem document without a pointer is the last: what follows
    it was neither decided nor recorded, and can be asked for again. The customers of a call do not
    influence one another. Where the channel needs consent, whoever did not give it gets no items.
    """
    found = wiring()
    question = question_for_many(asked, found)
    mailing = Mailing(question, asked.get("local_time"))
    lines = _lines(asked["customers"], mailing, found)
    first = next(lines)  # what fails before anything was sent is answered as any other request
    return Response(stream_with_context(chain([first], lines)), content_type=MEDIA_TYPE)


def _lines(customers: list[Any], mailing: Mailing, found: Wiring) -> Iterator[bytes]:
    """Yield the lines of a group at a time; the next group is worked on when these were taken."""
    rows = _recipients(customers)
    began = False
    for some in chunks(rows, GROUP):
        try:
            yield _group(some, mailing, found)
        except Exception as error:  # whatever it is, the answer has begun and must say that it ends
            if not began:
                raise
            yield _line(document_of(error))
            return
        began = True


def _group(rows: Sequence[Recipient | Finding], mailing: Mailing, found: Wiring) -> bytes:
    made = make_group([row for row in rows if isinstance(row, Recipient)], mailing, found)
    found.recorder.submit_all([each.stored for each in made])
    for each in made:
        found.metrics.count_decision(each.decision, each.stored.decision_id)
    answered = iter(made)
    return b"".join(_answer(row, answered) for row in rows)


def _answer(row: Recipient | Finding, answered: Iterator[Made]) -> bytes:
    if isinstance(row, Recipient):
        return next(answered).answer + b"\n"
    return _line(document_of(InvalidRequestError([row])))


def _recipients(customers: list[Any]) -> list[Recipient | Finding]:
    """Read the rows, each by itself; what is wrong with one takes its place."""
    seen: set[str] = set()
    rows: list[Recipient | Finding] = []
    for at, row in enumerate(customers):
        where = pointer_to("customers", at)
        try:
            read = _RECIPIENT.load({"customer_id": row} if isinstance(row, str) else row)
        except ValidationError as error:
            first, *_ = findings_from(error.messages)
            rows.append(Finding(first.detail, pointer=where + (first.pointer or "")))
            continue
        if read["customer_id"] in seen:
            rows.append(Finding("is named twice", pointer=where))
            continue
        seen.add(read["customer_id"])
        rows.append(Recipient(**read))
    return rows


def _line(problem: dict[str, Any]) -> bytes:
    return orjson.dumps(problem) + b"\n"
