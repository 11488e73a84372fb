"""Answers about the service itself."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

NOT_READY = (
    "stopping",
    "database_away",
    "schema_does_not_fit",
    "nothing_loaded",
    "log_guard_away",
    "log_key_unusable",
    "log_forked",
)
"""Why the service can be not ready: it was told to stop, or what it needs is not there or not as it was."""


class LivenessSchema(Schema):
    """The process answers."""

    alive = fields.Boolean(required=True)


class LogStandingSchema(Schema):
    """How the log is doing."""

    size = fields.Integer(required=True, metadata={"description": "entries"})
    quiet_s = fields.Integer(
        required=True, metadata={"description": "seconds since the last one, to the minute"}
    )
    n_not_vouched = fields.Integer(
        required=True, metadata={"description": "entries that no checkpoint was signed of yet"}
    )
    n_witnessed = fields.Integer(
        required=True, metadata={"description": "entries of the last tree that a witness has signed"}
    )
    is_forked = fields.Boolean(
        required=True,
        metadata={"description": "the database is not the one that was signed last: a backup was restored"},
    )
    n_waiting = fields.Integer(
        required=True, metadata={"description": "answers about nobody that wait for the log"}
    )


class ReadinessSchema(Schema):
    """Whether suggestions can be given, and from what."""

    ready = fields.Boolean(required=True)
    because = fields.List(
        fields.String(validate=validate.OneOf(NOT_READY)),
        required=True,
        metadata={"description": "why it is not ready; empty where it is"},
    )
    database = fields.Boolean(required=True, metadata={"description": "the database can be reached"})
    schema_current = fields.Boolean(metadata={"description": "the database has what this release needs"})
    loaded = fields.Boolean(metadata={"description": "catalogue and policy are loaded"})
    model = fields.String(allow_none=True, metadata={"description": "version served; null without one"})
    policy = fields.String(
        allow_none=True, metadata={"description": "version served; null where nothing is loaded"}
    )
    behind = fields.Boolean(metadata={"description": "something newer is active and being loaded"})
    fault = fields.String(
        allow_none=True, metadata={"description": "kind of error of the last attempt to load; null if none"}
    )
    log = fields.Nested(LogStandingSchema)


class GpcSchema(Schema):
    """Support of Global Privacy Control."""

    gpc = fields.Boolean(required=True)
    lastUpdate = fields.Date(required=True)  # noqa: N815  the name is the specification's
