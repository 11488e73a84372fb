"""The description of the API: for machines as OpenAPI, for people as a page without scripts."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Response, current_app
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from api.auth import PUBLIC
from api.problems import PROBLEMS
from api.routes.resource import Resource, json_answer

blueprint = Resource("documentation", __name__, description="this description, and what problems mean")


@blueprint.operation("GET", "/openapi.json", PUBLIC, answer=None)
def openapi() -> Response:
    """Return the OpenAPI 3.1 document of this API."""
    return json_answer(_document())


@blueprint.operation("GET", "/docs", PUBLIC, answer=None)
def docs() -> Response:
    """Show every operation on one page."""
    return _page("docs.html", document=_document(), operations=_operations(_document()))


@blueprint.operation("GET", "/problems/<name:slug>", PUBLIC, answer=None)
def problem(slug: str) -> Response:
    """Say what a kind of problem means and what to do about it."""
    known = next((each for each in PROBLEMS if each.slug == slug), None)
    if known is None:
        raise NotFound
    return _page("problem.html", problem=known)


def _document() -> dict[str, Any]:
    document: dict[str, Any] = current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()
    return document


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the operations in the order of the document, with references to schemas by name."""
    return [
        {
            "method": method.upper(),
            "path": path,
            "parameters": [*item.get("parameters", ()), *operation.get("parameters", ())],
            **{key: value for key, value in operation.items() if key != "parameters"},
        }
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    ]


def _page(template: str, **values: Any) -> Response:
    return Response(
        _templates().get_template(template).render(**values), content_type="text/html; charset=utf-8"
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
    environment.filters["prose"] = _prose
    return environment


def _prose(text: str) -> Markup:
    """Return text for a page, with what stands in `backticks` set as code.

    >>> _prose("send `a<b>`")
    Markup('send <code>a&lt;b&gt;</code>')
    """
    plain = Markup("{}")
    code = Markup("<code>{}</code>")
    parts = text.split("`")
    return Markup().join((code if at % 2 else plain).format(part) for at, part in enumerate(parts))
