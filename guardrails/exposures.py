"""What was shown to somebody before, as columns: a regular customer has seen some thousand suggestions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from engine.vocabulary import Intent


@dataclass(frozen=True, slots=True)
class Exposure:
    """One suggestion that was shown before.

    Attributes:
        item_idx: catalogue row.
        at_ms: when it was shown, milliseconds since the epoch.
        intent: what it was shown for.
        same_session: whether that was in the visit that is going on.
        acted_on: the customer clicked or bought it.
        decision: number that tells slates apart (equal for suggestions of one slate).
        interruptive: it stopped the customer.
        outbound: the shop spoke first (e-mail, push, ...).
        dismissed: the customer waved it off, or called it too personal.
    """

    item_idx: int
    at_ms: int
    intent: Intent
    same_session: bool
    acted_on: bool
    decision: int
    interruptive: bool
    outbound: bool
    dismissed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Exposures:
    """Suggestions that were shown before; one entry each, shape (k,), described at ``Exposure``."""

    item_idx: NDArray[np.int32]
    at_ms: NDArray[np.int64]
    intent: NDArray[np.int8]
    same_session: NDArray[np.bool_]
    acted_on: NDArray[np.bool_]
    decision: NDArray[np.int64]
    interruptive: NDArray[np.bool_]
    outbound: NDArray[np.bool_]
    dismissed: NDArray[np.bool_]

    @classmethod
    def of(cls, shown: Iterable[Exposure]) -> Exposures:
        """Build from single ones."""
        rows = list(shown)
        return cls(
            item_idx=np.array([each.item_idx for each in rows], np.int32),
            at_ms=np.array([each.at_ms for each in rows], np.int64),
            intent=np.array([int(each.intent) for each in rows], np.int8),
            same_session=np.array([each.same_session for each in rows], np.bool_),
            acted_on=np.array([each.acted_on for each in rows], np.bool_),
            decision=np.array([each.decision for each in rows], np.int64),
            interruptive=np.array([each.interruptive for each in rows], np.bool_),
            outbound=np.array([each.outbound for each in rows], np.bool_),
            dismissed=np.array([each.dismissed for each in rows], np.bool_),
        )

    def __len__(self) -> int:
        return int(self.item_idx.size)

    def where(self, keep: NDArray[np.bool_]) -> Exposures:
        """Return those for which ``keep``, shape (k,), is true, in the same order."""
        if np.count_nonzero(keep) == len(self):
            return self
        return Exposures(*(getattr(self, field.name)[keep] for field in fields(self)))


NONE_SHOWN = Exposures.of(())
"""What was shown to somebody of whom nothing is known."""
