"""A customer's own settings, and what they say of suggestions."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from api.schemas.base import Flag, Id, RequestSchema, TimeMs, one_of_values
from api.storage.feedback import FeedbackKind
from guardrails.consent.ages import AgeBand
from guardrails.consent.jurisdictions import UNKNOWN, jurisdictions
from guardrails.request import AgeAssurance, MuteScope
from guardrails.sensitive.classes import CLASS_NAMES

MAX_MUTES = 1_000
MAX_FEEDBACK = 100


class MuteSchema(RequestSchema):
    """One thing the customer does not want to see."""

    scope = one_of_values(MuteScope, required=True)
    value = Id(
        required=True,
        metadata={
            "description": "item id, brand, category path (covers all below it), sensitive class or occasion"
        },
    )
    until_ms = TimeMs(
        allow_none=True,
        metadata={
            "description": "null: until lifted; left out, an item and a brand come back after the days that "
            "the policy says, and everything else stays muted until it is lifted"
        },
    )


class PreferencesSchema(RequestSchema):
    """All settings of a customer: what is left out goes back to its default."""

    mutes = fields.List(fields.Nested(MuteSchema), load_default=list, validate=validate.Length(max=MAX_MUTES))
    age_assurance = one_of_values(
        AgeAssurance,
        load_default=None,
        allow_none=True,
        metadata={"description": "left out, what is known stays: a child that a signal told of is one"},
    )
    non_profiled = Flag(
        load_default=False, metadata={"description": "the customer switched profiling off for good"}
    )
    shared_device = Flag(load_default=False, metadata={"description": "others use this account"})
    age_band = one_of_values(
        AgeBand,
        load_default=None,
        allow_none=True,
        metadata={"description": "of a minor, as far as it is known; nothing is asked to find out"},
    )
    jurisdiction = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(sorted(set(jurisdictions()) - {UNKNOWN})),
        metadata={"description": "where the customer lives, such as `DK` or `US-CA`"},
    )
    exclusions = fields.List(
        fields.String(validate=validate.OneOf(CLASS_NAMES)),
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=len(CLASS_NAMES)),
        metadata={
            "description": "sensitive classes the customer excluded themselves from; left out, they stay as "
            "they are. One that is removed stays in force for the hours that the policy says, and is in the "
            "answer until then."
        },
    )
    limit_sensitive = Flag(
        load_default=False,
        metadata={"description": "sensitive information serves the order and nothing else (CCPA 1798.121)"},
    )


class OneFeedbackSchema(RequestSchema):
    """What a customer says of, or did with, one suggestion."""

    item_id = Id(required=True)
    kind = one_of_values(
        FeedbackKind,
        required=True,
        metadata={
            "description": "`not_interested` and `too_personal` also mute the item; `dismissed` is for a "
            "prompt that was closed without a word; `shown` says that the customer has seen it"
        },
    )


class FeedbackSchema(RequestSchema):
    """What a customer says of the suggestions of one decision."""

    items = fields.List(
        fields.Nested(OneFeedbackSchema), required=True, validate=validate.Length(1, MAX_FEEDBACK)
    )
    gpc = Flag(
        load_default=False,
        metadata={"description": "the page has read `navigator.globalPrivacyControl`: as `Sec-GPC: 1`"},
    )


class FeedbackAnswerSchema(Schema):
    """What was taken down."""

    stored = fields.Integer(required=True, metadata={"description": "new; what was said before counts once"})
    counted = fields.Integer(
        required=True,
        metadata={"description": "counted for the first time, of a customer who agreed to be measured"},
    )
    muted = fields.List(fields.String(), required=True, metadata={"description": "items muted by this"})
    muted_until_ms = fields.Integer(required=True, allow_none=True)
