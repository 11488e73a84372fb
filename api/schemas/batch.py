"""What is asked for many customers at once."""

from __future__ import annotations

from marshmallow import RAISE, fields, validate

from api.schemas.base import Id, RequestSchema
from api.schemas.recommendation import RecommendationRequestSchema
from guardrails.messages import LANGUAGES

MAX_CUSTOMERS = 10_000
"""Most customers of one call."""


class RecipientSchema(RequestSchema):
    """One customer of a batch."""

    customer_id = Id(required=True)
    language = fields.String(validate=validate.OneOf(LANGUAGES))


class BatchRequestSchema(RecommendationRequestSchema):
    """What is asked for each customer, and who they are."""

    class Meta:
        """Marshmallow's switches: of a single request what can be the same for everybody."""

        unknown = RAISE
        fields = (
            "placement",
            "channel",
            "context",
            "count",
            "mode",
            "language",
            "presentation",
            "local_time",
            "decision_type",
            "human_review",
            "customers",
        )

    customers = fields.List(
        fields.Raw(allow_none=True),
        required=True,
        validate=validate.Length(1, MAX_CUSTOMERS),
        metadata={
            "description": "whom it is for, nobody twice: the shop's keys of the customers, or objects with "
            "`customer_id` and, where it is another than that of the rest, `language`",
            "items": {
                "oneOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "required": ["customer_id"],
                        "properties": {
                            "customer_id": {"type": "string"},
                            "language": {"type": "string", "enum": list(LANGUAGES)},
                        },
                    },
                ]
            },
        },
    )
