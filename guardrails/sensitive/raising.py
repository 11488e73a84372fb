"""Where the law of a place is stricter: ordinary goods of some classes count as sensitive there."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from guardrails.sensitive.classes import Tier


def raised(
    tier: NDArray[np.int8],
    sensitive_class: NDArray[np.int16],
    names: Sequence[str],
    raised_classes: Collection[str],
) -> NDArray[np.int8]:
    """Return tiers with every S1 of a raised class as S2; int8, shape (n,).

    Args:
        tier: shape (n,), int8.
        sensitive_class: shape (n,), int16, codes into ``names``; -1 for none.
        names: class names by code.
        raised_classes: names of the classes to raise (``Jurisdiction.raised_classes``).

    >>> raised(np.array([1, 1, 3], np.int8), np.array([0, 1, 0], np.int16), ["health", "weapons"], {"health"})
    array([2, 1, 3], dtype=int8)
    """
    by_class = np.array([*(name in raised_classes for name in names), False], np.bool_)  # -1 reads the last
    is_raised = by_class[sensitive_class] & (tier == np.int8(Tier.S1))
    return np.where(is_raised, np.int8(Tier.S2), tier)
