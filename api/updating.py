"""Let the model in force learn from what customers have done since, soon after they did it.

Only models whose edges are counted pairs: what is new reaches some of their rows, and these are counted
again. The outcome is the same, to the bit, as if the learner had learned anew from everything. Other
models wait for the next training. With the first look after midnight (UTC) everything has aged by a
day, and the learner does learn anew.

Who looks whether there is anything new is ``api.model_keeper``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import orjson
from sqlalchemy import Connection, Engine, exists, select

from api.imports.importer import Progress
from api.models.alone import alone
from api.models.lineage import Job, Told, lineage_of
from api.models.registry import Activation, register_model
from api.models.stored import copies_of
from api.settings import Settings
from api.storage.artefacts_used import forget_used
from api.storage.connection import reading, writing
from api.storage.tables import artefacts_used, interactions
from api.storage.training import training_customers
from api.storage.versions import (
    MODEL,
    ModelRow,
    active,
    challenger_model,
    get_model,
    list_models,
    mark_retired,
    shadow_model,
)
from engine.artefact import Manifest, erase_artefact, manifest_of
from guardrails.consent.purposes import Purpose

UPDATE_NOTE = "what customers did since was added to model "
"""What the manifest of a model that was updated says, followed by the version before."""

GRACE_MS = 120_000
"""How long a model that an update took the place of is there still, for who is about to load it."""

MOST_SUPERSEDED = 200
"""So many models that updates took the place of are kept for the records that were made from them.

An update a minute would otherwise fill any disk. A decision of an older one is still explained to the byte
from its record (L1); it is no longer made again from the model (L2).
"""


@dataclass(frozen=True, slots=True)
class ModelUpdate:
    """What an update of the model in force did.

    Attributes:
        before: version of the model that was in force; ``None`` when there was none.
        after: version of the one that is in force now.
        path: ``none`` when there was nothing new to learn from, ``incremental`` when what is new was
            added, ``refit`` when the learner has learned anew from everything, ``not_counted`` when the
            model's edges are not counted, and it waits for the next training.
        n_new: interactions learned from that are new.
        n_rows_rebuilt: rows of the item-to-item matrix that were computed again.
        seconds: how long it took.
    """

    before: str | None
    after: str | None
    path: Literal["none", "incremental", "refit", "not_counted"]
    n_new: int = 0
    n_rows_rebuilt: int = 0
    seconds: float = 0.0


def update_model(engine: Engine, settings: Settings, now_ms: int, progress: Progress) -> ModelUpdate:
    """Let the model in force learn from what was stored since it was learned, as far as that is permitted.

    Nobody who has withdrawn is learned from; who was learned from and has withdrawn since is no longer
    in a model that learns anew, and is taken out of others by ``forget_customers``.

    Args:
        engine: the database.
        settings: where models are kept; how long consent lasts.
        now_ms: the clock, milliseconds since the epoch.
        progress: is told how far it has come, also while it waits for a training to end.

    Raises:
        ArtefactError: a model cannot be read or written.
        StoreUnavailableError: the database cannot be used.
    """
    started = time.monotonic()
    with (
        alone(engine, settings, progress) as still_alone,
        lineage_of(settings, Job.UPDATE, now_ms, None) as told,
    ):
        done = _update(engine, settings, now_ms, progress, told, still_alone)
    return replace(done, seconds=time.monotonic() - started)


def _update(
    engine: Engine,
    settings: Settings,
    now_ms: int,
    progress: Progress,
    told: Told,
    still_alone: Callable[[], None],
) -> ModelUpdate:
    # Learners are not needed to serve, and slow to import.
    from api import training  # noqa: PLC0415
    from engine.models import LEARNERS  # noqa: PLC0415
    from engine.models.base import Counted  # noqa: PLC0415
    from engine.training import refit, update  # noqa: PLC0415

    with reading(engine) as conn:
        row = model_in_force(conn)
        if row is None:
            return ModelUpdate(None, None, "none")
        unchanged = ModelUpdate(row.version, row.version, "none")
        manifest = manifest_of(orjson.loads(row.manifest))
        if not issubclass(LEARNERS.get(manifest.learner, object), Counted):
            return replace(unchanged, path="not_counted")
        if not manifest.read_to or not has_new(conn, manifest.read_to):
            return unchanged
        progress(0, 2, "reading what may be learned from")
        shop = training.read_shop(conn, settings)
        customers = training_customers(conn, shop.consent, now_ms)
        found = training.read_customers(conn, shop, customers, manifest.read_to)
    allowed = training.gate(shop, found, now_ms)
    is_new = found.is_new[allowed.kept]
    if not is_new.any():
        return unchanged
    progress(1, 2, "adding what is new")
    catalogue = shop.catalogue
    classes, goods = training.classes_of(catalogue, allowed), training.goods_of(catalogue)
    items = catalogue.item_ids, catalogue.tier
    before, new = allowed.interactions.where(~is_new), allowed.interactions.where(is_new)
    updated = update(
        copies_of(settings).load(row.location),
        manifest,
        before,
        new,
        *items,
        now_ms=now_ms,
        classes=classes,
        goods=goods,
    )
    if updated is None:
        learned = refit(manifest, allowed.interactions, *items, now_ms=now_ms, classes=classes, goods=goods)
    else:
        learned = updated.trained
    told.took_over(settings.lineage_namespace, row.version)
    trained = training.noted(training.read_up_to(learned, found.read_to), UPDATE_NOTE, row.version)
    still_alone()
    registered = register_model(engine, settings, trained, now_ms, Activation.ALWAYS)
    told.learned(settings.lineage_namespace, trained.manifest, registered.version)
    return ModelUpdate(
        before=row.version,
        after=registered.version,
        path="refit" if updated is None else "incremental",
        n_new=len(new),
        n_rows_rebuilt=len(catalogue.item_ids) if updated is None else updated.n_rows_rebuilt,
    )


def model_in_force(conn: Connection) -> ModelRow | None:
    """Return the model that is in force; ``None`` without one."""
    version = active(conn).get(MODEL)
    return None if version is None else get_model(conn, version)


def has_new(conn: Connection, read_to: int) -> bool:
    """Tell whether anything was stored since, for a profile and of a customer who has an account."""
    new = exists().where(
        interactions.c.interaction_no > read_to,
        interactions.c.purpose == int(Purpose.PROFILING),
        interactions.c.customer_no.is_not(None),
    )
    return bool(conn.scalar(select(new)))


def is_update(manifest: Manifest) -> bool:
    """Tell whether a model came to be by an update: another takes its place every minute or so."""
    return any(each.startswith(UPDATE_NOTE) for each in manifest.notes)


def retire_superseded(engine: Engine, now_ms: int) -> int:
    """Remove the arrays of updated models that others took the place of.

    Of those that records were made from the newest stay, ``MOST_SUPERSEDED`` at most.

    Args:
        engine: the database.
        now_ms: the clock, milliseconds since the epoch.

    Raises:
        ArtefactError: something cannot be removed.
        StoreUnavailableError: the database cannot be used.
    """
    with writing(engine) as conn:
        used = set(conn.scalars(select(artefacts_used.c.version).where(artefacts_used.c.kind == MODEL)))
        superseded = _superseded(conn, now_ms)
        needed = [row.version for row in superseded if row.version in used][:MOST_SUPERSEDED]
        retired = [mark_retired(conn, row.version, now_ms) for row in superseded if row.version not in needed]
        forget_used(conn, MODEL, {row.version for row in retired if row is not None})
    for row in retired:
        if row is not None:
            erase_artefact(row.location)
    return sum(row is not None for row in retired)


def _superseded(conn: Connection, now_ms: int) -> list[ModelRow]:
    """Return updated models that are there and that nobody is asked to use any more, newest first."""
    asked = {active(conn).get(MODEL), shadow_model(conn), challenger_model(conn)}
    return [
        row
        for row in list_models(conn)
        if row.is_there
        and row.version not in asked
        and row.in_force_until_ms is not None
        and row.in_force_until_ms <= now_ms - GRACE_MS
        and is_update(manifest_of(orjson.loads(row.manifest)))
    ]
