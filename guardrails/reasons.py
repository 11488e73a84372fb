"""Reasons: said from the arithmetic. The evidence named is the evidence that moved the rank.

Each piece of evidence keeps its exact contribution, so that base and contributions add up to the
score. What must not be named (sensitive items, what came from elsewhere, anything but the page before
others, a crowd that is too small) keeps its number and loses its name. The words are those of the
language that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.catalogue import Catalogue
from engine.serving.candidates import Candidates, Evidence
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

    def reason(self, row: int) -> Reason:
        """Return the reason of candidate ``row``."""
        edges = self._largest_first(row)
        code = self._code(row, edges)
        base = int(self.candidates.base[row])
        terms = self._terms(edges[:MAX_TERMS])
        return Reason(
            code=code,
            text=self._text(code, row, edges),
            base=base,
            evidence=terms,
            n_others=edges.size - len(terms),
            others=int(self.candidates.contribution[edges[MAX_TERMS:]].sum()),
        )

    def _largest_first(self, row: int) -> NDArray[np.int64]:
        edges = np.arange(self.candidates.ptr[row], self.candidates.ptr[row + 1], dtype=np.int64)
        order = np.lexsort((self.candidates.evidence[edges], -self.candidates.contribution[edges]))
        return edges[order]

    def _terms(self, edges: NDArray[np.int64]) -> tuple[NamedEvidence, ...]:
        pieces = self.candidates.evidence[edges]
        columns = (
            self._nameable(pieces).tolist(),
            self.evidence.item_idx[pieces].tolist(),
            self.evidence.origin[pieces].tolist(),
            self.evidence.kind[pieces].tolist(),
            self.candidates.contribution[edges].tolist(),
        )
        return tuple(
            NamedEvidence(item_idx if nameable else None, _ORIGINS[origin], _KINDS[kind], contribution)
            for nameable, item_idx, origin, kind, contribution in zip(*columns, strict=True)
        )

    def _code(self, row: int, edges: NDArray[np.int64]) -> ReasonCode:
        source = int(self.candidates.source[row])  # NumPy numbers compare with enum members slowly
        if edges.size == 0:
            in_category = source == Source.POPULAR_IN_CATEGORY
            return ReasonCode.POPULAR_IN_CATEGORY if in_category else ReasonCode.POPULAR
        if self.evidence.provenance[self.candidates.evidence[edges[0]]] != Provenance.OWN:
            return ReasonCode.FROM_ELSEWHERE
        if not self._nameable(self.candidates.evidence[edges[:1]])[0]:
            return ReasonCode.YOUR_CHOICES
        if source in _SAID_OF:
            return _SAID_OF[source]
        return self._code_of_evidence(int(edges[0]), source)

    def _code_of_evidence(self, edge: int, source: int) -> ReasonCode:
        piece = int(self.candidates.evidence[edge])
        origin = int(self.evidence.origin[piece])
        if origin == Origin.CONTEXT:
            return self._context_code(edge, piece, source)
        if origin == Origin.SESSION:
            return ReasonCode.THIS_VISIT
        bought = int(self.evidence.kind[piece]) == Kind.PURCHASE
        return ReasonCode.BOUGHT_BEFORE if bought else ReasonCode.LOOKED_AT_BEFORE

    def _context_code(self, edge: int, piece: int, source: int) -> ReasonCode:
        if source == Source.BY_CONTENT:
            return ReasonCode.SIMILAR_TO
        if self.evidence.item_idx[piece] != self.request.context.item_idx:
            return ReasonCode.GOES_WITH_BASKET
        # By way of a category nobody need have bought both.
        crowd = source == Source.GOES_WITH and self.candidates.support[edge] >= self.named_crowd
        return ReasonCode.OFTEN_TOGETHER if crowd else ReasonCode.GOES_WITH_PAGE

    def _nameable(self, pieces: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return what may be named of the evidence; bool, shape like ``pieces``.

        Sensitive items are never named, nor is what came from elsewhere: it may have been somebody else
        who did it. Before others nothing is named but what is on the page.
        """
        harmless = self.admission.tier_of(self.catalogue, self.evidence.item_idx[pieces]) == 0
        harmless &= self.evidence.provenance[pieces] == Provenance.OWN.value
        if self.admission.shared_audience or self.request.overheard:
            harmless &= self.evidence.origin[pieces] == Origin.CONTEXT.value
        return np.asarray(harmless)

    def _text(self, code: ReasonCode, row: int, edges: NDArray[np.int64]) -> str:
        sentence = _sentences(self.request.language)[code]
        if "{item}" not in sentence:
            return sentence
        room = MAX_CHARACTERS - len(sentence) + len("{item}")
        return sentence.format(item=_shortened(self._name(code, row, edges), room))

    def _name(self, code: ReasonCode, row: int, edges: NDArray[np.int64]) -> str:
        item_idx = int(self.candidates.item_idx[row])
        if code in (ReasonCode.POPULAR_IN_CATEGORY, ReasonCode.FROM_CATEGORY):
            return self.catalogue.categories[int(self.catalogue.category[item_idx])].rsplit(" > ", 1)[-1]
        if code is ReasonCode.FROM_BRAND:
            return self.catalogue.brands[int(self.catalogue.brand[item_idx])]
        return self.catalogue.titles[int(self.evidence.item_idx[self.candidates.evidence[edges[0]]])]


@cache
def _sentences(language: str) -> Mapping[ReasonCode, str]:
    said = translations()[language].gettext
    return {code: said(sentence) for code, sentence in SENTENCES.items()}


def _shortened(name: str, room: int) -> str:
    return name if len(name) <= room else name[: room - 1].rstrip() + "…"
