"""Updates of the model in a process of their own, one at a time on a host.

An update reads and counts for seconds, in a large shop for many. Within the server it would take the
interpreter from the requests that often, and the memory it needs for a moment would stay the server's.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection as Pipe
from typing import Any, NoReturn, TypeAlias

from api.beside import let_requests_have_the_memory, work_beside
from api.errors import EdgeError, UpdateLostError
from api.logging import warn
from api.models.alone import WAITING
from api.settings import Settings
from api.storage.connection import open_engine
from api.updating import ModelUpdate, update_model
from engine.errors import ArtefactError, EngineError
from guardrails.errors import GuardrailError

LOCK_FILE = ".updating"
"""Held by whoever has the model updated on this host; nobody waits for it."""

_NICENESS = 10
"""Requests come first where there is not enough of the processor for both: nobody waits for an update."""

_LOOKS_EVERY_S = 0.2
_ENDS_WITHIN_S = 5.0
_GONE = "the process that let the model learn from what is new is gone"

_Outcome: TypeAlias = ModelUpdate | Exception | None


class UpdateBeside:
    """Has the model updated by a process of its own.

    Args:
        settings: every setting.
        closed: set when nobody wants the update any more.
    """

    def __init__(self, settings: Settings, closed: threading.Event) -> None:
        self._settings, self._closed = settings, closed

    def update(self, now_ms: int) -> ModelUpdate | None:
        """Update the model; ``None`` if somebody else is at it, or nobody wants it any more.

        Args:
            now_ms: the clock, milliseconds since the epoch.

        Raises:
            ArtefactError: a model cannot be read or written.
            ModelFitError: there is nothing left to learn from.
            StoreUnavailableError: the database cannot be used.
            UpdateLostError: the process is gone: killed, or it had no memory left.
        """
        folder = self._settings.artefacts_dir
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
            return self._updated(now_ms)

    def _updated(self, now_ms: int) -> ModelUpdate | None:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(
            target=update_beside, args=(self._settings, now_ms, theirs), name="tactful-update", daemon=True
        )
        with ours:
            with theirs:
                process.start()
            try:
                outcome = self._outcome(ours)
            finally:
                if self._closed.is_set():
                    process.terminate()
                process.join(_ENDS_WITHIN_S)
                process.kill()
                process.join()
                process.close()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _outcome(self, ours: Pipe) -> _Outcome:
        """Wait until there is one, or nobody wants it any more."""
        while not self._closed.is_set():
            if ours.poll(_LOOKS_EVERY_S):
                try:
                    outcome: _Outcome = ours.recv()
                except EOFError:
                    raise UpdateLostError(_GONE) from None
                return outcome
        return None


class _NotNowError(Exception):
    """Somebody else trains, forgets or updates, or nobody wants it any more."""


def update_beside(settings: Settings, now_ms: int, to: Pipe) -> None:
    """Update the model in this process, and tell another what came of it.

    Args:
        settings: every setting.
        now_ms: the clock, milliseconds since the epoch.
        to: where it is told.
    """
    work_beside()
    signal.signal(signal.SIGTERM, _stop)
    os.nice(_NICENESS)
    let_requests_have_the_memory(settings.training_memory_mb)
    try:
        to.send(_update(settings, now_ms))
    except _NotNowError:
        to.send(None)
    except (EdgeError, EngineError, GuardrailError) as error:  # their texts name nobody
        to.send(error)
    except Exception as error:  # noqa: BLE001  whoever waits is to know of it
        warn("model:update:failed", error)
        to.send(UpdateLostError(f"{_GONE}: {type(error).__name__}"))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        to.close()


def _update(settings: Settings, now_ms: int) -> ModelUpdate:
    engine = open_engine(settings)
    try:
        return update_model(engine, settings, now_ms, _wait_for_nobody)
    finally:
        engine.dispose()


def _wait_for_nobody(done: int, total: int | None, message: str) -> None:
    """Leave it to whoever trains, forgets or updates already."""
    del done, total
    if message == WAITING:
        raise _NotNowError


def _stop(number: int, frame: Any) -> NoReturn:
    """Leave between two steps, so that locks, folders and the lineage are as after anything that fails."""
    del number, frame
    raise _NotNowError
