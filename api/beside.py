"""Processes that do long work beside the requests: they leave them the interpreter, and give memory back.

They are started afresh rather than forked, since whoever starts them has threads. Within the server such
work would take the interpreter from the requests for seconds, in a large shop for many, and the memory it
needs for a moment would stay the server's.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from api.cores import use_all
from api.errors import EdgeError, WorkFailedError, WorkLostError
from api.imports.importer import Progress
from api.logging import warn
from engine.errors import EngineError
from guardrails.errors import GuardrailError

T = TypeVar("T")

_NICENESS = 10
"""Requests come first where there is not enough of the processor for both: nobody waits for this work."""

_TOLD_EVERY_S = 0.2
_ENDS_WITHIN_S = 5.0
_AT, _DONE, _FAILED = "at", "done", "failed"


def done_beside(name: str, task: Callable[[Progress], T], watch: Progress) -> T:
    """Have something done by a process of its own, and wait for it.

    Args:
        name: of the process.
        task: does it; can be pickled, as can what it returns. It is given what is told how far it has come.
        watch: is told that, and the same again several times a second while nothing changes. What it raises
            stops the process between two steps, and is raised.

    Raises:
        EdgeError: as the task does, and so do the errors of the other floors.
        WorkFailedError: the task failed in a way that none of these tells of.
        WorkLostError: the process is gone.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_do, args=(task, theirs), name=name, daemon=True)
    with ours:
        with theirs:
            process.start()
        try:
            outcome: T = _outcome(ours, watch)
        except BaseException:
            process.terminate()
            raise
        finally:
            _end(process)
    return outcome


def _outcome(ours: Pipe, watch: Progress) -> Any:
    """Wait for what comes of it."""
    at: tuple[int, int | None, str] = (0, None, "beginning")
    while True:
        watch(*at)
        if not ours.poll(_TOLD_EVERY_S):
            continue
        try:
            kind, said = ours.recv()
        except EOFError:
            raise WorkLostError("a process beside the requests is gone: was there enough memory?") from None
        if kind == _DONE:
            return said
        if kind == _FAILED:
            raise said
        at = said


def _end(process: BaseProcess) -> None:
    process.join(_ENDS_WITHIN_S)
    process.kill()
    process.join()
    process.close()


def _do(task: Callable[[Progress], object], to: Pipe) -> None:
    """Do it in this process, and tell another how far it is and what came of it."""
    work_beside()
    signal.signal(signal.SIGTERM, _stop)
    os.nice(_NICENESS)
    let_requests_have_the_memory()
    with to:
        outcome = _done(task, lambda *at: to.send((_AT, at)))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing is left that has to be ended in order
        to.send(outcome)


def _done(task: Callable[[Progress], object], tell: Progress) -> tuple[str, object]:
    try:
        return _DONE, task(tell)
    except (EdgeError, EngineError, GuardrailError) as error:  # their texts name nobody
        return _FAILED, error
    except MemoryError:
        let_it_say_so()
        return _FAILED, WorkFailedError("there is not enough memory for it")
    except Exception as error:  # noqa: BLE001  whoever waits is to know of it
        warn("beside:failed", error)
        return _FAILED, WorkFailedError(type(error).__name__)


def _stop(number: int, frame: Any) -> NoReturn:
    """Leave between two steps: locks, folders and the lineage are as after anything that ends early."""
    del number, frame
    sys.exit()


def work_beside() -> None:
    """Make a helper of this process, which was just started: it ends with whoever started it, not before."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us is interrupted as well, and tells us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_all()


def let_requests_have_the_memory(memory_mb: int = 0) -> None:
    """Be the first to go where the machine has no memory left, and stay within what may be taken.

    Args:
        memory_mb: how much more than now, in megabytes; 0 for as much as there is.
    """
    with suppress(OSError):  # not Linux, or not ours to say
        Path("/proc/self/oom_score_adj").write_text("1000")
    if memory_mb:
        n_pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = n_pages * resource.getpagesize() + memory_mb * 1_000_000
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)  # no process may allow itself more than that
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def let_it_say_so() -> None:
    """Give memory to a process that may have no more of it, so that it can say so."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _end_with_parent() -> None:
    """Leave with whoever started us, also if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
