"""Records of decisions, put back into words for the one they are about (GDPR 15(1)(h))."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from engine.vocabulary import Intent, Kind, Origin, word
from guardrails.log.codes import REGISTRY, ReasonCode
from guardrails.policy.language import HouseRule
from guardrails.rules import CATALOGUE
from guardrails.rules.base import Unit
from guardrails.rules.slate import SLATE_CATALOGUE

_NOBODYS: Mapping[str, HouseRule] = MappingProxyType({})

Sections = Mapping[str, bytes]
"""Canonical bytes of the sections of a record, by name."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the sum that moved a suggestion.

    Attributes:
        item_id: what the customer did something with, or what is on the page.
        origin: where it comes from: the page, this visit, the history.
        kind: what was done.
        contribution: its exact part of the score, as far as it was recorded.
    """

    item_id: str
    origin: str
    kind: str
    contribution: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One suggestion as it was shown.

    Attributes:
        rank: 1 for the first.
        item_id: what was suggested.
        intent: what for.
        reason_code: why, for machines.
        reason: why, in the words that were shown.
        score: what it was ranked by.
        terms: what it is the sum of, the largest terms.
    """

    rank: int
    item_id: str
    intent: str
    reason_code: str
    reason: str
    score: int
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Withheld:
    """One candidate that was not shown, and the rule that withheld it.

    Attributes:
        item_id: what was not suggested.
        intent: what it would have been for.
        rule: id of the rule.
        rule_name: its name.
        sentence: what the rule says, in plain words: in English, or as the shop wrote it.
        observed: what the rule looked at; ``None`` where the list as a whole was full.
        limit: what it held that against, likewise.
        unit: what both count.
    """

    item_id: str
    intent: str
    rule: str
    rule_name: str
    sentence: str
    observed: int | None
    limit: int | None
    unit: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, and which purposes stood.

    Attributes:
        at_ms: when, milliseconds since the epoch.
        channel: through which channel.
        permitted: purposes that stood.
        denied: purposes that did not, each with the reason.
        evidence_used: whether the history, or the visit, could be used.
        n_kept_out: interactions that were kept out before anything was scored.
        n_shown: suggestions that were shown.
        n_withheld: candidates that were withheld.
    """

    at_ms: int
    channel: str
    permitted: tuple[str, ...]
    denied: tuple[str, ...]
    evidence_used: tuple[str, ...]
    n_kept_out: int
    n_shown: int
    n_withheld: int


def asked(sections: Sections) -> Asked:
    """Say what was asked and which purposes stood."""
    req, consent, out = (_load(sections, name) for name in ("req", "consent", "out"))
    stood = [each["purpose"] for each in consent["permissions"] if each["permitted"]]
    fell = [
        f"{each['purpose']} ({each['because']})" for each in consent["permissions"] if not each["permitted"]
    ]
    return Asked(
        at_ms=req["ts"],
        channel=req["channel"],
        permitted=tuple(stood),
        denied=tuple(fell),
        evidence_used=tuple(name for name in ("history", "session", "context") if consent[name]),
        n_kept_out=sum(each["n"] for each in consent["kept_out"]),
        n_shown=len(out["list"]),
        n_withheld=len(out["withheld"]),
    )


def shown(sections: Sections) -> Iterator[Shown]:
    """Yield what was shown, in the order it was."""
    suggestions = _load(sections, "out")["list"]
    if not suggestions:
        return
    last = _load(sections, "cand")["rounds"][-1]
    row_of = {item_id: row for row, item_id in enumerate(last["items"])}
    for each in suggestions:
        yield Shown(
            rank=each["rank"],
            item_id=each["item"],
            intent=each["intent"],
            reason_code=each["code"],
            reason=each["text"],
            score=each["score"],
            terms=tuple(_terms(last, row_of[each["item"]])),
        )


class _Words(NamedTuple):
    """What a rule says of itself."""

    name: str
    sentence: str
    unit: Unit

    @classmethod
    def of_own(cls, rule: HouseRule) -> _Words:
        """Return what a rule of the shop says."""
        return cls(rule.title, rule.customer_sentence, Unit.FLAG)


_RULES = {rule.id: _Words(rule.name, rule.sentence, rule.unit) for rule in CATALOGUE}
_SLATE_RULES = {rule.id: _Words(rule.name, rule.sentence, rule.unit) for rule in SLATE_CATALOGUE}


def withheld(sections: Sections, own: Mapping[str, HouseRule] = _NOBODYS) -> Iterator[Withheld]:
    """Yield what was withheld, and why, in the order it was ranked.

    Args:
        sections: of the record.
        own: the shop's rules by id, of the policy that the record names.
    """
    held_back = _load(sections, "out")["withheld"]
    if not held_back:
        return
    considered, said = _load(sections, "cand")["rounds"], _load(sections, "rules")["rounds"]
    remaining = iter(held_back)
    for number, (candidates, verdicts) in enumerate(zip(considered, said, strict=True), start=1):
        # A round of which anything was shown is the last; of those before it everything was withheld.
        n = len(candidates["items"]) if number < len(considered) else len(held_back)
        yield from _withheld_in_round(candidates, verdicts, list(islice(remaining, n)), own)


def _withheld_in_round(
    candidates: dict[str, Any],
    verdicts: dict[str, Any],
    held_back: list[dict[str, str]],
    own: Mapping[str, HouseRule],
) -> Iterator[Withheld]:
    row_of = {item_id: row for row, item_id in enumerate(candidates["items"])}
    fired, rules = verdicts["fired"], [each["rule"] for each in verdicts["asked"]]
    codes = {each["rule"]: each["reason"] for each in verdicts["asked"]}
    figures = {
        (rules[rule], row): (observed, limit)
        for rule, row, observed, limit in zip(
            fired["rule"], fired["row"], fired["observed"], fired["limit"], strict=True
        )
    }
    refused = {each["row"]: each for each in verdicts.get("slate", ())}
    for each in held_back:
        rule_id, row = each["rule"], row_of[each["item"]]
        observed, limit = figures.get((rule_id, row), (None, None))
        rule = _Words.of_own(own[rule_id]) if rule_id in own else _RULES.get(rule_id)
        if row in refused:
            observed, limit = refused[row]["observed"], refused[row]["limit"]
            rule, codes[rule_id] = _SLATE_RULES.get(rule_id), refused[row]["reason_code"]
        yield Withheld(
            item_id=each["item"],
            intent=word(Intent(candidates["intent"][row])),
            rule=rule_id,
            rule_name=rule.name if rule else rule_id,
            sentence=rule.sentence if rule else REGISTRY[ReasonCode(codes[rule_id])].meaning,
            observed=observed,
            limit=limit,
            unit=rule.unit.value if rule and observed is not None else None,
        )


def _terms(round_: dict[str, Any], row: int) -> Iterator[Term]:
    evidence = round_["evidence"]
    start, end = round_["ptr"][row], round_["ptr"][row + 1]
    for piece, contribution in zip(
        round_["edge_evidence"][start:end], round_["edge_contribution"][start:end], strict=True
    ):
        yield Term(
            item_id=evidence["items"][piece],
            origin=word(Origin(evidence["origin"][piece])),
            kind=word(Kind(evidence["kind"][piece])),
            contribution=contribution,
        )


def _load(sections: Sections, name: str) -> Any:
    return orjson.loads(sections[name])
