"""A blueprint whose operations cannot be registered without saying who may call them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, TypeVar

import orjson
from flask import Response, current_app, request
from flask_smorest import Blueprint  # type: ignore[import-untyped]  # publishes no types
from marshmallow import RAISE, Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from api.auth import Access
from api.errors import Finding, InvalidRequestError, MalformedBodyError
from api.problems import MEDIA_TYPE, findings_from
from api.schemas.base import ProblemSchema
from api.schemas.plain import Reader, reader_of
from guardrails.messages import Phrase

View = TypeVar("View", bound=Callable[..., Any])

_NUMBER = {"type": "integer", "minimum": 1}
_LATER = {"Retry-After": {"description": "seconds to wait before trying again", "schema": _NUMBER}}
_HEADERS = {
    429: {
        **_LATER,
        "RateLimit-Policy": {
            "description": "limits that hold for the caller: `q` requests in `w` seconds",
            "schema": {"type": "string"},
        },
        "RateLimit": {
            "description": "how the caller stands: `r` requests are left, all of them again in `t` seconds",
            "schema": {"type": "string"},
        },
    },
    503: _LATER,
}
"""Headers of problems, by their status."""


class StrictParser(FlaskParser):
    """Reads queries, and refuses what a schema does not name."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": RAISE}  # noqa: RUF012  overrides the library's

    def handle_error(self, error: ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Turn marshmallow's messages into findings.

        Raises:
            InvalidRequestError: always.
        """
        messages: Any = error.messages
        raise InvalidRequestError(findings_from(messages["query"], in_query=True)) from None


class Resource(Blueprint):  # type: ignore[misc]  # its base publishes no types
    """Operations on one kind of thing."""

    ARGUMENTS_PARSER = StrictParser()

    def operation(
        self,
        method: str,
        rule: str,
        access: Access,
        *,
        answer: Schema | None,
        status: int = 200,
        body: Schema | None = None,
        query: Schema | None = None,
        read_body: dict[str, Any] | None = None,
        also: dict[int, Schema] | None = None,
        problems: tuple[int, ...] = (),
        example: Any = None,
        examples: dict[str, Any] | None = None,
    ) -> Callable[[View], View]:
        """Register a view.

        Args:
            method: HTTP method.
            rule: path, as werkzeug writes it.
            access: who may call it.
            answer: schema of the usual answer; ``None`` when it is not JSON.
            status: status of the usual answer.
            body: schema of the request body, handed to the view as its first argument.
            query: schema of the query, handed to the view likewise; without one any query is refused.
            read_body: description of a request body that the view reads by itself (OpenAPI 3.1, 4.8.13).
            also: schemas of other good answers by status.
            problems: statuses of the problems it can answer beside those that every operation can.
            example: an example of the request body for the documentation.
            examples: several of them, by name.
        """

        def register(view: View) -> View:
            described: Any = self.response(status, answer)(view)
            for other, schema in (also or {}).items():
                described = self.alt_response(other, schema=schema, success=True)(described)
            for other in sorted(_problems(access, problems) - set(also or ())):
                described = self.alt_response(
                    other, schema=ProblemSchema(), content_type=MEDIA_TYPE, headers=_HEADERS.get(other)
                )(described)
            if query is not None:
                described = self.arguments(query, location="query")(described)
            if body is not None:
                described = self.arguments(body, location="json", example=example, examples=examples)(
                    described
                )
            documented = {} if read_body is None else {"requestBody": read_body}
            described = self.doc(operationId=view.__name__, **documented, **_security(access))(described)
            called = self._called_with(view, body, query)
            called._apidoc = described._apidoc  # noqa: SLF001  where flask-smorest looks for it
            called.access = access
            called.takes_query = query is not None
            called.takes_body = body is not None
            called.reads_body = body is not None or read_body is not None
            self.add_url_rule(rule, None, called, methods=[method])
            return view

        return register

    def _called_with(self, view: Callable[..., Response], body: Schema | None, query: Schema | None) -> Any:
        """Return what calls a view with the body and the query that it takes.

        flask-smorest's own decorators describe an operation; each of them would also be a call of its own
        in every request.
        """
        read = None if body is None else reader_of(body)

        @wraps(view)
        def called(**of_path: Any) -> Response:
            given = []
            if read is not None:
                given.append(_body_by(read))
            if query is not None:
                given.append(self.ARGUMENTS_PARSER.parse(query, location="query"))
            return view(*given, **of_path)

        return called


def _problems(access: Access, own: tuple[int, ...]) -> set[int]:
    """Return the statuses of the problems that an operation can answer."""
    of_callers = set() if access.public else {401, 403}
    of_limits = set() if access.always else {429, 503}
    return {*own, *of_callers, *of_limits}


def _body_by(read: Reader) -> Any:
    """Return what the body of this request says.

    Raises:
        InvalidRequestError: something in it is wrong.
    """
    try:
        return read(_json_body())
    except ValidationError as error:
        raise InvalidRequestError(findings_from(error.messages)) from None


def _json_body() -> Any:
    """Return the body as Python values.

    Raises:
        UnsupportedMediaType: the body is not said to be plain JSON.
        RequestEntityTooLarge: it is larger than it may be.
        MalformedBodyError: it is not JSON in UTF-8.
    """
    if not request.is_json or request.content_encoding not in (None, "identity"):
        raise UnsupportedMediaType
    body = request.get_data(cache=False)
    if request.content_length is None and len(body) >= (request.max_content_length or len(body) + 1):
        raise RequestEntityTooLarge  # a body that did not say how long it is was cut off here
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedBodyError(Phrase("the body is not JSON: {why}", why=error)) from None


def refuse_unknown() -> None:
    """Refuse to operations of the API what they do not read: it would be ignored.

    That is any query parameter where they know none, and a body where they read none. An empty JSON object
    asks for nothing, and many clients always send one.

    Raises:
        InvalidRequestError: there is such.
    """
    if request.endpoint is None or not request.path.startswith("/v1/"):
        return
    view = current_app.view_functions[request.endpoint]
    if request.query_string and not getattr(view, "takes_query", False) and request.args:
        raise InvalidRequestError([Finding("unknown parameter", parameter=name) for name in request.args])
    if not getattr(view, "reads_body", False) and request.get_data().strip() not in (b"", b"{}"):
        raise InvalidRequestError([Finding("this takes no body", pointer="")])


def json_answer(document: Any, status: int = 200) -> Response:
    """Return an answer whose body is the document as JSON."""
    return Response(orjson.dumps(document), status=status, content_type="application/json")


def _security(access: Access) -> dict[str, Any]:
    if access.public:
        return {"security": []}
    return {"security": [{"api_key": []}], "x-roles": ", ".join(access.names)}
