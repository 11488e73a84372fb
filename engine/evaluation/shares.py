"""How sure a share is, and the difference between two of them.

A share of independent things has Wilson's interval, which holds for few of them and near 0 and 1 too. What
customers do is not independent within a customer: the difference between two groups of customers is that of
two ratios of sums over customers, with a variance by linearisation (the delta method).

Sources: E. Wilson, Probable Inference (JASA 22, 1927); A. Deng, U. Knoblich & J. Lu, Applying the Delta
Method in Metric Analytics (KDD 2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import EvaluationError

_Z = 1.959963984540054
"""97.5 % of a normal distribution lie below."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share, or a difference of shares, with its interval of 95 %."""

    value: float
    low: float
    high: float


def wilson(k: int, n: int) -> Share:
    """Return the share of ``k`` in ``n`` with its interval.

    Raises:
        EvaluationError: there are none, or more of them than there are.

    >>> share = wilson(1, 10)
    >>> round(share.low, 4), share.value, round(share.high, 4)
    (0.0179, 0.1, 0.4042)
    """
    if not 0 <= k <= n or n == 0:
        raise EvaluationError(f"`{k}` of `{n}` is no share")
    share, square = k / n, _Z * _Z
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = _Z * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return Share(share, min(max(0.0, middle - half), share), max(min(1.0, middle + half), share))


def difference(
    one: NDArray[np.int64], of_one: NDArray[np.int64], other: NDArray[np.int64], of_other: NDArray[np.int64]
) -> Share:
    """Return by how much the share in the second group is above that in the first.

    Args:
        one: shape (n,), int64: hits of each customer of the first group.
        of_one: shape (n,), int64: of how many, for each of them.
        other: shape (m,), int64: hits of each customer of the second group.
        of_other: shape (m,), int64: of how many.

    Raises:
        EvaluationError: a group has fewer than two customers, or there was nothing to hit.
    """
    first, second = _ratio(one, of_one), _ratio(other, of_other)
    value = second[0] - first[0]
    half = _Z * math.sqrt(first[1] + second[1])
    return Share(value, value - half, value + half)


def _ratio(hits: NDArray[np.int64], of: NDArray[np.int64]) -> tuple[float, float]:
    """Return a ratio of sums and its variance."""
    n, total = hits.size, int(of.sum())
    if n < 2 or total == 0:  # noqa: PLR2004  one customer has no spread
        raise EvaluationError("a difference takes two customers in each group, who were shown something")
    ratio = float(hits.sum()) / total
    residual = hits - ratio * of
    return ratio, float(residual @ residual) * n / ((n - 1) * total * total)
