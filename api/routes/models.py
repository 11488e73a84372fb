"""Models: which there are, which one is served."""

from __future__ import annotations

import orjson
from flask import Response

from api.auth import calling_key, only
from api.errors import UnknownModelError
from api.routes.resource import Resource, json_answer
from api.schemas.decisions import ActivationSchema, ModelsSchema
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.versions import ModelRow, activate_model, active, get_model, list_models
from api.wiring import wiring
from engine.artefact import load_artefact
from engine.errors import ArtefactError

PATIENCE_S = 5.0
"""How long an activation waits until the model is served."""

blueprint = Resource("models", __name__, description="trained models")


@blueprint.operation("GET", "/v1/models", only(Role.MARKETER, Role.AUDITOR), answer=ModelsSchema())
def all_models() -> Response:
    """Return every model with its card: how it was trained and how well it did."""
    with reading(wiring().engine) as conn:
        stored = list_models(conn)
        current = active(conn).get("model")
    return json_answer(
        {
            "models": [
                {
                    "version": model.version,
                    "active": model.version == current,
                    "created_at_ms": model.created_at_ms,
                    "erased_at_ms": model.erased_at_ms,
                    "manifest": orjson.loads(model.manifest),
                }
                for model in stored
            ]
        }
    )


@blueprint.operation(
    "POST",
    "/v1/models/<name:version>/activate",
    only(),
    answer=ActivationSchema(),
    problems=(404, 409, 503),
)
def put_in_force(version: str) -> Response:
    """Make a model the active one, after every byte of it was checked.

    Requests under way are answered from the model before; none fails.
    """
    found = wiring()
    with reading(found.engine) as conn:
        model = _refuse_erased(get_model(conn, version))
    load_artefact(model.location)
    with writing(found.engine) as conn:
        _refuse_erased(get_model(conn, version))  # it may have been meanwhile
        activate_model(conn, version, found.clock(), calling_key().key_id)
        versions = active(conn)
    found.logbook.announce()
    return json_answer({"version": version, "in_force": found.runtime.wait_for(versions, PATIENCE_S)})


def _refuse_erased(model: ModelRow | None) -> ModelRow:
    """Return a model that can be served.

    Raises:
        UnknownModelError: there is none.
        ArtefactError: its arrays were removed.
    """
    if model is None:
        raise UnknownModelError("this model is not in the store")
    if model.erased_at_ms is not None:
        raise ArtefactError("the model was removed to forget customers whom it was learned from")
    return model
