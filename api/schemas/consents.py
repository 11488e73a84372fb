"""Consent: what a customer chose, what therefore holds, and the receipt of a choice."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from api.imports.consents import STATUSES
from api.schemas.base import Flag, Id, RequestSchema, Text, TimeMs, one_of_values, one_of_words
from engine.vocabulary import Channel
from guardrails.consent.events import METHODS, Status
from guardrails.consent.permission import Denial, LawfulBasis

SUBJECT_TYPES = ("account", "session")
MAX_EVENTS = 100


class SubjectTypeSchema(RequestSchema):
    """Whether the id in the path is a customer's or a visit's."""

    subject_type = fields.String(load_default="account", validate=validate.OneOf(SUBJECT_TYPES))


class ConsentEventSchema(RequestSchema):
    """One choice for one purpose. A withdrawal needs no more than a grant: purpose and status."""

    purpose = Id(
        required=True, metadata={"description": "purpose key; `*` where the status covers all data (GDPR 18)"}
    )
    status = fields.String(
        required=True,
        validate=validate.OneOf(sorted(STATUSES)),
        metadata={"description": "a status of the Data Privacy Vocabulary, or its plain word"},
    )
    record_id = Id(metadata={"description": "your own id of the event: sent twice it is stored once"})
    at_ms = TimeMs(metadata={"description": "when the choice was made; now, unless it was made before"})
    valid_until_ms = TimeMs(metadata={"description": "when a grant ends; a year later by default"})
    channels = fields.List(one_of_words(Channel), metadata={"description": "channels a grant is limited to"})
    data_categories = fields.List(Id(), metadata={"description": "data categories a grant is limited to"})
    notice_id = Id(metadata={"description": "the notice the customer was shown"})
    notice_version = Id()
    method = fields.String(load_default="api", validate=validate.OneOf(sorted(METHODS)))
    actor = Text(load_default="data_subject", metadata={"description": "who acted"})
    explicit = Flag(load_default=False, metadata={"description": "an express statement (GDPR 9(2)(a))"})
    confirmed_override = Flag(
        load_default=False, metadata={"description": "confirmed although a privacy signal says otherwise"}
    )


class ConsentChangeSchema(ConsentEventSchema):
    """One choice, written directly; or several under `events`."""

    purpose = Id(metadata={"description": "purpose key; not together with `events`"})
    status = fields.String(validate=validate.OneOf(sorted(STATUSES)))
    events = fields.List(
        fields.Nested(ConsentEventSchema),
        validate=validate.Length(1, MAX_EVENTS),
        metadata={"description": "several choices, stored together or not at all"},
    )
    subject_type = fields.String(load_default="account", validate=validate.OneOf(SUBJECT_TYPES))

    @validates_schema(pass_original=True)
    def _one_or_several(self, _data: Any, original: dict[str, Any], **_kwargs: Any) -> None:
        if "events" in original:
            beside = sorted(set(original) - {"events", "subject_type"})
            if beside:
                raise ValidationError({name: ["not together with `events`"] for name in beside})
            return
        missing = [name for name in ("purpose", "status") if name not in original]
        if missing:
            raise ValidationError({name: ["missing data for required field"] for name in missing})


class PermissionSchema(Schema):
    """Whether a purpose may be served, and why not."""

    purpose = fields.String(required=True)
    permitted = fields.Boolean(required=True)
    because = one_of_values(Denial, required=True, allow_none=True)
    basis = one_of_values(LawfulBasis, required=True)
    record_id = fields.String(required=True, allow_none=True)
    notice_version = fields.String(required=True, allow_none=True)
    expires_at_ms = fields.Integer(required=True, allow_none=True)
    channels = fields.List(one_of_words(Channel), required=True, allow_none=True)


class PurposeStateSchema(Schema):
    """Where one purpose stands."""

    purpose = fields.String(required=True)
    meaning = fields.String(required=True, metadata={"description": "what it allows, in plain words"})
    status = one_of_values(Status, required=True, allow_none=True)
    at_ms = fields.Integer(required=True, allow_none=True)
    valid_until_ms = fields.Integer(required=True, allow_none=True)
    permission = fields.Nested(PermissionSchema, required=True)


class ConsentsSchema(Schema):
    """Where every purpose of one customer or visit stands now."""

    subject_type = fields.String(required=True)
    as_of_ms = fields.Integer(required=True)
    restricted = fields.Boolean(required=True, metadata={"description": "all processing is restricted"})
    purposes = fields.List(fields.Nested(PurposeStateSchema), required=True)


class ReceiptEntrySchema(Schema):
    """One stored choice and what holds from now on."""

    record_id = fields.String(required=True)
    purpose = fields.String(required=True)
    status = one_of_values(Status, required=True)
    at_ms = fields.Integer(required=True)
    valid_until_ms = fields.Integer(required=True, allow_none=True)
    permission = fields.Nested(
        PermissionSchema,
        required=True,
        allow_none=True,
        metadata={"description": "null where all data is meant"},
    )


class ReceiptSchema(Schema):
    """What was stored. It holds from the very next request on."""

    received_at_ms = fields.Integer(required=True)
    events = fields.List(fields.Nested(ReceiptEntrySchema), required=True)


class ConsentQuestionSchema(RequestSchema):
    """Would this purpose be served."""

    customer_id = Id()
    session_id = Id()
    purpose = Id(required=True)
    channel = one_of_words(Channel)
    data_category = Id()
    at_ms = TimeMs(metadata={"description": "the time asked about; now by default"})
    out_of_context = Flag(
        load_default=False, metadata={"description": "evidence collected in another context is used"}
    )

    @validates_schema
    def _one_subject(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if ("customer_id" in data) == ("session_id" in data):
            raise ValidationError("give either `customer_id` or `session_id`")
