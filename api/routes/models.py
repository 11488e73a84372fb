"""Models: trained, compared, watched, put in force, gone back to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response, request
from werkzeug.exceptions import NotFound

from api.auth import calling_key, only
from api.models import registry
from api.models.cards import FIGURES, card, curve_of, curve_png, day, with_interval
from api.models.comparing import compare_models
from api.models.registry import Registration
from api.models.shadowing import shadow_report
from api.pages.rendering import page
from api.routes.resource import Resource, json_answer
from api.schemas.models import (
    ActivationSchema,
    ModelCardSchema,
    ModelCompareQuerySchema,
    ModelComparisonSchema,
    ModelShadowSchema,
    ModelShadowsSchema,
    ModelsSchema,
    TrainingRunSchema,
    TrainingSchema,
)
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.training_runs import TrainingRun
from api.storage.versions import active
from api.wiring import wiring

PATIENCE_S = 5.0
"""How long an activation waits until the model is served."""

_HTML, _JSON = "text/html", "application/json"
_READERS = only(Role.MARKETER, Role.AUDITOR)
_VERSION = "/v1/models/<digest:version>"

blueprint = Resource("models", __name__, description="trained models")


@blueprint.operation("GET", "/v1/models", _READERS, answer=ModelsSchema(), problems=(503,))
def all_models() -> Response:
    """Return every model: how it stands, how it was trained and how well it did."""
    return json_answer({"models": [_listed(each) for each in registry.registrations(wiring().engine)]})


@blueprint.operation(
    "POST",
    "/v1/models/train",
    only(),
    status=202,
    body=TrainingSchema(),
    answer=TrainingRunSchema(),
    also={200: TrainingRunSchema()},
    problems=(422, 503),
    examples={"as usual": {"value": {}}, "only to look at": {"value": {"activate": False, "budget_s": 600}}},
)
def train_model(body: dict[str, Any]) -> Response:
    """Begin to train a model on what customers permit to be learned from now.

    One training at a time: while one is under way it is that one that is answered (200). `Location` is where
    to look how far it is.
    """
    run, is_new = wiring().trainings.start(
        budget_s=body["budget_s"], may_activate=body["activate"], actor=calling_key().key_id
    )
    answer = json_answer(_run(run), 202 if is_new else 200)
    answer.headers["Location"] = f"/v1/models/runs/{run.run_id}"
    return answer


@blueprint.operation(
    "GET", "/v1/models/runs/<name:run_id>", _READERS, answer=TrainingRunSchema(), problems=(404, 503)
)
def training_run(run_id: str) -> Response:
    """Return how far a training is, or what came of it.

    One is interrupted when the server that ran it has ended before it did: begin another.
    """
    return json_answer(_run(wiring().trainings.state(run_id)))


@blueprint.operation(
    "GET",
    "/v1/models/compare",
    _READERS,
    query=ModelCompareQuerySchema(),
    answer=ModelComparisonSchema(),
    problems=(404, 409, 422, 503),
)
def compare(query: dict[str, str]) -> Response:
    """Hold two models side by side: figures with intervals, what they know, how alike their slates are."""
    return json_answer(compare_models(wiring().engine, wiring().settings, query["a"], query["b"]))


@blueprint.operation(
    "POST", "/v1/models/rollback", only(), answer=ActivationSchema(), problems=(404, 409, 503)
)
def roll_back() -> Response:
    """Go back to the model that the present one took the place of.

    Asked again it goes back one more. A model that was removed to forget customers cannot come back.
    """
    found = wiring()
    version = registry.roll_back(found.engine, found.settings, found.clock(), calling_key().key_id)
    return _in_force(version)


@blueprint.operation("GET", _VERSION, _READERS, answer=ModelCardSchema(), problems=(404, 409, 503))
def model_card(version: str) -> Response:
    """Return a model's card; a page for people where `Accept` prefers `text/html`.

    What it was learned from, how well it ranks and for whom, what its privacy floor costs, and what it may
    not be used for. Nothing in it is of any one customer.
    """
    found = registry.registration(wiring().engine, version)
    told = card(found)
    if request.accept_mimetypes.best_match([_JSON, _HTML], _JSON) == _HTML:
        answer = page("model_card.html", **on_page(found))
    else:
        answer = json_answer(told)
    answer.headers["Vary"] = "Accept"
    return answer


def on_page(found: Registration) -> Mapping[str, Any]:
    """Return what the page of a model's card shows."""
    return {
        "card": card(found),
        "manifest": found.manifest,
        "curve": curve_of(found.manifest),
        "figures": FIGURES,
        "with_interval": with_interval,
        "day": day,
    }


@blueprint.operation("GET", f"{_VERSION}/card.png", _READERS, answer=None, problems=(404, 409, 503))
def model_curve(version: str) -> Response:
    """Return what privacy costs, as a picture: NDCG with its interval by floor, the chosen one marked.

    There is none (404) of a model that no other floors were tried for.
    """
    picture = curve_png(registry.registration(wiring().engine, version).manifest)
    if picture is None:
        raise NotFound
    return Response(picture, content_type="image/png")


@blueprint.operation(
    "POST", f"{_VERSION}/activate", only(), answer=ActivationSchema(), problems=(404, 409, 503)
)
def put_in_force(version: str) -> Response:
    """Make a model the active one, after every byte of it was checked.

    Requests under way are answered from the model before; none fails.
    """
    found = wiring()
    registry.put_in_force(found.engine, found.settings, version, found.clock(), calling_key().key_id)
    return _in_force(version)


@blueprint.operation("GET", f"{_VERSION}/shadow", _READERS, answer=ModelShadowsSchema(), problems=(404, 503))
def model_in_shadow(version: str) -> Response:
    """Return what a model in shadow would have shown, in sums over many decisions.

    Shares are in millionths: of decisions in which both models show the same (`equal_micro`), of suggestions
    that both show (`overlap_micro`), of suggestions of whose past the records hold nothing (`new_micro`), so
    that rules that look at it could not act. Nothing is told of fewer than 20 decisions.
    """
    return _shadow(version)


@blueprint.operation(
    "POST",
    f"{_VERSION}/shadow",
    only(),
    body=ModelShadowSchema(),
    answer=ModelShadowsSchema(),
    problems=(404, 409, 422, 503),
    example={"share_micro": 100_000},
)
def watch_model(body: dict[str, int], version: str) -> Response:
    """Ask a model about a share of the decisions that are made from now on, beside the one in force.

    It is asked after the answer was given, and nothing of what it says is shown; sums alone are kept. The
    model that was in shadow before is so no longer.
    """
    found = wiring()
    actor = calling_key().key_id
    registry.put_in_shadow(
        found.engine, found.settings, version, found.clock(), actor, share_micro=body["share_micro"]
    )
    found.logbook.announce()
    return _shadow(version)


@blueprint.operation("DELETE", f"{_VERSION}/shadow", only(), answer=ModelShadowsSchema(), problems=(404, 503))
def stop_watching_model(version: str) -> Response:
    """Ask a model in shadow no longer; what was counted stays."""
    found = wiring()
    registry.end_shadow(found.engine, version, found.clock(), calling_key().key_id)
    found.logbook.announce()
    return _shadow(version)


def _in_force(version: str) -> Response:
    """Answer for a model that was just put in force, once this process serves it."""
    found = wiring()
    with reading(found.engine) as conn:
        versions = active(conn)
    found.logbook.announce()
    return json_answer({"version": version, "in_force": found.runtime.wait_for(versions, PATIENCE_S)})


def _shadow(version: str) -> Response:
    found = wiring()
    standing = registry.registration(found.engine, version).state
    return json_answer(
        {
            "version": version,
            "watched": standing is registry.ModelState.SHADOW,
            "against": shadow_report(found.engine, version),
        }
    )


def _listed(found: Registration) -> dict[str, Any]:
    model = found.model
    return {
        "version": model.version,
        "state": found.state.value,
        "active": found.state is registry.ModelState.ACTIVE,
        "created_at_ms": model.created_at_ms,
        "erased_at_ms": model.erased_at_ms,
        "retired_at_ms": model.retired_at_ms,
        "preceded_by": model.preceded_by,
        "manifest": orjson.loads(model.manifest),
    }


def _run(run: TrainingRun) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "state": run.state.value,
        "stage": run.stage,
        "n_done": run.n_done,
        "n_total": run.n_total,
        "budget_s": run.budget_s,
        "activate": run.may_activate,
        "requested_at_ms": run.requested_at_ms,
        "started_at_ms": run.started_at_ms,
        "finished_at_ms": run.finished_at_ms,
        "version": run.version,
        "activated": run.activated,
        "because": run.because,
    }
