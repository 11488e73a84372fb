"""What customers can ask for: tokens, their data, their interests, requests with a clock."""

from __future__ import annotations

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from api.auth import ME
from api.rights.tokens import DEFAULT_TTL_S, MAX_TTL_S
from api.schemas.base import Id, RequestSchema, Text, WholeNumber, one_of_values, one_of_words
from api.storage.requests import CLOCK, RequestKind, RequestState
from api.storage.rights import CorrectionAction, CorrectionScope
from engine.vocabulary import Channel, Kind
from guardrails.consent.permission import Denial

MAX_CORRECTIONS = 100
MAX_REASON = 500
MAX_PAGE = 200
DEFAULT_PAGE = 50

SUBJECT_TYPES = ("account", "session", "device")
"""What the id in a path can be the key of."""

FORMATS = ("json", "csv")
SCOPES = ("access", "portability")


class QuerySchema(Schema):
    """Base of what stands in a query: unknown parameters are refused."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE


class TokenRequestSchema(RequestSchema):
    """How long a token is to last."""

    ttl_s = WholeNumber(
        1, MAX_TTL_S, load_default=DEFAULT_TTL_S, metadata={"description": "seconds; at most a day"}
    )


class TokenSchema(Schema):
    """A token; it is shown this once."""

    token = fields.String(required=True)
    expires_at_ms = fields.Integer(required=True)
    customer = fields.String(
        required=True, validate=validate.Equal(ME), metadata={"description": "what paths say for the id"}
    )
    url = fields.String(
        required=True,
        metadata={
            "description": "where it opens the customer's privacy page; the token stands behind the `#`, "
            "which browsers send to no server"
        },
    )


class ExportQuerySchema(QuerySchema):
    """What of, and how, the data is to be handed out."""

    format = fields.String(
        load_default=FORMATS[0],
        validate=validate.OneOf(FORMATS),
        metadata={"description": "`csv` is a zip of one file a section"},
    )
    scope = fields.String(
        load_default=SCOPES[0],
        validate=validate.OneOf(SCOPES),
        metadata={
            "description": "`access`: everything (GDPR 15); `portability`: what the customer gave and what "
            "was observed, nothing that was inferred (GDPR 20)"
        },
    )
    subject_type = fields.String(load_default=SUBJECT_TYPES[0], validate=validate.OneOf(SUBJECT_TYPES))


class AskedSchema(RequestSchema):
    """What a customer asks for under GDPR 15 to 22.

    There is no field for a text of one's own: what a customer writes belongs into the shop's mail.
    """

    kind = one_of_values(RequestKind, required=True)
    decision_id = Id(metadata={"description": "the decision that is contested; for `contest` alone"})
    purpose = Id(
        metadata={"description": "for `objection` alone: the purpose objected to; without it all marketing"}
    )

    @validates_schema
    def _belongs_together(self, data: dict[str, str], **_: object) -> None:
        if (data["kind"] == RequestKind.CONTEST) != ("decision_id" in data):
            raise ValidationError("goes with `contest`, and `contest` with it", "decision_id")
        if "purpose" in data and data["kind"] != RequestKind.OBJECTION:
            raise ValidationError("goes with `objection` alone", "purpose")


class RequestAnswerSchema(Schema):
    """A request and its clock; never whose it is."""

    request_id = fields.String(required=True)
    kind = one_of_values(RequestKind, required=True)
    state = one_of_values(RequestState, required=True)
    received_at_ms = fields.Integer(required=True)
    due_at_ms = fields.Integer(required=True, metadata={"description": "by when it must be answered"})
    overdue = fields.Boolean(required=True)
    extended_because = fields.String(required=True, allow_none=True)
    closed_at_ms = fields.Integer(required=True, allow_none=True)
    outcome = fields.String(required=True, allow_none=True)
    decision_id = fields.String(required=True, allow_none=True)


class RequestsSchema(Schema):
    """What one customer has asked for, oldest first."""

    requests = fields.List(fields.Nested(RequestAnswerSchema), required=True)


class RequestSearchSchema(QuerySchema):
    """Filters of a search, all of which must hold."""

    state = one_of_values(RequestState)
    overdue = fields.Boolean(
        load_default=False, metadata={"description": "only those that should have been answered by now"}
    )
    after = fields.String(
        validate=validate.Regexp(
            r"^[0-9]{1,15}\.[A-Za-z0-9-]{1,64}$(?!\n)", error="is not the `next` of a page"
        ),
        metadata={"description": "`next` of the page before; those due first come first"},
    )
    limit = fields.Integer(load_default=DEFAULT_PAGE, validate=validate.Range(1, MAX_PAGE))


class RequestPageSchema(RequestsSchema):
    """One page of a search."""

    next = fields.String(
        required=True, allow_none=True, metadata={"description": "`after` of the next page; null at the end"}
    )


class ExtensionSchema(RequestSchema):
    """By how much an answer is put off, and why (GDPR 12(3))."""

    days = WholeNumber(1, CLOCK.extension_days, required=True)
    because = Text(least=1, most=MAX_REASON, required=True)


class RequestChangeSchema(RequestSchema):
    """An answer to a request, or its being put off; one of the two."""

    state = fields.String(validate=validate.OneOf([RequestState.DONE.value, RequestState.REFUSED.value]))
    outcome = Text(least=1, most=MAX_REASON, metadata={"description": "what was done, or why not"})
    extension = fields.Nested(ExtensionSchema)

    @validates_schema
    def _one_of_the_two(self, data: dict[str, object], **_: object) -> None:
        if ("state" in data) == ("extension" in data):
            raise ValidationError("either `state` with `outcome`, or `extension`")
        if ("state" in data) != ("outcome" in data):
            raise ValidationError("goes with `state`, and `state` with it", "outcome")


class InterestsQuerySchema(QuerySchema):
    """Where the interests would be used."""

    channel = one_of_words(Channel, load_default="web")


class InterestSchema(Schema):
    """One thing that is inferred."""

    scope = one_of_values(CorrectionScope, required=True)
    value = fields.String(required=True)
    share_micro = fields.Integer(
        required=True, metadata={"description": "share of all weight that counts now, in millionths"}
    )
    n_pieces = fields.Integer(required=True, metadata={"description": "pieces of evidence behind it"})


class PieceSchema(Schema):
    """One piece of evidence, as it counts now."""

    item_id = fields.String(
        required=True, allow_none=True, metadata={"description": "null when it is not named on a page"}
    )
    title = fields.String(required=True, allow_none=True)
    kind = one_of_words(Kind, required=True)
    age_days = fields.Integer(required=True)
    channel = one_of_words(Channel, required=True)
    share_micro = fields.Integer(required=True)


class InterestsSchema(Schema):
    """What is inferred of a customer now; nothing of it is stored."""

    used = fields.Boolean(required=True, metadata={"description": "whether the profile may be used now"})
    because = one_of_values(
        Denial, required=True, allow_none=True, metadata={"description": "why not; null when it is used"}
    )
    interests = fields.List(fields.Nested(InterestSchema), required=True)
    pieces = fields.List(fields.Nested(PieceSchema), required=True)
    n_unnamed = fields.Integer(
        required=True, metadata={"description": "pieces of sensitive items: counted, not named"}
    )


class CorrectionSchema(RequestSchema):
    """One thing to be set right."""

    scope = one_of_values(CorrectionScope, required=True)
    value = Id(
        required=True,
        metadata={"description": "item id, category path (covers all below it) or brand"},
    )
    action = one_of_values(
        CorrectionAction,
        required=True,
        metadata={"description": "`drop`: leaves the profile; `relabel`: was something else"},
    )
    as_ = fields.String(
        data_key="as",
        validate=validate.Equal("gift"),
        metadata={"description": "what it was, for `relabel`"},
    )

    @validates_schema
    def _belongs_together(self, data: dict[str, str], **_: object) -> None:
        if (data["action"] == CorrectionAction.RELABEL) != ("as_" in data):
            raise ValidationError("goes with `relabel`, and `relabel` with it", "as")


class CorrectionsSchema(RequestSchema):
    """Everything to be set right at once."""

    corrections = fields.List(
        fields.Nested(CorrectionSchema), required=True, validate=validate.Length(1, MAX_CORRECTIONS)
    )


class CorrectedSchema(Schema):
    """What became of one correction."""

    scope = one_of_values(CorrectionScope, required=True)
    value = fields.String(required=True)
    action = one_of_values(CorrectionAction, required=True)
    n_interactions = fields.Integer(required=True, metadata={"description": "that it changed"})


class CorrectionsAnswerSchema(Schema):
    """What was set right; it holds from the next answer on."""

    request_id = fields.String(required=True)
    corrections = fields.List(fields.Nested(CorrectedSchema), required=True)


class SignalSeenSchema(Schema):
    """A signal that was seen before."""

    signal = fields.String(required=True)
    value = fields.String(required=True)
    first_seen_ms = fields.Integer(required=True)
    changed_at_ms = fields.Integer(required=True)


class StandingSchema(Schema):
    """Whether one purpose stands."""

    purpose = fields.String(required=True)
    permitted = fields.Boolean(required=True)
    because = one_of_values(Denial, required=True, allow_none=True)


class PrivacySchema(Schema):
    """What a customer has switched off, as it is in force for this request."""

    gpc = fields.Boolean(required=True, metadata={"description": "this request carries `Sec-GPC: 1`"})
    signals_seen = fields.List(fields.Nested(SignalSeenSchema), required=True)
    sale_and_sharing = fields.List(
        fields.Nested(StandingSchema),
        required=True,
        metadata={"description": "what California calls sale and sharing (11 CCR 7025, 7026)"},
    )
    marketing = fields.List(fields.Nested(StandingSchema), required=True)
    limit_sensitive = fields.Boolean(
        required=True,
        metadata={"description": "sensitive data is used for orders alone (Cal. Civ. Code 1798.121)"},
    )
    mode = fields.String(required=True, metadata={"description": "`profiled` or `non_profiled`"})
    restricted = fields.Boolean(required=True)
    shared_device = fields.Boolean(required=True)


class ProcessingSchema(Schema):
    """What is done with personal data, made from what is in force."""

    as_of_ms = fields.Integer(required=True)
    policy_version = fields.String(required=True)
    model_version = fields.String(required=True, allow_none=True)
    record = fields.Dict(
        keys=fields.String(), required=True, metadata={"description": "the record of processing (GDPR 30(1))"}
    )
    assessment = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata={"description": "outline of an impact assessment (GDPR 35(7))"},
    )
