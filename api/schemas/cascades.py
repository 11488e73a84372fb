"""Erasing a customer, and the receipt of what was removed where."""

from __future__ import annotations

from marshmallow import RAISE, Schema, fields, validate

from api.schemas.base import one_of_values
from api.storage.cascades import CascadeKind, Mode, StepStatus
from guardrails.request import SubjectKind

ERASABLE = (SubjectKind.ACCOUNT.value, SubjectKind.SESSION.value, SubjectKind.DEVICE.value)
REPORTED = (StepStatus.COMPLETE.value, StepStatus.ERROR.value, StepStatus.SKIPPED.value)


class ErasureSchema(Schema):
    """How to erase, and what kind of subject the id in the path is."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE

    mode = one_of_values(
        Mode,
        load_default=Mode.DELETE.value,
        metadata={"description": "`delete` removes the history; `anonymize` keeps it as nobody's"},
    )
    subject_type = fields.String(load_default=SubjectKind.ACCOUNT.value, validate=validate.OneOf(ERASABLE))


class StepSchema(Schema):
    """One place that data is removed from."""

    step = fields.String(required=True)
    status = one_of_values(StepStatus, required=True)
    n_affected = fields.Integer(required=True, metadata={"description": "rows or files removed or changed"})
    at_ms = fields.Integer(required=True)
    detail = fields.String(required=True, allow_none=True)


class RecipientStepSchema(Schema):
    """Somebody outside who must be told (GDPR 19), and what the shop reports of it."""

    recipient = fields.String(required=True)
    status = one_of_values(StepStatus, required=True)
    at_ms = fields.Integer(required=True)
    detail = fields.String(required=True, allow_none=True)


class CascadeSchema(Schema):
    """The receipt of an erasure, a withdrawal or a purge; it does not say whose."""

    cascade_id = fields.String(required=True)
    kind = one_of_values(CascadeKind, required=True)
    mode = one_of_values(Mode, required=True, allow_none=True)
    request_id = fields.String(required=True, allow_none=True)
    requested_at_ms = fields.Integer(required=True)
    finished_at_ms = fields.Integer(
        required=True, allow_none=True, metadata={"description": "when all of our own places were done"}
    )
    log_index = fields.Integer(
        required=True, allow_none=True, metadata={"description": "of an erasure: where the log tells of it"}
    )
    log_receipt = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "proof that the log does, with what it tells (c2sp.org/tlog-proof)"},
    )
    steps = fields.List(fields.Nested(StepSchema), required=True)
    recipients = fields.List(fields.Nested(RecipientStepSchema), required=True)


class ReportSchema(Schema):
    """What the shop reports of a recipient."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE

    status = fields.String(required=True, validate=validate.OneOf(REPORTED))
