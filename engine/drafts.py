"""Folders to prepare something in, on this machine: what killed processes leave goes with whoever comes next.

Whoever prepares something holds a lock on its folder, which the kernel lets go of however the process ends.
Folders are made, looked through and removed under one more lock, so that none is taken for left before it
is locked.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DRAFT = ".draft-"
"""What the names of such folders begin with."""

_CHANGING_FILE = ".drafts-lock"
_IN_USE_FILE = ".lock"


@contextmanager
def draft_in(root: Path) -> Iterator[Path]:
    """Yield a folder of one's own, which is removed at the end with what is still in it.

    Args:
        root: where it is made, and what others have left is removed; it is made if need be.

    Raises:
        OSError: it cannot be made or removed.
    """
    root.mkdir(parents=True, exist_ok=True)
    with held(root / _CHANGING_FILE):
        _remove_left(root)
        draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=root))
        in_use = (draft / _IN_USE_FILE).open("a")
        fcntl.flock(in_use, fcntl.LOCK_EX)
    try:
        yield draft
    finally:
        with held(root / _CHANGING_FILE), in_use:
            shutil.rmtree(draft)


def remove_left_drafts(root: Path) -> None:
    """Remove what killed processes have left in a folder, if it is there.

    Raises:
        OSError: something cannot be removed.
    """
    if root.exists():
        with held(root / _CHANGING_FILE):
            _remove_left(root)


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Wait until no other process or thread holds a file, and hold it meanwhile."""
    with file.open("a") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield


def _remove_left(root: Path) -> None:
    for draft in root.glob(f"{DRAFT}*"):
        with (draft / _IN_USE_FILE).open("a") as in_use:
            try:
                fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(draft)
