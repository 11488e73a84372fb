"""The recorder: makes decisions durable, many with one commit, before anything is answered.

Requests hand in decisions from many threads; one thread writes. While it waits for the disk the
next decisions gather, and the next commit takes all of them: the busier the service, the more
decisions share a commit, and nobody ever waits for a batch to fill. Nothing is dropped: whoever
hands a decision in gets durability or an error.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field

from sqlalchemy import Engine

from api.errors import EdgeError, StoreRefusedError, StoreUnavailableError
from api.storage.connection import PATIENCE_S, writing
from api.storage.decisions import StoredDecision, append_decisions

MAX_BATCH = 64
"""Most decisions in one commit: bounds how long the first of them waits."""

MAX_WAITING = 1024
"""Most decisions that wait; more than that could not be written within anybody's patience."""


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    decision: StoredDecision
    written: Future[None] = field(default_factory=Future)


class Recorder:
    """Writes decisions from one thread of this process.

    Args:
        engine: the database.
        patience_s: how long a decision may wait for its turn.
        max_waiting: most decisions that wait.
    """

    def __init__(
        self, engine: Engine, patience_s: float = PATIENCE_S, max_waiting: int = MAX_WAITING
    ) -> None:
        self._engine = engine
        self._patience_s = patience_s
        self._max_waiting = max_waiting
        self._waiting: deque[_Task] = deque()
        self._open = False
        lock = threading.Lock()
        self._room, self._work = threading.Condition(lock), threading.Condition(lock)
        self._thread = threading.Thread(target=self._run, name="tactful-recorder", daemon=True)

    def start(self) -> None:
        """Begin to accept decisions. After a fork make a new recorder instead."""
        self._open = True
        self._thread.start()

    def submit(self, decision: StoredDecision) -> None:
        """Return when the decision is durable.

        Raises:
            StoreUnavailableError: it is not, and must not be answered.
            StoreRefusedError: the database does not accept it, for instance for an id that is taken.
        """
        deadline = time.monotonic() + self._patience_s
        written = self._hand_in(_Task(decision))
        try:
            written.result(max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError:
            if written.cancel():
                raise StoreUnavailableError("decisions cannot be recorded fast enough") from None
            written.result()  # it is being written at this moment, and the database has its own patience

    def close(self) -> None:
        """Accept nothing more, write what waits, and return when that is done; closing twice is fine."""
        with self._work:
            self._open = False
            self._work.notify_all()
            self._room.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _hand_in(self, task: _Task) -> Future[None]:
        with self._room:
            there_is_room = self._room.wait_for(
                lambda: not self._open or len(self._waiting) < self._max_waiting, self._patience_s
            )
            if not self._open:
                raise StoreUnavailableError("decisions cannot be recorded: nothing is accepted now")
            if not there_is_room:
                raise StoreUnavailableError("decisions cannot be recorded fast enough")
            self._waiting.append(task)
            self._work.notify()
        return task.written

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            standing = [task for task in batch if task.written.set_running_or_notify_cancel()]
            self._write(standing)

    def _take(self) -> list[_Task] | None:
        """Wait for decisions; ``None`` when there will be no more."""
        with self._work:
            self._work.wait_for(lambda: self._waiting or not self._open)
            if not self._waiting:
                return None
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            self._room.notify_all()
        return batch

    def _write(self, batch: Sequence[_Task]) -> None:
        """Write a batch with one commit; one that the database refuses is parted from the others."""
        error = self._error_in_writing([task.decision for task in batch])
        if isinstance(error, StoreRefusedError) and len(batch) > 1:
            for task in batch:
                self._write([task])
            return
        for task in batch:
            if error is None:
                task.written.set_result(None)
            else:
                task.written.set_exception(type(error)(str(error)))  # each thread raises its own

    def _error_in_writing(self, decisions: Sequence[StoredDecision]) -> EdgeError | None:
        try:
            with writing(self._engine) as conn:
                append_decisions(conn, decisions)
        except EdgeError as error:
            return error
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end the only writer
            return StoreRefusedError(f"a decision cannot be stored ({type(error).__name__})")
        return None
