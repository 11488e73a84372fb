"""Characters that a policy may not hold: what does not show, turns the writing round, or looks like another.

Source: Unicode Technical Standard 39, Unicode Security Mechanisms, as far as it can be followed from the
names of characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from api.policies.wrong import found, unknown
from guardrails.messages import Phrase
from guardrails.policy.findings import Finding

_WORD = re.compile(r"[^\W\d_]+")
_ALIKE = frozenset(
    {
        *("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"),
        *("FULLWIDTH", "MATHEMATICAL"),
    }
)
"""Alphabets with letters that look like those of another, by the first word of a character's name."""

_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
"""Categories that show nothing: controls, marks of direction, joiners, unassigned, breaks."""

_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and signs that show nothing."""

_WITHOUT_A_SHAPE = re.compile("[\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Marks that show nothing by themselves, such as those that choose how the letter before them looks."""


_MISLEADING = re.compile("[\u0085\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\r(?!\n)")
"""Line breaks that some editors show and some do not, and marks of direction."""


def odd_in_layout(text: str) -> tuple[int, Finding] | None:
    """Return where a whole document is not laid out as it looks, and what is wrong there, if anything is.

    Source: Boucher and Anderson, Trojan Source: Invisible Vulnerabilities (2021).
    """
    found_at = _MISLEADING.search(text)
    return None if found_at is None else (found_at.start(), _hidden(found_at[0]))


def odd_in_text(text: str, *, lines: bool = False) -> Finding | None:
    """Return what is wrong with the characters of a text of any language, if anything is.

    Args:
        text: the text.
        lines: it may have several lines.
    """
    if text.isascii() and text.isprintable():
        return None
    hidden = next((each for each in text if _is_hidden(each) and not (lines and each == "\n")), None)
    return _hidden(hidden) if hidden is not None else _decomposed(text) or _mixed(text)


def odd_in_name(name: str) -> Finding | None:
    """Return what is wrong with the characters of a name that the house gives, if anything is."""
    odd = next((each for each in name if not each.isascii() or not each.isprintable()), None)
    if odd is None:
        return None
    message = Phrase(
        "`{code_point}` has no place in a name: names are written in plain ASCII", code_point=_named(odd)
    )
    return _found(odd, message)


def unknown_name(code: str, name: object, known: Iterable[str]) -> Finding:
    """Return the finding for a name that is not known: what is odd about its characters comes first."""
    odd = odd_in_name(name) if isinstance(name, str) else None
    return odd or unknown(code, name, known)


def _hidden(character: str) -> Finding:
    message = Phrase(
        "`{code_point}` does not show, or changes the direction of writing: leave it out",
        code_point=_named(character),
    )
    return _found(character, message)


def _decomposed(text: str) -> Finding | None:
    composed = unicodedata.normalize("NFC", text)
    if composed == text:
        return None
    at = next((n for n, each in enumerate(composed) if each != text[n]), len(composed))
    odd = text[min(at, len(text) - 1)]
    message = Phrase(
        "`{code_point}` is not in Unicode normal form C: write the composed character", code_point=_named(odd)
    )
    return _found(odd, message)


def _mixed(text: str) -> Finding | None:
    """Find a word in which letters of two such alphabets stand side by side."""
    for word in _WORD.findall(text):
        letters = [(letter, alphabet) for letter in word if (alphabet := _alphabet(letter)) in _ALIKE]
        odd = next((letter for letter, alphabet in letters if alphabet != letters[0][1]), None)
        if odd is not None:
            message = Phrase(
                "`{code_point}` looks like a letter of another alphabet: write `{word}` in one",
                code_point=_named(odd),
                word=word,
            )
            return _found(odd, message)
    return None


def _is_hidden(character: str) -> bool:
    return (
        unicodedata.category(character) in _HIDDEN
        or character in _BLANK
        or _WITHOUT_A_SHAPE.match(character) is not None
    )


def _alphabet(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


def _named(character: str) -> str:
    code_point = f"U+{ord(character):04X}"
    return f"{code_point} {unicodedata.name(character, '')}".rstrip()


def _found(character: str, message: Phrase) -> Finding:
    return found("odd_character", message, code_point=f"U+{ord(character):04X}")
