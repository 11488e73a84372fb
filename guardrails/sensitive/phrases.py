"""Words and phrases of five languages, and how they are found in a text.

Text is read word by word from left to right, and at every word the longest known phrase is
taken, whole. So "wine vinegar", which is known to be harmless, never lets its "wine" be seen,
and "fertilizer" is a word of its own that no rule on fertility knows. Phrases do not reach
over the ``>`` between two segments of a category path, except where they name it.

A data file beside this one holds rules in their order. A rule has phrases by language, and its
other keys say what they mean; the reader of the file knows those. Phrases are written like this:

* ``beer(s)``: the part in brackets may be there or not.
* ``vitamin*``: any word that begins so.
* ``only # left``: any number in digits.
* ``> öl >``: a whole segment of a category path, nothing beside it.

Capitals make no difference, nor do signs that nobody sees (a hyphen for a line's end), nor does it
whether an accented letter is one sign or two. What is
written with ä, ö, ü, æ, ø or å is also found as ae, oe, ue, ae, oe or aa, as on keyboards without
them; but never without a trace ("öl" is not "ol").
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import product
from typing import Any, Generic, TypeVar
from unicodedata import normalize

LANGUAGES = ("en", "da", "no", "sv", "de")
SEGMENT = ">"
NUMBER = "#"
N_TEXTS_REMEMBERED = 65_536
"""Shops repeat themselves: whoever reads texts keeps its answers for so many different ones."""

Meaning = TypeVar("Meaning")
"""What a phrase stands for; never None."""

Spelling = tuple[tuple[str, bool], ...]
"""One way to write a phrase: per word its letters, and whether more letters may follow."""

_WORD = re.compile(rf"[^\W_]+|{SEGMENT}")
_PHRASE_WORD = re.compile(
    rf"(?P<stem>[^\W_]+)(?:\((?P<ending>[^\W_]+)\))?(?P<open>\*)?|(?P<sign>{SEGMENT}|{NUMBER})"
)
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
"""Signs within a word that nobody sees: hyphens for a line's end, spaces without width."""
_TWO_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "æ": "ae", "ø": "oe", "å": "aa"})


def written_rules(file: str) -> list[dict[str, Any]]:
    """Return the rules of a data file beside this one, in their order."""
    rules: list[dict[str, Any]] = tomllib.loads(files(__package__).joinpath(file).read_text("utf-8"))["rule"]
    return rules


def phrases_of(rule: Mapping[str, Any]) -> Iterator[str]:
    """Every phrase of a rule, as it is written."""
    for language in LANGUAGES:
        yield from rule.get(language, ())


def spellings(phrase: str) -> Iterator[Spelling]:
    """Every way to write ``phrase``.

    Raises:
        ValueError: it is not written as the rules at the top say.

    >>> list(spellings("gin(s) öl*"))[0]
    (('gin', False), ('öl', True))
    """
    words = [_PHRASE_WORD.fullmatch(word) for word in folded(phrase).split()]
    if not words or None in words:
        raise ValueError(phrase)
    yield from product(*(_forms(*word.groups("")) for word in words if word))


def _forms(stem: str, ending: str, star: str, sign: str) -> list[tuple[str, bool]]:
    """The forms of a word of a phrase, the plainest first."""
    written = [stem or sign, *([stem + ending] if ending else [])]
    return [(each, bool(star)) for each in dict.fromkeys([*written, *map(_in_two_letters, written)])]


def _in_two_letters(word: str) -> str:
    return word.translate(_TWO_LETTERS)


def folded(text: str) -> str:
    """Return a text as it is compared: in small letters, and without what nobody sees.

    >>> folded("Straße ÄÖ")
    'strasse äö'
    """
    return normalize("NFKC", normalize("NFKC", text.translate(_UNSEEN)).casefold())


@dataclass(slots=True)
class _Node(Generic[Meaning]):
    """A step in the tree of phrases: what may follow, and what it means if a phrase ends here."""

    words: dict[str, _Node[Meaning]] = field(default_factory=dict)
    beginnings: dict[str, _Node[Meaning]] = field(default_factory=dict)
    meaning: Meaning | None = None

    def followers(self, word: str) -> Iterator[_Node[Meaning]]:
        """The nodes that ``word`` leads to: the word itself, any number, its beginnings, longest first."""
        if word in self.words:
            yield self.words[word]
        if NUMBER in self.words and word.isdecimal():
            yield self.words[NUMBER]
        if self.beginnings:
            for n_letters in range(len(word), 0, -1):
                if word[:n_letters] in self.beginnings:
                    yield self.beginnings[word[:n_letters]]

    def longest(self, words: list[str], at: int) -> tuple[int, Meaning | None]:
        """Length in words and meaning of the longest phrase from ``at`` on; 0 and None without."""
        best: tuple[int, Meaning | None] = (0, self.meaning)
        if at < len(words):
            for follower in self.followers(words[at]):
                n_words, meaning = follower.longest(words, at + 1)
                if meaning is not None and n_words + 1 > best[0]:
                    best = (n_words + 1, meaning)
        return best


class Phrases(Generic[Meaning]):
    """Known phrases and their meanings, ready to be found.

    Args:
        known: phrases with what they mean; of the same phrase twice the last one counts.
    """

    def __init__(self, known: Iterable[tuple[str, Meaning]]) -> None:
        """Put all phrases into one tree."""
        self._root: _Node[Meaning] = _Node()
        for phrase, meaning in known:
            for spelling in spellings(phrase):
                node = self._root
                for stem, is_open in spelling:
                    node = (node.beginnings if is_open else node.words).setdefault(stem, _Node())
                node.meaning = meaning

    @classmethod
    def of_rules(cls, file: str, read: Callable[[int, Mapping[str, Any]], Meaning]) -> Phrases[Meaning]:
        """Return the phrases of a data file.

        Args:
            file: name of the file beside this one.
            read: says what the phrases of a rule mean, from its place in the file and its keys.
        """
        return cls(
            (phrase, meaning)
            for order, rule in enumerate(written_rules(file))
            for meaning in (read(order, rule),)
            for phrase in phrases_of(rule)
        )

    def in_text(self, text: str) -> list[Meaning]:
        """Return what stands in a text, in reading order."""
        return [meaning for _, meaning in self._found(_WORD.findall(folded(text)))]

    def said_in(self, text: str) -> list[tuple[str, Meaning]]:
        """Return what stands in a text, each with the words that say it, in reading order."""
        return [
            (" ".join(word for word in words if word != SEGMENT), meaning)
            for words, meaning in self._found(_WORD.findall(folded(text)))
        ]

    def _found(self, words: list[str]) -> Iterator[tuple[list[str], Meaning]]:
        at = 0
        while at < len(words):
            n_words, meaning = self._root.longest(words, at)
            if meaning is None:
                at += 1
                continue
            yield words[at : at + n_words], meaning
            ends_segment = words[at + n_words - 1] == SEGMENT
            at += n_words - ends_segment  # what ends this segment begins the next
