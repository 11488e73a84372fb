"""The description of the API as an OpenAPI 3.1 document.

It takes longer to write than all else takes that an application is put together from, and few ask for it. So
it is written when somebody does, once a process.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import Any

from flask import Flask
from flask_smorest import Api, Blueprint  # type: ignore[import-untyped]  # publishes no types

from api.paths import CONVERTERS, as_parameter
from api.problems import MEDIA_TYPE
from api.schemas.base import ProblemSchema

_INTRODUCTION = """Suggestions for online shops, held against consent and guardrails, each with its
reason, each recorded before it is sent.

Every operation but the public ones needs a key: `Authorization: Bearer <key>`. A key has one role;
`x-roles` names the roles of each operation, and `admin` may do everything. Errors are problem
documents (RFC 9457). Unknown fields and query parameters are refused. Times are milliseconds since
the epoch in UTC, money is in minor units. None of them sets a cookie."""


def description_of(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of an application; nobody may change it."""
    return _described(tuple(each for each in app.blueprints.values() if isinstance(each, Blueprint)))


@lru_cache(maxsize=1)
def _described(resources: tuple[Blueprint, ...]) -> dict[str, Any]:
    app = Flask(__name__, static_folder=None, template_folder=None)  # answers nobody
    app.config.update(
        API_TITLE="Tactful",
        API_VERSION=version("tactful"),
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={"info": {"description": _INTRODUCTION, "license": {"name": "Apache-2.0"}}},
    )
    app.url_map.converters.update(CONVERTERS)
    api = _Described(app)
    for converter in CONVERTERS.values():
        api.register_converter(converter, as_parameter)
    api.spec.components.security_scheme("api_key", {"type": "http", "scheme": "bearer"})
    for resource in resources:
        api.register_blueprint(resource)
    document: dict[str, Any] = api.spec.to_dict()
    return document


class _Described(Api):  # type: ignore[misc]  # its base publishes no types
    """flask-smorest with problem documents."""

    ERROR_SCHEMA = ProblemSchema
    DEFAULT_RESPONSE_CONTENT_TYPE: str = "application/json"

    def _register_responses(self) -> None:
        """Document every problem under its own media type."""
        usual, self.DEFAULT_RESPONSE_CONTENT_TYPE = self.DEFAULT_RESPONSE_CONTENT_TYPE, MEDIA_TYPE
        super()._register_responses()
        self.DEFAULT_RESPONSE_CONTENT_TYPE = usual
