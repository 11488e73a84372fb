"""Every collaborator of the edge, built once, reachable in one place, closed once."""

from __future__ import annotations

import hashlib
import platform
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version

from flask import current_app
from sqlalchemy import Engine

from api.counting import FigureKeeper
from api.forgetting.models import forget_customers, without_beside
from api.forgetting.worker import Cascades, Forgetting
from api.limits.callers import Limits
from api.limits.days import Days
from api.limits.rates import Rates, shared_table
from api.logbook import Logbook, open_logbook
from api.logkeeping import LogKeeper
from api.metrics import Metrics
from api.model_keeper import ModelKeeper
from api.models.runs import Trainings
from api.models.shadowing import ShadowModels
from api.policies.clock import PolicyClock
from api.runtime import Runtime
from api.seen_keys import SeenKeys
from api.settings import Settings
from api.storage.connection import SERVING_PAGES_KIB, open_engine
from api.storage.recorder import Recorder
from api.storage.spool import Spool
from api.storage.subjects import Subjects, open_subjects
from api.tracing import Spans
from guardrails.log.canonical import canonical

EXTENSION = "tactful"


def now_ms() -> int:
    """Return the time in milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """What the routes work with.

    Attributes:
        settings: every setting.
        engine: the database.
        subjects: pseudonyms of customers and visits.
        logbook: the log, its keys and its guard.
        recorder: makes decisions durable.
        spool: keeps answers about nobody while the log cannot be written.
        log_keeper: does for the log what no request does.
        runtime: model, catalogue and policy in force.
        cascades: removes what is to be forgotten.
        model_keeper: lets the model in force learn from what is new.
        policy_clock: puts policies in force, and ends what is over, when their time has come.
        trainings: trains beside the requests.
        shadow_models: asks a model in shadow about what was just decided.
        figure_keeper: counts what takes too long to be counted for a page.
        metrics: what is counted.
        limits: how much each caller may ask for.
        build: SHA-256 of the build manifest, named by every record.
        clock: milliseconds since the epoch.
        new_id: a fresh random id (UUIDv4: it tells neither time nor order).
        new_seed: 16 fresh random bytes.
        seen_keys: API keys that were in force when they were looked up last.
        stopping: set when the service was told to stop, and answers on for a while.
        computing: held by the one request that computes. Python lets no two of them compute at once; those
            that fight over whose turn it is take half as long again, and keep the thread that writes the log
            from its own.
    """

    settings: Settings
    engine: Engine
    subjects: Subjects
    logbook: Logbook
    recorder: Recorder
    spool: Spool
    log_keeper: LogKeeper
    runtime: Runtime
    cascades: Cascades
    model_keeper: ModelKeeper
    policy_clock: PolicyClock
    trainings: Trainings
    shadow_models: ShadowModels
    figure_keeper: FigureKeeper
    metrics: Metrics
    limits: Limits
    build: str
    clock: Callable[[], int] = now_ms
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    new_seed: Callable[[], bytes] = lambda: secrets.token_bytes(16)
    seen_keys: SeenKeys = field(default_factory=SeenKeys)
    stopping: threading.Event = field(default_factory=threading.Event)
    computing: AbstractContextManager[object] = field(default_factory=threading.Lock)

    def close(self) -> None:
        """Let what is being recorded finish, then let go of everything; closing twice is fine."""
        self.recorder.close()
        self.log_keeper.close()
        self.cascades.close()
        self.model_keeper.close()
        self.policy_clock.close()
        self.trainings.close()
        self.shadow_models.close()
        self.figure_keeper.close()
        self.runtime.close()
        self.limits.close()
        self.logbook.close()
        self.engine.dispose()
        if self.metrics.spans is not None:
            self.metrics.spans.close()


def build_digest() -> str:
    """Return the SHA-256 of the build manifest: our version, Python's, and those of what computes."""
    versions = {name: version(name) for name in ("tactful", "numpy", "scipy", "numba", "orjson")}
    return hashlib.sha256(canonical({**versions, "python": platform.python_version()})).hexdigest()


def wire(settings: Settings) -> Wiring:
    """Build every collaborator and start what runs beside the requests.

    Raises:
        SettingsError: the pseudonym key cannot be used.
    """
    metrics = Metrics(Spans(settings.otel_endpoint) if settings.otel_endpoint else None)
    engine = open_engine(settings, SERVING_PAGES_KIB)
    logbook = open_logbook(settings, engine, now_ms)
    recorder = Recorder(logbook)
    spool = Spool(settings.spool_dir)
    build = build_digest()
    log_keeper = LogKeeper(logbook, spool, settings, metrics, build, now_ms)
    runtime = Runtime(engine, settings, metrics)
    forget_in_models = partial(forget_customers, learn_without=without_beside)
    forgetting = Forgetting(logbook, settings, now_ms, forget_in_models)
    cascades = Cascades(forgetting, engine, metrics, purges_daily=settings.purges_daily)
    model_keeper = ModelKeeper(engine, settings, metrics, now_ms)
    policy_clock = PolicyClock(logbook, now_ms)
    shadow_models = ShadowModels(logbook, runtime, now_ms)
    figure_keeper = FigureKeeper(logbook, now_ms)
    recorder.start()
    log_keeper.start()
    runtime.start()
    cascades.start()
    model_keeper.start()
    policy_clock.start()
    shadow_models.start()
    figure_keeper.start()
    return Wiring(
        settings=settings,
        engine=engine,
        subjects=open_subjects(settings),
        logbook=logbook,
        recorder=recorder,
        spool=spool,
        log_keeper=log_keeper,
        runtime=runtime,
        cascades=cascades,
        model_keeper=model_keeper,
        policy_clock=policy_clock,
        trainings=Trainings(logbook, settings, now_ms),
        shadow_models=shadow_models,
        figure_keeper=figure_keeper,
        metrics=metrics,
        limits=Limits(settings.limit, Rates(shared_table()), Days(engine, now_ms), metrics),
        build=build,
    )


def wiring() -> Wiring:
    """Return the collaborators of the application that answers this request."""
    found: Wiring = current_app.extensions[EXTENSION]
    return found
