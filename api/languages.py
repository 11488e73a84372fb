"""Which language an answer is given in: what the request says itself, else ``Accept-Language``.

Machine-readable members (keys, codes, statuses) are the same in every language.
"""

from __future__ import annotations

from functools import lru_cache

from flask import Flask, Response, g, has_request_context, request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from api.messages import translations
from guardrails.messages import LANGUAGES, SOURCE, in_language

NAMES = {"en": "English", "da": "Dansk", "nb": "Norsk", "sv": "Svenska", "de": "Deutsch"}
"""What each language calls itself."""

_ALSO = {"no": "nb", "nn": "nb"}
"""Languages whose readers are best served in another: both forms of Norwegian are read by all."""

_KEPT = 256


@lru_cache(maxsize=_KEPT)
def negotiated(accepted: str) -> str:
    """Return the language that an ``Accept-Language`` header likes best (RFC 9110 section 12.5.4).

    A region is passed over: whoever reads ``da-DK`` reads ``da``. Of equals the first named wins; what
    has quality 0 is refused. Where nothing that is liked is spoken, it is English.

    >>> negotiated("nn-NO, sv;q=0.8, en;q=0.5")
    'nb'
    """
    liked = [(_spoken(tag), quality) for tag, quality in parse_accept_header(accepted, LanguageAccept)]
    refused = {language for language, quality in liked if quality <= 0}
    for language, _ in sorted(liked, key=lambda each: -each[1]):
        if language == "*":
            return next((each for each in LANGUAGES if each not in refused), SOURCE)
        if language in LANGUAGES and language not in refused:
            return language
    return SOURCE


def chosen_language() -> str:
    """Return the language of the answer to this request, and note that the answer depends on it."""
    if not has_request_context():
        return SOURCE
    if "language" not in g:
        g.language = negotiated(request.headers.get("Accept-Language", ""))
    language: str = g.language
    return language


def choose_language(language: str | None) -> str:
    """Answer this request in a language it names itself; without one the header decides."""
    if language is not None:
        g.language = language
    return chosen_language()


def say(text: str, language: str | None = None) -> str:
    """Return a text in a language, by default that of the answer to this request."""
    return in_language(text, translations()[language or chosen_language()])


def say_how_many(n: int, one: str, many: str, language: str | None = None) -> str:
    """Return a text about a number, with ``{n}`` filled in."""
    return translations()[language or chosen_language()].ngettext(one, many, n).format(n=n)


def announce_languages(app: Flask) -> None:
    """Say on every answer that holds words which language they are in."""
    translations()  # read here rather than while the first customer waits
    app.after_request(_announce)


def _announce(answer: Response) -> Response:
    if "language" in g:
        answer.content_language.add(g.language)
        answer.vary.add("Accept-Language")
    return answer


def _spoken(tag: str) -> str:
    primary = tag.partition("-")[0].lower()
    return _ALSO.get(primary, primary)
