"""One at a time: whoever changes models keeps others waiting, on all hosts that share a database."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from api.imports.importer import Progress
from api.settings import Settings
from api.storage.connection import holding
from engine.errors import ArtefactError

LOCK_FILE = ".lock"
"""File in the folder of models that is locked by whoever trains or forgets."""

TRAINING_LOCK = 0x6C6561726E  # "learn"
"""Number of the lock in a PostgreSQL database that whoever trains or forgets has, on whatever host."""

WAITING = "waiting until another training ends"
"""What is said of who waits."""

_LOOK_AGAIN_S = 0.2


@contextmanager
def alone(engine: Engine, settings: Settings, progress: Progress) -> Iterator[Callable[[], None]]:
    """Wait until nobody trains, forgets or retires, here or elsewhere, and keep others waiting meanwhile.

    Yields what asks whether others are still kept waiting. Ask before a model is stored: who was taken out of
    all models while nobody waited would be in it.

    Raises:
        ArtefactError: the folder of models cannot be written to.
        StoreUnavailableError: the database cannot be used, or others were no longer kept waiting.
    """

    def wait() -> None:
        progress(0, None, WAITING)
        time.sleep(_LOOK_AGAIN_S)

    try:
        settings.artefacts_dir.mkdir(parents=True, exist_ok=True)
        file = (settings.artefacts_dir / LOCK_FILE).open("a")
    except OSError as error:
        raise ArtefactError(f"cannot write to `{settings.artefacts_dir}`: {error.strerror}") from error
    with file:
        while not _locked(file.fileno()):
            wait()
        with holding(engine, TRAINING_LOCK, wait) as still_alone:
            yield still_alone


def _locked(descriptor: int) -> bool:
    """Take a lock that ends with the file's closing; tell whether it was free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
