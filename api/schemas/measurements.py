"""What was measured, and how it is cut."""

from __future__ import annotations

from datetime import date
from typing import Any

from marshmallow import RAISE, Schema, fields, validate
from webargs.fields import DelimitedList

from api.measuring.report import DIMENSIONS, SHARES
from api.schemas.base import Text, one_of_words
from api.storage.measured import Measure
from engine.vocabulary import Basis, Channel, Intent
from guardrails.house import Arm

_NO_DAY: dict[str, Any] = {"invalid": "Not a day such as 2026-03-01."}
_DAYS = validate.Range(date(1970, 1, 1), date(9999, 1, 1))


class MeasurementsQuerySchema(Schema):
    """Which measurements are wanted."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE

    first = fields.Date(
        data_key="from",
        error_messages=_NO_DAY,
        validate=_DAYS,
        metadata={"description": "first day wanted (UTC); 28 days ago without"},
    )
    end = fields.Date(
        data_key="to",
        error_messages=_NO_DAY,
        validate=_DAYS,
        metadata={"description": "first day no longer wanted; tomorrow without"},
    )
    by = DelimitedList(
        fields.String(validate=validate.OneOf(DIMENSIONS)),
        load_default=list,
        metadata={"description": "what to cut by, set apart by commas; all in one without"},
    )
    placement = Text(least=1)
    channel = one_of_words(Channel)
    intent = one_of_words(Intent)
    basis = one_of_words(Basis)
    model = Text(least=1, metadata={"description": "version of the model"})
    policy = Text(least=1, metadata={"description": "version of the policy"})
    arm = fields.String(validate=validate.OneOf([arm.value for arm in Arm]))


class ShareSchema(Schema):
    """A share with its interval of 95 %."""

    value = fields.Float(required=True, allow_none=True, metadata={"description": "null: too few to be told"})
    low = fields.Float(required=True)
    high = fields.Float(required=True)


class CellSchema(Schema):
    """What was measured in one cell."""

    day = fields.String(metadata={"description": "day of the decisions (UTC)"})
    placement = fields.String()
    channel = fields.String()
    intent = fields.String()
    basis = fields.String()
    model = fields.String(allow_none=True)
    policy = fields.String()
    arm = fields.String(allow_none=True, metadata={"description": "null: nothing was compared"})
    n = fields.Dict(
        keys=fields.String(validate=validate.OneOf([each.value for each in Measure])),
        values=fields.Integer(allow_none=True),
        required=True,
        metadata={"description": "how often; null: too few to be told"},
    )
    shares = fields.Dict(
        keys=fields.String(validate=validate.OneOf(list(SHARES))),
        values=fields.Nested(ShareSchema, allow_none=True),
        required=True,
        metadata={"description": "null: in too few to be told"},
    )
    too_personal = fields.String(
        required=True,
        validate=validate.OneOf(("below", "above", "unknown")),
        metadata={"description": "whether what is found too personal is surely below its ceiling, or above"},
    )


class ComparisonSchema(Schema):
    """The two arms of an experiment against each other, customer by customer."""

    n_customers = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(allow_none=True),
        required=True,
        metadata={"description": "who saw something, by arm"},
    )
    differences = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(ShareSchema),
        required=True,
        metadata={"description": "by how much the challenger's share is above; left out where too few"},
    )


class MeasurementsSchema(Schema):
    """What was measured, of those who agreed to be."""

    first = fields.String(required=True, data_key="from")
    end = fields.String(required=True, data_key="to")
    by = fields.List(fields.String(), required=True)
    filtered = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    least = fields.Integer(required=True, metadata={"description": "sums of fewer are not told"})
    n_suppressed = fields.Integer(required=True, metadata={"description": "cells with too little in them"})
    ceiling_micro = fields.Integer(
        required=True,
        metadata={"description": "of what is seen so much may be found too personal, in millionths"},
    )
    cells = fields.List(fields.Nested(CellSchema), required=True)
    comparison = fields.Nested(
        ComparisonSchema, metadata={"description": "where it is cut by arm, and nothing alone is wanted"}
    )
