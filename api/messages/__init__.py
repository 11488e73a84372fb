"""What the edge says to people, in every language: one gettext catalogue beside this file for each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from gettext import NullTranslations

from guardrails import messages


@cache
def translations() -> Mapping[str, NullTranslations]:
    """Return what the edge says, by language, and behind it what the guardrails say."""
    catalogues = messages.read_catalogues(__name__)
    for language, below in messages.translations().items():
        catalogues[language].add_fallback(below)
    return catalogues
