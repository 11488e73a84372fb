"""What stands behind each candidate: its evidence and its edges, folded to one value a candidate.

One pass over the terms of all sums, because every column of it is a loop of its own otherwise.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from engine.compiled import compiled, read, signature
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Origin
from guardrails.policy.limits import EvidenceLimits
from guardrails.rules.base import MICRO, NO_EDGES

_CONTEXT: Final = Origin.CONTEXT.value
_MOST_AGE_MICRO: Final = 1_000 * MICRO
_NO_EDGES: Final = int(NO_EDGES)
_NOBODY: Final = -1


class Behind(NamedTuple):
    """What stands behind n candidates; arrays have shape (n,).

    Attributes:
        origins: int8: a bit, ``1 << Origin``, for each origin of its evidence.
        provenance: int8: furthest provenance of its evidence; 0 without any.
        tier: int8: highest tier of its evidence; 0 without any.
        support: int32: fewest customers behind an edge; ``NO_EDGES`` without any. What is told by texts
            alone tells on no customer, however few.
        sensitive_support: int32: the same over edges from evidence of a tier of 1 or more.
        strongest: int64: row of the evidence with the largest contribution, of equals the earlier; else -1.
        age_micro: int64: age of that as a share of the greatest its kind may have, in millionths, at most a
            thousand times as much; 0 without.
        n_supported: pieces of evidence of a person that an edge of enough customers proposes something for.
    """

    origins: NDArray[np.int8]
    provenance: NDArray[np.int8]
    tier: NDArray[np.int8]
    support: NDArray[np.int32]
    sensitive_support: NDArray[np.int32]
    strongest: NDArray[np.int64]
    age_micro: NDArray[np.int64]
    n_supported: int


def behind(
    candidates: Candidates,
    evidence: Evidence,
    tier: NDArray[np.int8],
    limits: EvidenceLimits,
    n_customers: int,
) -> Behind:
    """Fold what is known of the terms behind each candidate.

    Args:
        candidates: n of them.
        evidence: what their terms point into.
        tier: shape (n_pieces,), int8: tier of each piece for the customer.
        limits: how old evidence may be.
        n_customers: from how many on an edge counts as supported.
    """
    found = _fold(
        candidates.ptr,
        candidates.evidence,
        candidates.contribution,
        candidates.support,
        evidence.origin,
        evidence.provenance,
        tier,
        evidence.age_days,
        evidence.kind,
        _greatest_ages(limits),
        n_customers,
    )
    return Behind(*found[:-1], n_supported=int(found[-1][0]))


@lru_cache(maxsize=8)
def _greatest_ages(limits: EvidenceLimits) -> NDArray[np.int64]:
    """Greatest age of each kind, at least one day; read-only, and made once a policy."""
    greatest: NDArray[np.int64] = np.maximum(limits.max_age_days(), 1)
    greatest.setflags(write=False)
    return greatest


_SIGNATURE = signature(
    (
        read("int32"),
        read("int32"),
        read("int64"),
        read("int32"),
        read("int8"),
        read("int8"),
        read("int8"),
        read("int32"),
        read("int8"),
        read("int64"),
        types.int64,
    ),
    ("int8", "int8", "int8", "int32", "int32", "int64", "int64", "int64"),
)


@compiled(_SIGNATURE)
def _fold(
    ptr: NDArray[np.int32],
    piece: NDArray[np.int32],
    contribution: NDArray[np.int64],
    support: NDArray[np.int32],
    origin: NDArray[np.int8],
    provenance: NDArray[np.int8],
    tier: NDArray[np.int8],
    age_days: NDArray[np.int32],
    kind: NDArray[np.int8],
    greatest_age: NDArray[np.int64],
    n_customers: int,
) -> tuple[
    NDArray[np.int8],
    NDArray[np.int8],
    NDArray[np.int8],
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
]:
    n = ptr.size - 1
    origins = np.zeros(n, np.int8)
    furthest = np.zeros(n, np.int8)
    highest = np.zeros(n, np.int8)
    fewest = np.full(n, _NO_EDGES, np.int32)
    fewest_sensitive = np.full(n, _NO_EDGES, np.int32)
    strongest = np.full(n, _NOBODY, np.int64)
    age_micro = np.zeros(n, np.int64)
    supported = np.zeros(origin.size, np.int64)
    for row in range(n):
        largest = np.int64(0)
        for term in range(ptr[row], ptr[row + 1]):
            at = piece[term]
            origins[row] |= 1 << origin[at]
            furthest[row] = max(furthest[row], provenance[at])
            highest[row] = max(highest[row], tier[at])
            if support[term] > 0:
                fewest[row] = min(fewest[row], support[term])
                if tier[at] > 0:
                    fewest_sensitive[row] = min(fewest_sensitive[row], support[term])
            if support[term] >= n_customers and origin[at] != _CONTEXT:
                supported[at] = 1
            is_first = strongest[row] == _NOBODY
            is_tied = contribution[term] == largest and at < strongest[row]
            if is_first or contribution[term] > largest or is_tied:
                strongest[row] = at
                largest = contribution[term]
        if strongest[row] != _NOBODY:
            at = strongest[row]
            share = np.int64(age_days[at]) * MICRO // greatest_age[kind[at]]
            age_micro[row] = min(share, _MOST_AGE_MICRO)
    n_supported = np.full(1, supported.sum())
    return origins, furthest, highest, fewest, fewest_sensitive, strongest, age_micro, n_supported
