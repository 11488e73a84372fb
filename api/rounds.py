"""What is done beside the requests: again and again, in one thread of this process, until it is closed."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from api.errors import StoreUnavailableError
from api.logging import warn

CLOSING_S = 10.0
"""How long closing waits for a round that is under way, in seconds."""


class Rounds(ABC):
    """Goes round and does what may be due.

    Args:
        name: of the thread.
        first_s: after how many seconds the first round begins.
        closing_s: how long closing waits for a round that is under way.
    """

    def __init__(self, name: str, first_s: float, closing_s: float = CLOSING_S) -> None:
        self._first_s, self._closing_s = first_s, closing_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._go_round, name=name, daemon=True)

    def start(self) -> None:
        """Begin to go round. After a fork make a new one instead."""
        self._thread.start()

    def close(self) -> None:
        """Go round no more; closing twice is fine."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(self._closing_s)

    @abstractmethod
    def _round(self) -> float:
        """Do what may be due; return how many seconds there are to the next round. It may not raise."""

    def _go_round(self) -> None:
        rest_s = self._first_s
        while not self._closed.wait(rest_s):
            rest_s = self._round()


def unless_unavailable(event: str, do: Callable[[], object]) -> None:
    """Do something of a round; what goes wrong is noted, unless the store is away for a while.

    Args:
        event: what is noted.
        do: does it.
    """
    try:
        do()
    except Exception as error:  # noqa: BLE001  whatever it is, it must not end the only thread
        if not isinstance(error, StoreUnavailableError):
            warn(event, error)
