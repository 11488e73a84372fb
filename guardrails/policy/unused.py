"""G35: what is collected and then used by no decision: stop asking for it, or use it.

Something counts as used when it reached a decision: as admitted evidence, or as a fact that the
record of the decision shows to have been known. So much cannot be told apart from a record, and is
taken in favour of the shop: what happened in a visit counts for every purpose under which it may be
kept. Against the shop counts that of many interactions with one item only the youngest lends its
channel. Nothing here knows a customer: sections of records go in, kinds and counts come out.

Never listed: what is kept for the order itself, and what customers asked for, such as a mute or an
exclusion. Neither is collected in order to decide with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from engine.vocabulary import LEARNED_FROM, Channel, Kind, Origin, Provenance, word
from guardrails.admit import SESSION_PURPOSES
from guardrails.consent.permission import Denial, GpcStatus, LawfulBasis
from guardrails.consent.purposes import Purpose
from guardrails.rules.base import NEVER_DAYS

WINDOW_DAYS = 90
"""How long something may lie unused before it is named."""

_Json = Mapping[str, Any]


class Fact(StrEnum):
    """What a shop tells of a customer or of an order, other than what was done with an item."""

    AGE_ASSURANCE = "age_assurance"
    AGE_BAND = "age_band"
    JURISDICTION = "jurisdiction"
    SHARED_DEVICE = "shared_device"
    COMPLAINT = "complaint"
    DELIVERY = "delivery"
    PAYMENT = "payment"


@dataclass(frozen=True, slots=True)
class Collected:
    """One kind of data that the store holds.

    Attributes:
        name: word of a ``Kind``, or a ``Fact``.
        purpose: what it was collected for.
        channel: through which channel; ``None`` for a fact.
        provenance: from whom; ``None`` for a fact.
    """

    name: str
    purpose: Purpose
    channel: Channel | None = None
    provenance: Provenance | None = None

    @classmethod
    def interaction(
        cls, kind: Kind, purpose: Purpose, channel: Channel, provenance: Provenance = Provenance.OWN
    ) -> Collected:
        """Describe what customers did with items."""
        return cls(word(kind), purpose, channel, provenance)

    @classmethod
    def fact(cls, fact: Fact) -> Collected:
        """Describe what was told of customers; it is kept to serve and to protect them."""
        return cls(fact.value, Purpose.ESSENTIAL_SERVICE)


@dataclass(frozen=True, slots=True)
class Unused:
    """One kind of data that no decision used.

    Attributes:
        collected: which.
        n: how many rows of it the store holds.
        learned_from: models learn from it all the same.
    """

    collected: Collected
    n: int
    learned_from: bool


class Uses:
    """What has reached a decision, gathered over many of them.

    Attributes:
        n_decisions: over how many.
    """

    def __init__(self) -> None:
        self.n_decisions = 0
        self._found: set[Collected] = set()
        self._return_counted = False

    def add(self, sections: Mapping[str, bytes]) -> None:
        """Gather from one decision.

        Args:
            sections: canonical bytes of its sections, as ``guardrails.log.record.open_body`` returns them.
        """
        self.n_decisions += 1
        self._found.update(Collected.fact(fact) for fact in _facts(orjson.loads(sections["consent"])))
        for taken in orjson.loads(sections["cand"])["rounds"]:
            self._found.update(_interactions(taken["evidence"]))
            self._return_counted |= _has_return(taken["seen"])

    def has(self, collected: Collected) -> bool:
        """Tell whether some decision used it."""
        if collected.name == word(Kind.RETURN):
            return self._return_counted
        return collected in self._found


def unused(collected: Mapping[Collected, int], uses: Uses) -> tuple[Unused, ...]:
    """Return what no decision used, most rows first.

    Args:
        collected: how many rows of each kind of data there are.
        uses: what the decisions of the last ``WINDOW_DAYS`` used.
    """
    found = [
        Unused(each, n, learned_from=_is_learned_from(each))
        for each, n in collected.items()
        if n and _is_asked_for_decisions(each) and not uses.has(each)
    ]
    return tuple(sorted(found, key=lambda row: (-row.n, str(row.collected))))


def _is_asked_for_decisions(collected: Collected) -> bool:
    """Orders and returns are kept to fulfil a contract, whatever a decision makes of them."""
    return collected.channel is None or collected.purpose is not Purpose.ESSENTIAL_SERVICE


def _is_learned_from(collected: Collected) -> bool:
    learned = {word(kind) for kind in LEARNED_FROM}
    return collected.purpose is Purpose.PROFILING and collected.name in learned


def _interactions(evidence: _Json) -> Iterable[Collected]:
    kinds, channels, origins = evidence["kind"], evidence["channel"], evidence["origin"]
    provenances = evidence.get("provenance", [Provenance.OWN] * len(kinds))
    for kind, channel, origin, provenance in zip(kinds, channels, origins, provenances, strict=True):
        for purpose in _PURPOSES_OF[Origin(origin)]:
            yield Collected.interaction(Kind(kind), purpose, Channel(channel), Provenance(provenance))


_PURPOSES_OF = {
    Origin.CONTEXT: (),  # the page says it with the request; it is not collected
    Origin.SESSION: SESSION_PURPOSES,
    Origin.HISTORY: (Purpose.PROFILING,),
}


def _has_return(seen: _Json) -> bool:
    """Returns are no evidence: they are seen in what they hold back."""
    return any(days != NEVER_DAYS for days in (*seen["returned_days"], *seen["category_returned_days"]))


def _facts(consent: _Json) -> Iterable[Fact]:
    permissions, holding = consent["permissions"], consent.get("holding", {})
    known = {
        Fact.AGE_ASSURANCE: consent["age_assurance"] != "unknown",
        Fact.AGE_BAND: any(each["because"] == Denial.MINOR for each in permissions),
        Fact.JURISDICTION: bool(consent["raised_classes"]) or any(map(_by_place, permissions)),
        Fact.SHARED_DEVICE: consent["shared_audience"],
        Fact.COMPLAINT: holding.get("complaint_open") or holding.get("complaint_closed_days") is not None,
        Fact.DELIVERY: holding.get("delivery_late"),
        Fact.PAYMENT: holding.get("payment_failed"),
    }
    return [fact for fact, found in known.items() if found]


def _by_place(permission: _Json) -> bool:
    """Whether the law of the customer's place shows in a permission."""
    return bool(permission["gpc"] == GpcStatus.OVERRIDDEN or permission["basis"] == LawfulBasis.SOFT_OPT_IN)
