"""Pages for people: no script, nothing from elsewhere, readable on a phone and in the dark."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any

from babel.numbers import format_decimal
from flask import Response, request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from api.languages import NAMES, say, say_how_many
from guardrails.messages import SOURCE


def page(template: str, *, language: str = SOURCE, translated: bool = False, **values: Any) -> Response:
    """Return a page.

    Args:
        template: file name of the template.
        language: what the page is written in.
        translated: whether it is there in the other languages as well, under ``?language=``.
        values: what the template shows.
    """
    languages = NAMES if translated else {}
    html = rendered(template, language=language, languages=languages, path=request.path, **values)
    answer = Response(html, content_type="text/html; charset=utf-8")
    answer.content_language.add(language)
    return answer


def rendered(
    template: str,
    *,
    language: str = SOURCE,
    languages: Mapping[str, str] = MappingProxyType({}),
    path: str = "",
    **values: Any,
) -> str:
    """Return the HTML of a page, also outside of a request.

    Args:
        template: file name of the template.
        language: what the page is written in.
        languages: names of the languages it is there in, by their tags.
        path: where it is served.
        values: what the template shows.
    """
    return (
        _templates()
        .get_template(template)
        .render(
            language=language,
            languages=languages,
            path=path,
            say=partial(say, language=language),
            how_many=partial(say_how_many, language=language),
            number=partial(format_decimal, locale=language),
            **values,
        )
    )


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("api.routes"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = prose
    return environment


def prose(text: str) -> Markup:
    """Return text for a page, with what stands in `backticks` set as code.

    >>> prose("send `a<b>`")
    Markup('send <code>a&lt;b&gt;</code>')
    """
    plain = Markup("{}")
    code = Markup("<code>{}</code>")
    parts = text.split("`")
    return Markup().join((code if at % 2 else plain).format(part) for at, part in enumerate(parts))
