"""What is remembered of a server that is gone: nobody waits for it again and again, one looks for it.

Without this, each request of an outage waits for a connection as long as it may, and answers that need no
database at all come late.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

REST_S = 1.0
"""How long nobody asks a server that was found gone, in seconds."""


class Outage:
    """Whether one server was found gone, in one process.

    Args:
        looking_s: how long who looks for it may take, in seconds; then somebody else does.
        clock: seconds that only go forward.
    """

    def __init__(self, looking_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._looking_s = looking_s
        self._clock = clock
        self._turn = threading.Lock()
        self._until: float | None = None

    def may_ask(self) -> bool:
        """Tell whether to ask the server now: always, unless it was found gone; then one at a time."""
        if self._until is None:
            return True
        with self._turn:
            now = self._clock()
            if self._until is not None and now < self._until:
                return False
            self._until = now + self._looking_s
        return True

    def begin(self) -> None:
        """Take note that the server is gone."""
        with self._turn:
            self._until = self._clock() + REST_S

    def end(self) -> None:
        """Take note that the server answers."""
        if self._until is not None:
            with self._turn:
                self._until = None
