"""The house in force: loaded once, watched by every request, replaced as a whole.

Each request reads the active versions in its own read transaction and hands them in here. When one
of them has changed, a thread beside the requests loads the new house and puts it in place of the
old one in a single assignment; requests that are under way, and those that arrive meanwhile, are
answered from the old one. A model that cannot be loaded changes nothing: the model before it stays,
unless it was removed to forget somebody, and readiness and metrics say so. Before there is any
model, nothing can be suggested but that is still an answer.

What that means for a change of the catalogue: from its commit until the new house stands (about as
long as the catalogue takes to load) an item is still judged by the tier it had before, and the
answers of that time say that they are behind. Whoever raises a tier over HTTP is answered only when
the process that took the call judges by the new one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from api.errors import EdgeError, StoreUnavailableError
from api.logging import note, warn
from api.metrics import Metrics
from api.settings import Settings
from api.storage.connection import reading
from api.storage.items import load_catalogue
from api.storage.notices import consent_in_force
from api.storage.placements import read_placements
from api.storage.versions import CATALOGUE, MODEL, ModelRow, active, get_model, policy_in_force
from engine.artefact import Artefact, load_artefact
from engine.errors import ArtefactError, EngineError
from engine.serving.recommender import NoModel, Recommender
from guardrails.errors import GuardrailError
from guardrails.house import House
from guardrails.request import Placement

RETRY_S = 2.0
"""How long to wait after an attempt that failed."""

REST = 3.0
"""After a load, rest this many times as long as it took: loading costs at most a quarter of a core."""

_CLOSING_S = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One state of the shop; immutable, so a request that holds one sees nothing change.

    Attributes:
        house: model, catalogue and policy.
        placements: where suggestions are shown, by name.
        versions: the active versions it was loaded from, by name; without that of a model that
            could not be loaded.
        artefact: the model as it is on disk; ``None`` without one.
    """

    house: House
    placements: Mapping[str, Placement]
    versions: Mapping[str, str]
    artefact: Artefact | None


@dataclass(frozen=True, slots=True)
class Readiness:
    """How the runtime is doing.

    Attributes:
        loaded: there is a house to answer from.
        model: version of the model it serves; ``None`` without one.
        behind: something newer is active than what is served.
        fault: kind of error of the last attempt to load; ``None`` when it went well.
    """

    loaded: bool
    model: str | None
    behind: bool
    fault: str | None


class Runtime:
    """Holds the current snapshot and replaces it beside the requests.

    Args:
        engine: the database.
        settings: how long consent lasts.
        metrics: counts attempts.
    """

    def __init__(self, engine: Engine, settings: Settings, metrics: Metrics) -> None:
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._snapshot: Snapshot | None = None
        self._fault: str | None = None
        self._n_begun = 0
        self._n_done = 0
        self._done = threading.Condition()
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tactful-runtime", daemon=True)

    def start(self) -> None:
        """Load the house, and keep watching; a store that is not there yet is tried again."""
        self._load()
        if self._snapshot is None:
            self._wake.set()
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSING_S)

    def current(self) -> Snapshot:
        """Return the snapshot in force.

        Raises:
            StoreUnavailableError: none could be loaded so far.
        """
        snapshot = self._snapshot
        if snapshot is None:
            self._wake.set()
            raise StoreUnavailableError("the shop could not be loaded yet")
        return snapshot

    def notice(self, versions: Mapping[str, str]) -> bool:
        """Take note of the active versions; tell whether the snapshot in force is of these."""
        snapshot = self._snapshot
        if snapshot is not None and snapshot.versions == versions:
            return True
        self._wake.set()
        return False

    def wait_for(self, versions: Mapping[str, str], timeout_s: float) -> bool:
        """Wait until what was committed before this call is served; tell whether it is."""
        with self._done:
            wanted = self._n_begun + 1  # a load that begins from now on sees what was committed
        if self.notice(versions):
            return True
        with self._done:
            return self._done.wait_for(lambda: self._n_done >= wanted, timeout_s) and self._fault is None

    def readiness(self, versions: Mapping[str, str]) -> Readiness:
        """Say how it is doing, given the active versions."""
        snapshot = self._snapshot
        return Readiness(
            loaded=snapshot is not None,
            model=snapshot.house.recommender.version if snapshot else None,
            behind=not self.notice(versions),
            fault=self._fault,
        )

    def _watch(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._closed.is_set():
                return
            started_s = time.monotonic()
            loaded = self._load()
            self._closed.wait((time.monotonic() - started_s) * REST if loaded else RETRY_S)
            if self._snapshot is None:
                self._wake.set()

    def _load(self) -> bool:
        """Load what is active now and put it in place; tell whether all of it could be loaded."""
        with self._done:
            self._n_begun += 1
            begun = self._n_begun
        fault = self._replace()
        with self._done:
            self._fault = fault
            self._n_done = begun
            self._done.notify_all()
        self._metrics.builds.labels("failed" if fault else "loaded").inc()
        return fault is None

    def _replace(self) -> str | None:
        """Put what is active now in place; return the kind of error that kept all or a part of it out."""
        try:
            snapshot, fault = self._read()
        except (EdgeError, EngineError, GuardrailError) as error:
            warn("house:load:failed", error)
            return type(error).__name__
        self._snapshot = snapshot
        model = snapshot.house.recommender.version
        self._metrics.model_ready.set(model is not None)
        note("house:load:done", model=model, n_items=snapshot.house.catalogue.n_items, fault=fault)
        return fault

    def _read(self) -> tuple[Snapshot, str | None]:
        """Load everything from one state of the database; what has not changed is taken over.

        Raises:
            EdgeError: the store cannot be read.
            PolicyError: the policy cannot.
        """
        before = self._snapshot
        with reading(self._engine) as conn:
            versions = active(conn)
            same_catalogue = before and before.versions.get(CATALOGUE) == versions.get(CATALOGUE)
            if before and same_catalogue:
                catalogue = before.house.catalogue
            else:
                catalogue = load_catalogue(conn, self._settings.consent.raised_classes)
            placements = read_placements(conn)
            policy, policy_version = policy_in_force(conn)
            consent = consent_in_force(conn, self._settings.consent)
            model = get_model(conn, versions[MODEL]) if MODEL in versions else None
            former = _unless_erased(conn, before.artefact if before else None)
        artefact, fault = _artefact(model, former)
        if fault:
            versions.pop(MODEL)
        house = House(
            recommender=NoModel(catalogue) if artefact is None else Recommender(artefact, catalogue),
            catalogue=catalogue,
            limits=policy.limits,
            policy_version=policy_version,
            consent=consent,
        )
        return Snapshot(house, placements, versions, artefact), fault


def _unless_erased(conn: Connection, artefact: Artefact | None) -> Artefact | None:
    """Return a model that is mapped already, unless it was removed to forget somebody."""
    row = None if artefact is None else get_model(conn, artefact.version)
    return None if row is not None and row.erased_at_ms is not None else artefact


def _artefact(model: ModelRow | None, before: Artefact | None) -> tuple[Artefact | None, str | None]:
    """Return the model's arrays, or those that were served before and why."""
    if model is None:
        return None, None
    if before is not None and before.version == model.version:
        return before, None
    try:
        return load_artefact(model.location), None
    except ArtefactError as error:
        warn("model:load:failed", error, because=str(error))  # names files and formats, and nobody
        return before, type(error).__name__
