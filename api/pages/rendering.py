"""Pages for people: nothing from elsewhere, readable on a phone, in the dark and without a mouse."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal, format_percent
from flask import Response, get_flashed_messages, has_request_context, request
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from api.languages import NAMES, say, say_how_many
from api.pages.assets import asset, assets
from guardrails.messages import SOURCE

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""What a page may load and do (CSP level 3): nothing from elsewhere, no script or style within the page."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
}
"""What goes with every page."""

_MICRO = 1_000_000
_UNKNOWN = "\N{EN DASH}"


def page(
    template: str, *, language: str = SOURCE, translated: bool = False, status: int = 200, **values: Any
) -> Response:
    """Return a page.

    Args:
        template: name of the template.
        language: what the page is written in.
        translated: whether it is there in the other languages as well, under ``?language=``.
        status: of the answer.
        values: what the template shows.
    """
    languages = NAMES if translated else {}
    html = rendered(template, language=language, languages=languages, path=request.path, **values)
    answer = Response(html, status=status, content_type="text/html; charset=utf-8")
    answer.content_language.add(language)
    for name, text in HEADERS.items():
        answer.headers[name] = text
    return answer


def rendered(template: str, *, language: str = SOURCE, standalone: bool = False, **values: Any) -> str:
    """Return the HTML of a page, also outside of a request.

    Args:
        template: name of the template.
        language: what the page is written in.
        standalone: whether it is to be a file of its own, that holds its style itself.
        values: what the template shows; ``languages`` are names of the languages it is there in, by their
            tags, under ``path``.
    """
    usual = {
        "language": language,
        "languages": {},
        "path": "",
        "standalone": standalone,
        "say": partial(say, language=language),
        "how_many": partial(say_how_many, language=language),
        "number": partial(format_decimal, locale=language),
        "share": partial(_share, language),
        "day": partial(_day, language),
        "moment": partial(_moment, language),
        "machine_time": _machine_time,
        "flashed": _flashed,
    }
    return _templates().get_template(template).render({**usual, **values})


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader(package) for package in ("api.pages", "api.console", "api.storefront", "api.demo")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = prose
    environment.globals["asset"] = asset
    environment.globals["stylesheet"] = _stylesheet
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


def _stylesheet() -> Markup:
    return Markup(assets()["tactful.css"].content.decode())  # noqa: S704  a file of ours


def _flashed() -> list[tuple[str, str]]:
    """Return what the answer before left to be said: kind and text of each."""
    kept: Any = get_flashed_messages(with_categories=True) if has_request_context() else ()
    return list(kept)


def _share(language: str, micro: int | None) -> str:
    """Return millionths as a share; a dash for what is not known."""
    return _UNKNOWN if micro is None else format_percent(micro / _MICRO, "#,##0.0#%", locale=language)


def _day(language: str, at_ms: int) -> str:
    """Return the day of a time, UTC."""
    return format_date(_utc(at_ms), "d MMM y", locale=language)


def _moment(language: str, at_ms: int) -> str:
    """Return a time to the minute, UTC."""
    return format_datetime(_utc(at_ms), "d MMM y, HH:mm", locale=language) + " UTC"


def _machine_time(at_ms: int) -> str:
    """Return a time as machines read it (HTML, section 2.3.5)."""
    return _utc(at_ms).isoformat(timespec="seconds")


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
