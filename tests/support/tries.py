"""How hard a property is tried: in proportion to the profile, so that the fast loop stays fast."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

USUAL = 60
"""Examples under the profile that numbers of tries are written for."""

FEWEST = 3


def many(n: int) -> int:
    """How many of ``n`` long tries are made: a quarter where time is short (``CI``)."""
    return n // 4 if os.environ.get("CI") else n


def tries(n: int, **more: Any) -> settings:
    """Settings for ``n`` examples under the usual profile, and fewer where the profile has fewer."""
    profile: settings = settings.default  # type: ignore[assignment]  # it is None only while hypothesis is imported
    return settings(max_examples=max(FEWEST, n * profile.max_examples // USUAL), **more)
