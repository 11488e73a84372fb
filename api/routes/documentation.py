"""The description of the API: for machines as OpenAPI, for people as a page without scripts."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app
from werkzeug.exceptions import NotFound

from api.auth import PUBLIC
from api.description import description_of
from api.languages import choose_language
from api.pages.rendering import page
from api.problems import PROBLEMS
from api.routes.resource import Resource, json_answer
from api.schemas.transparency import LanguageQuerySchema

blueprint = Resource("documentation", __name__, description="this description, and what problems mean")


@blueprint.operation("GET", "/openapi.json", PUBLIC, answer=None)
def openapi() -> Response:
    """Return the OpenAPI 3.1 document of this API."""
    return json_answer(description_of(current_app))


@blueprint.operation("GET", "/docs", PUBLIC, answer=None)
def docs() -> Response:
    """Show every operation on one page."""
    document = description_of(current_app)
    return page("docs.html", document=document, operations=_operations(document))


@blueprint.operation("GET", "/problems/<name:slug>", PUBLIC, query=LanguageQuerySchema(), answer=None)
def problem(query: dict[str, Any], slug: str) -> Response:
    """Say what a kind of problem means and what to do about it."""
    language = choose_language(query.get("language"))
    known = next((each for each in PROBLEMS if each.slug == slug), None)
    if known is None:
        raise NotFound
    return page("problem.html", language=language, translated=True, problem=known)


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
