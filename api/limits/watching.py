"""Who counts what was refused."""

from __future__ import annotations

from typing import Protocol


class Watching(Protocol):
    """Counts requests that were not begun."""

    def count_refused(self, because: str) -> None:
        """Count one: ``overloaded``, ``too-fast`` or ``day-used-up``."""
