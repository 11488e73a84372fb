"""The clock of policies: what is scheduled begins, and what is over ends, also when nobody asks."""

from __future__ import annotations

import threading

from api.errors import StoreUnavailableError
from api.logbook import Logbook
from api.logging import warn
from api.policies.service import Clock, catch_up
from guardrails.policy.lifecycle import NO_LIFE

POLL_S = 1.0
"""How late a scheduled change may be."""

_CLOSING_S = 10.0


class PolicyClock:
    """Looks again and again, in one thread of this process, for what is due.

    Every process has one; what is due is stored once, whoever comes first.

    Args:
        logbook: the log, and the database it is in.
        clock: tells the time in milliseconds since the epoch.
        poll_s: how often it is looked.
    """

    def __init__(self, logbook: Logbook, clock: Clock, poll_s: float = POLL_S) -> None:
        self._logbook = logbook
        self._clock = clock
        self._poll_s = poll_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tactful-policy-clock", daemon=True)

    def start(self) -> None:
        """Begin to look. After a fork make a new one instead."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking; closing twice is fine."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSING_S)

    def _watch(self) -> None:
        life = NO_LIFE
        while not self._closed.wait(self._poll_s):
            try:
                after = catch_up(self._logbook.engine, self._clock, life)
                if after != life:
                    self._logbook.announce()
                life = after
            except Exception as error:  # noqa: BLE001  whatever it is, it must not end the only clock
                if not isinstance(error, StoreUnavailableError):
                    warn("policy:clock:failed", error)
