"""What a command decides with: what a server has, but for all that runs beside its requests."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from api.metrics import Metrics
from api.runtime import Runtime
from api.settings import Settings
from api.storage.subjects import Subjects
from api.wiring import build_digest, now_ms


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """What decisions are made with; attributes as in ``api.batch.inputs.Deciding``."""

    settings: Settings
    engine: Engine
    subjects: Subjects
    runtime: Runtime
    build: str
    clock: Callable[[], int] = now_ms
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())
    new_seed: Callable[[], bytes] = lambda: secrets.token_bytes(16)


def open_desk(settings: Settings, engine: Engine, subjects: Subjects) -> Desk:
    """Load the shop that is in force; nothing runs beside it yet, so the process may still fork."""
    runtime = Runtime(engine, settings, Metrics())
    runtime.load()
    return Desk(settings, engine, subjects, runtime, build_digest())
