"""Sensitive goods by the words of a category path or a title, in five languages.

The words are in ``keywords.toml``; ``phrases.py`` says how they are written and read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from guardrails.sensitive.classes import NOTHING, Finding, Tier, class_named, tier_of
from guardrails.sensitive.phrases import N_TEXTS_REMEMBERED, SEGMENT, Phrases

RULES = "keywords.toml"


def find_by_keywords(category: str, title: str) -> Finding:
    """Return what category path and title say together; among equal tiers the rule written first."""
    return _together([_read(SEGMENT + category + SEGMENT), _read(title)]).finding


def words_behind(category: str, title: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of category path and of title that say what ``find_by_keywords`` finds.

    They are in small letters, and there are none where nothing is found.

    >>> words_behind("Drink > Wine", "Riesling, a white wine")
    (('wine',), ('riesling', 'wine'))
    """
    found = find_by_keywords(category, title)
    return _words(SEGMENT + category + SEGMENT, found), _words(title, found)


def _words(text: str, found: Finding) -> tuple[str, ...]:
    said = [
        words
        for words, rule in _known().said_in(text)
        if found.tier > Tier.S0
        and (rule.finding.sensitive_class, rule.finding.tier) == (found.sensitive_class, found.tier)
    ]
    return tuple(dict.fromkeys(said))


@dataclass(frozen=True, slots=True)
class _Rule:
    """What its phrases mean; a smaller ``order`` wins among equal tiers."""

    order: int
    finding: Finding


_NO_RULE = _Rule(order=0, finding=NOTHING)


@lru_cache(maxsize=N_TEXTS_REMEMBERED)
def _read(text: str) -> _Rule:
    return _together(_known().in_text(text))


def _together(rules: list[_Rule]) -> _Rule:
    """Return the rule that decides, for adults only if any of them says so."""
    decided = max(rules, key=_protection, default=_NO_RULE)
    if decided.finding.age_restricted or not any(rule.finding.age_restricted for rule in rules):
        return decided
    return replace(decided, finding=replace(decided.finding, age_restricted=True))


def _protection(rule: _Rule) -> tuple[int, int]:
    return rule.finding.tier, -rule.order


@cache
def _known() -> Phrases[_Rule]:
    return Phrases.of_rules(RULES, lambda order, written: _Rule(order, _finding(written)))


def _finding(written: Mapping[str, Any]) -> Finding:
    if "class" not in written:
        return Finding(None, Tier.S0, age_restricted=written.get("adults_only", False))
    return Finding.of(class_named(written["class"]), tier_of(written["tier"]))
