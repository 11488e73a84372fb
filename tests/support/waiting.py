"""Waiting for what others do: until it is so, and no longer than anybody has patience for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 120.0

_Found = TypeVar("_Found")


def until(holds: Callable[[], _Found], patience_s: float = PATIENCE_S) -> _Found:
    """Ask until the answer is true; return it."""
    end = time.monotonic() + patience_s
    while not (found := holds()):
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.02)
    return found
