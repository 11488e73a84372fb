"""Does a title press its reader: by scarcity, by the clock, by guilt?

A shop may write what it likes into its titles. What nobody can check ("only 2 left", "last
chance", "no thanks, I like paying more") is not repeated by suggesting it: a statement that goods
are there for a very limited time, made to elicit an immediate decision, is unfair in all
circumstances where it is false (directive 2005/29/EC, annex I, number 7), and no interface of a
platform may be made to press people into choices (regulation (EU) 2022/2065, article 25). How many
are left is known to the shop, not to us, so every such title counts as unverified.
"""

from __future__ import annotations

from functools import cache, lru_cache

from guardrails.sensitive.phrases import N_TEXTS_REMEMBERED, Phrases

RULES = "pressing.toml"


@lru_cache(maxsize=N_TEXTS_REMEMBERED)
def is_pressing(title: str) -> bool:
    """Whether a title presses its reader.

    >>> is_pressing("Rain jacket, hurry, only 2 left!"), is_pressing("Hurricane lamp, limited edition")
    (True, False)
    """
    return any(_known().in_text(title))


@cache
def _known() -> Phrases[bool]:
    return Phrases.of_rules(RULES, lambda _, written: "presses" in written)
