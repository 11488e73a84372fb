"""Erasing a customer, and what became of it."""

from __future__ import annotations

from flask import Response
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from api.auth import only, require_account
from api.forgetting.begin import Erasable
from api.forgetting.keys import erase
from api.forgetting.plan import recipient_step
from api.forgetting.receipt import proof_of, receipt
from api.routes.resource import Resource, json_answer
from api.schemas.cascades import CascadeSchema, ErasureSchema, ReportSchema
from api.storage.api_keys import Role
from api.storage.cascades import Cascade, Mode, StepStatus, get_cascade, note_step
from api.storage.connection import reading, writing
from api.wiring import wiring
from guardrails.request import SubjectKind

blueprint = Resource("cascades", __name__, description="erasure and withdrawal, place by place")

_REPORTED = "as reported by the shop"


@blueprint.operation(
    "DELETE",
    "/v1/customers/<whole_id:customer_id>",
    only(Role.SITE, customer=True),
    status=202,
    query=ErasureSchema(),
    answer=CascadeSchema(),
    problems=(422, 503),
)
def erase_customer(query: dict[str, str], customer_id: str) -> Response:
    """Erase a customer, a visit or a device (GDPR 17).

    From this answer on nothing is served, learned or collected for them, and the keys of their records
    are destroyed: no record of theirs can be read any more. The log says so, and `log_receipt` proves
    that it does. What is held is removed behind it, and the receipt says how far that has come. What a
    legal hold keeps goes when it is lifted. Asked again meanwhile it is the same erasure. Imports and
    events cannot bring the customer back, their own new consent can.
    """
    require_account(query["subject_type"])
    found = wiring()
    subject = Erasable.of(found.subjects, SubjectKind(query["subject_type"]), customer_id)
    begun = erase(
        found.logbook,
        found.subjects,
        subject,
        Mode(query["mode"]),
        found.settings.recipients,
        found.new_id,
        found.clock(),
    )
    found.cascades.wake()
    return json_answer(receipt(begun, proof_of(begun, found.logbook)), 202)


@blueprint.operation(
    "GET",
    "/v1/cascades/<name:cascade_id>",
    only(Role.SITE, Role.AUDITOR),
    answer=CascadeSchema(),
    problems=(404,),
)
def cascade_of(cascade_id: str) -> Response:
    """Return the receipt of an erasure or a withdrawal: what was removed where, and what is left to do."""
    found = wiring()
    with reading(found.engine) as conn:
        cascade = _get(conn, cascade_id)
    return json_answer(receipt(cascade, proof_of(cascade, found.logbook)))


@blueprint.operation(
    "PUT",
    "/v1/cascades/<name:cascade_id>/steps/<id:recipient>",
    only(Role.SITE),
    body=ReportSchema(),
    answer=CascadeSchema(),
    problems=(404, 422, 503),
    example={"status": "complete"},
)
def report_recipient(body: dict[str, str], cascade_id: str, recipient: str) -> Response:
    """Report that a recipient was told of the erasure, or could not be (GDPR 19)."""
    found = wiring()
    status, step = StepStatus(body["status"]), recipient_step(recipient)
    with writing(found.engine) as conn:
        if not note_step(conn, cascade_id, step, status, found.clock(), detail=_REPORTED):
            raise NotFound
        cascade = _get(conn, cascade_id)
    return json_answer(receipt(cascade, proof_of(cascade, found.logbook)))


def _get(conn: Connection, cascade_id: str) -> Cascade:
    """Return a cascade.

    Raises:
        NotFound: there is none.
    """
    cascade = get_cascade(conn, cascade_id)
    if cascade is None:
        raise NotFound
    return cascade
