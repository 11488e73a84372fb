"""The slate rule: one question, asked of each next suggestion with the slate so far.

What a single candidate must not be, the rules of the catalogue say. What a whole list must not be can
only be said while it is being filled, from the best candidate down. A slate rule refuses the next one or
lets it in; it never lets in what another rule withholds, and never orders anything.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.vocabulary import Intent
from guardrails.policy.limits import Limits
from guardrails.rules.base import Listed, View

SELLING = (Intent.UPSELL.value, Intent.CROSS_SELL.value)
"""Intents of what sells on, as numbers."""


@dataclass(slots=True, eq=False)
class Draft:
    """A slate while it is being filled.

    Attributes:
        view: the candidates, and how often the shop has spoken in this visit.
        open_rows: rows that no rule about single candidates withholds, best first.
        shown: rows taken so far.
        place: where in ``open_rows`` the one that is asked about stands.
        intent: ``Intent`` of each row of the view.
        category: category code of each row of the view; -1 where unknown.
        n_others: how many of ``open_rows`` sell nothing on.
        n_others_considered: how many of all candidates sell nothing on, those withheld among them.
    """

    view: View
    open_rows: list[int]
    shown: list[int] = field(default_factory=list)
    place: int = 0
    intent: list[int] = field(init=False)
    category: list[int] = field(init=False)
    n_others: int = field(init=False)
    n_others_considered: int = field(init=False)

    def __post_init__(self) -> None:
        self.intent = self.view.intent.tolist()
        self.category = self.view.category.tolist()
        self.n_others = sum(self.intent[row] not in SELLING for row in self.open_rows)
        self.n_others_considered = sum(intent not in SELLING for intent in self.intent)

    @property
    def asked(self) -> int:
        """Row that is asked about."""
        return self.open_rows[self.place]

    @property
    def sells(self) -> bool:
        """Whether the one that is asked about sells on."""
        return self.intent[self.asked] in SELLING

    @property
    def size(self) -> int:
        """How many suggestions the slate may hold."""
        return self.view.request.count

    @property
    def is_full(self) -> bool:
        """Whether nothing more fits."""
        return len(self.shown) >= self.size

    @property
    def n_left_after(self) -> int:
        """Places that are left once the one that is asked about is taken."""
        return self.size - len(self.shown) - 1

    def n_shown(self, *intents: int) -> int:
        """How many of the slate so far have one of the intents."""
        return sum(self.intent[row] in intents for row in self.shown)

    def categories(self) -> set[int]:
        """Known categories of the slate with the one that is asked about."""
        return self.categories_shown() | ({self.category[self.asked]} - {-1})

    def categories_shown(self) -> set[int]:
        """Known categories of the slate so far."""
        return {self.category[row] for row in self.shown} - {-1}

    def categories_ahead(self) -> set[int]:
        """Known categories of what comes after the one that is asked about and sells nothing on.

        No slate rule that counts what sells can refuse those, so a place kept for them is filled.
        """
        ahead = self.open_rows[self.place + 1 :]
        return {self.category[row] for row in ahead if self.intent[row] not in SELLING} - {-1}


class SlateVerdict(NamedTuple):
    """What a slate rule says of the next suggestion.

    Attributes:
        refuses: whether it stays out.
        observed: the value looked at, in the rule's unit.
        limit: the value it was held against.
    """

    refuses: bool
    observed: int
    limit: int


LETS_IN = SlateVerdict(refuses=False, observed=0, limit=0)
"""Said where the rule has nothing to say."""


class SlateRule(Listed):
    """One question about a whole list. Subclasses set the class variables and implement ``judge``."""

    @abstractmethod
    def judge(self, draft: Draft, limits: Limits) -> SlateVerdict:
        """Say whether ``draft.asked`` may join the slate so far; leaves the draft as it is."""
