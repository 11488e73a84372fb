"""Updates of the model in a process of their own, one at a time on a host."""

from __future__ import annotations

import fcntl
import threading
from functools import partial

from api.beside import done_beside, let_requests_have_the_memory
from api.imports.importer import Progress
from api.models.alone import WAITING
from api.settings import Settings
from api.storage.connection import open_engine
from api.updating import ModelUpdate, update_model
from engine.errors import ArtefactError

LOCK_FILE = ".updating"
"""Held by whoever has the model updated on this host; nobody waits for it."""


def update_beside(settings: Settings, now_ms: int, closed: threading.Event) -> ModelUpdate | None:
    """Update the model; ``None`` if somebody else is at it, or nobody wants it any more.

    Args:
        settings: where models are kept; what an update may take.
        now_ms: the clock, milliseconds since the epoch.
        closed: set when nobody wants the update any more.

    Raises:
        ArtefactError: a model cannot be read or written.
        ModelFitError: there is nothing left to learn from.
        StoreUnavailableError: the database cannot be used.
        WorkFailedError: there was not enough memory, or something nobody thought of went wrong.
        WorkLostError: the process is gone.
    """

    def watch(done: int, total: int | None, message: str) -> None:
        del done, total, message
        if closed.is_set():
            raise _NotNowError

    folder = settings.artefacts_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK_FILE).open("a")
    except OSError as error:
        raise ArtefactError(f"cannot write to `{folder}`: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        try:
            update = partial(_update_at_once, settings, now_ms)
            return done_beside("tactful-update", update, watch)
        except _NotNowError:
            return None


class _NotNowError(Exception):
    """Somebody else trains, forgets or updates, or nobody wants it any more."""


def _update_at_once(settings: Settings, now_ms: int, progress: Progress) -> ModelUpdate | None:
    """Update the model, unless somebody else trains, forgets or updates."""
    from api import training  # noqa: F401, PLC0415  what is imported counts as what the process begins with

    def wait_for_nobody(done: int, total: int | None, message: str) -> None:
        if message == WAITING:
            raise _NotNowError
        progress(done, total, message)

    engine = open_engine(settings)
    let_requests_have_the_memory(settings.training_memory_mb)
    try:
        return update_model(engine, settings, now_ms, wait_for_nobody)
    except _NotNowError:
        return None
    finally:
        engine.dispose()
