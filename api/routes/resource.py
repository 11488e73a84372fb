"""A blueprint whose operations cannot be registered without saying who may call them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import orjson
from flask import Request, Response, current_app, request
from flask_smorest import Blueprint  # type: ignore[import-untyped]  # publishes no types
from marshmallow import RAISE, Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from api.auth import Access
from api.errors import Finding, InvalidRequestError, MalformedBodyError
from api.problems import MEDIA_TYPE, findings_from
from api.schemas.base import ProblemSchema
from guardrails.messages import Phrase

View = TypeVar("View", bound=Callable[..., Any])


class StrictParser(FlaskParser):
    """Reads bodies with orjson and refuses what a schema does not name, in queries too."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": RAISE}  # noqa: RUF012  overrides the library's

    def load_json(self, req: Request, schema: Schema) -> Any:  # noqa: ARG002  the library's signature
        """Return the body as Python values.

        Raises:
            UnsupportedMediaType: the body is not said to be plain JSON.
            RequestEntityTooLarge: it is larger than it may be.
            MalformedBodyError: it is not JSON in UTF-8.
        """
        if not req.is_json or req.content_encoding not in (None, "identity"):
            raise UnsupportedMediaType
        body = req.get_data(cache=False)
        if req.content_length is None and len(body) >= (req.max_content_length or len(body) + 1):
            raise RequestEntityTooLarge  # a body that did not say how long it is was cut off here
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise MalformedBodyError(Phrase("the body is not JSON: {why}", why=error)) from None

    def handle_error(self, error: ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Turn marshmallow's messages into findings.

        Raises:
            InvalidRequestError: always.
        """
        messages: Any = error.messages
        (location,) = messages
        raise InvalidRequestError(findings_from(messages[location], in_query=location == "query")) from None


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
            decorated: Any = self.response(status, answer)(view)
            for other, schema in (also or {}).items():
                decorated = self.alt_response(other, schema=schema, success=True)(decorated)
            for other in problems + (() if access.public else (401, 403)):
                decorated = self.alt_response(other, schema=ProblemSchema(), content_type=MEDIA_TYPE)(
                    decorated
                )
            if query is not None:
                decorated = self.arguments(query, location="query")(decorated)
            if body is not None:
                decorated = self.arguments(body, location="json", example=example, examples=examples)(
                    decorated
                )
            documented = {} if read_body is None else {"requestBody": read_body}
            decorated = self.doc(operationId=view.__name__, **documented, **_security(access))(decorated)
            decorated.access = access
            decorated.takes_query = query is not None
            decorated.takes_body = body is not None
            decorated.reads_body = body is not None or read_body is not None
            self.add_url_rule(rule, None, decorated, methods=[method])
            return view

        return register


def refuse_unknown_query() -> None:
    """Refuse query parameters of operations of the API that know none.

    Raises:
        InvalidRequestError: there are some.
    """
    if request.endpoint is None or not request.path.startswith("/v1/") or not request.args:
        return
    if not getattr(current_app.view_functions[request.endpoint], "takes_query", False):
        raise InvalidRequestError([Finding("unknown parameter", parameter=name) for name in request.args])


def refuse_unknown_body() -> None:
    """Refuse a body to operations of the API that read none: what it asks for would be ignored.

    An empty JSON object asks for nothing, and many clients always send one.

    Raises:
        InvalidRequestError: there is one.
    """
    if request.endpoint is None or not request.path.startswith("/v1/"):
        return
    if getattr(current_app.view_functions[request.endpoint], "reads_body", False):
        return
    if request.get_data().strip() not in (b"", b"{}"):
        raise InvalidRequestError([Finding("this takes no body", pointer="")])


def json_answer(document: Any, status: int = 200) -> Response:
    """Return an answer whose body is the document as JSON."""
    return Response(orjson.dumps(document), status=status, content_type="application/json")


def _security(access: Access) -> dict[str, Any]:
    if access.public:
        return {"security": []}
    return {"security": [{"api_key": []}], "x-roles": ", ".join(access.names)}
