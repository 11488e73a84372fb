"""How fast somebody may ask: a token bucket each, in a table that the workers of a host share.

A bucket holds so many requests and is filled again at a steady rate. All there is to keep of it is when it
will be full again: the generic cell rate algorithm (ITU-T I.371) needs one number a caller. So the table has
a fixed size, and a bucket that is full again needs no row: forgetting it changes nothing. Where the rows that
a caller could have are all taken, the one that is full soonest makes room, and begins anew.

Callers are known in the table by a digest under a key that is made with it: whoever reads it learns nothing
of them, and nobody can choose whose row theirs is.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import secrets
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from api.figures_folder import VARIABLE

NS_PER_S = 1_000_000_000

_ROW = struct.Struct("<QQ")  # digest of a caller, and when their bucket is full in nanoseconds
_N_SETS, _N_WAYS = 4096, 8
_KEY_BYTES = 32
_HEAD_BYTES = 64
_SET_BYTES = _N_WAYS * _ROW.size
TABLE_BYTES = _HEAD_BYTES + _N_SETS * _SET_BYTES
"""How large the table is, whoever asks however often: half a megabyte."""

MOST_CALLERS = _N_SETS * _N_WAYS
"""Callers that have a row at the same time."""


def shared_table() -> Path | None:
    """Return the file that the processes of this host share; ``None`` where this one is alone.

    It lies in the folder in which they add up their figures.
    """
    folder = os.environ.get(VARIABLE)
    return None if folder is None else Path(folder) / "rates"


class Rate(NamedTuple):
    """How fast somebody may ask.

    Attributes:
        per_second: requests on average, at least 1.
        at_once: requests without a pause, at least 1.
    """

    per_second: int
    at_once: int


class Taken(NamedTuple):
    """What became of a request.

    Attributes:
        is_allowed: it may go on.
        n_left: requests that may follow at once.
        full_in_ns: so long until as many as ever may follow at once, in nanoseconds.
        wait_ns: so long until the next one is allowed, in nanoseconds; 0 for now.
    """

    is_allowed: bool
    n_left: int
    full_in_ns: int
    wait_ns: int


class Rates:
    """The buckets of all callers.

    Args:
        file: shared by the processes of this host, and made by the first of them; ``None`` keeps the buckets
            in this process alone.
        clock_ns: nanoseconds that only go forward, the same in every process.
    """

    def __init__(self, file: Path | None = None, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._lock = threading.Lock()
        self._descriptor = -1 if file is None else _open(file)
        self._table = mmap.mmap(self._descriptor, TABLE_BYTES)
        if file is None:
            self._table[:_KEY_BYTES] = secrets.token_bytes(_KEY_BYTES)
        self._key = self._table[:_KEY_BYTES]

    def take(self, caller: str, rate: Rate) -> Taken:
        """Take one request out of the bucket of a caller, if there is one.

        Args:
            caller: names them among all callers.
            rate: how fast they may ask.
        """
        return self._asked(caller, rate, takes=True)

    def look(self, caller: str, rate: Rate) -> Taken:
        """Return what would become of a request of a caller, and take none.

        Args:
            caller: names them among all callers.
            rate: how fast they may ask.
        """
        return self._asked(caller, rate, takes=False)

    def close(self) -> None:
        """Let go of the table; closing twice is fine."""
        with self._lock:
            self._table.close()
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _asked(self, caller: str, rate: Rate, *, takes: bool) -> Taken:
        digest = hashlib.blake2b(caller.encode(), digest_size=12, key=self._key).digest()
        start = _HEAD_BYTES + int.from_bytes(digest[8:], "little") % _N_SETS * _SET_BYTES
        mark = int.from_bytes(digest[:8], "little")
        with self._alone():
            now_ns = self._clock_ns()
            at, full_at_ns = self._find(start, mark, now_ns)
            taken = _take(rate, max(0, full_at_ns - now_ns))
            if takes:
                _ROW.pack_into(self._table, at, mark, now_ns + taken.full_in_ns)
        return taken

    def _find(self, start: int, mark: int, now_ns: int) -> tuple[int, int]:
        """Return where the row of a caller is, or is to be, and when their bucket is full."""
        soonest, soonest_ns = start, 1 << 64
        for at in range(start, start + _SET_BYTES, _ROW.size):
            known, full_at_ns = _ROW.unpack_from(self._table, at)
            if known == mark:
                return at, full_at_ns
            if full_at_ns < soonest_ns:
                soonest, soonest_ns = at, full_at_ns
        return soonest, now_ns

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads, and other processes, from the table."""
        with self._lock:
            if self._descriptor < 0:
                yield
                return
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def _open(file: Path) -> int:
    """Open the table that processes share, and make it where there is none."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        if os.fstat(descriptor).st_size != TABLE_BYTES:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, secrets.token_bytes(_KEY_BYTES).ljust(TABLE_BYTES, b"\0"))
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    return descriptor


def _take(rate: Rate, full_in_ns: int) -> Taken:
    """Take one request out of a bucket that is full in so many nanoseconds, if there is one in it."""
    each_ns = NS_PER_S // rate.per_second
    most_ns = rate.at_once * each_ns
    full_in_ns = min(full_in_ns, most_ns)  # the rate may have become another since
    if full_in_ns + each_ns > most_ns:
        return Taken(
            is_allowed=False, n_left=0, full_in_ns=full_in_ns, wait_ns=full_in_ns + each_ns - most_ns
        )
    full_in_ns += each_ns
    return Taken(is_allowed=True, n_left=(most_ns - full_in_ns) // each_ns, full_in_ns=full_in_ns, wait_ns=0)
