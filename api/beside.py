"""Processes that do long work beside the requests: they leave them the interpreter, and give memory back.

They are started afresh rather than forked, since whoever starts them has threads.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
from contextlib import suppress
from pathlib import Path

from api.cores import use_all


def work_beside() -> None:
    """Make a helper of this process, which was just started: it ends with whoever started it, not before."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us is interrupted as well, and tells us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_all()


def let_requests_have_the_memory(memory_mb: int) -> None:
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


def _end_with_parent() -> None:
    """Leave with whoever started us, also if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
