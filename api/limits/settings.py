"""How much there may be of what is asked for: numbers of the shop."""

from __future__ import annotations

from dataclasses import dataclass

WAITING_A_PLACE = 2
"""So many requests wait, at most, for each place at work."""

TELLING_AT_ONCE, WAITING_TO_TELL = 4, 16
"""Requests that tell how a process is doing: so many of them at once, and so many that wait."""

FREE_THREADS = 16
"""Threads beyond all places: they refuse what is too much, and say that the process is alive."""


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Each of them as ``TACTFUL_LIMIT_`` and its name in capitals.

    Attributes:
        full_at_once: recommendations that one process works on at once; so many more wait a moment, as
            ``WAITING_A_PLACE`` says.
        least_at_once: recommendations beyond these that are answered at once, from what sells well.
        other_at_once: other requests of the API that one process works on at once, and as many of pages;
            more wait likewise.
        key_per_second: requests a second that a key may send on average, unless it has a number of its own;
            0 for no limit.
        key_at_once: requests that a key may send without a pause.
        key_per_day: requests that a key may send on a day of UTC; 0 for no limit.
        customer_per_second: the same of the tokens of a customer, together; 0 for no limit.
        customer_at_once: requests that a customer may send without a pause.
        address_per_second: the same of an address from which somebody asks without a key, and, counted apart,
            of one from which keys and tokens are sent that are not in force; 0 for no limit.
        address_at_once: requests without a pause from an address.
    """

    full_at_once: int = 16
    least_at_once: int = 16
    other_at_once: int = 12
    key_per_second: int = 0
    key_at_once: int = 200
    key_per_day: int = 0
    customer_per_second: int = 10
    customer_at_once: int = 100
    address_per_second: int = 20
    address_at_once: int = 200

    @property
    def n_threads(self) -> int:
        """Threads that a process needs so that nobody waits for one to be refused."""
        with_queue = (1 + WAITING_A_PLACE) * (self.full_at_once + 2 * self.other_at_once)
        return with_queue + self.least_at_once + TELLING_AT_ONCE + WAITING_TO_TELL + FREE_THREADS
