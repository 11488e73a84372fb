"""Items as they are sent and as they are kept."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from api.schemas.base import RequestSchema, RowErrorSchema
from guardrails.sensitive.occasions import OCCASIONS

MAX_ITEMS = 5_000


class ItemSchema(Schema):
    """What a shop says of an item. Only the id and the title are needed."""

    item_id = fields.String(required=True)
    title = fields.String(required=True)
    category = fields.String(metadata={"description": "path, e.g. `Home > Kitchen > Knives`"})
    brand = fields.String()
    price = fields.Raw(metadata={"description": "decimal, e.g. `12.50`; or give `price_minor`"})
    price_minor = fields.Integer(allow_none=True, metadata={"description": "price in minor units"})
    currency = fields.String(allow_none=True, metadata={"description": "ISO 4217, needed beside a price"})
    available = fields.Boolean(metadata={"description": "in stock and on sale; true by default"})
    link = fields.String(allow_none=True)
    image_link = fields.String(allow_none=True)
    google_category_id = fields.Integer(
        allow_none=True, metadata={"description": "Google product taxonomy; also decides how sensitive it is"}
    )
    size_type = fields.String(allow_none=True)
    age_group = fields.String(allow_none=True)
    adult = fields.Boolean(allow_none=True)
    shop_class = fields.String(allow_none=True, metadata={"description": "sensitive class the shop marks"})
    shop_tier = fields.Integer(
        allow_none=True, metadata={"description": "tier the shop marks, 0 to 3; can only raise"}
    )
    sponsored = fields.Boolean(
        metadata={"description": "somebody pays for it to be shown; false by default, and said beside it"}
    )
    occasions = fields.List(
        fields.String(validate=validate.OneOf(OCCASIONS)),
        metadata={"description": "what it is made for, such as a feast, beside what its words say"},
    )


class StoredItemSchema(ItemSchema):
    """An item as it is kept, with how sensitive it was found to be."""

    sensitive_class = fields.String(required=True, allow_none=True)
    tier = fields.Integer(required=True)
    deciding_layer = fields.String(required=True)
    age_restricted = fields.Boolean(required=True)
    shop_occasions = fields.List(
        fields.String(), required=True, metadata={"description": "those of `occasions` that the shop named"}
    )
    pressing = fields.Boolean(required=True, metadata={"description": "its title presses to buy"})
    unclassified = fields.Boolean(
        required=True, metadata={"description": "there is nothing but a title to go by"}
    )
    updated_at_ms = fields.Integer(required=True)


class ShownItemSchema(Schema):
    """What a page needs to show an item: what anybody sees of it in the shop."""

    item_id = fields.String(required=True)
    title = fields.String(required=True)
    link = fields.String(required=True, allow_none=True)
    image_link = fields.String(required=True, allow_none=True)
    price_minor = fields.Integer(required=True, allow_none=True)
    currency = fields.String(required=True, allow_none=True)
    available = fields.Boolean(required=True)


class ShownItemsSchema(Schema):
    """The items of a decision, in the order in which they were suggested."""

    items = fields.List(fields.Nested(ShownItemSchema), required=True)


class ItemBatchSchema(RequestSchema):
    """Items to add or replace. Good ones are kept, bad ones are named."""

    items = fields.List(
        fields.Raw(),
        required=True,
        validate=validate.Length(1, MAX_ITEMS),
        metadata={"items": {"$ref": "#/components/schemas/Item"}},
    )


class ItemBatchAnswerSchema(Schema):
    """What became of a batch of items."""

    inserted = fields.Integer(required=True)
    changed = fields.Integer(required=True)
    unchanged = fields.Integer(required=True)
    rejected = fields.Integer(required=True)
    in_force = fields.Boolean(
        required=True,
        metadata={
            "description": "the process that answered judges by the new catalogue; otherwise it soon will"
        },
    )
    errors = fields.List(fields.Nested(RowErrorSchema), required=True)
