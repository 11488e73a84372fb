"""Which pages of other origins may ask: those of the shop, for what a customer's token opens.

A browser asks on behalf of a page whether that may be (CORS, Fetch standard 3.2). Only origins that the
settings name are ever named in an answer, letter by letter. Cookies are never sent along: what a page may
ask for, it asks for with a token.
"""

from __future__ import annotations

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from api.auth import access_of
from api.wiring import wiring

_HEADERS = "Authorization, Content-Type"
_SECONDS = "600"


def open_to_origins(app: Flask) -> None:
    """Answer browsers that ask for pages of the shop; comes before callers are checked."""
    app.before_request(_preflight)
    app.after_request(_name_origin)


def _preflight() -> Response | None:
    """Answer what a browser asks ahead of a request; what is not for pages is answered as ever."""
    method = _asked_ahead()
    if method is None or _origin() is None or not _is_open(_endpoint()):
        return None
    return Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": method,
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": _SECONDS,
        },
    )


def _name_origin(answer: Response) -> Response:
    """Say on the answer whose page may read it."""
    if _is_open(_endpoint()):
        answer.vary.add("Origin")
        origin = _origin()
        if origin is not None:
            answer.headers["Access-Control-Allow-Origin"] = origin
    return answer


def _origin() -> str | None:
    """Return the origin of the page that asks, if it is one of those named."""
    origin = request.headers.get("Origin")
    return next((named for named in wiring().settings.origins if named == origin), None)


def _asked_ahead() -> str | None:
    """Return the method of the request that a browser asks about; ``None`` where this is no such question."""
    if request.method != "OPTIONS":
        return None
    return request.headers.get("Access-Control-Request-Method")


def _endpoint() -> str | None:
    """Return what is asked for, or asked about; ``None`` where there is nothing."""
    method = _asked_ahead()
    if method is None:
        return request.endpoint
    try:
        found: str = current_app.create_url_adapter(request).match(method=method)[0]  # type: ignore[union-attr]  # there is one within a request
    except HTTPException:
        return None
    return found


def _is_open(endpoint: str | None) -> bool:
    """Tell whether a customer's token opens what is asked for."""
    if endpoint is None:
        return False
    access = access_of(current_app, endpoint)
    return access.customer and not access.page
