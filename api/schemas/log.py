"""The log itself: its checkpoints, entries and proofs."""

from __future__ import annotations

from marshmallow import RAISE, Schema, fields, validate

from api.schemas.decisions import MOST

MAX_ENTRIES = 1024
DEFAULT_ENTRIES = 256


class _QuerySchema(Schema):
    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE


class CheckpointQuerySchema(_QuerySchema):
    """Which checkpoint is wanted."""

    witnessed = fields.Boolean(
        load_default=False,
        metadata={"description": "the last one that a witness has signed, instead of one of now"},
    )


class EntriesQuerySchema(_QuerySchema):
    """Which entries are wanted."""

    start = fields.Integer(
        load_default=0, validate=validate.Range(0, MOST), metadata={"description": "first position wanted"}
    )
    limit = fields.Integer(load_default=DEFAULT_ENTRIES, validate=validate.Range(1, MAX_ENTRIES))


class InclusionQuerySchema(_QuerySchema):
    """Which entry is to be proved to be in which tree."""

    index = fields.Integer(required=True, validate=validate.Range(0, MOST))
    size = fields.Integer(required=True, validate=validate.Range(1, MOST))


class ConsistencyQuerySchema(_QuerySchema):
    """Which tree is to be proved to go on from which."""

    old = fields.Integer(required=True, validate=validate.Range(0, MOST))
    new = fields.Integer(required=True, validate=validate.Range(0, MOST))


class EntrySchema(Schema):
    """One entry."""

    log_index = fields.Integer(required=True, metadata={"description": "position in the log, from 0"})
    entry = fields.Dict(required=True, metadata={"description": "what it says"})
    entry_base64 = fields.String(required=True, metadata={"description": "its canonical bytes: the leaf"})


class EntriesSchema(Schema):
    """Some entries in order."""

    size = fields.Integer(required=True, metadata={"description": "entries that the log has"})
    min_index = fields.Integer(required=True, metadata={"description": "entries before it were pruned"})
    entries = fields.List(fields.Nested(EntrySchema), required=True)
    next = fields.Integer(
        required=True, allow_none=True, metadata={"description": "`start` of the next run; null at the end"}
    )


class HashesSchema(Schema):
    """A proof: hashes in the order in which they are needed, base64."""

    proof = fields.List(fields.String(), required=True)


class LogKeysSchema(Schema):
    """What the log's signatures are checked with."""

    origin = fields.String(required=True, metadata={"description": "what the log is called in checkpoints"})
    vkeys = fields.List(
        fields.String(), required=True, metadata={"description": "public keys, as c2sp.org/signed-note says"}
    )
    witnesses = fields.List(
        fields.String(), required=True, metadata={"description": "public keys of who is asked to witness it"}
    )
