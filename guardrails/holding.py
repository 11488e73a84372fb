"""What is held back for somebody at this moment, whatever else they agreed to.

A hold only ever takes suggestions away. So it is read without asking for a consent, it is followed
where the consents cannot be read, and it holds on every channel, whichever it came in through.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from engine.interactions import DAY_MS

HELD_TOPICS = frozenset({"bereavement", "parenthood", "pregnancy_fertility"})
"""Sensitive classes that rest together while topics are off, so that none tells which it was."""


class HoldKind(StrEnum):
    """What is held back for. The words are stored.

    What happened in somebody's life is not among them: of a loss nothing is kept but two ends, one
    for topics and one for offers (Brockell 2018).
    """

    COMPLAINT = "complaint"
    DELIVERY = "delivery"
    PAYMENT = "payment"
    TOPICS = "topics"
    OFFERS = "offers"
    EXCLUSION = "exclusion"


@dataclass(frozen=True, slots=True)
class Hold:
    """One reason to hold back.

    Attributes:
        kind: what for.
        reference: tells holds of one kind apart: a digest of the case or the order, or the class that
            somebody excluded themselves from; empty where there is only one.
        since_ms: since when, milliseconds since the epoch.
        until_ms: when what it stands for was over, or is going to be; ``None`` while nobody knows.
    """

    kind: HoldKind
    reference: str
    since_ms: int
    until_ms: int | None

    def stands(self, now_ms: int) -> bool:
        """Tell whether what it stands for goes on."""
        return self.until_ms is None or now_ms < self.until_ms


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held back now.

    Attributes:
        complaint_open: a complaint, a refund or a dispute is open.
        complaint_closed_days: whole days since the last one was closed; ``None`` where none was.
        delivery_late: something that was ordered is late.
        payment_failed: a payment failed, or credit was declined, in this visit.
        topics: pregnancy, parenthood and bereavement are off.
        offers: offers and messages are off.
        excluded: sensitive classes the customer excluded themselves from.
    """

    complaint_open: bool = False
    complaint_closed_days: int | None = None
    delivery_late: bool = False
    payment_failed: bool = False
    topics: bool = False
    offers: bool = False
    excluded: frozenset[str] = frozenset()

    @property
    def held_topics(self) -> frozenset[str]:
        """Sensitive classes that are off now."""
        return HELD_TOPICS if self.topics else frozenset()

    @classmethod
    def in_force(cls, holds: Iterable[Hold], now_ms: int) -> Holding:
        """Fold all holds of somebody into what is held back at a time."""
        known = tuple(holds)
        standing = [hold for hold in known if hold.stands(now_ms)]
        kinds = {hold.kind for hold in standing}
        closed = [
            (now_ms - hold.until_ms) // DAY_MS
            for hold in known
            if hold.kind is HoldKind.COMPLAINT and hold.until_ms is not None and hold.until_ms <= now_ms
        ]
        return cls(
            complaint_open=HoldKind.COMPLAINT in kinds,
            complaint_closed_days=min(closed, default=None),
            delivery_late=HoldKind.DELIVERY in kinds,
            payment_failed=HoldKind.PAYMENT in kinds,
            topics=HoldKind.TOPICS in kinds,
            offers=HoldKind.OFFERS in kinds,
            excluded=frozenset(hold.reference for hold in standing if hold.kind is HoldKind.EXCLUSION),
        )
