"""The clock of policies: what is scheduled begins, and what is over ends, also when nobody asks."""

from __future__ import annotations

from api.logbook import Logbook
from api.policies.service import Clock, catch_up
from api.rounds import Rounds, unless_unavailable
from guardrails.policy.lifecycle import NO_LIFE

POLL_S = 1.0
"""How late a scheduled change may be."""


class PolicyClock(Rounds):
    """Looks for what is due.

    Every process has one; what is due is stored once, whoever comes first.

    Args:
        logbook: the log, and the database it is in.
        clock: tells the time in milliseconds since the epoch.
        poll_s: how often it is looked.
    """

    def __init__(self, logbook: Logbook, clock: Clock, poll_s: float = POLL_S) -> None:
        super().__init__("tactful-policy-clock", first_s=poll_s)
        self._logbook = logbook
        self._clock = clock
        self._poll_s = poll_s
        self._life = NO_LIFE

    def _round(self) -> float:
        unless_unavailable("policy:clock:failed", self._catch_up)
        return self._poll_s

    def _catch_up(self) -> None:
        after = catch_up(self._logbook.engine, self._clock, self._life)
        if after != self._life:
            self._logbook.announce()
        self._life = after
