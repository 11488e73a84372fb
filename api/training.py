"""Models over time: train one and put it in force; take customers out of the one that is.

Both happen one at a time on a host, and on all hosts that share a PostgreSQL database. So a training
that has read somebody's history has put its model in force, or dropped it, before that person is
taken out of what is in force.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from api.imports.importer import Progress
from api.logging import warn
from api.machine import free_memory_bytes
from api.models.alone import LOCK_FILE, TRAINING_LOCK, alone
from api.models.lineage import Job, Told, lineage_of
from api.models.registry import Activation, Registered, register_model, write_model
from api.models.stored import copies_of
from api.settings import Settings
from api.storage.bulk import last_interaction_no, read_bulk
from api.storage.connection import reading, writing
from api.storage.items import load_catalogue
from api.storage.notices import consent_in_force
from api.storage.training import once_learned_from, training_customers
from api.storage.versions import (
    MODEL,
    SYSTEM,
    ModelRow,
    activate_model,
    active,
    get_model,
    mark_erased,
    policy_in_force,
    put_model,
)
from engine.artefact import (
    Artefact,
    Manifest,
    erase_artefact,
    erase_unnamed,
    manifest_of,
)
from engine.catalogue import NO_CODE, Catalogue
from engine.errors import ArtefactError, ModelFitError
from engine.evaluation.remembered import Remembered
from engine.interactions import Interactions
from engine.training import Classes, Goods, Trained, fit, forget, refit
from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.consent.purposes import Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.policy.limits import Limits
from guardrails.training_gate import Learnable, TrainingCustomer, learnable

__all__ = [
    "LOCK_FILE",
    "TRAINING_LOCK",
    "ModelForgetting",
    "TrainingReport",
    "classes_of",
    "forget_customers",
    "train",
]

BUDGET_S = 60.0
"""How long learning may take unless told otherwise, in seconds."""

_FORGETTING_NOTE = "customers were taken out of model "


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


@dataclass(frozen=True, slots=True)
class ModelForgetting:
    """What taking customers out of the models did.

    Attributes:
        before: version of the model that was in force; ``None`` when there was none.
        after: version of the one that is in force now; ``None`` when nobody was left to learn from.
        path: ``untouched`` when the customers never agreed to be learned from, ``incremental`` when
            they were taken out of the model in force, ``refit`` when its learner has learned anew from
            what may be learned from now, ``none`` when no model is in force.
        n_rows_rebuilt: rows of the item-to-item matrix that were computed again.
        erased: versions whose arrays were removed, because they may have held the customers.
        seconds: how long it all took.
    """

    before: str | None
    after: str | None
    path: Literal["untouched", "incremental", "refit", "none"]
    n_rows_rebuilt: int
    erased: tuple[str, ...]
    seconds: float


def forget_customers(
    engine: Engine, settings: Settings, gone: Collection[int], now_ms: int, progress: Progress
) -> ModelForgetting:
    """Take customers out of the model in force, and remove every other model that may hold them.

    Call it when nothing may be learned from them any more, and before what they did is removed. It
    can be called again at any time, also after it was interrupted. One pass takes out any number.

    The model without them comes into force however well it ranks: forgetting waits for nothing. It is
    the same, to the bit, as if they had never been there. Where more has changed since the model was
    trained than that they go, its learner learns anew, from what may be learned from now.

    Args:
        engine: the database.
        settings: where models are kept; how long consent lasts.
        gone: storage keys of the customers.
        now_ms: the clock, milliseconds since the epoch.
        progress: is told how far it has come, also while it waits for a training to end.

    Raises:
        ArtefactError: a model cannot be written or removed.
        StoreUnavailableError: the database cannot be used.
    """
    started = time.monotonic()
    with alone(engine, settings, progress), lineage_of(settings, Job.FORGET, now_ms) as told:
        report = _forget(engine, settings, gone, now_ms, progress, told)
        told.counts |= {"path": report.path, "nRowsRebuilt": report.n_rows_rebuilt}
    return replace(report, seconds=time.monotonic() - started)


def _forget(
    engine: Engine,
    settings: Settings,
    gone: Collection[int],
    now_ms: int,
    progress: Progress,
    told: Told,
) -> ModelForgetting:
    """Do what ``forget_customers`` does, while nobody else trains or forgets."""
    with reading(engine) as conn:
        before = active(conn).get(MODEL)
        row = None if before is None else get_model(conn, before)
        touched = once_learned_from(conn, gone, now_ms).keys()
    if before is not None:
        told.took_over(settings.lineage_namespace, before)
    if not touched:
        return ModelForgetting(before, before, "untouched", 0, (), 0.0)
    without = None if row is None else _without(engine, settings, row, touched, now_ms, progress)
    progress(2, 3, "putting the model in force")
    after = None if without is None else write_model(settings, without.trained, now_ms)
    with writing(engine) as conn:
        if after is not None:
            put_model(conn, after)
        activate_model(conn, None if after is None else after.version, now_ms)
        erased = mark_erased(conn, after.version if after else None, now_ms)
    for each in erased:
        erase_artefact(each.location)
    for root in {settings.artefacts_dir, settings.models_root}:
        erase_unnamed(root, () if after is None else {after.version})
    copies_of(settings).keep_only(() if after is None else {after.version})
    if without is not None and after is not None:
        told.learned(settings.lineage_namespace, without.trained.manifest, after.version)
    return ModelForgetting(
        before=before,
        after=None if after is None else after.version,
        path="none" if without is None else without.path,
        n_rows_rebuilt=0 if without is None else without.n_rows_rebuilt,
        erased=tuple(each.version for each in erased if each.erased_at_ms == now_ms),
        seconds=0.0,
    )


class _Without(NamedTuple):
    trained: Trained
    path: Literal["incremental", "refit"]
    n_rows_rebuilt: int


def _without(
    engine: Engine,
    settings: Settings,
    row: ModelRow,
    gone: Collection[int],
    now_ms: int,
    progress: Progress,
) -> _Without | None:
    """Return the model of ``row`` without some customers; ``None`` if there is nothing to learn from."""
    model, manifest = _load(settings, row)
    if manifest is None:
        return None
    progress(0, 3, "reading what may be learned from")
    with reading(engine) as conn:
        shop = read_shop(conn, settings)
        stay = training_customers(conn, shop.consent, now_ms)
        stay = {customer_no: each for customer_no, each in stay.items() if customer_no not in gone}
        everybody = stay | once_learned_from(conn, gone, manifest.as_of_ms)
        found = read_customers(conn, shop, everybody, manifest.read_to)
    progress(1, 3, "forgetting")
    is_gone = np.isin(found.customer_nos, np.array(sorted(gone), np.int64))
    try:
        without = None if model is None else _taken_out(model, shop, found, is_gone)
        if without is None:
            trained = read_up_to(_learned_anew(manifest, shop, found, is_gone, now_ms), found.read_to)
            without = _Without(
                noted(trained, _FORGETTING_NOTE, row.version), "refit", len(shop.catalogue.item_ids)
            )
    except ModelFitError as error:
        warn("model:forget:nothing_left", error)
        return None
    return without


def _taken_out(model: Artefact, shop: ShopNow, found: Found, is_gone: NDArray[np.bool_]) -> _Without | None:
    """Return the model without the customers who go, if what it was made from is what is found now."""
    if model.item_ids != shop.catalogue.item_ids:
        return None
    as_of_ms, read_to = model.manifest.as_of_ms, model.manifest.read_to
    allowed = gate(shop, found, as_of_ms)
    classes, goods = classes_of(shop.catalogue, allowed), goods_of(shop.catalogue)
    was_there = ~found.is_new[allowed.kept] if read_to else allowed.interactions.at_ms <= as_of_ms
    known = allowed.interactions.where(was_there)
    goes = is_gone[known.customer_idx]
    nobody = np.zeros_like(goes)
    for out in (goes, nobody):  # nobody, where an earlier pass took them out
        split = known.where(~goes), known.where(out)
        forgotten = forget(model, model.manifest, *split, shop.catalogue.tier, classes=classes, goods=goods)
        if forgotten is not None:
            trained = (
                noted(forgotten.trained, _FORGETTING_NOTE, model.version) if out.any() else forgotten.trained
            )
            return _Without(read_up_to(trained, read_to), "incremental", forgotten.n_rows_rebuilt)
    return None


def _learned_anew(
    manifest: Manifest, shop: ShopNow, found: Found, is_gone: NDArray[np.bool_], now_ms: int
) -> Trained:
    """Learn from what may be learned from now, as the model was learned; see ``refit`` for errors."""
    admitted = gate(shop, found, now_ms)
    classes, goods = classes_of(shop.catalogue, admitted), goods_of(shop.catalogue)
    allowed = admitted.interactions.where(~is_gone[admitted.interactions.customer_idx])
    return refit(
        manifest,
        allowed,
        shop.catalogue.item_ids,
        shop.catalogue.tier,
        now_ms=now_ms,
        classes=classes,
        goods=goods,
    )


def _load(settings: Settings, row: ModelRow) -> tuple[Artefact | None, Manifest | None]:
    """Return a model and how it was made, as far as either is there."""
    try:
        model = copies_of(settings).load(row.location)
    except ArtefactError as error:
        warn("model:load:failed", error)
    else:
        return model, model.manifest
    try:
        return None, manifest_of(orjson.loads(row.manifest))
    except ArtefactError:
        return None, None


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
