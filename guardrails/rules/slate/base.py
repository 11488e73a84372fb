"""The slate rule: one question, asked of each next suggestion with the slate so far.

What a single candidate must not be, the rules of the catalogue say. What a whole list must not be can
only be said while it is being filled, from the best candidate down. A slate rule refuses the next one or
lets it in; it never lets in what another rule withholds, and never orders anything.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.vocabulary import Intent
from guardrails.policy.limits import Limits
from guardrails.rules.base import Listed, View

SELLING = (Intent.UPSELL.value, Intent.CROSS_SELL.value)
"""Intents of what sells on, as numbers."""

EVERY_INTENT = frozenset(each.value for each in Intent)
NO_INTENT: frozenset[int] = frozenset()


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
        size: how many suggestions the slate may hold.
        n_selling: how many of the slate so far sell on.
        n_upsells: how many of the slate so far are upsells.
    """

    view: View
    open_rows: list[int]
    shown: list[int] = field(default_factory=list)
    place: int = 0
    intent: list[int] = field(init=False)
    category: list[int] = field(init=False)
    n_others: int = field(init=False)
    n_others_considered: int = field(init=False)
    size: int = field(init=False)
    n_selling: int = field(init=False)
    n_upsells: int = field(init=False)
    _shown_categories: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self.intent = self.view.intent.tolist()
        self.category = self.view.category.tolist()
        selling = [intent in SELLING for intent in self.intent]
        self.n_others = len(self.open_rows) - sum([selling[row] for row in self.open_rows])
        self.n_others_considered = len(selling) - sum(selling)
        self.size = self.view.request.count
        self.n_selling = sum([selling[row] for row in self.shown])
        self.n_upsells = sum([self.intent[row] == _UPSELL for row in self.shown])
        self._shown_categories = {self.category[row] for row in self.shown} - {-1}

    def take(self) -> None:
        """Show the one that is asked about."""
        row = self.open_rows[self.place]
        self.shown.append(row)
        self.n_selling += self.intent[row] in SELLING
        self.n_upsells += self.intent[row] == _UPSELL
        if self.category[row] >= 0:
            self._shown_categories.add(self.category[row])

    @property
    def asked(self) -> int:
        """Row that is asked about."""
        return self.open_rows[self.place]

    @property
    def sells(self) -> bool:
        """Whether the one that is asked about sells on."""
        return self.intent[self.asked] in SELLING

    @property
    def n_left_after(self) -> int:
        """Places that are left once the one that is asked about is taken."""
        return self.size - len(self.shown) - 1

    def categories(self) -> set[int]:
        """Known categories of the slate with the one that is asked about."""
        return self._shown_categories | ({self.category[self.asked]} - {-1})

    def categories_shown(self) -> set[int]:
        """Known categories of the slate so far."""
        return set(self._shown_categories)

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


_UPSELL = Intent.UPSELL.value

LETS_IN = SlateVerdict(refuses=False, observed=0, limit=0)
"""Said where the rule has nothing to say."""


class SlateRule(Listed):
    """One question about a whole list. Subclasses set the class variables and implement ``judge``.

    Attributes:
        tells_by_intent: of the candidate that is asked about it looks at nothing but the intent, so that it
            says the same of the next of that intent, as long as nothing is taken in between.
    """

    tells_by_intent: bool = False

    def __init_subclass__(cls) -> None:
        """Let a rule that judges in its own way be asked of everything, unless it says otherwise itself."""
        super().__init_subclass__()
        if "judge" in vars(cls) and "intents" not in vars(cls):
            cls.intents = SlateRule.intents  # type: ignore[method-assign]  # what a parent says is not true of it
        if "judge" in vars(cls) and "tells_by_intent" not in vars(cls):
            cls.tells_by_intent = False

    def intents(self, draft: Draft, limits: Limits) -> Collection[int]:
        """Return the intents of all that the rule may refuse in a slate, so that it is not asked of others.

        Args:
            draft: the slate before anything is shown.
            limits: the numbers of the active policy.
        """
        del draft, limits
        return EVERY_INTENT

    @abstractmethod
    def judge(self, draft: Draft, limits: Limits) -> SlateVerdict:
        """Say whether ``draft.asked`` may join the slate so far; leaves the draft as it is."""
