"""The addresses of the files that pages use."""

from __future__ import annotations

from flask import Response
from marshmallow import fields

from api.auth import ANYBODY
from api.pages.assets import PREFIX, serve
from api.pages.blueprint import Pages
from api.schemas.base import RequestSchema

blueprint = Pages("assets", __name__)


class _VersionSchema(RequestSchema):
    v = fields.String()


@blueprint.page("GET", f"{PREFIX}<name>", ANYBODY, query=_VersionSchema())
def asset_file(query: dict[str, str], name: str) -> Response:
    """Answer with a style sheet, a script or a picture."""
    return serve(name, query.get("v"))
