"""Counts beside the requests what takes too long to be counted for a page."""

from __future__ import annotations

from collections.abc import Callable

from api.logbook import Logbook
from api.rounds import Rounds, unless_unavailable
from api.storage.connection import reading, writing
from api.storage.figures import count_consents, put_consents

EVERY_MS = 600_000
"""How old what was counted may become: with a million customers counting takes some seconds."""

POLL_S = 5.0

_DUTY = "consents"


class FigureKeeper(Rounds):
    """Counts again when what was counted last is too old.

    Every process has one; what is due is counted once, whoever comes first.

    Args:
        logbook: the log, with the database and the store that says who does what.
        clock: tells the time in milliseconds since the epoch.
        poll_s: how often it is looked, in seconds.
    """

    def __init__(self, logbook: Logbook, clock: Callable[[], int], poll_s: float = POLL_S) -> None:
        super().__init__("tactful-figure-keeper", first_s=0.0)
        self._logbook = logbook
        self._clock = clock
        self._poll_s = poll_s

    def count(self) -> bool:
        """Count what is due; tell whether anything was.

        Raises:
            StoreUnavailableError: the database cannot be used now.
        """
        now_ms = self._clock()
        if not self._logbook.guard.take_up(_DUTY, now_ms, EVERY_MS):
            return False
        with reading(self._logbook.engine) as conn:
            counted = count_consents(conn, now_ms)
        with writing(self._logbook.engine) as conn:
            put_consents(conn, counted)
        return True

    def _round(self) -> float:
        unless_unavailable("figures:failed", self.count)
        return self._poll_s
