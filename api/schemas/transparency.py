"""What anybody may know about how suggestions are made."""

from __future__ import annotations

from marshmallow import Schema, fields


class PurposeSchema(Schema):
    """One purpose that data is used for."""

    key = fields.String(
        required=True, metadata={"description": "a key that ends in a dot stands for several"}
    )
    meaning = fields.String(required=True)
    basis = fields.String(required=True, metadata={"description": "lawful basis"})
    on_by_default = fields.Boolean(required=True)


class ParameterSchema(Schema):
    """How much one kind of behaviour counts, and for how long."""

    kind = fields.String(required=True)
    weight_micro = fields.Integer(required=True, metadata={"description": "a purchase today is 1,000,000"})
    kept_days = fields.Integer(required=True, metadata={"description": "older than this it never counts"})


class RuleSchema(Schema):
    """One rule that holds suggestions back."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    sentence = fields.String(required=True)
    ground = fields.String(required=True)


class TransparencySchema(Schema):
    """The main parameters of the suggestions (DSA 27(1), GDPR 13(2)(f))."""

    purposes = fields.List(fields.Nested(PurposeSchema), required=True)
    parameters = fields.List(fields.Nested(ParameterSchema), required=True)
    half_life_days = fields.Integer(
        required=True, metadata={"description": "after this behaviour counts half"}
    )
    rules = fields.List(fields.Nested(RuleSchema), required=True)
    modes = fields.List(
        fields.String(), required=True, metadata={"description": "what a customer can choose"}
    )
    policy_version = fields.String(required=True)
