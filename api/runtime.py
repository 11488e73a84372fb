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

Policies do not wait for any of that: they are small, and a request takes them from the same state of
the database that it reads everything else from. So whatever was put in force before a request began
to read governs that request, in every process; the first to see a new version loads it, and the
others get what it loaded. Model and catalogue are taken over as they are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine

from api.errors import EdgeError, StoreRefusedError, StoreUnavailableError
from api.houses import POLICIES, Policies, Shelf, challengers, champions, nothing_goes, policies_among
from api.logging import note, warn
from api.metrics import Metrics
from api.models.stored import changing_catalogues, copies_of, remove_idle_copies
from api.settings import Settings
from api.storage.connection import reading
from api.storage.items import load_catalogue
from api.storage.notices import consent_in_force
from api.storage.placements import read_placements
from api.storage.versions import (
    CATALOGUE,
    CHALLENGER_MODEL,
    MODEL,
    ModelRow,
    active,
    challenger_model_among,
    get_model,
)
from engine.artefact import Artefact
from engine.catalogue import Catalogue
from engine.copies import Copies
from engine.errors import ArtefactError, EngineError
from engine.serving.recommender import NoModel, Recommender
from engine.snapshots import Snapshots
from guardrails.arms import arm_of
from guardrails.errors import GuardrailError
from guardrails.house import Arm, House
from guardrails.house import Recommender as AnyRecommender
from guardrails.request import Placement

RETRY_S = 2.0
"""How long to wait after an attempt that failed."""

REST = 3.0
"""After a load, rest this many times as long as it took: loading costs at most a quarter of a core."""

LOOK_AT_COPIES_S = 30.0
"""How often it is looked whether models were removed of which this host has a copy."""

_CLOSING_S = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class ModelOnTrial:
    """A model that is in force for a share of customers.

    Attributes:
        artefact: the model as it is on disk.
        recommender: the same, bound to the catalogue.
        share_micro: the share, in millionths.
    """

    artefact: Artefact
    recommender: AnyRecommender
    share_micro: int


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One state of the shop; immutable, so a request that holds one sees nothing change.

    Attributes:
        house: model, catalogue and the policy in force.
        challenger: the same with the policy, the model or both that are in force for a share of customers;
            ``None`` where there are none.
        policies: what both were made from.
        placements: where suggestions are shown, by name.
        versions: the active versions it was loaded from, by name; without those of a model or a policy
            that could not be loaded.
        artefact: the model as it is on disk; ``None`` without one.
        on_trial: the model that is in force for a share of customers; ``None`` without one.
    """

    house: House
    challenger: House | None
    policies: Policies
    placements: Mapping[str, Placement]
    versions: Mapping[str, str]
    artefact: Artefact | None
    on_trial: ModelOnTrial | None = None

    @property
    def compares(self) -> bool:
        """Whether there is an experiment."""
        return self.challenger is not None

    def house_for(self, subject_key: bytes | None) -> House:
        """Return the house that a subject is served by; always the same one while nothing changes.

        Args:
            subject_key: who, if they are in experiments; ``None`` for nobody and for who is in none.
        """
        if self.challenger is None:
            return self.house
        arm = self.policies.arm_of(subject_key)
        if arm is None and self.on_trial is not None:
            arm = arm_of(self.on_trial.artefact.version, self.on_trial.share_micro, subject_key)
        return self.challenger if arm is Arm.CHALLENGER else self.house

    def under(self, policies: Policies) -> Snapshot:
        """Return the same shop under other policies."""
        if policies is self.policies:
            return self
        others = {name: version for name, version in self.versions.items() if name not in POLICIES}
        house, challenger = champions(self.house, policies), challengers(self.house, policies)
        if self.on_trial is not None:
            challenger = replace(
                challenger or house,
                recommender=self.on_trial.recommender,
                shadow=None,
                arm=Arm.CHALLENGER,
            )
            house = replace(house, arm=Arm.CHAMPION)
        return replace(
            self,
            house=house,
            challenger=challenger,
            policies=policies,
            versions=others | policies.versions,
        )


@dataclass(frozen=True, slots=True)
class Readiness:
    """How the runtime is doing.

    Attributes:
        loaded: there is a house to answer from.
        model: version of the model it serves; ``None`` without one.
        policy: version of the policy it serves; ``None`` where nothing could be loaded so far.
        behind: something newer is active than what is served.
        fault: kind of error of the last attempt to load, all of it or the policies alone; ``None`` when it
            went well.
    """

    loaded: bool
    model: str | None
    policy: str | None
    behind: bool
    fault: str | None


class Runtime:
    """Holds the current snapshot and replaces it beside the requests.

    Args:
        engine: the database.
        settings: how long consent lasts; where models and catalogues are kept.
        metrics: counts attempts.

    Attributes:
        copies: this host's copies of models that are kept elsewhere.
    """

    def __init__(self, engine: Engine, settings: Settings, metrics: Metrics) -> None:
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._snapshot: Snapshot | None = None
        self._shelf = Shelf()
        self._snapshots = Snapshots(settings.catalogues_root)
        self.copies = copies_of(settings)
        self._swapping = threading.Lock()
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

    def load(self) -> None:
        """Load the house once, and watch nothing: for what reads and is done."""
        self._load()

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

    def policies(self, conn: Connection, versions: Mapping[str, str]) -> Policies:
        """Return the policies in force in a transaction; the first to see others loads them for all.

        Args:
            conn: the transaction.
            versions: the active versions it sees.

        Raises:
            StoreUnavailableError: the shop could not be loaded so far.
        """
        asked = policies_among(versions)
        if self.current().policies.asked == asked:
            return self.current().policies
        with self._swapping:
            before = self.current()
            if before.policies.asked == asked:
                return before.policies
            policies = self._shelf.policies(conn, versions, before.policies)
            self._snapshot = before.under(policies)
        self._tell(policies)
        self._metrics.builds.labels("failed" if policies.fault else "loaded").inc()
        return policies

    def as_of(self, conn: Connection) -> Snapshot:
        """Return the snapshot in force under the policies that a transaction sees.

        Raises:
            StoreUnavailableError: none could be loaded so far.
        """
        return self.current().under(self.policies(conn, active(conn)))

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
        with suppress(StoreUnavailableError, StoreRefusedError), reading(self._engine) as conn:
            self.as_of(conn)
        if self.notice(versions):
            return True
        with self._done:
            return self._done.wait_for(lambda: self._n_done >= wanted, timeout_s) and self._kept_out() is None

    def readiness(self, versions: Mapping[str, str]) -> Readiness:
        """Say how it is doing, given the active versions."""
        snapshot = self._snapshot
        return Readiness(
            loaded=snapshot is not None,
            model=snapshot.house.recommender.version if snapshot else None,
            policy=snapshot.house.policy_version if snapshot else None,
            behind=not self.notice(versions),
            fault=self._kept_out(),
        )

    def _kept_out(self) -> str | None:
        """Return the kind of error that keeps a part of what is active out; ``None`` where all is served.

        Of policies the snapshot tells: any request may load others between two loads of everything.
        """
        snapshot = self._snapshot
        return self._fault or (snapshot.policies.fault if snapshot else None)

    def _watch(self) -> None:
        while True:
            is_woken = self._wake.wait(LOOK_AT_COPIES_S)
            self._wake.clear()
            if self._closed.is_set():
                return
            if not is_woken:
                self._remove_idle_copies()
                continue
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
        self._remove_idle_copies()
        self._keep_catalogue()
        is_all = self._kept_out() is None
        self._metrics.builds.labels("loaded" if is_all else "failed").inc()
        return is_all

    def _replace(self) -> str | None:
        """Put what is active now in place; return the kind of error that kept out all of it, or a model."""
        try:
            shop, fault = self._read()
            with self._swapping, reading(self._engine) as conn:  # policies may have changed meanwhile
                before = self._snapshot
                policies = self._shelf.policies(conn, active(conn), before.policies if before else None)
                self._snapshot = shop.under(policies)
        except (EdgeError, EngineError, GuardrailError) as error:
            warn("house:load:failed", error)
            return type(error).__name__
        self._tell(policies)
        model = shop.house.recommender.version
        self._metrics.model_ready.set(model is not None)
        n_items = shop.house.catalogue.n_items
        note("house:load:done", model=model, n_items=n_items, fault=fault or policies.fault)
        return fault

    def _remove_idle_copies(self) -> None:
        """Remove what this host has copied of models that were removed, whichever host removed them."""
        try:
            remove_idle_copies(self._engine, self.copies)
        except (EdgeError, EngineError) as error:  # it is tried again a while later
            warn("model:copies:failed", error)

    def _keep_catalogue(self) -> None:
        """Keep the catalogue that decisions are made from, so that they can be made again."""
        snapshot = self._snapshot
        if snapshot is None:
            return
        try:
            if snapshot.house.catalogue.version not in self._snapshots:
                with changing_catalogues(self._engine, self._settings):
                    self._snapshots.keep(snapshot.house.catalogue)
        except (EdgeError, EngineError, OSError) as error:  # it is tried again with the next load
            warn("catalogue:keep:failed", error, because=str(error))  # names files, and nobody
            self._metrics.snapshots_failed.inc()

    def _tell(self, policies: Policies) -> None:
        """Say in figures and in the log which policies are served now."""
        self._metrics.serves(policies)
        served = {part: loaded.version for part, loaded in policies.served()}
        note("policy:load:done", fault=policies.fault, **served)

    def _read(self) -> tuple[Snapshot, str | None]:
        """Load all but policies from one state of the database; what has not changed is taken over.

        Raises:
            EdgeError: the store cannot be read.
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
            consent = consent_in_force(conn, self._settings.consent)
            model = get_model(conn, versions[MODEL]) if MODEL in versions else None
            former = _unless_erased(conn, before.artefact if before else None)
            asked = challenger_model_among(versions)
            challenging = None if asked is None else get_model(conn, asked.version)
        artefact, fault = _artefact(self.copies, model, former)
        if fault:
            versions.pop(MODEL)
        on_trial = None
        if asked is not None:
            on_trial = _on_trial(self.copies, challenging, asked.share_micro, catalogue, before)
            if on_trial is None:
                versions.pop(CHALLENGER_MODEL)
                fault = fault or ArtefactError.__name__
        nothing = Policies(nothing_goes())  # until it is put under those in force
        house = House(
            recommender=_recommender(artefact, catalogue, before),
            catalogue=catalogue,
            limits=nothing.champion.policy.limits,
            policy_version=nothing.champion.version,
            consent=consent,
        )
        champion = champions(house, nothing)
        return Snapshot(champion, None, nothing, placements, versions, artefact, on_trial), fault


def _recommender(artefact: Artefact | None, catalogue: Catalogue, before: Snapshot | None) -> AnyRecommender:
    """Return the model bound to the catalogue; the one before where both are the same."""
    if before is not None and before.artefact is artefact and before.house.catalogue is catalogue:
        return before.house.recommender
    if artefact is None:
        return NoModel(catalogue)
    former = None if before is None else before.house.recommender
    return Recommender(artefact, catalogue, former.binding if isinstance(former, Recommender) else None)


def _on_trial(
    copies: Copies, model: ModelRow | None, share_micro: int, catalogue: Catalogue, before: Snapshot | None
) -> ModelOnTrial | None:
    """Return the model that challenges; ``None`` where it cannot be loaded: then nothing is compared."""
    former = None if before is None else before.on_trial
    artefact, fault = _artefact(copies, model, None if former is None else former.artefact)
    if artefact is None or fault:
        return None
    same_catalogue = before is not None and before.house.catalogue is catalogue
    if former is not None and former.artefact is artefact and same_catalogue:
        return replace(former, share_micro=share_micro)
    return ModelOnTrial(artefact, Recommender(artefact, catalogue), share_micro)


def _unless_erased(conn: Connection, artefact: Artefact | None) -> Artefact | None:
    """Return a model that is mapped already, unless it was removed to forget somebody."""
    row = None if artefact is None else get_model(conn, artefact.version)
    return None if row is not None and row.erased_at_ms is not None else artefact


def _artefact(
    copies: Copies, model: ModelRow | None, before: Artefact | None
) -> tuple[Artefact | None, str | None]:
    """Return the model's arrays, or those that were served before and why."""
    if model is None:
        return None, None
    if before is not None and before.version == model.version:
        return before, None
    try:
        return copies.load(model.location, like=before), None
    except ArtefactError as error:
        warn("model:load:failed", error, because=str(error))  # names files and formats, and nobody
        return before, type(error).__name__
