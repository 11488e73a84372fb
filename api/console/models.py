"""Models: which is in force, how well it does and at what cost, and what admins can do about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, request
from marshmallow import fields, validate

from api.auth import staff
from api.console.deciding import CLASS_WORDS
from api.console.showing import see_other, show
from api.errors import ModelRefusedError, UnknownModelError
from api.evaluating.leakage_report import kept_report, report_file
from api.languages import say, say_how_many
from api.models import registry
from api.models.cards import FIGURES, chosen_row
from api.models.comparing import compare_models
from api.models.registry import MICRO, ModelState, Registration
from api.models.shadowing import LEAST_TOLD, shadow_report
from api.pages.blueprint import Pages
from api.pages.charts import Line, Point, Upright, lines
from api.pages.forms import Form
from api.pages.sessions import actor, signed_in
from api.schemas.base import RequestSchema, Text
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.storage.training_runs import RunState, TrainingRun
from api.storage.versions import MODEL, active, since_ms
from api.wiring import Wiring, wiring
from engine.artefact import Manifest
from engine.errors import ArtefactError
from guardrails.messages import Phrase

MODELS = "/console/models"
N_RUNS = 10
_MINUTE_S = 60
_PATIENCE_S = 5.0
_READERS, _ADMINS = staff(Role.MARKETER, Role.APPROVER, Role.AUDITOR), staff()

STATE_WORDS: Mapping[ModelState, str] = {
    ModelState.ACTIVE: Phrase("in force"),
    ModelState.CHALLENGER: Phrase("on trial with some customers"),
    ModelState.SHADOW: Phrase("in shadow: asked, never shown"),
    ModelState.KEPT: Phrase("kept: could be put in force"),
    ModelState.ERASED: Phrase("removed to forget customers"),
    ModelState.RETIRED: Phrase("removed because nothing needed it"),
}
"""How models stand."""

RUN_WORDS: Mapping[RunState, str] = {
    RunState.QUEUED: Phrase("waiting"),
    RunState.RUNNING: Phrase("training"),
    RunState.SUCCEEDED: Phrase("done"),
    RunState.FAILED: Phrase("failed"),
    RunState.INTERRUPTED: Phrase("interrupted"),
}
"""How trainings stand."""

STAGE_WORDS: Mapping[str, str] = {
    "": Phrase("getting ready"),
    "waiting until another training ends": Phrase("waiting until another training, or a forgetting, ends"),
    "reading what may be learned from": Phrase("reading what customers permit to be learned from"),
    "choosing the privacy floor": Phrase("choosing how many customers have to stand behind each pair"),
    "learning from everything": Phrase("learning from everything"),
    "done": Phrase("writing the model down"),
}
"""What trainings are at; of another word what is said is the word."""

FIGURE_WORDS: Mapping[str, str] = {
    "ndcg": Phrase("Ranking quality (NDCG)"),
    "recall": Phrase("Found of what customers chose next"),
    "coverage": Phrase("Items that are ever suggested"),
    "answered": Phrase("Customers with suggestions"),
    "novelty": Phrase("Novelty"),
    "diversity": Phrase("Variety within a list"),
    "popularity_bias": Phrase("Leaning towards best sellers"),
}
"""What is measured of models."""

_SEGMENT_WORDS: Mapping[str, str] = {
    "activity": Phrase("How much customers buy"),
    "item_age": Phrase("How new items are"),
    "new_customers": Phrase("Customers who came later"),
}
_NO_SHARES = frozenset({"novelty"})
_COMPARING = "comparing: "

BUDGETS_S = (60, 300, 900, 3_600)
"""How much time can be given to a training, in seconds."""

blueprint = Pages("model_pages", __name__)


class _TrainSchema(RequestSchema):
    budget_s = fields.Integer(required=True, validate=validate.OneOf(BUDGETS_S))
    activate = fields.Boolean(load_default=False)


class _CompareSchema(RequestSchema):
    a = Text(load_default="")
    b = Text(load_default="")


class _ShadowSchema(RequestSchema):
    percent = fields.Integer(required=True, validate=validate.Range(1, 100))


@blueprint.page("GET", MODELS, _READERS)
def models_page() -> Response:
    """Show which model is in force, every other one, and the trainings."""
    return _models(Form({"budget_s": str(BUDGETS_S[0]), "activate": "true"}))


@blueprint.page("POST", f"{MODELS}/train", _ADMINS, form=_TrainSchema())
def train_form(form: Form) -> Response:
    """Begin to train a model; of one that is under way already that one is shown."""
    if not form.ok:
        return _models(form, HTTPStatus.UNPROCESSABLE_ENTITY)
    run, is_new = wiring().trainings.start(
        budget_s=form.data["budget_s"], may_activate=form.data["activate"], actor=actor().key_id
    )
    said = say("The training has begun.") if is_new else say("A training is under way already: this is it.")
    return see_other(f"{MODELS}/runs/{run.run_id}", said)


@blueprint.page("GET", f"{MODELS}/runs/<name:run_id>", _READERS)
def run_page(run_id: str) -> Response:
    """Show how far a training is, or what came of it."""
    run = wiring().trainings.state(run_id)
    part = "HX-Request" in request.headers
    return show("console/models/run_state.html" if part else "console/models/run.html", **_run(run))


@blueprint.page("GET", f"{MODELS}/compare", _READERS, query=_CompareSchema())
def compare_page(query: dict[str, str]) -> Response:
    """Hold two models side by side."""
    there = [each for each in registry.registrations(wiring().engine) if each.model.is_there]
    b = query["b"] or _first_but(there, query["a"])
    a = query["a"] or _first_but(there, b)
    wrong, compared = None, None
    if a and b:
        try:
            compared = compare_models(wiring().engine, wiring().settings, a, b)
        except (ArtefactError, UnknownModelError) as error:
            wrong = say(str(error))
    return show(
        "console/models/compare.html",
        options=[(each.model.version, _option(each)) for each in there],
        form=Form({"a": a, "b": b}),
        compared=compared,
        wrong=wrong,
        figure=_figure,
        figure_words=FIGURE_WORDS,
        state_words={state.value: text for state, text in STATE_WORDS.items()},
        status=HTTPStatus.OK if wrong is None else HTTPStatus.CONFLICT,
    )


@blueprint.page("GET", f"{MODELS}/leakage", _READERS)
def leakage_page() -> Response:
    """Show what suggestions give away to whoever tries to guess from them."""
    found = wiring()
    report = kept_report(report_file(found.settings))
    with reading(found.engine) as conn:
        present = active(conn).get(MODEL)
    return show(
        "console/models/leakage.html",
        report=report,
        overdue=report is not None and report["model"] != present,
        rows=[] if report is None else [_leak(row) for row in report["rows"]],
        micro=MICRO,
    )


@blueprint.page("GET", f"{MODELS}/rollback", _ADMINS)
def roll_back_page() -> Response:
    """Say what going back would do, and ask."""
    present = _in_force(registry.registrations(wiring().engine))
    return _confirm("rollback", None if present is None else present.model.preceded_by)


@blueprint.page("POST", f"{MODELS}/rollback", _ADMINS)
def roll_back_form() -> Response:
    """Go back to the model before."""
    found = wiring()
    try:
        version = registry.roll_back(found.engine, found.settings, found.clock(), actor().key_id)
    except (ModelRefusedError, ArtefactError) as error:
        return _confirm("rollback", None, say(str(error)))
    return see_other(MODELS, _served(found, version))


@blueprint.page("GET", f"{MODELS}/<name:version>", _READERS)
def model_page(version: str) -> Response:
    """Show the card of a model."""
    return _card(version, Form({"percent": "10"}))


@blueprint.page("GET", f"{MODELS}/<name:version>/activate", _ADMINS)
def activate_page(version: str) -> Response:
    """Say what putting a model in force would do, and ask."""
    return _confirm("activate", version)


@blueprint.page("POST", f"{MODELS}/<name:version>/activate", _ADMINS)
def activate_form(version: str) -> Response:
    """Put a model in force."""
    found = wiring()
    try:
        registry.put_in_force(found.engine, found.settings, version, found.clock(), actor().key_id)
    except ArtefactError as error:
        return _confirm("activate", version, say(str(error)))
    return see_other(MODELS, _served(found, version))


@blueprint.page("POST", f"{MODELS}/<name:version>/shadow", _ADMINS, form=_ShadowSchema())
def shadow_form(form: Form, version: str) -> Response:
    """Ask a model beside the one in force, and show nothing of it."""
    found = wiring()
    if not form.ok:
        return _card(version, form)
    share_micro = form.data["percent"] * MICRO // 100
    try:
        registry.put_in_shadow(
            found.engine, found.settings, version, found.clock(), actor().key_id, share_micro=share_micro
        )
    except (ModelRefusedError, ArtefactError) as error:
        return _card(version, form.but("", say(str(error))))
    found.logbook.announce()
    return see_other(f"{MODELS}/{version}", say("It is asked from now on, and nothing of it is shown."))


@blueprint.page("POST", f"{MODELS}/<name:version>/shadow/end", _ADMINS)
def end_shadow_form(version: str) -> Response:
    """Ask a model in shadow no longer."""
    found = wiring()
    registry.end_shadow(found.engine, version, found.clock(), actor().key_id)
    found.logbook.announce()
    return see_other(f"{MODELS}/{version}", say("It is asked no longer; what was counted stays."))


def _models(form: Form, status: HTTPStatus = HTTPStatus.OK) -> Response:
    found = wiring()
    every = registry.registrations(found.engine)
    present = _in_force(every)
    with reading(found.engine) as conn:
        since = since_ms(conn).get(MODEL)
    report = kept_report(report_file(found.settings))
    runs = found.trainings.last(N_RUNS)
    return show(
        "console/models/models.html",
        models=[_listed(each) for each in every],
        present=None if present is None else _listed(present),
        since_ms=since,
        age_days=None if since is None else (found.clock() - since) // 86_400_000,
        runs=runs,
        under_way=next((run for run in runs if run.finished_at_ms is None), None),
        run_words=RUN_WORDS,
        state_words=STATE_WORDS,
        figure=_figure,
        form=form,
        budgets=[(str(n), _time(n)) for n in BUDGETS_S],
        is_admin=_is_admin(),
        may_go_back=present is not None and present.model.preceded_by is not None,
        leakage=report,
        leakage_overdue=report is not None
        and present is not None
        and report["model"] != present.model.version,
        status=status,
    )


def _card(version: str, form: Form) -> Response:
    found = wiring()
    each = registry.registration(found.engine, version)
    manifest = _manifest(each)
    row = None if manifest is None else chosen_row(manifest)
    return show(
        "console/models/model.html",
        model=each.model,
        state=each.state,
        state_words=STATE_WORDS,
        manifest=manifest,
        row=row,
        cost_micro=None if manifest is None else _cost(manifest),
        curve=None if manifest is None else _curve(manifest),
        figures_shown=FIGURES,
        figure=_figure,
        figure_words=FIGURE_WORDS,
        segment_words=_SEGMENT_WORDS,
        shadows=shadow_report(found.engine, version),
        least_told=LEAST_TOLD,
        form=form,
        is_admin=_is_admin(),
        status=HTTPStatus.OK if form.ok else HTTPStatus.UNPROCESSABLE_ENTITY,
    )


def _confirm(act: str, version: str | None, wrong: str | None = None) -> Response:
    """Say what putting another model in force would do, and ask."""
    every = registry.registrations(wiring().engine)
    present = _in_force(every)
    other = next((each for each in every if each.model.version == version), None)
    if act == "activate" and other is None:
        raise UnknownModelError("this model is not in the store")
    if wrong is None and other is None:
        wrong = say("there was no model in force before this one")
    return show(
        "console/models/confirm.html",
        act=act,
        there=f"{MODELS}/rollback" if act == "rollback" else f"{MODELS}/{version}/activate",
        present=None if present is None else _listed(present),
        other=None if other is None else _listed(other),
        figure=_figure,
        state_words=STATE_WORDS,
        wrong=wrong,
        status=HTTPStatus.OK if wrong is None else HTTPStatus.CONFLICT,
    )


def _served(found: Wiring, version: str) -> str:
    """Wait until what was put in force is served, and say so."""
    with reading(found.engine) as conn:
        versions = active(conn)
    found.logbook.announce()
    text = (
        Phrase("Model {version} is in force.", version=version[:12])
        if found.runtime.wait_for(versions, _PATIENCE_S)
        else Phrase("Model {version} is in force in a moment.", version=version[:12])
    )
    return say(text)


def _listed(each: Registration) -> dict[str, Any]:
    """Return what the list says of a model."""
    manifest = _manifest(each)
    return {
        "model": each.model,
        "state": each.state,
        "version": each.model.version,
        "manifest": manifest,
        "row": None if manifest is None else chosen_row(manifest),
    }


def _manifest(each: Registration) -> Manifest | None:
    """Return how a model came to be; ``None`` where that cannot be read."""
    try:
        return each.manifest
    except ArtefactError:
        return None


def _in_force(every: list[Registration]) -> Registration | None:
    return next((each for each in every if each.state is ModelState.ACTIVE), None)


def _first_but(there: list[Registration], version: str) -> str:
    """Return the newest model that is not this one; empty without one."""
    return next((each.model.version for each in there if each.model.version != version), "")


def _option(each: Registration) -> str:
    return f"{each.model.version[:12]} · {say(STATE_WORDS[each.state])}"


def _run(run: TrainingRun) -> dict[str, Any]:
    """Return what is told of a training."""
    now_ms = wiring().clock()
    stage = STAGE_WORDS.get(run.stage)
    if stage is None and run.stage.startswith(_COMPARING):
        stage = Phrase("comparing ways to learn: {name}", name=run.stage.removeprefix(_COMPARING))
    left_s = None
    if run.started_at_ms is not None and run.finished_at_ms is None:
        left_s = max(0, run.budget_s - (now_ms - run.started_at_ms) // 1000)
    return {
        "run": run,
        "stage": stage or run.stage,
        "left": None if left_s is None else _time(left_s),
        "took": None if run.finished_at_ms is None else _took(run),
        "run_words": RUN_WORDS,
    }


def _took(run: TrainingRun) -> str:
    return _time(((run.finished_at_ms or 0) - (run.started_at_ms or run.requested_at_ms)) // 1000)


def _time(seconds: int) -> str:
    """Return a time in words, in minutes where it is as long as one."""
    if seconds >= _MINUTE_S:
        return say_how_many(round(seconds / _MINUTE_S), "{n} minute", "{n} minutes")
    return say_how_many(seconds, "{n} second", "{n} seconds")


def _figure(row: Mapping[str, Any] | None, name: str) -> dict[str, Any] | None:
    """Return a figure with its interval, in millionths, or as it is where it is no share."""
    if row is None or row.get(name) is None:
        return None
    is_share = name not in _NO_SHARES
    unit = MICRO if is_share else 1
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return {
        "is_share": is_share,
        "value": row[name] * unit,
        "low": None if low is None else low * unit,
        "high": None if high is None else high * unit,
    }


def _cost(manifest: Manifest) -> int | None:
    """Return what the privacy floor costs against the lowest that was tried, in millionths."""
    chosen = next((row for row in manifest.floor_curve if row.get("chosen")), None)
    if chosen is None or not manifest.floor_curve[0]["ndcg"]:
        return None
    left: float = chosen["ndcg"] / manifest.floor_curve[0]["ndcg"]
    return max(0, round(MICRO * (1 - left)))


def _curve(manifest: Manifest) -> Upright | None:
    """Return what privacy costs: ranking quality by privacy floor."""
    rows = manifest.floor_curve
    if not rows:
        return None
    points = [
        Point(
            row["ndcg"] * MICRO,
            None if row.get("ndcg_low") is None else row["ndcg_low"] * MICRO,
            None if row.get("ndcg_high") is None else row["ndcg_high"] * MICRO,
            bool(row.get("chosen")),
        )
        for row in rows
    ]
    return lines(
        "floor",
        say("What privacy costs"),
        say(
            "Ranking quality by how many customers stand behind every pair, at least. "
            "The large dot is this model."
        ),
        [str(row["min_support"]) for row in rows],
        [Line(say(FIGURE_WORDS["ndcg"]), points)],
        heading=say("Customers behind every pair, at least"),
        at=[math.log(max(row["min_support"], 1)) for row in rows],
        from_zero=False,
    )


_LEAST_SHOWN, _WIDEST_SHOWN = 0.4, 0.6


def _leak(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is shown of one class: how well it is guessed, and where that lies in a drawing."""

    def place(value: float) -> float:
        return round(100 * min(max((value - _LEAST_SHOWN) / _WIDEST_SHOWN, 0), 1), 2)

    return {
        **row,
        "title": say(CLASS_WORDS[row["name"]])
        if row["name"] in CLASS_WORDS
        else row["name"].rpartition(" > ")[2],
        "places": {
            column: {name: place(row[column][name]) for name in ("auc", "low", "high")}
            for column in ("off", "on")
        },
        "coin": place(0.5),
    }


def _is_admin() -> bool:
    account = signed_in()
    return account is not None and account.role is Role.ADMIN
