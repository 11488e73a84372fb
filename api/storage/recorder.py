"""The recorder: makes decisions durable and vouched for, many with one commit, before anything is answered.

Requests hand in decisions from many threads; one thread writes. While it waits for the disk the
next decisions gather, and the next commit takes all of them: the busier the service, the more
decisions share a commit. While several come at a time a commit waits a moment for more of them, for it costs
several times as much as what is in it; who comes alone waits for nobody. A second thread vouches for what
was committed while the first writes on. Nothing is dropped: whoever hands a decision in gets durability
or an error. What is in the log although its caller got an error, because it was not vouched for in time or
the server did not say whether it has committed, is noted there as unanswered as soon as that can be done.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import NamedTuple

from api.errors import EdgeError, ForkedLogError, StoreRefusedError, StoreUnavailableError
from api.logbook import Logbook
from api.logging import warn
from api.storage.connection import PATIENCE_S, writing
from api.storage.decisions import StoredDecision
from api.storage.log import Grown, TreeState

MAX_BATCH = 64
"""Most decisions in one commit: bounds how long the first of them waits."""

GATHER_S = 0.005
"""So long a commit waits for more while decisions come several at a time (PostgreSQL's ``commit_delay``)."""

_ASK_AGAIN_S = 0.05
_SETTLED_EVERY_S = 1.0

MAX_WAITING = 1024
"""Most decisions that wait; more than that could not be written within anybody's patience."""


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    decision: StoredDecision
    written: Future[int] = field(default_factory=Future)


class _Committed(NamedTuple):
    """A batch that is in the database, and what the log came to with it."""

    batch: Sequence[_Task]
    grown: Grown


class Recorder:
    """Writes decisions from one thread of this process.

    Args:
        logbook: the log.
        patience_s: how long a decision may wait for its turn.
        max_waiting: most decisions that wait.
        gather_s: how long a commit waits for more of them, while several come at a time.
    """

    def __init__(
        self,
        logbook: Logbook,
        patience_s: float = PATIENCE_S,
        max_waiting: int = MAX_WAITING,
        gather_s: float = GATHER_S,
    ) -> None:
        self._logbook = logbook
        self._patience_s = patience_s
        self._max_waiting = max_waiting
        self._gather_s = gather_s
        self._n_before = 0
        self._waiting: deque[_Task] = deque()
        self._open = False
        lock = threading.Lock()
        self._room, self._work = threading.Condition(lock), threading.Condition(lock)
        self._committed: SimpleQueue[_Committed | None] = SimpleQueue()
        self._owed: deque[Sequence[str]] = deque()
        self._thread = threading.Thread(target=self._run, name="tactful-recorder", daemon=True)
        self._voucher = threading.Thread(target=self._vouch, name="tactful-voucher", daemon=True)

    def start(self) -> None:
        """Begin to accept decisions. After a fork make a new recorder instead."""
        self._open = True
        self._voucher.start()
        self._thread.start()

    def submit(self, decision: StoredDecision) -> int:
        """Return when the decision is durable and vouched for: its position in the log.

        Raises:
            StoreUnavailableError: it is not, and must not be answered.
            StoreRefusedError: the database does not accept it, for instance for an id that is taken.
        """
        deadline = time.monotonic() + self._patience_s
        (written,) = self._hand_in([_Task(decision)])
        return self._wait_for(written, deadline)

    def submit_all(self, decisions: Sequence[StoredDecision]) -> list[int]:
        """Return when all of them are durable and vouched for: their positions in the log, in their order.

        They go into the log in few commits, mostly one.

        Raises:
            StoreUnavailableError: one of them is not. None must be answered; the log is told of those that
                are in it.
            StoreRefusedError: the same, and trying again will not help.
        """
        deadline = time.monotonic() + self._patience_s
        failed: EdgeError | None = None
        recorded: dict[str, int] = {}
        handed_in = self._hand_in([_Task(each) for each in decisions])
        for decision, written in zip(decisions, handed_in, strict=True):
            try:
                recorded[decision.decision_id] = self._wait_for(written, deadline)
            except EdgeError as error:
                failed = failed or error
        if failed is None:
            return list(recorded.values())
        for decision_id in recorded:
            self._say_unanswered([decision_id])
        raise failed

    def _wait_for(self, written: Future[int], deadline: float) -> int:
        try:
            return written.result(max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError:
            if written.cancel():
                raise StoreUnavailableError("decisions cannot be recorded fast enough") from None
            return (
                written.result()
            )  # it is being written at this moment, and the database has its own patience

    def close(self) -> None:
        """Accept nothing more, write what waits, and return when that is done; closing twice is fine."""
        with self._work:
            self._open = False
            self._work.notify_all()
            self._room.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        if self._voucher.is_alive():
            self._voucher.join()
        self._settle()  # what could not be vouched for since the last batch was written

    def _hand_in(self, tasks: Sequence[_Task]) -> list[Future[int]]:
        with self._room:
            there_is_room = self._room.wait_for(
                lambda: (
                    not (self._open and self._waiting) or len(self._waiting) + len(tasks) <= self._max_waiting
                ),
                self._patience_s,
            )
            if not self._open:
                raise StoreUnavailableError("decisions cannot be recorded: nothing is accepted now")
            if not there_is_room:
                raise StoreUnavailableError("decisions cannot be recorded fast enough")
            self._waiting.extend(tasks)
            self._work.notify()
        return [task.written for task in tasks]

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            self._settle()
            standing = [task for task in batch if task.written.set_running_or_notify_cancel()]
            if standing:
                self._write(standing)
        self._settle()
        self._committed.put(None)

    def _take(self) -> list[_Task] | None:
        """Wait a while for decisions; ``None`` when there will be no more."""
        with self._work:
            self._work.wait_for(lambda: self._waiting or not self._open, _SETTLED_EVERY_S)
            if not (self._waiting or self._open):
                return None
            if self._n_before > 1 and self._waiting and self._open:
                self._gather()
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            self._n_before = len(batch)
            self._room.notify_all()
        return batch

    def _gather(self) -> None:
        """Let go of the lock for a moment, for decisions that are about to come."""
        self._work.release()
        try:
            time.sleep(self._gather_s)
        finally:
            self._work.acquire()

    def _write(self, batch: Sequence[_Task]) -> None:
        """Write a batch with one commit; one that the database refuses is parted from the others."""
        is_committing = False
        try:
            with writing(self._logbook.engine) as conn:
                grown = self._logbook.append(conn, [task.decision for task in batch])
                is_committing = True
        except StoreRefusedError as error:
            if len(batch) > 1:
                for task in batch:
                    self._write([task])
            else:
                _fail(batch, error)
        except EdgeError as error:
            _fail(batch, error)
            if is_committing:  # whether it was committed nobody can tell us now
                self._say_unanswered([task.decision.decision_id for task in batch])
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end the only writer
            _fail(batch, StoreRefusedError(f"a decision cannot be stored ({type(error).__name__})"))
        else:
            self._committed.put(_Committed(batch, grown))

    def _vouch(self) -> None:
        """Vouch for what was committed while the next batch is written; then those who wait are told.

        What was committed meanwhile is vouched for at once: the last tree holds those before.
        """
        while (one := self._committed.get()) is not None:
            together = [one]
            with suppress(Empty):
                while (more := self._committed.get_nowait()) is not None:
                    together.append(more)
                self._committed.put(None)  # nothing follows, and this thread has still to hear of it
            self._tell(together)

    def _tell(self, together: Sequence[_Committed]) -> None:
        try:
            self._publish(together[-1].grown.after)
        except EdgeError as error:
            self._give_up(together, error)
        except Exception as error:  # noqa: BLE001  whatever it is, those who wait are to know
            self._give_up(together, StoreRefusedError(f"the log is not vouched for ({type(error).__name__})"))
        else:
            for each in together:
                for log_index, task in enumerate(each.batch, start=each.grown.first_index):
                    task.written.set_result(log_index)

    def _give_up(self, together: Sequence[_Committed], error: EdgeError) -> None:
        """Tell those who wait, and the log, that what is in it was not answered."""
        for each in together:
            _fail(each.batch, error)
        if isinstance(error, ForkedLogError):
            return  # nothing more goes into such a log
        for each in together:
            self._say_unanswered([task.decision.decision_id for task in each.batch])

    def _say_unanswered(self, decision_ids: Sequence[str]) -> None:
        """Tell the log that decisions were not answered, as far as they are in it; later if not now."""
        try:
            self._logbook.say_unanswered(decision_ids)
        except StoreUnavailableError:
            self._owed.append(decision_ids)
        except Exception as error:  # noqa: BLE001  whatever it is, it must not end the only writer
            warn("decision:unanswered:unsaid", error)

    def _settle(self) -> None:
        """Tell the log what it could not be told before."""
        for _ in range(len(self._owed)):
            self._say_unanswered(self._owed.popleft())

    def _publish(self, state: TreeState) -> None:
        """Vouch for a tree; a guard that cannot be asked just now is asked again for a while.

        What is committed is in the log: to give up on it leaves a decision there that nobody was told of.

        Raises:
            ForkedLogError: it does not go on from what was vouched for last.
            StoreUnavailableError: the guard could not be asked in that time.
        """
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                self._logbook.publish(state)
            except ForkedLogError:
                raise
            except StoreUnavailableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_ASK_AGAIN_S)
            else:
                return


def _fail(batch: Sequence[_Task], error: EdgeError) -> None:
    for task in batch:
        task.written.set_exception(type(error)(str(error)))  # each thread raises its own
