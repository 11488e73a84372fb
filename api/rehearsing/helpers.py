"""Processes that help with a long rehearsal, so that it is not bound to one interpreter.

They are started afresh rather than forked, since whoever rehearses may have threads, and they end with
whoever started them. Where they cannot be started, or are killed, the work is done without them.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from types import TracebackType
from typing import Self

from api.beside import work_beside
from api.rehearsing.work import Found, Work
from api.storage.retained import RetainedBody


class Helpers:
    """Some processes, each of which works on one block at a time; started when they are first asked.

    Args:
        n: how many; none of them are started by a process that may not have any.
        work: what they do.
    """

    def __init__(self, n: int, work: Work) -> None:
        n = 0 if multiprocessing.current_process().daemon else n
        self._free = threading.Semaphore(n)
        self._pool = (
            ProcessPoolExecutor(n, multiprocessing.get_context("spawn"), _begin, (work,)) if n else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def found(self, key: str, bodies: Sequence[RetainedBody] | None) -> Found | None:
        """Have a block worked on, and wait for it.

        Args:
            key: what its file is known by.
            bodies: its records; ``None`` where columns of them are kept.

        Returns:
            What came of it; ``None`` where nobody is free, or could do it.
        """
        if self._pool is None or not self._free.acquire(blocking=False):
            return None
        try:
            found = self._pool.submit(_help, key, bodies).result()
        except (BrokenExecutor, OSError):
            return None  # one that failed is not asked again
        self._free.release()
        return found


_work: Work
"""What this process helps with; set where it is a helper."""


def _begin(work: Work) -> None:
    """Make a helper of this process."""
    global _work  # noqa: PLW0603  a process has no other place for what all of its tasks share
    _work = work
    work_beside()


def _help(key: str, bodies: Sequence[RetainedBody] | None) -> Found | None:
    return _work.on_file(key) if bodies is None else _work.on_bodies(key, bodies)
