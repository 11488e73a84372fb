"""Train a model on what customers permit to be learned from, and put it in force.

One at a time on a host, and on all hosts that share a PostgreSQL database. So a training that has read
somebody's history has put its model in force, or dropped it, before that person is taken out of what is
in force.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from api.imports.importer import Progress
from api.machine import free_memory_bytes
from api.models.alone import alone
from api.models.lineage import Job, lineage_of
from api.models.registry import Activation, Registered, register_model
from api.settings import Settings
from api.storage.bulk import last_interaction_no, read_bulk
from api.storage.connection import reading
from api.storage.items import load_catalogue
from api.storage.notices import consent_in_force
from api.storage.training import training_customers
from api.storage.versions import SYSTEM, policy_in_force
from engine.artefact import Manifest
from engine.catalogue import NO_CODE, Catalogue
from engine.evaluation.remembered import Remembered
from engine.interactions import Interactions
from engine.training import Classes, Goods, Trained, fit
from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.consent.purposes import Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.policy.limits import Limits
from guardrails.training_gate import Learnable, TrainingCustomer, learnable

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
        n_customers: customers learned from.
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
    memory_bytes: int | None = None,
    remember: Path | None = None,
    actor: str = SYSTEM,
    run_id: str | None = None,
) -> TrainingReport:
    """Train on what customers permit to be learned from now.

    Args:
        engine: the database, up to date.
        settings: where models are kept; how long consent lasts.
        now_ms: the clock, milliseconds since the epoch.
        progress: is told how far it has come.
        may_activate: put the model in force when it is no worse than the one that is.
        budget_s: time for learning.
        memory_bytes: what learning may take; ``None`` for what the machine has left.
        remember: file of what was measured when learners were compared; what is in it is not measured again.
        actor: id of the key that asked for it.
        run_id: UUID of the run; ``None`` draws one.

    Raises:
        ModelFitError: there is nothing to learn from.
        ArtefactError: the model cannot be written.
        StoreUnavailableError: the database cannot be used.
    """
    started = time.monotonic()
    with (
        alone(engine, settings, progress) as still_alone,
        lineage_of(settings, Job.TRAIN, now_ms, run_id) as told,
    ):
        progress(0, None, "reading what may be learned from")
        with reading(engine) as conn:
            shop = read_shop(conn, settings)
            found = read_customers(conn, shop, training_customers(conn, shop.consent, now_ms))
        admitted = gate(shop, found, now_ms)
        trained = fit(
            admitted.interactions,
            shop.catalogue.item_ids,
            shop.catalogue.tier,
            now_ms=now_ms,
            classes=classes_of(shop.catalogue, admitted),
            goods=goods_of(shop.catalogue),
            budget_s=budget_s,
            memory_bytes=free_memory_bytes() if memory_bytes is None else memory_bytes,
            remember=Remembered(remember),
            progress=lambda stage, done, total: progress(done, total, stage),
        )
        trained = read_up_to(trained, found.read_to)
        activation = Activation.IF_NO_WORSE if may_activate else Activation.NEVER
        still_alone()
        registered = register_model(engine, settings, trained, now_ms, activation, actor)
        told.learned(settings.lineage_namespace, trained.manifest, registered.version)
        told.counts["activated"] = registered.activated
    return report_of(registered, trained.manifest, dict(admitted.kept_out), started)


def report_of(
    registered: Registered, manifest: Manifest, kept_out: dict[str, int], started_s: float
) -> TrainingReport:
    """Return what is told of a training; ``started_s`` is when it began, by the monotonic clock."""
    return TrainingReport(
        version=registered.version,
        learner=manifest.learner,
        activated=registered.activated,
        because=registered.because,
        n_customers=manifest.n_customers,
        n_interactions=manifest.n_interactions,
        n_edges=manifest.n_edges,
        min_support=manifest.min_support,
        kept_out=kept_out,
        learners=manifest.metrics,
        notes=manifest.notes,
        seconds=time.monotonic() - started_s,
    )


def noted(trained: Trained, note: str, version: str) -> Trained:
    """Say in the manifest which model it was before; of several times the last."""
    notes = [each for each in trained.manifest.notes if not each.startswith(note)]
    return trained._replace(manifest=replace(trained.manifest, notes=[*notes, f"{note}{version}"]))


def read_up_to(trained: Trained, read_to: int) -> Trained:
    """Say in the manifest up to which interaction was read."""
    return trained._replace(manifest=replace(trained.manifest, read_to=read_to))


class ShopNow(NamedTuple):
    """What the gate needs to know beside the customers."""

    catalogue: Catalogue
    limits: Limits
    consent: ConsentSettings


class Found(NamedTuple):
    """Interactions of customers; ``customer_idx`` points into both lists.

    ``is_new`` tells of each interaction whether it was stored after a model was learned, and
    ``read_to`` is the number of the last one that there is, whoever did it.
    """

    interactions: Interactions
    customer_nos: list[int]
    customers: list[TrainingCustomer]
    is_new: NDArray[np.bool_]
    read_to: int


def read_shop(conn: Connection, settings: Settings) -> ShopNow:
    """Return what the gate goes by, as it is now."""
    policy, _ = policy_in_force(conn)
    catalogue = load_catalogue(conn, settings.consent.raised_classes)
    return ShopNow(catalogue, policy.limits, consent_in_force(conn, settings.consent))


def read_customers(
    conn: Connection, shop: ShopNow, customers: dict[int, TrainingCustomer], read_to: int = 0
) -> Found:
    """Return what customers did; what was stored after the interaction ``read_to`` is new."""
    customer_nos = sorted(customers)
    wanted = np.array(customer_nos, np.int64)
    interactions, is_new = read_bulk(conn, shop.catalogue, wanted, (Purpose.PROFILING,), read_to)
    last_no = last_interaction_no(conn)
    return Found(interactions, customer_nos, [customers[each] for each in customer_nos], is_new, last_no)


def gate(shop: ShopNow, found: Found, at_ms: int) -> Learnable:
    """Keep what a model may learn from."""
    return learnable(
        found.interactions, found.customers, shop.catalogue, shop.limits.evidence, shop.consent, at_ms
    )


def classes_of(catalogue: Catalogue, admitted: Learnable) -> Classes:
    """Return what is sensitive about the items, and of whom it may be known."""
    needs_consent = catalogue.tier >= SENSITIVE_FROM_TIER
    of_item = np.where(needs_consent, catalogue.sensitive_class, NO_CODE).astype(np.int16)
    return Classes(catalogue.sensitive_classes, of_item, admitted.agreed)


def goods_of(catalogue: Catalogue) -> Goods:
    """Return what is told of the items where customers tell too little: category, title and brand."""
    categories, brands = (*catalogue.categories, ""), (*catalogue.brands, "")  # -1, unknown, reads the last
    texts = (
        f"{title} {brands[brand]} {categories[category]}"
        for title, brand, category in zip(
            catalogue.titles, catalogue.brand.tolist(), catalogue.category.tolist(), strict=True
        )
    )
    return Goods(catalogue.category, tuple(texts))
