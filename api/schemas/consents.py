"""Consent: what a customer chose, what therefore holds, and the receipt of a choice."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from api.consents.people import SUBJECT_TYPES
from api.imports.consents import STATUSES
from api.schemas.base import Flag, Id, RequestSchema, Text, TimeMs, one_of_values, one_of_words
from engine.vocabulary import Channel
from guardrails.consent.events import METHODS, Status
from guardrails.consent.permission import Denial, GpcStatus, LawfulBasis
from guardrails.consent.signals.registry import SIGNALS
from guardrails.messages import Phrase

MAX_EVENTS = 100
MAX_NAMES = 100
MAX_NOTICE_CHARACTERS = 100_000


class SubjectTypeSchema(RequestSchema):
    """Whether the id in the path is a customer's, a device's or a visit's."""

    subject_type = fields.String(load_default="account", validate=validate.OneOf(SUBJECT_TYPES))


class ParentSchema(RequestSchema):
    """Who consents in the place of a child (GDPR 8)."""

    relation = Text(required=True, metadata={"description": "to the child, such as `mother`"})
    verification_method = Text(required=True, metadata={"description": "how the shop made sure of it"})
    verified_at_ms = TimeMs(required=True)


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
    notice_language = Id(metadata={"description": "language it was shown in, where it has several"})
    served_id = Id(metadata={"description": "the showing of the notice, from `notices-served`"})
    parent = fields.Nested(ParentSchema, metadata={"description": "with `actor` `parent` alone"})
    item_categories = fields.List(
        Id(),
        validate=validate.Length(1, MAX_NAMES),
        metadata={"description": "of a soft opt-in: category paths of what was sold (ePrivacy 13(2))"},
    )
    method = fields.String(load_default="api", validate=validate.OneOf(sorted(METHODS)))
    actor = Text(load_default="data_subject", metadata={"description": "who acted"})
    explicit = Flag(load_default=False, metadata={"description": "an express statement (GDPR 9(2)(a))"})
    confirmed_override = Flag(
        load_default=False, metadata={"description": "confirmed although a privacy signal says otherwise"}
    )


class SignalSchema(RequestSchema):
    """What another consent tool says."""

    kind = fields.String(required=True, validate=validate.OneOf(sorted(SIGNALS)))
    value = fields.Raw(
        required=True, metadata={"description": "the string or the object, exactly as the tool gives it"}
    )


class ConsentChangeSchema(ConsentEventSchema):
    """One choice, written directly; several under `events`; or a `signal` of another consent tool."""

    purpose = Id(metadata={"description": "purpose key; not together with `events` or `signal`"})
    status = fields.String(validate=validate.OneOf(sorted(STATUSES)))
    events = fields.List(
        fields.Nested(ConsentEventSchema),
        validate=validate.Length(1, MAX_EVENTS),
        metadata={"description": "several choices, stored together or not at all"},
    )
    signal = fields.Nested(SignalSchema)
    subject_type = fields.String(load_default="account", validate=validate.OneOf(SUBJECT_TYPES))
    device_id = Id(metadata={"description": "the device that a customer who is logged in chooses on"})

    @validates_schema(pass_original=True)
    def _one_or_several(self, _data: Any, original: dict[str, Any], **_kwargs: Any) -> None:
        several = next((name for name in ("events", "signal") if name in original), None)
        if several is not None:
            beside = sorted(set(original) - {several, "subject_type", "device_id"})
            if beside:
                raise ValidationError(
                    {name: [Phrase("not together with `{other}`", other=several)] for name in beside}
                )
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
    data_categories = fields.List(fields.String(), required=True, allow_none=True)
    item_categories = fields.List(
        fields.String(), required=True, allow_none=True, metadata={"description": "goods it is limited to"}
    )
    gpc = one_of_values(
        GpcStatus, required=True, metadata={"description": "what became of Global Privacy Control"}
    )


class AskingSchema(Schema):
    """Whether the customer may be asked."""

    may_ask = fields.Boolean(required=True)
    not_before_ms = fields.Integer(
        required=True, allow_none=True, metadata={"description": "who said no is left alone until then"}
    )


class CheckedSchema(PermissionSchema):
    """Whether a purpose may be served, why not, and where consent can be given."""

    ask = fields.Nested(AskingSchema, required=True)
    capture_url = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "where the customer can choose, if they may be asked"},
    )


class PurposeStateSchema(Schema):
    """Where one purpose stands."""

    purpose = fields.String(required=True)
    meaning = fields.String(required=True, metadata={"description": "what it allows, in plain words"})
    status = one_of_values(Status, required=True, allow_none=True)
    at_ms = fields.Integer(required=True, allow_none=True)
    valid_until_ms = fields.Integer(required=True, allow_none=True)
    permission = fields.Nested(PermissionSchema, required=True)
    ask = fields.Nested(AskingSchema, required=True)


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
    notes = fields.List(
        fields.String(), required=True, metadata={"description": "what a signal says that has no effect here"}
    )
    cascade_id = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "the forgetting of a profile that this set off: `GET /v1/cascades/{id}`"},
    )
    shared_device = fields.Boolean(
        required=True, metadata={"description": "several customers use the device that was named"}
    )
    receipt = fields.Dict(
        required=True,
        allow_none=True,
        metadata={
            "description": "for the customer to keep: Kantara Consent Receipt 1.1 with records of "
            "ISO/IEC TS 27560; null where nothing was stored"
        },
    )


class ConsentQuestionSchema(RequestSchema):
    """Would this purpose be served."""

    customer_id = Id()
    device_id = Id(metadata={"description": "with a customer: what was refused on the device holds too"})
    session_id = Id(metadata={"description": "with a customer or a device, likewise"})
    purpose = Id(required=True)
    channel = one_of_words(Channel)
    data_category = Id()
    at_ms = TimeMs(metadata={"description": "the time asked about; now by default"})
    out_of_context = Flag(
        load_default=False, metadata={"description": "evidence collected in another context is used"}
    )

    @validates_schema
    def _some_subject(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if not {"customer_id", "device_id", "session_id"} & set(data):
            raise ValidationError("give `customer_id`, `device_id` or `session_id`")


class NoticeSchema(RequestSchema):
    """What customers are told before they choose, in one language."""

    notice_id = Id(required=True)
    version = Id(required=True, metadata={"description": "what was shown under a version never changes"})
    language = Id(required=True, metadata={"description": "BCP 47, such as `da`"})
    jurisdiction = Id(
        required=True, metadata={"description": "place it was written for, such as `DK` or `EU`"}
    )
    text = fields.String(required=True, validate=validate.Length(1, MAX_NOTICE_CHARACTERS))
    purposes = fields.List(Id(), required=True, validate=validate.Length(1, MAX_NAMES))
    material_change = Flag(
        load_default=False,
        metadata={"description": "consent given under earlier versions no longer carries"},
    )
    effective_from_ms = TimeMs(metadata={"description": "from when it is shown; now by default"})
    data_categories = fields.List(Id(), load_default=list, validate=validate.Length(max=MAX_NAMES))
    controllers = fields.List(Id(), load_default=list, validate=validate.Length(max=MAX_NAMES))
    recipients = fields.List(Id(), load_default=list, validate=validate.Length(max=MAX_NAMES))
    retention = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(
            r"^P(?=[0-9])([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?$(?!\n)",
            error="is not an ISO 8601 duration in days or more",
        ),
        metadata={"description": "how long data is kept, such as `P1Y`"},
    )
    withdrawal_url = Id(load_default=None, allow_none=True)


class NoticeAnswerSchema(NoticeSchema):
    """A notice as it is registered."""

    text_sha256 = fields.String(required=True)
    outdated_since_ms = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "since when consent under it no longer carries"},
    )


class NoticesSchema(Schema):
    """Every version of every notice."""

    notices = fields.List(fields.Nested(NoticeAnswerSchema), required=True)


class NoticeServedSchema(RequestSchema):
    """That a notice was shown to a customer."""

    notice_id = Id(required=True)
    notice_version = Id(required=True)
    language = Id(required=True)
    surface = Id(required=True, metadata={"description": "where, such as `banner` or `checkout`"})
    experience_sha256 = fields.String(
        required=True,
        validate=validate.Regexp(r"^[0-9a-f]{64}$(?!\n)", error="is not a SHA-256 in hexadecimal"),
        metadata={"description": "digest of the layout and the labels of the buttons"},
    )
    at_ms = TimeMs(metadata={"description": "now by default"})
    subject_type = fields.String(load_default="account", validate=validate.OneOf(SUBJECT_TYPES))


class NoticeServedAnswerSchema(Schema):
    """The showing, to be named by the choices that follow it."""

    served_id = fields.String(required=True)


class JurisdictionSchema(Schema):
    """What the law of one place asks for."""

    code = fields.String(required=True)
    name = fields.String(required=True)
    consent_age = fields.Integer(required=True, metadata={"description": "years"})
    ask_again_after_days = fields.Integer(required=True)
    signal_may_be_overridden = fields.Boolean(required=True)
    soft_opt_in = fields.Boolean(required=True)
    raised_classes = fields.List(fields.String(), required=True)
    reviewed = fields.String(required=True)
    review_by = fields.String(required=True)
    overdue = fields.Boolean(required=True, metadata={"description": "nobody has looked at it in time"})
    fingerprint = fields.String(required=True, metadata={"description": "stored with each consent event"})


class JurisdictionsSchema(Schema):
    """The table of jurisdictions."""

    in_force = fields.String(required=True, metadata={"description": "where no other place is known"})
    jurisdictions = fields.List(fields.Nested(JurisdictionSchema), required=True)
