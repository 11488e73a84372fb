"""Searching and reading the decision log; models."""

from __future__ import annotations

from marshmallow import RAISE, Schema, fields, validate

from api.schemas.base import Id, one_of_words
from engine.vocabulary import Basis
from guardrails.decide import Outcome

MAX_PAGE = 200
DEFAULT_PAGE = 50


class DecisionSearchSchema(Schema):
    """Filters of a search, all of which must hold; numbers are text here, as in every query."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE

    after = fields.Integer(
        validate=validate.Range(min=1), metadata={"description": "`next` of the page before; newest first"}
    )
    limit = fields.Integer(load_default=DEFAULT_PAGE, validate=validate.Range(1, MAX_PAGE))
    customer_id = Id(metadata={"description": "decisions for this customer"})
    placement = Id()
    basis = one_of_words(Basis)
    outcome = fields.String(validate=validate.OneOf([outcome.value for outcome in Outcome]))
    model = Id(metadata={"description": "version of the model"})
    policy = Id(metadata={"description": "version of the policy"})
    minute_from = fields.Integer(metadata={"description": "first minute wanted, in minutes since the epoch"})
    minute_to = fields.Integer(metadata={"description": "first minute no longer wanted"})


class DecisionHeaderSchema(Schema):
    """The public part of a record; holds no personal data."""

    decision_id = fields.String(required=True)
    minute = fields.Integer(required=True, metadata={"description": "minutes since the epoch"})
    placement = fields.String(required=True)
    basis = one_of_words(Basis, required=True)
    outcome = fields.String(required=True)
    policy = fields.String(required=True)
    model = fields.String(required=True, allow_none=True)


class DecisionPageSchema(Schema):
    """One page of a search."""

    decisions = fields.List(fields.Nested(DecisionHeaderSchema), required=True)
    next = fields.Integer(
        required=True, allow_none=True, metadata={"description": "`after` of the next page; null at the end"}
    )


class DecisionSchema(Schema):
    """A whole record: the header as it was written, and the sections as far as they are kept."""

    decision_id = fields.String(required=True)
    header = fields.Dict(required=True, metadata={"description": "as it was written"})
    header_base64 = fields.String(required=True, metadata={"description": "its canonical bytes"})
    sections = fields.Dict(
        keys=fields.String(),
        values=fields.Dict(),
        required=True,
        allow_none=True,
        metadata={"description": "req, consent, cand, rules and out; null once erased"},
    )
    salts = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        allow_none=True,
        metadata={"description": "base64, one a section: with them the digests in the header can be checked"},
    )


class ModelSchema(Schema):
    """A model and how it came to be."""

    version = fields.String(required=True)
    active = fields.Boolean(required=True)
    created_at_ms = fields.Integer(required=True)
    erased_at_ms = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "when its arrays were removed to forget somebody"},
    )
    manifest = fields.Dict(required=True)


class ModelsSchema(Schema):
    """Every model in the store, newest first."""

    models = fields.List(fields.Nested(ModelSchema), required=True)


class ActivationSchema(Schema):
    """A model was made the active one."""

    version = fields.String(required=True)
    in_force = fields.Boolean(
        required=True,
        metadata={"description": "the process that answered serves it already; otherwise it soon will"},
    )
