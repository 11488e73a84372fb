"""What anybody may know about how suggestions are made."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from api.schemas.base import one_of_values, one_of_words
from api.schemas.recommendation import MODES
from engine.vocabulary import Basis, Kind, Origin
from guardrails.consent.permission import LawfulBasis
from guardrails.messages import LANGUAGES


class LanguageQuerySchema(Schema):
    """The language wanted."""

    class Meta:
        """Marshmallow's switches."""

        unknown = "raise"

    language = fields.String(
        validate=validate.OneOf(LANGUAGES), metadata={"description": "goes before `Accept-Language`"}
    )


class WaySchema(Schema):
    """An operation of the API."""

    method = fields.String(required=True)
    path = fields.String(required=True)


class ModeSchema(Schema):
    """One of the modes a customer can choose between; every mode is told of in the same way."""

    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    title = fields.String(required=True)
    meaning = fields.String(required=True)
    how = fields.String(required=True, metadata={"description": "how to switch to it"})
    ways = fields.List(fields.Nested(WaySchema), required=True)


class ModesSchema(Schema):
    """What a customer can choose (DSA 27(3))."""

    default = fields.String(required=True, validate=validate.OneOf(MODES))
    modes = fields.List(fields.Nested(ModeSchema), required=True)


class PurposeSchema(Schema):
    """One purpose that data is used for."""

    key = fields.String(
        required=True, metadata={"description": "a key that ends in a dot stands for several"}
    )
    meaning = fields.String(required=True)
    basis = one_of_values(LawfulBasis, required=True, metadata={"description": "lawful basis"})
    basis_meaning = fields.String(required=True)
    on_by_default = fields.Boolean(required=True)
    choose = fields.String(required=True, metadata={"description": "how to choose, in plain words"})
    ways = fields.List(fields.Nested(WaySchema), required=True)


class DataCategorySchema(Schema):
    """One category of personal data and where it comes from (GDPR 14(1)(d), 14(2)(f))."""

    key = fields.String(required=True, metadata={"description": "data category as in fideslang, or our own"})
    meaning = fields.String(required=True)
    kinds = fields.List(one_of_words(Kind), required=True, metadata={"description": "kinds of behaviour"})
    source = fields.String(required=True)


class BasisStepSchema(Schema):
    """One step of the order in which bases are tried."""

    basis = one_of_words(Basis, required=True)
    meaning = fields.String(required=True)


class OriginSchema(Schema):
    """How many times anything counts by where it comes from."""

    origin = one_of_words(Origin, required=True)
    meaning = fields.String(required=True)
    times = fields.Integer(required=True)


class ParameterSchema(Schema):
    """How much one kind of behaviour counts, and for how long."""

    kind = one_of_words(Kind, required=True)
    meaning = fields.String(required=True)
    weight_micro = fields.Integer(required=True, metadata={"description": "a purchase today is 1,000,000"})
    share_percent = fields.Float(
        required=True, metadata={"description": "share of the weights of all kinds together"}
    )
    half_life_days = fields.Integer(required=True)
    kept_days = fields.Integer(required=True, metadata={"description": "older than this it never counts"})
    counts = fields.String(required=True, metadata={"description": "the weight in plain words"})


class RetentionSchema(Schema):
    """How long one kind of data is used, or kept."""

    evidence = fields.String(required=True)
    meaning = fields.String(required=True)
    kept_days = fields.Integer(required=True)


class RuleSchema(Schema):
    """One rule that holds suggestions back."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    sentence = fields.String(required=True)
    ground = fields.String(required=True, metadata={"description": "law or research it rests on"})


class OwnRuleSchema(Schema):
    """One rule of the shop's own, in the shop's words."""

    title = fields.String(required=True)
    sentence = fields.String(required=True, metadata={"description": "what it means for a customer"})


class RightSchema(Schema):
    """One right and how it is used."""

    right = fields.String(required=True)
    article = fields.String(required=True)
    meaning = fields.String(required=True)
    ways = fields.List(fields.Nested(WaySchema), required=True)


class TransparencySchema(Schema):
    """What suggestions are based on (GDPR 13, 14; DSA 27; Consumer Rights Directive 6a)."""

    language = fields.String(required=True, validate=validate.OneOf(LANGUAGES))
    languages = fields.List(fields.String(), required=True)
    controller = fields.String(required=True, allow_none=True)
    contact = fields.String(required=True, allow_none=True)
    consent_url = fields.String(
        required=True, allow_none=True, metadata={"description": "page where customers choose"}
    )
    logic = fields.String(required=True, metadata={"description": "GDPR 13(2)(f): the logic involved"})
    consequences = fields.String(required=True, metadata={"description": "what depends on it"})
    options = fields.Nested(ModesSchema, required=True)
    purposes = fields.List(fields.Nested(PurposeSchema), required=True)
    data_categories = fields.List(fields.Nested(DataCategorySchema), required=True)
    sources = fields.String(required=True)
    third_party_sources = fields.List(fields.String(), required=True)
    holding_back = fields.String(
        required=True, metadata={"description": "what only ever holds back and so needs no consent"}
    )
    recipients = fields.List(fields.String(), required=True)
    steps = fields.List(
        fields.Nested(BasisStepSchema),
        required=True,
        metadata={"description": "what is tried first comes first"},
    )
    origins = fields.List(fields.Nested(OriginSchema), required=True)
    parameters = fields.List(
        fields.Nested(ParameterSchema), required=True, metadata={"description": "the main parameters"}
    )
    half_life_days = fields.Integer(
        required=True, metadata={"description": "after this behaviour counts half"}
    )
    half_life = fields.String(required=True)
    retention = fields.List(fields.Nested(RetentionSchema), required=True)
    visit_hours = fields.Integer(required=True, metadata={"description": "how long a visit counts"})
    visit = fields.String(required=True)
    rules = fields.List(fields.Nested(RuleSchema), required=True)
    own_rules = fields.List(
        fields.Nested(OwnRuleSchema),
        required=True,
        metadata={"description": "rules of the shop's own that hold back more than those that ship"},
    )
    policies_compared = fields.Boolean(
        required=True,
        metadata={"description": "two versions of them are compared, each in force for some customers"},
    )
    rights = fields.List(fields.Nested(RightSchema), required=True)
    ai_generated = fields.Boolean(required=True, metadata={"description": "whether texts are (AI Act 50)"})
    price_personalised = fields.Boolean(
        required=True, metadata={"description": "whether prices are set for one customer alone"}
    )
    model_version = fields.String(required=True, allow_none=True)
    policy_version = fields.String(required=True)
    changed_at_ms = fields.Integer(
        required=True, allow_none=True, metadata={"description": "when model or policy last changed"}
    )
