"""Reasons: said from the arithmetic. The evidence named is the evidence that moved the rank.

Each piece of evidence keeps its exact contribution, so that base and contributions add up to the
score. What must not be named (sensitive items, what came from elsewhere, anything but the page before
others, a crowd that is too small) keeps its number and loses its name. The words are those of the
language that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import Catalogue
from engine.serving.candidates import Candidates, Evidence
from engine.serving.largest import largest_of_each
from engine.vocabulary import Kind, Origin, Provenance, Source
from guardrails.admit import Admission
from guardrails.messages import translations
from guardrails.request import Request

MAX_CHARACTERS = 140

MAX_TERMS = 5
"""Terms of a sum that are given one by one; the others are given as one number."""


class ReasonCode(StrEnum):
    """Why a suggestion is shown."""

    BUY_AGAIN = "buy_again"
    BOUGHT_BEFORE = "bought_before"
    LOOKED_AT_BEFORE = "looked_at_before"
    THIS_VISIT = "this_visit"
    GOES_WITH_PAGE = "goes_with_page"
    GOES_WITH_BASKET = "goes_with_basket"
    OFTEN_TOGETHER = "often_together"
    SIMILAR_TO = "similar_to"
    YOUR_CHOICES = "your_choices"
    FROM_ELSEWHERE = "from_elsewhere"
    FROM_CATEGORY = "from_category"
    FROM_BRAND = "from_brand"
    POPULAR = "popular"
    POPULAR_IN_CATEGORY = "popular_in_category"


SENTENCES = {
    ReasonCode.BUY_AGAIN: "You bought {item} before; it may be time again",
    ReasonCode.BOUGHT_BEFORE: "Because you bought {item}",
    ReasonCode.LOOKED_AT_BEFORE: "Because you looked at {item} before",
    ReasonCode.THIS_VISIT: "Because of {item} in this visit",
    ReasonCode.GOES_WITH_PAGE: "Goes with {item}",
    ReasonCode.GOES_WITH_BASKET: "Goes with {item} in your basket",
    ReasonCode.OFTEN_TOGETHER: "Often bought together with {item}",
    ReasonCode.SIMILAR_TO: "Similar to {item}, going by the description",
    ReasonCode.YOUR_CHOICES: "Based on your choices in this shop",
    ReasonCode.FROM_ELSEWHERE: "Based on what you let us use from outside this shop",
    ReasonCode.FROM_CATEGORY: "Popular in {item}, going by your choices in this shop",
    ReasonCode.FROM_BRAND: "Popular from {item}, going by your choices in this shop",
    ReasonCode.POPULAR: "Many customers buy this; nothing about you was used",
    ReasonCode.POPULAR_IN_CATEGORY: "Many customers buy this in {item}; nothing about you was used",
}
"""What is said of each, in the source language; ``{item}`` is the name of an item, category or brand."""


class NamedEvidence(NamedTuple):
    """One term of the sum.

    Attributes:
        item_idx: catalogue row of the evidence; ``None`` when it must not be named.
        origin: where it comes from.
        kind: what was done with it.
        contribution: its exact part of the score.
    """

    item_idx: int | None
    origin: Origin
    kind: Kind
    contribution: int


_SAID_OF = {
    Source.BUY_AGAIN.value: ReasonCode.BUY_AGAIN,
    Source.CATEGORY.value: ReasonCode.FROM_CATEGORY,
    Source.BRAND.value: ReasonCode.FROM_BRAND,
}
"""What is said where the source of a candidate says more than its evidence."""

_ORIGINS = {origin.value: origin for origin in Origin}
_KINDS = {kind.value: kind for kind in Kind}

# Numbers are compared with plain numbers: with members of an enum it takes several times as long.
_OWN, _GOES_WITH, _BY_CONTENT = Provenance.OWN.value, Source.GOES_WITH.value, Source.BY_CONTENT.value
_POPULAR_IN_CATEGORY = Source.POPULAR_IN_CATEGORY.value


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one suggestion is shown.

    Attributes:
        code: machine-readable.
        text: plain words, at most 140 characters.
        base: the part of the score that is nobody's evidence.
        evidence: the largest terms of the sum, largest first.
        n_others: how many terms are not given one by one.
        others: what those add up to. Base, evidence and others add up to the score.
    """

    code: ReasonCode
    text: str
    base: int
    evidence: tuple[NamedEvidence, ...]
    n_others: int
    others: int


@dataclass(frozen=True, slots=True, eq=False)
class Explainer:
    """Gives the reasons of one round's suggestions.

    Attributes:
        candidates: those that are shown, with all their contributions.
        evidence: what the contributions point into.
        catalogue: names, tiers and categories.
        admission: tiers as they are for the customer, and whether the device is shared.
        request: the page, the language, and whether others may be looking on.
        named_crowd: distinct customers needed before a reason may speak of many.
    """

    candidates: Candidates
    evidence: Evidence
    catalogue: Catalogue
    admission: Admission
    request: Request
    named_crowd: int

    def reasons(self, rows: Sequence[int]) -> tuple[Reason, ...]:
        """Return the reasons of some candidates, in their order."""
        shown = self.candidates.take(np.array(rows, np.int64))
        ptr, edges = largest_of_each(shown.ptr, shown.contribution, MAX_TERMS)
        terms = self._terms(shown, edges)
        reasons = []
        for place, (begin, end) in enumerate(pairwise(ptr.tolist())):
            asked = _Asked(int(shown.item_idx[place]), int(shown.source[place]), terms[begin:end])
            code = self._code(asked)
            whole = shown.contribution[shown.ptr[place] : shown.ptr[place + 1]]
            reasons.append(
                Reason(
                    code=code,
                    text=self._text(code, asked),
                    base=int(shown.base[place]),
                    evidence=tuple([term.named for term in asked.terms]),
                    n_others=whole.size - len(asked.terms),
                    others=int(whole.sum()) - sum([term.named.contribution for term in asked.terms]),
                )
            )
        return tuple(reasons)

    def _terms(self, shown: Candidates, edges: NDArray[np.int64]) -> list[_Term]:
        """Read the terms at ``edges`` off the candidates and their evidence."""
        pieces = shown.evidence[edges]
        items = self.evidence.item_idx[pieces]
        columns = (
            self._nameable(pieces, items).tolist(),
            items.tolist(),
            self.evidence.origin[pieces].tolist(),
            self.evidence.kind[pieces].tolist(),
            self.evidence.provenance[pieces].tolist(),
            shown.contribution[edges].tolist(),
            shown.support[edges].tolist(),
        )
        return [
            _Term(
                NamedEvidence(item_idx if nameable else None, _ORIGINS[origin], _KINDS[kind], contribution),
                item_idx,
                provenance,
                support,
            )
            for nameable, item_idx, origin, kind, provenance, contribution, support in zip(
                *columns, strict=True
            )
        ]

    def _code(self, asked: _Asked) -> ReasonCode:
        if not asked.terms:
            in_category = asked.source == _POPULAR_IN_CATEGORY
            return ReasonCode.POPULAR_IN_CATEGORY if in_category else ReasonCode.POPULAR
        largest = asked.terms[0]
        if largest.provenance != _OWN:
            return ReasonCode.FROM_ELSEWHERE
        if largest.named.item_idx is None:
            return ReasonCode.YOUR_CHOICES
        if asked.source in _SAID_OF:
            return _SAID_OF[asked.source]
        return self._code_of_evidence(largest, asked.source)

    def _code_of_evidence(self, largest: _Term, source: int) -> ReasonCode:
        if largest.named.origin is Origin.CONTEXT:
            return self._context_code(largest, source)
        if largest.named.origin is Origin.SESSION:
            return ReasonCode.THIS_VISIT
        bought = largest.named.kind is Kind.PURCHASE
        return ReasonCode.BOUGHT_BEFORE if bought else ReasonCode.LOOKED_AT_BEFORE

    def _context_code(self, largest: _Term, source: int) -> ReasonCode:
        if source == _BY_CONTENT:
            return ReasonCode.SIMILAR_TO
        if largest.item_idx != self.request.context.item_idx:
            return ReasonCode.GOES_WITH_BASKET
        # By way of a category nobody need have bought both.
        crowd = source == _GOES_WITH and largest.support >= self.named_crowd
        return ReasonCode.OFTEN_TOGETHER if crowd else ReasonCode.GOES_WITH_PAGE

    def _nameable(self, pieces: NDArray[np.int32], items: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return what may be named of the evidence; bool, shape like ``pieces``, which are about ``items``.

        Sensitive items are never named, nor is what came from elsewhere: it may have been somebody else
        who did it. Before others nothing is named but what is on the page.
        """
        harmless = self.admission.tier_of(self.catalogue, items) == 0
        harmless &= self.evidence.provenance[pieces] == _OWN
        if self.admission.shared_audience or self.request.overheard:
            harmless &= self.evidence.origin[pieces] == Origin.CONTEXT.value
        return np.asarray(harmless)

    def _text(self, code: ReasonCode, asked: _Asked) -> str:
        sentence = _sentences(self.request.language)[code]
        if "{item}" not in sentence:
            return sentence
        room = MAX_CHARACTERS - len(sentence) + len("{item}")
        return sentence.format(item=_shortened(self._name(code, asked), room))

    def _name(self, code: ReasonCode, asked: _Asked) -> str:
        if code in (ReasonCode.POPULAR_IN_CATEGORY, ReasonCode.FROM_CATEGORY):
            return self.catalogue.categories[int(self.catalogue.category[asked.item_idx])].rsplit(" > ", 1)[
                -1
            ]
        if code is ReasonCode.FROM_BRAND:
            return self.catalogue.brands[int(self.catalogue.brand[asked.item_idx])]
        return self.catalogue.titles[asked.terms[0].item_idx]


class _Term(NamedTuple):
    """One of the largest terms of a sum, with what may not be named."""

    named: NamedEvidence
    item_idx: int
    provenance: int
    support: int


class _Asked(NamedTuple):
    """A candidate whose reason is asked for, with the largest terms of its sum, largest first."""

    item_idx: int
    source: int
    terms: list[_Term]


@cache
def _sentences(language: str) -> Mapping[ReasonCode, str]:
    said = translations()[language].gettext
    return {code: said(sentence) for code, sentence in SENTENCES.items()}


def _shortened(name: str, room: int) -> str:
    return name if len(name) <= room else name[: room - 1].rstrip() + "…"
