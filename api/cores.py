"""Which cores of the machine a process computes on.

A worker of the server computes on one core at a time, however many threads it has: Python lets no two of
them compute at once. Left to the kernel its threads wander, and each takes over on a core whose caches know
nothing of what the one before was at. So where there is a worker for every core, each stays on a core of its
own; where there are fewer or more, the kernel knows better, for it knows who else is there. What computes
apart, such as a training, may use them all.
"""

from __future__ import annotations

import os
from contextlib import suppress

VARIABLE = "_TACTFUL_CORES"
"""Which cores the whole service may use, told to its processes: numbers set apart by commas."""


def n_cores() -> int:
    """Return how many cores this process may use: in a container often fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def note_cores() -> None:
    """Note which cores this process may use, for all that it starts."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        os.environ[VARIABLE] = ",".join(map(str, sorted(os.sched_getaffinity(0))))


def keep_to_one(number: int, n_workers: int) -> None:
    """Have this thread, and those that it starts, stay on one core, if each worker can have its own.

    Args:
        number: which worker this is, from 0.
        n_workers: how many there are.
    """
    cores = _noted()
    if len(cores) == n_workers:
        _use({cores[number]})


def use_all() -> None:
    """Have this thread, and those that it starts, use every core that the service may use."""
    cores = _noted()
    if cores:
        _use(set(cores))


def _noted() -> list[int]:
    return [int(each) for each in os.environ.get(VARIABLE, "").split(",") if each]


def _use(cores: set[int]) -> None:
    with suppress(OSError):  # taken from us meanwhile, or not ours to say
        os.sched_setaffinity(0, cores)
