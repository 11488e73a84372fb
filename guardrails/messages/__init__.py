"""What is said to people, in every language the house speaks.

English stands in the code and is the key; the other languages stand beside this file as gettext
catalogues, one ``<language>.po`` each, read at start. A text that a catalogue lacks is said in
English rather than not at all; a test keeps the catalogues complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from types import MappingProxyType

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

SOURCE = "en"
"""The language the code is written in."""

LANGUAGES = (SOURCE, "da", "nb", "sv", "de")
"""Every language, as BCP 47 writes it."""


class Phrase(str):
    """A text that still knows what it was put together from, so that it can be said in another language.

    To everything else it is the English text.

    Attributes:
        template: the English text with ``{names}`` in it: the key of the catalogues.
        values: what the names stand for.

    >>> Phrase("`{name}` holds at most {n}", name="home", n=3)
    '`home` holds at most 3'
    """

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, **values: object) -> Phrase:  # noqa: PYI034  final in use; Self would promise subclasses
        """Fill in the template."""
        phrase = super().__new__(cls, template.format(**values))
        phrase.template = template
        phrase.values = MappingProxyType(values)
        return phrase

    def __str__(self) -> str:
        """Return itself: an error's message stays a phrase when the error is turned into text."""
        return self


class Beginning(Phrase):
    """What a text says before its first semicolon, in every language.

    >>> Beginning("price; absent when not known")
    'price'
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Beginning:  # noqa: PYI034  as above
        """Keep the whole text, by which catalogues know it."""
        phrase = str.__new__(cls, text.partition(";")[0])
        phrase.template, phrase.values = text, MappingProxyType({})
        return phrase


def in_language(text: str, translations: NullTranslations) -> str:
    """Return a text as a catalogue says it; as it is where the catalogue does not know it.

    Of a phrase that is made of phrases each is said in the language.
    """
    if isinstance(text, Beginning):
        return translations.gettext(text.template).partition(";")[0]
    if isinstance(text, Phrase):
        values = {
            name: in_language(value, translations) if isinstance(value, Phrase) else value
            for name, value in text.values.items()
        }
        return translations.gettext(text.template).format(**values)
    return translations.gettext(text) if text else text


def read_catalogues(package: str) -> dict[str, NullTranslations]:
    """Return the catalogues of a package, by language; that of the source is empty.

    Args:
        package: importable name of the package that holds the ``.po`` files.
    """
    folder = files(package)
    others = {language: compiled(folder / f"{language}.po") for language in LANGUAGES if language != SOURCE}
    return {SOURCE: NullTranslations(), **others}


@cache
def translations() -> Mapping[str, NullTranslations]:
    """Return what the guardrails say, by language."""
    return read_catalogues(__name__)


def compiled(file: Traversable) -> GNUTranslations:
    """Return a catalogue, compiled in memory: nothing has to be built beforehand."""
    machine_readable = BytesIO()
    with file.open("rb") as source:
        write_mo(machine_readable, read_po(source, abort_invalid=True))
    machine_readable.seek(0)
    return GNUTranslations(machine_readable)
