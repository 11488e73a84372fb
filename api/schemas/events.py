"""Batches of events, and what became of them."""

from __future__ import annotations

from typing import get_args

from marshmallow import INCLUDE, RAISE, Schema, fields, validate

from api.imports.events import Shape
from api.schemas.base import RowErrorSchema


class EventShapeSchema(Schema):
    """Which shape a batch is in."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE

    shape = fields.String(
        load_default=None,
        validate=validate.OneOf(get_args(Shape)),
        metadata={"description": "by default the batch is recognised by what it holds"},
    )


class EventBatchSchema(Schema):
    """A batch in one of three shapes, each read by its own rules: `api.imports.events`."""

    class Meta:
        """Marshmallow's switches."""

        unknown = INCLUDE


class WithheldEventSchema(Schema):
    """An interaction that was not stored because its customer does not permit it."""

    index = fields.Integer(required=True)
    event_id = fields.String(required=True)
    purpose = fields.String(required=True, metadata={"description": "the purpose that is not permitted"})
    because = fields.String(required=True)


class IgnoredEventSchema(Schema):
    """An event that says nothing about an item."""

    index = fields.Integer(required=True)
    name = fields.String(required=True)


class EventAnswerSchema(Schema):
    """What became of a batch of events."""

    stored = fields.Integer(required=True, metadata={"description": "interactions that were new"})
    duplicates = fields.Integer(required=True, metadata={"description": "interactions stored before"})
    noted = fields.Integer(
        required=True,
        metadata={"description": "news that was taken down; said again it counts again and changes nothing"},
    )
    by_purpose = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "stored ones and duplicates by the purpose they are kept under"},
    )
    measured = fields.Integer(
        required=True,
        metadata={
            "description": "purchases and additions to the cart that are owed to a suggestion seen before, "
            "of customers who agreed to be measured"
        },
    )
    withheld = fields.List(fields.Nested(WithheldEventSchema), required=True)
    ignored = fields.List(fields.Nested(IgnoredEventSchema), required=True)
    errors = fields.List(fields.Nested(RowErrorSchema), required=True)
