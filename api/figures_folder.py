"""The folder where the workers of one host add up their figures, and whose turn it is at a place in it.

Each worker writes files of its own. Named by its process id, as is usual, they would become more with every
worker that dies or is relieved, and what a dead one said of itself would be told for ever. Here a worker
takes the lowest place that is free, and goes on with the counts of whoever had it before: there are never
more places than workers at one time. A place is held by a lock, which ends with the process however that
ends. So is the folder, by the process that watches over the workers: what a killed server has left is removed
by the next one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder."""

JUST_MADE_S = 60.0
"""For how long a folder that nobody holds may be one that is about to be held, in seconds."""

_held: list[int] = []


def take_place() -> str | None:
    """Take a place for this process, before anything is counted; ``None`` where there is no folder."""
    folder = os.environ.get(VARIABLE)
    if folder is None:
        return None
    for number in count():
        place = f"place{number}"
        lock = os.open(Path(folder) / place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _is_ours(lock):
            _held.append(lock)
            mark_process_dead(place)  # type: ignore[no-untyped-call]  # publishes no types
            values.ValueClass = values.MultiProcessValue(partial(str, place))  # type: ignore[no-untyped-call]  # as above
            return place
        os.close(lock)
    raise AssertionError("numbers do not end")


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold a folder, so that nobody takes it for one that was left; workers that are forked hold it as well.

    Together with others: a server that was renewed holds what the workers of before still hold.
    """
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)  # who looks whether it was left lets go of it at once
        yield
    finally:
        os.close(lock)


def remove_left(beside: Path, prefix: str) -> None:
    """Remove what killed servers have left: folders beside ours that neither a server nor a worker holds."""
    for folder in beside.parent.glob(f"{prefix}*"):
        with suppress(OSError):  # it has gone meanwhile
            if folder != beside and _was_left(folder):
                shutil.rmtree(folder)


def _was_left(folder: Path) -> bool:
    found = folder.lstat()
    if found.st_uid != os.geteuid():  # anybody may make such a name, and have it lead to what opens never
        return False
    if time.time() - found.st_mtime < JUST_MADE_S:
        return False
    with ExitStack() as held:
        return all(held.enter_context(_free(each)) for each in (folder, *folder.glob("place*")))


def forget_the_dead() -> None:
    """Remove what processes that are gone have said of themselves; what they have counted stays."""
    for place in sorted(Path(os.environ[VARIABLE]).glob("place*")):
        with _free(place) as is_free:
            if is_free:
                mark_process_dead(place.name)  # type: ignore[no-untyped-call]  # publishes no types


@contextmanager
def _free(place: Path) -> Iterator[bool]:
    """Hold a place or a folder, if nobody does, for as long as it takes; tell whether nobody did."""
    lock = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield _is_ours(lock)
    finally:
        os.close(lock)


def _is_ours(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
