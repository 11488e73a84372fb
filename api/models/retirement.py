"""Models and states of the catalogue that nothing needs any more: their files go, what is known stays.

A model is needed as long as it is in force, in shadow or on trial, and as long as a record is kept that was
made from it; after that it is kept for some days more, to go back to. A state of the catalogue is needed as
long as it is the present one, or as a record is kept that was made from it.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from api.errors import ModelRefusedError, UnknownModelError
from api.imports.importer import Progress
from api.models.alone import alone
from api.models.stored import changing_catalogues
from api.settings import Settings
from api.storage.artefacts_used import forget_used, note_unknown, unneeded
from api.storage.connection import reading, writing
from api.storage.items import load_catalogue
from api.storage.log import read_state
from api.storage.versions import (
    CATALOGUE,
    MODEL,
    ModelRow,
    active,
    challenger_model,
    get_model,
    list_models,
    mark_retired,
    shadow_model,
)
from engine.artefact import erase_artefact
from engine.interactions import DAY_MS
from engine.snapshots import Snapshots


def idle_models(engine: Engine, keep_days: int, now_ms: int) -> list[ModelRow]:
    """Return the models whose arrays are there and that nothing has needed for so many days.

    Args:
        engine: the database.
        keep_days: days since a model was stored, or in force last; 0 for never.
        now_ms: the clock, milliseconds since the epoch.

    Raises:
        StoreUnavailableError: the database cannot be used now.
    """
    if not keep_days:
        return []
    before_ms = now_ms - keep_days * DAY_MS
    with writing(engine) as conn:
        rows = [row for row in list_models(conn) if row.is_there]
        note_unknown(conn, MODEL, {row.version for row in rows}, read_state(conn).size)
        free = unneeded(conn, MODEL) - _asked(conn)
    return [
        row
        for row in rows
        if row.version in free and max(row.created_at_ms, row.in_force_until_ms or 0) <= before_ms
    ]


def retire_models(engine: Engine, settings: Settings, now_ms: int, progress: Progress) -> int:
    """Remove the arrays of models that nothing needs; return how many models those were.

    Raises:
        ArtefactError: something cannot be removed.
        StoreUnavailableError: the database cannot be used now.
    """
    if not idle_models(engine, settings.model_keep_days, now_ms):
        return 0
    with alone(engine, settings, progress):
        idle = idle_models(engine, settings.model_keep_days, now_ms)
        return sum(_retired(engine, row.version, now_ms) for row in idle)


def retire_model(
    engine: Engine, settings: Settings, version: str, now_ms: int, progress: Progress, *, needed: bool = False
) -> None:
    """Remove the arrays of one model; what is known of it stays.

    Args:
        engine: the database.
        settings: where models are.
        version: of the model.
        now_ms: the clock, milliseconds since the epoch.
        progress: is told while it waits for a training to end.
        needed: also if records are kept that could not be made again without it.

    Raises:
        UnknownModelError: there is none of that version.
        ModelRefusedError: it is in force, in shadow or on trial, was removed before, or is needed.
        ArtefactError: something cannot be removed.
        StoreUnavailableError: the database cannot be used now.
    """
    with alone(engine, settings, progress):
        with writing(engine) as conn:
            model = get_model(conn, version)
            if model is None:
                raise UnknownModelError("this model is not in the store")
            note_unknown(conn, MODEL, {version}, read_state(conn).size)
            if not needed and version not in unneeded(conn, MODEL):
                raise ModelRefusedError("records that are kept could not be made again without this model")
        if not _retired(engine, version, now_ms):
            raise ModelRefusedError("this model is in use, or its arrays were removed before")


def _retired(engine: Engine, version: str, now_ms: int) -> bool:
    """Remove a model that is not asked for suggestions; tell whether it was there."""
    with writing(engine) as conn:
        model = mark_retired(conn, version, now_ms)
        if model is None:
            return False
        forget_used(conn, MODEL, {version})
    erase_artefact(model.location)
    return True


def _asked(conn: Connection) -> set[str | None]:
    """Return the models that are asked for suggestions, whether or not these are shown."""
    return {active(conn).get(MODEL), shadow_model(conn), challenger_model(conn)}


def idle_catalogues(engine: Engine, settings: Settings) -> set[str]:
    """Return the states of the catalogue that are on disk and that nothing needs.

    Raises:
        SnapshotError: the folder cannot be read.
        StoreUnavailableError: the database cannot be used now.
    """
    there = set(Snapshots(settings.catalogues_root).versions())
    with writing(engine) as conn:
        note_unknown(conn, CATALOGUE, there, read_state(conn).size)
        free = unneeded(conn, CATALOGUE) & there
    if not free:
        return set()
    with reading(engine) as conn:
        return free - {load_catalogue(conn, settings.consent.raised_classes).version}


def retire_catalogues(engine: Engine, settings: Settings) -> int:
    """Remove states of the catalogue that nothing needs; return how many those were.

    Raises:
        SnapshotError: something cannot be removed.
        StoreUnavailableError: the database cannot be used now.
    """
    idle = idle_catalogues(engine, settings)
    if not idle:
        return 0
    snapshots = Snapshots(settings.catalogues_root)
    with changing_catalogues(engine, settings):
        n_removed = snapshots.prune(set(snapshots.versions()) - idle)
    with writing(engine) as conn:
        forget_used(conn, CATALOGUE, idle)
    return n_removed
