"""What is asked and answered about models."""

from __future__ import annotations

from marshmallow import RAISE, Schema, fields, validate

from api.models.registry import MICRO, ModelState
from api.schemas.base import Flag
from api.storage.training_runs import RunState

LONGEST_BUDGET_S = 86_400
"""Most time that a training may be given for learning, in seconds."""

_STATES = validate.OneOf([state.value for state in ModelState])


class TrainingSchema(Schema):
    """How to train."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE

    activate = Flag(
        load_default=True,
        metadata={"description": "put the model in force if it is no worse than the one that is"},
    )
    budget_s = fields.Integer(
        strict=True,
        load_default=60,
        validate=validate.Range(min=1, max=LONGEST_BUDGET_S),
        metadata={"description": "time for learning, in seconds"},
    )


class TrainingRunSchema(Schema):
    """A training."""

    run_id = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf([state.value for state in RunState]))
    stage = fields.String(required=True, metadata={"description": "what it is at"})
    n_done = fields.Integer(required=True, metadata={"description": "how much of the stage is done"})
    n_total = fields.Integer(
        required=True, allow_none=True, metadata={"description": "of how much; null while not known"}
    )
    budget_s = fields.Integer(required=True)
    activate = Flag(required=True)
    requested_at_ms = fields.Integer(required=True)
    started_at_ms = fields.Integer(required=True, allow_none=True)
    finished_at_ms = fields.Integer(required=True, allow_none=True)
    version = fields.String(
        required=True, allow_none=True, metadata={"description": "of the model that came of it"}
    )
    activated = fields.Boolean(required=True, allow_none=True)
    because = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "why the model was put in force or not, or what went wrong"},
    )


class ModelSchema(Schema):
    """A model and how it came to be."""

    version = fields.String(required=True)
    state = fields.String(required=True, validate=_STATES)
    active = fields.Boolean(required=True)
    created_at_ms = fields.Integer(required=True)
    erased_at_ms = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "when its arrays were removed to forget somebody"},
    )
    retired_at_ms = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "when its arrays were removed because nothing needed them"},
    )
    preceded_by = fields.String(
        required=True, allow_none=True, metadata={"description": "the model that it took the place of"}
    )
    manifest = fields.Dict(required=True)


class ModelsSchema(Schema):
    """Every model in the store, newest first."""

    models = fields.List(fields.Nested(ModelSchema), required=True)


class ModelCardSchema(Schema):
    """What is to be known of a model."""

    version = fields.String(required=True)
    state = fields.String(required=True, validate=_STATES)
    learner = fields.String(required=True)
    created_at_ms = fields.Integer(required=True)
    erased_at_ms = fields.Integer(required=True, allow_none=True)
    retired_at_ms = fields.Integer(required=True, allow_none=True)
    preceded_by = fields.String(required=True, allow_none=True)
    intended = fields.String(required=True, data_key="for", metadata={"description": "what it is for"})
    not_for = fields.List(
        fields.String(), required=True, metadata={"description": "what it may not be used for"}
    )
    sentences = fields.List(fields.String(), required=True, metadata={"description": "the main things first"})
    manifest = fields.Dict(required=True)


class ModelCompareQuerySchema(Schema):
    """Which models."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE

    a = fields.String(required=True, metadata={"description": "version of a model"})
    b = fields.String(required=True, metadata={"description": "version of another"})


class ModelComparisonSchema(Schema):
    """Two models side by side."""

    a = fields.Dict(required=True)
    b = fields.Dict(required=True)
    same_validation = fields.Boolean(
        required=True, metadata={"description": "figures were measured on the same customers"}
    )
    metrics = fields.List(fields.Dict(), required=True, metadata={"description": "figures with intervals"})
    items = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    n_items_compared = fields.Integer(required=True, metadata={"description": "items of slates and edges"})
    slates = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "of item pages whose visitor nothing is known of"},
    )
    edges = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)


class ActivationSchema(Schema):
    """A model was made the active one."""

    version = fields.String(required=True)
    in_force = fields.Boolean(
        required=True,
        metadata={"description": "the process that answered serves it already; otherwise it soon will"},
    )


class ModelShadowSchema(Schema):
    """Of how many decisions a model in shadow is to be asked."""

    class Meta:
        """Marshmallow's switches."""

        unknown = RAISE

    share_micro = fields.Integer(
        strict=True,
        load_default=MICRO,
        validate=validate.Range(min=1, max=MICRO),
        metadata={"description": "share of decisions, in millionths; all of them without"},
    )


class ShadowedSchema(Schema):
    """What was counted while a model was held against another."""

    against = fields.String(required=True, metadata={"description": "the model that was served"})
    watched = fields.Boolean(required=True, metadata={"description": "it is so now"})
    since_ms = fields.Integer(required=True)
    share_micro = fields.Integer(required=True)
    n_decisions = fields.Integer(required=True)
    n_passed_over = fields.Integer(
        required=True, metadata={"description": "could not be made again from what stands now"}
    )
    figures = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "null while there are too few decisions to tell of them"},
    )


class ModelShadowsSchema(Schema):
    """A model in shadow, and what was counted so far."""

    version = fields.String(required=True)
    watched = fields.Boolean(required=True)
    against = fields.List(
        fields.Nested(ShadowedSchema), required=True, metadata={"description": "the last beginning first"}
    )
