"""Customers are taken out of the model in force, and every other one that may hold them is removed."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple, Protocol

import orjson
from sqlalchemy import Engine

from api.beside import done_beside
from api.imports.importer import Progress
from api.models.alone import alone
from api.models.lineage import Job, Told, lineage_of
from api.models.stored import copies_of
from api.settings import Settings
from api.storage.connection import open_engine, reading, writing
from api.storage.training import once_learned_from
from api.storage.versions import MODEL, ModelRow, activate_model, active, get_model, mark_erased, put_model
from engine.artefact import erase_artefact, erase_unnamed, manifest_of


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


class Without(NamedTuple):
    """A model that was written to where models are kept, and is not in force yet.

    Attributes:
        row: what is to be stored of it.
        path: as in ``ModelForgetting``.
        n_rows_rebuilt: as in ``ModelForgetting``.
    """

    row: ModelRow
    path: Literal["incremental", "refit"]
    n_rows_rebuilt: int


class LearnWithout(Protocol):
    """Makes of a model the one without some customers."""

    def __call__(
        self,
        engine: Engine,
        settings: Settings,
        row: ModelRow,
        gone: Collection[int],
        now_ms: int,
        progress: Progress,
    ) -> Without | None:
        """Return it once it is written; ``None`` if there is nothing left to learn from."""


def without_here(
    engine: Engine,
    settings: Settings,
    row: ModelRow,
    gone: Collection[int],
    now_ms: int,
    progress: Progress,
) -> Without | None:
    """Make it in this process."""
    from api.forgetting.without import model_without  # noqa: PLC0415  learners are not needed to serve

    return model_without(engine, settings, row, gone, now_ms, progress)


def without_beside(
    engine: Engine,
    settings: Settings,
    row: ModelRow,
    gone: Collection[int],
    now_ms: int,
    progress: Progress,
) -> Without | None:
    """Have it made by a process of its own, so that requests do not wait for it.

    That may take whatever memory there is: somebody is to be forgotten.
    """
    del engine  # belongs to this process
    task = partial(_without, settings, row, frozenset(gone), now_ms)
    return done_beside("tactful-forgetting", task, progress)


def _without(
    settings: Settings, row: ModelRow, gone: Collection[int], now_ms: int, progress: Progress
) -> Without | None:
    engine = open_engine(settings)
    try:
        return without_here(engine, settings, row, gone, now_ms, progress)
    finally:
        engine.dispose()


def forget_customers(
    engine: Engine,
    settings: Settings,
    gone: Collection[int],
    now_ms: int,
    progress: Progress,
    learn_without: LearnWithout = without_here,
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
        learn_without: makes the model without them.

    Raises:
        ArtefactError: a model cannot be written or removed.
        StoreUnavailableError: the database cannot be used.
        WorkLostError: the process that made the model without them is gone.
    """
    started = time.monotonic()
    with alone(engine, settings, progress), lineage_of(settings, Job.FORGET, now_ms) as told:
        report = _forget(engine, settings, gone, now_ms, progress, learn_without, told)
        told.counts |= {"path": report.path, "nRowsRebuilt": report.n_rows_rebuilt}
    return replace(report, seconds=time.monotonic() - started)


def _forget(
    engine: Engine,
    settings: Settings,
    gone: Collection[int],
    now_ms: int,
    progress: Progress,
    learn_without: LearnWithout,
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
    without = None if row is None else learn_without(engine, settings, row, touched, now_ms, progress)
    after = None if without is None else without.row
    progress(2, 3, "putting the model in force")
    with writing(engine) as conn:
        if after is not None:
            put_model(conn, after)
        activate_model(conn, None if after is None else after.version, now_ms)
        erased = mark_erased(conn, after.version if after else None, now_ms)
    for each in erased:
        erase_artefact(each.location)
    stay = () if after is None else {after.version}
    for root in {settings.artefacts_dir, settings.models_root}:
        erase_unnamed(root, stay)
    copies_of(settings).keep_only(stay)
    if after is not None:
        told.learned(settings.lineage_namespace, manifest_of(orjson.loads(after.manifest)), after.version)
    return ModelForgetting(
        before=before,
        after=None if after is None else after.version,
        path="none" if without is None else without.path,
        n_rows_rebuilt=0 if without is None else without.n_rows_rebuilt,
        erased=tuple(each.version for each in erased if each.erased_at_ms == now_ms),
        seconds=0.0,
    )
