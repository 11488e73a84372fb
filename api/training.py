"""Train a model and put it in force: read what may be learned from, learn, write, compare, activate."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from sqlalchemy import Engine

from api.imports.importer import Progress
from api.settings import Settings
from api.storage.connection import reading, writing
from api.storage.interactions import read_for_training
from api.storage.items import load_catalogue
from api.storage.training import training_customers
from api.storage.versions import MODEL, POLICY, ModelRow, activate, active, get_model, get_policy, put_model
from engine.artefact import Manifest, write_artefact
from engine.catalogue import Catalogue
from engine.training import fit
from guardrails.policy.document import from_document
from guardrails.policy.limits import Limits
from guardrails.training_gate import Learnable, learnable

BUDGET_S = 60.0
"""How long learning may take unless told otherwise, in seconds."""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a training did.

    Attributes:
        version: content hash of the model.
        learner: the learner that was chosen.
        activated: the model is in force now.
        because: why it is, or is not.
        n_customers: customers who permit to be learned from.
        n_interactions: interactions learned from.
        n_edges: pairs of items in the model.
        min_support: distinct customers behind every pair, at least.
        kept_out: number of interactions that were not learned from, by rule.
        learners: validation figures of each learner, or why it was skipped.
        notes: what else is worth knowing, one sentence each.
        seconds: how long it all took.
    """

    version: str
    learner: str
    activated: bool
    because: str
    n_customers: int
    n_interactions: int
    n_edges: int
    min_support: int
    kept_out: dict[str, int]
    learners: list[dict[str, Any]]
    notes: list[str]
    seconds: float


def train(
    engine: Engine,
    settings: Settings,
    now_ms: int,
    progress: Progress,
    *,
    may_activate: bool = True,
    budget_s: float = BUDGET_S,
) -> TrainingReport:
    """Train on what customers permit to be learned from now.

    Args:
        engine: the database, up to date.
        settings: where models are kept; how long consent lasts.
        now_ms: the clock, milliseconds since the epoch.
        progress: is told how far it has come.
        may_activate: put the model in force when it is no worse than the one that is.
        budget_s: time for learning.

    Raises:
        ModelFitError: there is nothing to learn from.
        ArtefactError: the model cannot be written.
        StoreUnavailableError: the database cannot be used.
    """
    started = time.monotonic()
    progress(0, None, "reading what may be learned from")
    catalogue, n_customers, admitted = _read(engine, settings, now_ms)
    trained = fit(
        admitted.interactions,
        catalogue.item_ids,
        catalogue.tier,
        now_ms=now_ms,
        budget_s=budget_s,
        progress=lambda stage, done, total: progress(done, total, stage),
    )
    version = write_artefact(settings.artefacts_dir, trained.arrays, trained.manifest)
    activated, because = _put_in_force(
        engine, settings, version, trained.manifest, now_ms, may_activate=may_activate
    )
    manifest = trained.manifest
    return TrainingReport(
        version=version,
        learner=manifest.learner,
        activated=activated,
        because=because,
        n_customers=manifest.n_customers,
        n_interactions=manifest.n_interactions,
        n_edges=manifest.n_edges,
        min_support=manifest.min_support,
        kept_out=dict(admitted.kept_out),
        learners=manifest.metrics,
        notes=manifest.notes,
        seconds=time.monotonic() - started,
    )


def _read(engine: Engine, settings: Settings, now_ms: int) -> tuple[Catalogue, int, Learnable]:
    """Read everything from one state of the database, consent first."""
    with reading(engine) as conn:
        customers = training_customers(conn, settings.consent, now_ms)
        catalogue = load_catalogue(conn)
        policy = active(conn).get(POLICY)
        document = None if policy is None else get_policy(conn, policy)
        found, n_customers = read_for_training(conn, catalogue, customers)
    limits = Limits() if document is None else from_document(document.encode())
    admitted = learnable(
        found, list(customers.values()), catalogue, limits.evidence, settings.consent, now_ms
    )
    return catalogue, n_customers, admitted


def _put_in_force(
    engine: Engine, settings: Settings, version: str, manifest: Manifest, now_ms: int, *, may_activate: bool
) -> tuple[bool, str]:
    """Register the model; activate it when it is no worse, and say why or why not."""
    location = str((settings.artefacts_dir / version).resolve())
    document = orjson.dumps(asdict(manifest), option=orjson.OPT_SERIALIZE_NUMPY).decode()
    with writing(engine) as conn:
        put_model(conn, ModelRow(version, location, document, now_ms))
        before = active(conn).get(MODEL)
        if before == version:
            return True, "it is the model in force already: nothing has changed"
        if not may_activate:
            return False, "activation was not wanted"
        stored = None if before is None else get_model(conn, before)
        no_worse, because = compare(manifest, None if stored is None else orjson.loads(stored.manifest))
        if no_worse:
            activate(conn, MODEL, version, now_ms)
        return no_worse, because


def compare(new: Manifest, in_force: dict[str, Any] | None) -> tuple[bool, str]:
    """Tell whether a model is no worse than the one in force, and why.

    The one in force has seen the customers that the new one was validated on, so its own ranking of
    them would flatter it. Compared is what its learner achieved in the same contest, on the same
    past. Where that cannot be said the new model wins: it knows who has withdrawn since.

    Args:
        new: manifest of the new model.
        in_force: manifest of the one in force; ``None`` where there is none.
    """
    if in_force is None:
        return True, "there was no model in force"
    ndcg = {row["learner"]: row["ndcg"] for row in new.metrics if "ndcg" in row}
    name, other = new.learner, str(in_force["learner"])
    if name not in ndcg or other not in ndcg:
        return True, f"`{other}` was not measured beside it, and consents may have changed since"
    figures = f"NDCG {ndcg[name]:.4f} against {ndcg[other]:.4f} on the same customers"
    if ndcg[name] < ndcg[other]:
        return False, f"`{name}` ranks worse than `{other}`, which is in force: {figures}"
    return True, f"`{name}` ranks no worse than `{other}`, which was in force: {figures}"
