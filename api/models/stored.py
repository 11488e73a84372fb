"""Models and catalogues that are stored where several hosts reach them, and this host's copies of models."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from api.settings import Settings
from api.storage.connection import holding, reading
from api.storage.versions import list_models
from engine.copies import Copies

CATALOGUES_LOCK = 0x73686F70  # "shop"
"""Number of the lock in a PostgreSQL database that whoever keeps or prunes catalogues in a store has."""

_LOCK_FILE = "catalogues.lock"
_BYTES_A_MB = 1_000_000
_LOOK_AGAIN_S = 0.1


def copies_of(settings: Settings) -> Copies:
    """Return the copies that this host has of models that are kept elsewhere."""
    return Copies(settings.model_copies_dir, settings.model_copies_mb * _BYTES_A_MB)


def remove_idle_copies(engine: Engine, copies: Copies) -> int:
    """Remove this host's copies of models that are erased, retired or unknown; return how many those were.

    What killed processes have left of models goes too. It is what an erasure on any host comes to on this
    one. Nobody has to be told: who looks finds it in the database, also after having been away.

    Raises:
        ArtefactError: something cannot be removed.
        StoreUnavailableError: the database cannot be used now.
    """
    copies.remove_left()
    if not copies.versions():
        return 0
    with reading(engine) as conn:
        there = {row.version for row in list_models(conn) if row.is_there}
    return copies.keep_only(there)


@contextmanager
def changing_catalogues(engine: Engine, settings: Settings) -> Iterator[None]:
    """Keep or prune states of the catalogue while nobody else does, on whatever host.

    In a folder they see to that themselves; a store has no locks.

    Raises:
        OSError: the data folder cannot be written to.
        StoreUnavailableError: the database cannot be used now.
    """
    if not settings.artefacts_url:
        yield
        return
    with (settings.data_dir / _LOCK_FILE).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with holding(engine, CATALOGUES_LOCK, lambda: time.sleep(_LOOK_AGAIN_S)):
            yield
