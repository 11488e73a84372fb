"""What the edge says to people, in every language: one gettext catalogue beside this file for each.

Pages have catalogues of their own beside them, one for each part and language: ``policies.da.po``. What
customers read is there in every language, the console in English and Danish.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from gettext import NullTranslations
from importlib.resources import files

from guardrails import messages

PAGES = ("api.console.messages", "api.storefront.messages")
"""Where the catalogues of pages are."""


@cache
def translations() -> Mapping[str, NullTranslations]:
    """Return what the edge says, by language, then what its pages and the guardrails say."""
    catalogues = messages.read_catalogues(__name__)
    for language, below in messages.translations().items():
        for package in PAGES:
            for file in sorted(files(package).iterdir(), key=lambda each: each.name):
                if file.name.endswith(f".{language}.po"):
                    catalogues[language].add_fallback(messages.compiled(file))
        catalogues[language].add_fallback(below)
    return catalogues
