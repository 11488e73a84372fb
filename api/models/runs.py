"""Trainings beside the requests: asked for, run by a process of their own, looked up until they have ended.

A process of its own leaves the interpreter to the requests and gives its memory back when it ends. The one
that started it watches over it: it writes down how far it is, and claims the run anew as long as it lives. A
run whose claim ran out was left by a server that died, and is told to be interrupted.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from api.beside import let_it_say_so, let_requests_have_the_memory, work_beside
from api.errors import EdgeError, StoreUnavailableError, UnknownRunError
from api.logbook import Logbook
from api.logging import warn
from api.models.alone import WAITING
from api.models.lineage import Job, tell_aborted
from api.settings import Settings
from api.storage.connection import open_engine, reading, writing
from api.storage.training_runs import RunState, TrainingRun, get_run, insert_run, list_runs, note_run
from engine.errors import EngineError
from guardrails.errors import GuardrailError

if TYPE_CHECKING:
    from api.training import TrainingReport

CLAIM_MS = 60_000
"""How long a run is held without a sign of life: what is known late of a server that died."""

NOTED_EVERY_S = 1.0
"""How often it is written down how far a training is."""

_CLOSING_S = 10.0
_STOPPED = "the server was stopped"
_GONE = "the process that trained has ended without a word: was there enough memory?"
_KILLED = "the process that trained was killed, as it is where a machine has no memory left"
_NO_MEMORY = "there is not enough memory to learn from so much"


class Trainings:
    """Starts trainings and watches over the one of this process.

    Args:
        logbook: the log, and the database it is in.
        settings: where models are kept.
        clock: milliseconds since the epoch.
    """

    def __init__(self, logbook: Logbook, settings: Settings, clock: Callable[[], int]) -> None:
        self._logbook = logbook
        self._settings = settings
        self._clock = clock
        self._closed = threading.Event()
        self._watches: list[threading.Thread] = []

    def start(self, *, budget_s: int, may_activate: bool, actor: str) -> tuple[TrainingRun, bool]:
        """Begin a training, unless one is under way; return it, and whether it was begun now.

        Args:
            budget_s: time for learning, in seconds.
            may_activate: put the model in force if it is no worse than the one that is.
            actor: id of the key that asks for it.

        Raises:
            StoreUnavailableError: the database cannot be used now.
        """
        now_ms = self._clock()
        run = TrainingRun(
            run_id=str(uuid.uuid4()),
            state=RunState.QUEUED,
            stage="",
            n_done=0,
            n_total=None,
            budget_s=budget_s,
            may_activate=may_activate,
            actor=actor,
            requested_at_ms=now_ms,
            started_at_ms=None,
            claimed_until_ms=now_ms + CLAIM_MS,
            finished_at_ms=None,
            version=None,
            activated=None,
            because=None,
        )
        with writing(self._logbook.engine) as conn:
            under_way = insert_run(conn, run)
        if under_way is not None:
            return under_way, False
        watch = _Watch(self._logbook, self._settings, self._clock, self._closed, run)
        thread = threading.Thread(target=watch.run, name="tactful-training", daemon=True)
        self._watches = [each for each in self._watches if each.is_alive()] + [thread]
        thread.start()
        return run, True

    def state(self, run_id: str) -> TrainingRun:
        """Return how a training stands.

        Raises:
            UnknownRunError: nobody asked for it.
            StoreUnavailableError: the database cannot be used now.
        """
        return run_state(self._logbook.engine, run_id, self._clock())

    def last(self, n_runs: int) -> list[TrainingRun]:
        """Return how the trainings stand that were asked for last, the last one first.

        Args:
            n_runs: at most so many.

        Raises:
            StoreUnavailableError: the database cannot be used now.
        """
        now_ms = self._clock()
        with reading(self._logbook.engine) as conn:
            return [run.as_of(now_ms) for run in list_runs(conn, n_runs)]

    def close(self) -> None:
        """Stop what is under way here; closing twice is fine."""
        self._closed.set()
        for each in self._watches:
            each.join(_CLOSING_S)


def run_state(engine: Engine, run_id: str, now_ms: int) -> TrainingRun:
    """Return how a training stands; errors as in ``Trainings.state``."""
    with reading(engine) as conn:
        run = get_run(conn, run_id)
    if run is None:
        raise UnknownRunError("no training was asked for under this id")
    return run.as_of(now_ms)


class _LostError(Exception):
    """Somebody has taken the run for interrupted."""


class _Watch:
    """Watches over one training."""

    def __init__(
        self,
        logbook: Logbook,
        settings: Settings,
        clock: Callable[[], int],
        closed: threading.Event,
        run: TrainingRun,
    ) -> None:
        self._logbook, self._settings, self._clock, self._closed = logbook, settings, clock, closed
        self._run = run

    def run(self) -> None:
        """See the training through to its end, good or bad."""
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=train_apart,
            args=(self._settings, self._run, theirs),
            name="tactful-training",
            daemon=True,
        )
        try:
            process.start()
            theirs.close()
            self._follow(ours, process)
        except _LostError:
            return
        except Exception as error:  # noqa: BLE001  whatever it is, whoever waits is to know that it failed
            warn("training:failed", error)
            self._end(RunState.FAILED, type(error).__name__)
        finally:
            if process.pid is not None:
                process.terminate()
                process.join()
            ours.close()

    def _follow(self, ours: Pipe, process: BaseProcess) -> None:
        """Write down how far it is until it has ended."""
        while not self._closed.is_set():
            last: tuple[str, tuple[Any, ...]] | None = None
            try:
                if ours.poll(NOTED_EVERY_S):
                    last = ours.recv()
                    while last[0] == _AT and ours.poll(0):
                        last = ours.recv()
            except EOFError:
                process.join(_CLOSING_S)
                self._abort(RunState.FAILED, _KILLED if process.exitcode == -signal.SIGKILL else _GONE)
                return
            if last is not None and last[0] == _FAILED:
                self._end(RunState.FAILED, *last[1])
                return
            if last is not None and last[0] == _DONE:
                self._succeed(*last[1])
                return
            self._note(last[1] if last else None)
            if last is not None:
                self._closed.wait(NOTED_EVERY_S)
        self._abort(RunState.INTERRUPTED, _STOPPED)

    def _note(self, at: tuple[Any, ...] | None) -> None:
        """Write down how far it is, and claim it anew where half of the time is over.

        Raises:
            _LostError: somebody has taken it for interrupted.
        """
        now_ms, run = self._clock(), self._run
        if at is not None:
            n_done, n_total, stage = at
            waits = stage == WAITING
            run = replace(
                run,
                stage=stage,
                n_done=n_done,
                n_total=n_total,
                state=RunState.QUEUED if waits else RunState.RUNNING,
                started_at_ms=run.started_at_ms if waits else run.started_at_ms or now_ms,
            )
        if run.claimed_until_ms - now_ms < CLAIM_MS // 2:
            run = replace(run, claimed_until_ms=now_ms + CLAIM_MS)
        if run == self._run:
            return
        try:
            self._store(run)
        except StoreUnavailableError as error:  # it is tried again; meanwhile the training goes on
            warn("training:note:failed", error)

    def _succeed(self, version: str, because: str, activated: bool) -> None:  # noqa: FBT001  as it is handed over
        self._logbook.announce()
        run = replace(self._run, version=version, activated=activated)
        self._store(_ended(run, RunState.SUCCEEDED, because, self._clock()))

    def _abort(self, state: RunState, because: str) -> None:
        """Say that it has ended without having told so itself."""
        self._end(state, because)
        if self._run.started_at_ms is not None:
            tell_aborted(self._settings, Job.TRAIN, self._run.run_id, self._clock())

    def _end(self, state: RunState, because: str) -> None:
        try:
            self._store(_ended(self._run, state, because, self._clock()))
        except (_LostError, EdgeError) as error:  # the claim runs out
            warn("training:note:failed", error)

    def _store(self, run: TrainingRun) -> None:
        with writing(self._logbook.engine) as conn:
            if not note_run(conn, run, self._run.claimed_until_ms):
                raise _LostError
        self._run = run


def _ended(run: TrainingRun, state: RunState, because: str, now_ms: int) -> TrainingRun:
    return replace(run, state=state, because=because, finished_at_ms=now_ms)


_AT, _DONE, _FAILED = "at", "done", "failed"


def train_apart(settings: Settings, run: TrainingRun, to: Pipe) -> None:
    """Train in this process, and tell another how far it is and what came of it.

    Args:
        settings: every setting.
        run: what was asked for.
        to: where it is told.
    """
    work_beside()
    try:
        report = _trained(settings, run, to)
        to.send((_DONE, (report.version, report.because, report.activated)))
    except (EdgeError, EngineError, GuardrailError) as error:  # their texts name nobody
        to.send((_FAILED, (str(error),)))
    except MemoryError:
        let_it_say_so()
        to.send((_FAILED, (_NO_MEMORY,)))
    except Exception as error:  # noqa: BLE001  whoever waits is to know of it
        warn("training:failed", error)
        to.send((_FAILED, (type(error).__name__,)))
    finally:
        to.close()


def _trained(settings: Settings, run: TrainingRun, to: Pipe) -> TrainingReport:
    from api.training import train  # noqa: PLC0415  learners are slow to import and not needed to serve
    from api.wiring import now_ms  # noqa: PLC0415  as above

    engine = open_engine(settings)
    let_requests_have_the_memory(settings.training_memory_mb)
    try:
        return train(
            engine,
            settings,
            now_ms(),
            lambda done, total, message: to.send((_AT, (done, total, message))),
            may_activate=run.may_activate,
            budget_s=run.budget_s,
            actor=run.actor,
            run_id=run.run_id,
        )
    finally:
        engine.dispose()
