"""Reading catalogues of messages the way a translator's tools do, and what must hold of each."""

from __future__ import annotations

import string
from importlib.resources import files

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from guardrails.messages import LANGUAGES, SOURCE

OTHERS = tuple(language for language in LANGUAGES if language != SOURCE)


def catalogue_of(package: str, language: str) -> Catalog:
    with (files(package) / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def forms(text: str | tuple[str, ...]) -> tuple[str, ...]:
    """The singular and the plural of a text that has them, else the text alone."""
    return text if isinstance(text, tuple) else (text,)


def names_in(text: str) -> set[str | None]:
    """What stands in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def keys(catalogue: Catalog) -> set[str]:
    return {forms(message.id)[0] for message in catalogue if message.id}


def flaws(catalogue: Catalog, same_as_source: set[str]) -> list[str]:
    """What is wrong with single entries of a catalogue."""
    found = []
    for message in catalogue:
        if not message.id:
            continue
        sources, said = forms(message.id), forms(message.string)
        if message.fuzzy or not all(said) or any(each != each.strip() for each in said):
            found.append(f"unfinished: {sources[0]}")
        if any(names_in(each) != names_in(sources[-1]) for each in said):
            found.append(f"other names in braces: {sources[0]}")
        if len(said) != (catalogue.num_plurals if len(sources) > 1 else 1):
            found.append(f"wrong number of plural forms: {sources[0]}")
        if (said[0] == sources[0]) is not (sources[0] in same_as_source):
            found.append(f"the same as the source, or listed as such without need: {sources[0]}")
        if any(each.count("`") != sources[0].count("`") for each in said):
            found.append(f"other code in it: {sources[0]}")
        if any((each[-1] == ".") != (sources[0][-1] == ".") for each in said):
            found.append(f"other punctuation at its end: {sources[0]}")
    return found
