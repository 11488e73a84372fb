"""API keys that this process has seen in force: what opens a little while the database is gone."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from api.storage.api_keys import KeyRow

REMEMBERED_S = 3600.0
"""How long a key that was looked up is remembered, in seconds: so long one that was revoked since, while
the database is gone, may still ask for what sells well."""

MOST = 1024
"""Most keys that are remembered."""


class SeenKeys:
    """Remembers keys by the digest of their secret, each as it was when it was looked up last.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[bytes, tuple[KeyRow, float]] = {}

    def note(self, secret: str, key: KeyRow | None) -> None:
        """Take note of what looking a secret up has found; ``None`` for no key in force."""
        digest = _digest(secret)
        if key is None:
            self._seen.pop(digest, None)
        elif digest in self._seen or len(self._seen) < MOST:
            self._seen[digest] = (key, self._clock())

    def recall(self, secret: str) -> KeyRow | None:
        """Return a key that was in force lately; ``None`` for any other."""
        key, at_s = self._seen.get(_digest(secret), (None, 0.0))
        return key if self._clock() - at_s <= REMEMBERED_S else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()
