"""A record as somebody reads it: its columns turned into lines, its numbers into sums that add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.catalogue import Catalogue
from engine.vocabulary import Channel, Intent, Kind, Origin, Provenance, Source, word
from guardrails.rules.base import Effect, Unit
from guardrails.rules.slate import EVERY_RULE, SLATE_CATALOGUE

Json = Mapping[str, Any]

MOST_LINES = 60
"""No table of a page is longer; the rest is in the export."""

MOST_SAID = 30
"""The same of what one rule said, of which there is a table for every rule."""

_UNITS = {rule.id: rule.unit for rule in (*SLATE_CATALOGUE, *EVERY_RULE)}


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it is named on a page.

    Attributes:
        item_id: the shop's key.
        title: what the catalogue calls it today; ``None`` where it is not in it any more.
    """

    item_id: str
    title: str | None


class Titles:
    """What items are called.

    Args:
        catalogue: the catalogue of today.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def of(self, item_id: str) -> Item:
        """Return an item with its title."""
        at = self._catalogue.idx_of_id.get(item_id)
        return Item(item_id, None if at is None else self._catalogue.titles[at])


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of evidence.

    Attributes:
        item: what it is about.
        kind: word of what was done.
        origin: word of where it comes from.
        channel: word of the channel it happened on.
        provenance: word of whose hands it came through.
        age_days: how long before the decision.
        is_sensitive: whether its item is of a sensitive class.
    """

    item: Item
    kind: str
    origin: str
    channel: str
    provenance: str
    age_days: int
    is_sensitive: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One addend of a score.

    Attributes:
        item: the evidence it comes from.
        contribution: how much it adds.
        n_customers: how many customers stand behind that.
    """

    item: Item
    contribution: int
    n_customers: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that was considered; ``base``, the parts and ``others`` add up to ``score``.

    Attributes:
        item: what.
        intent: word of what it would be for.
        source: word of what proposed it.
        score: its score.
        base: the part of it that is nobody's evidence.
        parts: the largest addends.
        n_others: how many more there were.
        others: what those add up to.
    """

    item: Item
    intent: str
    source: str
    score: int
    base: int
    parts: tuple[Part, ...]
    n_others: int
    others: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the ladder: what was considered on one basis.

    Attributes:
        basis: word of the basis.
        n_evidence: how many pieces of evidence were scored on it.
        evidence: of these, those that are listed.
        candidates: what came of that, best first.
        n_more: how many candidates more there were than are listed.
        n_masked: how many were left out before scores were read, as they would tell something sensitive.
    """

    basis: str
    n_evidence: int
    evidence: tuple[Piece, ...]
    candidates: tuple[Candidate, ...]
    n_more: int
    n_masked: int


@dataclass(frozen=True, slots=True)
class Withheld:
    """What one rule withheld.

    Attributes:
        rule: id of the rule.
        n: how many items.
        items: of these, those that are listed.
    """

    rule: str
    n: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What a rule said of one candidate.

    Attributes:
        item: the candidate.
        effect: word of what it said.
        observed: what it looked at; ``None`` where that is a yes or no, as the limit.
        limit: what it held that against.
    """

    item: Item
    effect: str
    observed: int | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class Heard:
    """What one rule said in one step.

    Attributes:
        rule: id of the rule.
        unit: word of what its numbers count.
        n: of how many candidates it said something.
        said: of these, those that are listed.
        of_list: whether it judges the list and not single candidates.
    """

    rule: str
    unit: str
    n: int
    said: tuple[Said, ...]
    of_list: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules said in one step.

    Attributes:
        basis: word of the basis.
        n_asked: how many rules were asked.
        heard: those that said something, by id.
        watched: the same of rules that are only watched.
        failed: ids of those that failed.
    """

    basis: str
    n_asked: int
    heard: tuple[Heard, ...]
    watched: tuple[Heard, ...]
    failed: tuple[str, ...]


def steps(cand: Json, titles: Titles) -> tuple[Step, ...]:
    """Return what was considered, step by step.

    Args:
        cand: the section of a record.
        titles: what items are called.
    """
    return tuple(_step(each, titles) for each in cand["rounds"])


def withheld(out: Json, titles: Titles) -> tuple[Withheld, ...]:
    """Return what was withheld by rule, most first."""
    by_rule: dict[str, list[str]] = {}
    for each in out["withheld"]:
        by_rule.setdefault(each["rule"], []).append(each["item"])
    ordered = sorted(by_rule.items(), key=lambda found: (-len(found[1]), found[0]))
    return tuple(
        Withheld(rule, len(items), tuple(titles.of(item) for item in items[:MOST_LINES]))
        for rule, items in ordered
    )


def judged(rules: Json, cand: Json, titles: Titles) -> tuple[Judged, ...]:
    """Return what every rule said, step by step."""
    return tuple(
        _judged(said, considered, titles)
        for said, considered in zip(rules["rounds"], cand["rounds"], strict=True)
    )


def _step(considered: Json, titles: Titles) -> Step:
    evidence = considered["evidence"]
    pieces = tuple(
        Piece(
            titles.of(item),
            word(Kind(evidence["kind"][at])),
            word(Origin(evidence["origin"][at])),
            word(Channel(evidence["channel"][at])),
            word(Provenance(evidence["provenance"][at])),
            evidence["age_days"][at],
            evidence["tier"][at] > 0,
        )
        for at, item in enumerate(evidence["items"])
    )
    n = len(considered["items"])
    order = sorted(range(n), key=lambda row: (-considered["score"][row], considered["items"][row]))
    candidates = tuple(_candidate(considered, row, pieces, titles) for row in order[:MOST_LINES])
    return Step(
        considered["basis"],
        len(pieces),
        pieces[:MOST_LINES],
        candidates,
        max(0, n - MOST_LINES),
        considered["n_masked"],
    )


def _candidate(considered: Json, row: int, pieces: Sequence[Piece], titles: Titles) -> Candidate:
    given = range(considered["ptr"][row], considered["ptr"][row + 1])
    parts = tuple(
        Part(
            pieces[considered["edge_evidence"][at]].item,
            considered["edge_contribution"][at],
            considered["edge_support"][at],
        )
        for at in given
    )
    score, base = considered["score"][row], considered["base"][row]
    return Candidate(
        titles.of(considered["items"][row]),
        word(Intent(considered["intent"][row])),
        word(Source(considered["source"][row])),
        score,
        base,
        parts,
        considered["n_terms"][row] - len(parts),
        score - base - sum(part.contribution for part in parts),
    )


def _judged(said: Json, considered: Json, titles: Titles) -> Judged:
    items = considered["items"]
    asked = [each["rule"] for each in said["asked"]]
    watched = [each["rule"] for each in said["watched"]["asked"]]
    return Judged(
        considered["basis"],
        len(asked),
        (*_heard(said["fired"], asked, items, titles), *_of_list(said["slate"], items, titles)),
        tuple(_heard(said["watched"]["fired"], watched, items, titles)),
        tuple(each["rule"] for each in said["failed"]),
    )


def _heard(fired: Json, asked: Sequence[str], items: Sequence[str], titles: Titles) -> Iterable[Heard]:
    by_rule: dict[str, list[int]] = {}
    for at, place in enumerate(fired["rule"]):
        if fired["effect"][at] > Effect.ALLOW:
            by_rule.setdefault(asked[place], []).append(at)
    for rule, places in sorted(by_rule.items()):
        unit = _UNITS.get(rule, Unit.FLAG)
        lines = tuple(
            _said(
                titles.of(items[fired["row"][at]]),
                word(Effect(fired["effect"][at])),
                unit,
                (fired["observed"][at], fired["limit"][at]),
            )
            for at in places[:MOST_SAID]
        )
        yield Heard(rule, unit.value, len(places), lines)


def _of_list(refused: Sequence[Json], items: Sequence[str], titles: Titles) -> Iterable[Heard]:
    by_rule: dict[str, list[Json]] = {}
    for each in refused:
        by_rule.setdefault(each["rule_id"], []).append(each)
    for rule, found in sorted(by_rule.items()):
        unit = _UNITS.get(rule, Unit.FLAG)
        lines = tuple(
            _said(titles.of(items[each["row"]]), word(Effect.BLOCK), unit, (each["observed"], each["limit"]))
            for each in found[:MOST_SAID]
        )
        yield Heard(rule, unit.value, len(found), lines, of_list=True)


def _said(item: Item, effect: str, unit: Unit, numbers: tuple[int, int]) -> Said:
    observed, limit = (None, None) if unit is Unit.FLAG else numbers
    return Said(item, effect, observed, limit)
