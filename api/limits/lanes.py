"""A lane: so many at work, so many that wait for them, so long, and not one more."""

from __future__ import annotations

import threading


class Lane:
    """Places at work, and a queue before them that is bounded in length and in time.

    Args:
        n_places: requests at work at once.
        n_waiting: most requests that wait for a place.
        patience_s: how long each of them waits, in seconds.
    """

    def __init__(self, n_places: int, n_waiting: int = 0, patience_s: float = 0.0) -> None:
        self._n_places = n_places
        self._most_waiting = n_waiting
        self._patience_s = patience_s
        self._freed = threading.Condition(threading.Lock())
        self._n_at_work = 0
        self._n_waiting = 0

    @property
    def n_at_work(self) -> int:
        """Requests that have a place."""
        return self._n_at_work

    @property
    def n_waiting(self) -> int:
        """Requests that wait for one."""
        return self._n_waiting

    def enter(self) -> bool:
        """Take a place, and tell whether there was one in time; whoever takes one has to ``leave``."""
        with self._freed:
            if not self._has_room() and not self._wait():
                return False
            self._n_at_work += 1
            return True

    def leave(self) -> None:
        """Give a place back."""
        with self._freed:
            self._n_at_work -= 1
            self._freed.notify()

    def _has_room(self) -> bool:
        return self._n_at_work < self._n_places

    def _wait(self) -> bool:
        if self._n_waiting >= self._most_waiting:
            return False
        self._n_waiting += 1
        try:
            return self._freed.wait_for(self._has_room, self._patience_s)
        finally:
            self._n_waiting -= 1
