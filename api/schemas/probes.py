"""Answers about the service itself."""

from __future__ import annotations

from marshmallow import Schema, fields


class LivenessSchema(Schema):
    """The process answers."""

    alive = fields.Boolean(required=True)


class ReadinessSchema(Schema):
    """Whether suggestions can be given, and from what."""

    ready = fields.Boolean(required=True)
    database = fields.Boolean(required=True, metadata={"description": "the database can be reached"})
    schema_current = fields.Boolean(metadata={"description": "every migration has been run"})
    loaded = fields.Boolean(metadata={"description": "catalogue and policy are loaded"})
    model = fields.String(allow_none=True, metadata={"description": "version served; null without one"})
    policy = fields.String(
        allow_none=True, metadata={"description": "version served; null where nothing is loaded"}
    )
    behind = fields.Boolean(metadata={"description": "something newer is active and being loaded"})
    fault = fields.String(
        allow_none=True, metadata={"description": "kind of error of the last attempt to load; null if none"}
    )


class GpcSchema(Schema):
    """Support of Global Privacy Control."""

    gpc = fields.Boolean(required=True)
    lastUpdate = fields.Date(required=True)  # noqa: N815  the name is the specification's
