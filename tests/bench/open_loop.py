"""An open-loop HTTP client: requests leave by the clock, whether or not the server keeps up.

A closed loop waits for an answer before it asks again, so a server that stalls is asked less just then and
looks better than it is (coordinated omission). Here each request has a moment at which it is due, and its
latency counts from that moment: what waits for a free connection waits on the server's account.

One thread and one selector: some 30 µs a request, cheap enough to share two cores with the server.
"""

from __future__ import annotations

import itertools
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_GIVE_UP_S = 30.0
"""So long an answer may take before it counts as none."""


@dataclass(frozen=True)
class Answers:
    """What came of a run, in the order in which requests were due; all arrays have shape (n,).

    Attributes:
        due_s: when each was due, in seconds since the start.
        took_s: from then until its answer was complete; until the run gave up, where none came.
        status: the answer's status; 0 where none came.
        degraded: whether the answer says that it is less than it might be.
        says_when: whether the answer has a ``Retry-After``.
        personal: whether the answer's basis is a personal one.
    """

    due_s: NDArray[np.float64]
    took_s: NDArray[np.float64]
    status: NDArray[np.int16]
    degraded: NDArray[np.bool_]
    says_when: NDArray[np.bool_]
    personal: NDArray[np.bool_]

    def ms(self, share: float) -> float:
        """Return a percentile of the latency, in milliseconds, over every request."""
        return float(np.percentile(self.took_s, share) * 1e3)

    @property
    def per_second(self) -> float:
        """How many answers of status 200 came a second, from the first due to the last answer."""
        answered = self.status == 200
        if not answered.any():
            return 0.0
        return float(answered.sum() / (self.due_s + self.took_s)[answered].max())

    def statuses(self) -> dict[int, int]:
        """Return how many answers there were of each status; 0 stands for none."""
        values, counts = np.unique(self.status, return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))


def ask_at(
    port: int, requests: Sequence[bytes], *, per_second: float, seconds: float, connections: int = 256
) -> Answers:
    """Ask at evenly spaced moments, in turn, and wait for every answer.

    Args:
        port: of a server on this machine.
        requests: whole HTTP/1.1 requests, asked in turn.
        per_second: how many are due a second.
        seconds: for how long.
        connections: most connections at a time; what is due while all are busy waits, and counts.
    """
    return _Run(port, requests, per_second, int(per_second * seconds), connections).done()


class _Connection:
    """One connection and the request it is busy with."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=_GIVE_UP_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = -1
        self.got = b""


class _Run:
    def __init__(
        self, port: int, requests: Sequence[bytes], per_second: float, n: int, connections: int
    ) -> None:
        self._port, self._most = port, connections
        self._requests = itertools.cycle(requests)
        self._due_s = np.arange(n) / per_second
        self._took_s = np.full(n, np.nan)
        self._status = np.zeros(n, np.int16)
        self._degraded = np.zeros(n, np.bool_)
        self._says_when = np.zeros(n, np.bool_)
        self._personal = np.zeros(n, np.bool_)
        self._selector = selectors.DefaultSelector()
        self._idle: deque[_Connection] = deque()
        self._busy: set[_Connection] = set()
        self._started = 0.0

    def done(self) -> Answers:
        self._started = time.perf_counter()
        number, n = 0, self._due_s.size
        while number < n or self._busy:
            now_s = time.perf_counter() - self._started
            while number < n and self._due_s[number] <= now_s and self._send(number):
                number += 1
            if number == n and now_s > self._due_s[-1] + _GIVE_UP_S:
                break
            wait_s = 1.0 if number == n else max(0.0, self._due_s[number] - now_s)
            for key, _ in self._selector.select(min(wait_s, 0.05)):
                self._receive(key.data)
        for connection in [*self._busy, *self._idle]:
            self._drop(connection)
        self._selector.close()
        never = np.isnan(self._took_s)
        end_s = time.perf_counter() - self._started
        took_s = np.where(never, end_s - self._due_s, self._took_s)
        return Answers(self._due_s, took_s, self._status, self._degraded, self._says_when, self._personal)

    def _send(self, number: int) -> bool:
        """Send a request, if there is a connection for it."""
        connection = self._free()
        if connection is None:
            return False
        connection.number, connection.got = number, b""
        self._busy.add(connection)
        try:
            connection.sock.sendall(next(self._requests))
        except OSError:
            self._fail(connection)
        return True

    def _free(self) -> _Connection | None:
        if self._idle:
            return self._idle.pop()
        if len(self._busy) >= self._most:
            return None
        try:
            connection = _Connection(self._port)
        except OSError:
            return None
        self._selector.register(connection.sock, selectors.EVENT_READ, connection)
        return connection

    def _receive(self, connection: _Connection) -> None:
        try:
            chunk = connection.sock.recv(262_144)
        except OSError:
            chunk = b""
        if not chunk:
            self._fail(connection)
            return
        connection.got += chunk
        head, found, body = connection.got.partition(_HEAD_END)
        if not found or len(body) < _length(head):
            return
        number = connection.number
        self._took_s[number] = time.perf_counter() - self._started - self._due_s[number]
        self._status[number] = int(head[9:12])
        self._degraded[number] = b'"degraded":true' in body
        self._says_when[number] = b"retry-after:" in head.lower()
        self._personal[number] = b'"basis":"profile"' in body or b'"basis":"session"' in body
        self._busy.discard(connection)
        if b"connection: close" in head.lower():
            self._drop(connection)
        else:
            self._idle.append(connection)

    def _fail(self, connection: _Connection) -> None:
        """Note that no answer came; one that was not busy was just closed."""
        if connection in self._busy:
            number = connection.number
            self._took_s[number] = time.perf_counter() - self._started - self._due_s[number]
        self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._busy.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection.sock.fileno() >= 0:
            self._selector.unregister(connection.sock)
        connection.sock.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(_LENGTH):
            return int(line[len(_LENGTH) :])
    return 0
