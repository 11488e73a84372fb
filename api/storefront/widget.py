"""The widget that a shop puts on its own pages, at an address that stays."""

from __future__ import annotations

from flask import Response

from api.auth import ANYBODY
from api.pages.assets import serve
from api.pages.blueprint import Pages

FILE = "tactful-suggestions.js"
PATH = f"/widget/{FILE}"

_ANY_PAGE = {
    "Access-Control-Allow-Origin": "*",  # modules are always asked for across origins by CORS
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=600",
}

blueprint = Pages("widget", __name__)


@blueprint.page("GET", PATH, ANYBODY)
def widget_file() -> Response:
    """Answer with the widget, whoever's page asks; it holds nothing of anybody."""
    answer = serve(FILE, None)
    answer.headers.update(_ANY_PAGE)
    return answer
