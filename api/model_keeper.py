"""Who looks whether there is anything new that the model in force can learn from, and has it learned.

There is one in every process that serves. One of those on a host has it done at a time, and among hosts the
lock that trainings take lets one work; the others then find nothing to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import orjson
from sqlalchemy import Engine

from api.errors import StoreUnavailableError
from api.logging import note, warn
from api.metrics import Metrics
from api.rounds import Rounds
from api.settings import Settings
from api.storage.bulk import last_interaction_no
from api.storage.connection import reading
from api.updating import ModelUpdate, has_new, model_in_force, retire_superseded
from api.updating_beside import update_beside
from engine.errors import ModelFitError

REST = 4.0
"""After an update, rest this many times as long as it took: it takes at most a fifth of the time."""


class _Looked(NamedTuple):
    """What the last look has seen: which model was in force, and how far it was read."""

    version: str
    last_no: int


class ModelKeeper(Rounds):
    """Looks for what is new and has the model learn from it.

    Args:
        engine: the database.
        settings: how often to look; where models are kept.
        metrics: where it is told how old the last update is.
        clock: milliseconds since the epoch.
    """

    def __init__(
        self, engine: Engine, settings: Settings, metrics: Metrics, clock: Callable[[], int]
    ) -> None:
        super().__init__("tactful-model-keeper", first_s=float(settings.model_update_s))
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._looked: _Looked | None = None
        self._told: str | None = None

    def start(self) -> None:
        """Begin to look, unless that is switched off. After a fork make a new one instead."""
        if self._settings.model_update_s:
            super().start()

    def look(self) -> ModelUpdate | None:
        """Have the model learn from what is new; ``None`` if there is nothing, or somebody else is at it.

        Raises:
            ArtefactError: a model cannot be read or written.
            StoreUnavailableError: the database cannot be used.
            WorkFailedError: there was not enough memory, or something nobody thought of went wrong.
            WorkLostError: the process that was at it is gone.
        """
        seen = self._what_is_new()
        if seen is None:
            return None
        try:
            done = update_beside(self._settings, self._clock(), self._closed)
        except ModelFitError as error:
            warn("model:update:nothing_left", error)
            done = ModelUpdate(seen.version, seen.version, "none")
        if done is None:
            return None
        self._looked = seen
        if done.after != done.before:
            n_retired = retire_superseded(self._engine, self._clock())
            self._metrics.model_updates.labels(done.path).inc()
            self._metrics.model_update_seconds.set(done.seconds)
            self._metrics.model_updated_at.set(self._clock() / 1000)
            note("model:update:done", path=done.path, n_new=done.n_new, n_retired=n_retired)
        return done

    def _what_is_new(self) -> _Looked | None:
        """Return how far things have come, if there may be something that no look has seen."""
        with reading(self._engine) as conn:
            row = model_in_force(conn)
            if row is None:
                return None
            seen = _Looked(row.version, last_interaction_no(conn))
            if seen == self._looked:
                return None
            read_to = orjson.loads(row.manifest).get("read_to", 0)
            if not read_to:  # made by other software, or by hand: it waits for the next training
                return None
            if self._looked is not None and self._looked.version == row.version:
                read_to = max(read_to, self._looked.last_no)
            return seen if has_new(conn, read_to) else None

    def _round(self) -> float:
        started = time.monotonic()
        self._attempt()
        return max(float(self._settings.model_update_s), REST * (time.monotonic() - started))

    def _attempt(self) -> None:
        """Look; what goes wrong is told once, until it goes well or wrong otherwise."""
        try:
            self.look()
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end the only keeper
            if not isinstance(error, StoreUnavailableError) and self._told != str(error):
                warn("model:update:failed", error)
            self._told = str(error)
        else:
            self._told = None
