"""Sensitive goods by the words of a category path or a title, in five languages.

Text is read word by word from left to right, and at every word the longest known phrase is
taken, whole. So "wine vinegar", which is known to be harmless, never lets its "wine" be seen,
and "fertilizer" is a word of its own that no rule on fertility knows. Phrases do not reach
over the ``>`` between two segments of a path, except where they name it.

The phrases are in ``keywords.toml`` and are written like this:

* ``beer(s)``: the part in brackets may be there or not.
* ``vitamin*``: any word that begins so.
* ``> öl >``: a whole segment of a category path, nothing beside it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.resources import files
from itertools import product
from typing import Any
from unicodedata import normalize

from guardrails.sensitive.classes import NOTHING, Finding, Tier, class_named, tier_of

RULES = "keywords.toml"
LANGUAGES = ("en", "da", "no", "sv", "de")
SEGMENT = ">"
N_TEXTS_REMEMBERED = 65_536
"""Shops repeat themselves: so many distinct texts keep their answer."""

_WORD = re.compile(rf"[^\W_]+|{SEGMENT}")
_PHRASE_WORD = re.compile(
    rf"(?P<stem>[^\W_]+)(?:\((?P<ending>[^\W_]+)\))?(?P<open>\*)?|(?P<segment>{SEGMENT})"
)


def find_by_keywords(category: str, title: str) -> Finding:
    """Return what category path and title say together; among equal tiers the rule written first."""
    return _together([_read(SEGMENT + category + SEGMENT), _read(title)]).finding


@dataclass(frozen=True, slots=True)
class _Rule:
    """What its phrases mean; a smaller ``order`` wins among equal tiers."""

    order: int
    finding: Finding


_NO_RULE = _Rule(order=0, finding=NOTHING)


@dataclass(slots=True)
class _Node:
    """A step in the tree of phrases: what may follow, and what holds if the phrase ends here."""

    words: dict[str, _Node] = field(default_factory=dict)
    beginnings: dict[str, _Node] = field(default_factory=dict)
    rule: _Rule | None = None

    def followers(self, word: str) -> Iterator[_Node]:
        """The nodes that ``word`` leads to: the word itself, then its beginnings, longest first."""
        if word in self.words:
            yield self.words[word]
        if self.beginnings:
            for n_letters in range(len(word), 0, -1):
                if word[:n_letters] in self.beginnings:
                    yield self.beginnings[word[:n_letters]]


@lru_cache(maxsize=N_TEXTS_REMEMBERED)
def _read(text: str) -> _Rule:
    return _together(list(_rules_in(_words_of(text))))


def _together(rules: list[_Rule]) -> _Rule:
    """Return the rule that decides, for adults only if any of them says so."""
    decided = max(rules, key=_protection, default=_NO_RULE)
    if decided.finding.age_restricted or not any(rule.finding.age_restricted for rule in rules):
        return decided
    return replace(decided, finding=replace(decided.finding, age_restricted=True))


def _protection(rule: _Rule) -> tuple[int, int]:
    return rule.finding.tier, -rule.order


def _words_of(text: str) -> list[str]:
    return _WORD.findall(normalize("NFKC", text).casefold())


def _rules_in(words: list[str]) -> Iterator[_Rule]:
    at = 0
    while at < len(words):
        n_words, rule = _longest(_tree(), words, at)
        if rule is None:
            at += 1
            continue
        yield rule
        ends_segment = words[at + n_words - 1] == SEGMENT
        at += n_words - ends_segment  # what ends this segment begins the next


def _longest(node: _Node, words: list[str], at: int) -> tuple[int, _Rule | None]:
    """Return length in words and rule of the longest phrase that starts at ``at``; 0 and None without."""
    best: tuple[int, _Rule | None] = (0, node.rule)
    if at < len(words):
        for follower in node.followers(words[at]):
            n_words, rule = _longest(follower, words, at + 1)
            if rule is not None and n_words + 1 > best[0]:
                best = (n_words + 1, rule)
    return best


@cache
def _tree() -> _Node:
    root = _Node()
    for rule, phrase in _phrases():
        for words in _spellings(phrase):
            node = root
            for stem, is_open in words:
                node = (node.beginnings if is_open else node.words).setdefault(stem, _Node())
            node.rule = rule
    return root


def _phrases() -> Iterator[tuple[_Rule, str]]:
    """Every phrase of the data file with the rule it belongs to."""
    for order, written in enumerate(_written_rules()):
        rule = _Rule(order, _finding(written))
        for language in LANGUAGES:
            for phrase in written.get(language, ()):
                yield rule, phrase


def _written_rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = tomllib.loads(
        files("guardrails.sensitive").joinpath(RULES).read_text("utf-8")
    )["rule"]
    return rules


def _finding(written: dict[str, Any]) -> Finding:
    if "class" not in written:
        return Finding(None, Tier.S0, age_restricted=written.get("adults_only", False))
    return Finding.of(class_named(written["class"]), tier_of(written["tier"]))


def _spellings(phrase: str) -> Iterator[tuple[tuple[str, bool], ...]]:
    """Every way to write ``phrase``: per word its letters, and whether more letters may follow."""
    yield from product(*(_forms(*found) for found in _PHRASE_WORD.findall(phrase.casefold())))


def _forms(stem: str, ending: str, star: str, segment: str) -> list[tuple[str, bool]]:
    forms = [(stem or segment, bool(star))]
    return forms if not ending else [*forms, (stem + ending, bool(star))]
