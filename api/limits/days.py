"""How much a key may ask for on a day: counted in the database, in steps.

A process takes a number of requests at a time out of what is left of the day, and hands them out by itself:
one write for many requests, and never more than the quota, however many processes there are. What a
process has taken and not handed out when it ends is lost for that day: at most a hundredth of the quota.

A day is one of UTC. Where the database cannot be written, the next step is handed out uncounted: what the
disk or the network does is no reason to refuse a key. Requests that write fail then by themselves, those that
only read are answered as ever, and the gate holds for all of them.

While a step is taken for one key, those that ask with it wait for that one write; the others do not.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Engine

from api.errors import StoreUnavailableError
from api.storage.connection import writing
from api.storage.key_days import take_of_day
from engine.interactions import DAY_MS

MOST_KEYS = 1024
"""Keys of which a process remembers what it has taken; of the others that is lost."""

LARGEST_STEP = 1000

_SHARE = 100
"""A step is such a part of the quota, and at least one request."""


class DayTaken(NamedTuple):
    """What became of a request.

    Attributes:
        is_allowed: it may go on.
        n_left: requests that are known to be left for the day, by this process.
        reset_s: seconds until the day is over.
    """

    is_allowed: bool
    n_left: int
    reset_s: int


@dataclass(slots=True)
class _Share:
    """What a process has taken of a key's day.

    Attributes:
        day: which day, as a number since the epoch.
        n_per_day: the quota that it was taken from.
        n_held: requests that it may still hand out.
        n_left: requests that were left in the database then.
        is_used_up: there was nothing left to take.
        fetching: held by the one request that takes a step for all who wait for it.
    """

    day: int
    n_per_day: int
    n_held: int = 0
    n_left: int = 0
    is_used_up: bool = False
    fetching: threading.Lock = field(default_factory=threading.Lock)


class Days:
    """Hands out what keys may ask for on a day.

    Args:
        engine: the database.
        clock: milliseconds since the epoch.
    """

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()  # held for a moment, and never over a write
        self._shares: OrderedDict[str, _Share] = OrderedDict()

    def take(
        self, key_id: str, n_per_day: int, before_waiting: Callable[[], None] = lambda: None
    ) -> DayTaken:
        """Hand out one request of a key's day, if there is one.

        Args:
            key_id: names the key.
            n_per_day: its quota, at least 1.
            before_waiting: lets go of what nobody may hold while they wait for the database to be written.
        """
        day, passed_ms = divmod(self._clock(), DAY_MS)
        reset_s = -(-(DAY_MS - passed_ms) // 1000)
        share = self._share(key_id, day, n_per_day)
        taken = self._hand_out(share, reset_s)
        if taken is None:
            before_waiting()
            with share.fetching:
                while (taken := self._hand_out(share, reset_s)) is None:
                    self._fetch(key_id, share)
        return taken

    def _share(self, key_id: str, day: int, n_per_day: int) -> _Share:
        with self._lock:
            share = self._shares.get(key_id)
            if share is None or (share.day, share.n_per_day) != (day, n_per_day):
                share = self._shares[key_id] = _Share(day, n_per_day)
            self._shares.move_to_end(key_id)
            if len(self._shares) > MOST_KEYS:
                self._shares.popitem(last=False)
            return share

    def _hand_out(self, share: _Share, reset_s: int) -> DayTaken | None:
        """Hand out one request of what is held, or say that all is used up; ``None`` for neither."""
        with self._lock:
            if share.is_used_up:
                return DayTaken(is_allowed=False, n_left=0, reset_s=reset_s)
            if not share.n_held:
                return None
            share.n_held -= 1
            return DayTaken(is_allowed=True, n_left=share.n_held + share.n_left, reset_s=reset_s)

    def _fetch(self, key_id: str, share: _Share) -> None:
        """Take a step; where that cannot be written, it is handed out all the same."""
        step = min(max(share.n_per_day // _SHARE, 1), LARGEST_STEP)
        n_left = share.n_left
        try:
            with writing(self._engine) as conn:
                n_before, n_taken = take_of_day(conn, key_id, share.day, step, share.n_per_day)
                n_left = share.n_per_day - n_before - n_taken
        except StoreUnavailableError:
            n_taken = step
        with self._lock:
            share.n_held, share.n_left, share.is_used_up = n_taken, n_left, not n_taken
