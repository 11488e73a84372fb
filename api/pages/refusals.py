"""Problems as people see them: a page that says what is wrong, or the way to where one signs in."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Response, current_app, request

from api.errors import StoreUnavailableError
from api.languages import chosen_language
from api.pages.rendering import page

SIGN_IN = "/console/sign-in"
"""Where people of the shop sign in."""

ENTRANCE = "/privacy/enter"
"""Where customers come in with the shop's link."""

_CONSOLE = "/console"
_PLACES = (_CONSOLE, "/privacy", "/demo")


def asks_for_page() -> bool:
    """Tell whether this request is one for a page, also for one that is not there."""
    if request.endpoint is None:
        return request.path.startswith(_PLACES)
    access = getattr(current_app.view_functions[request.endpoint], "access", None)
    return access is not None and access.page


def refusal(status: int, problem: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """Return what somebody sees instead of a page.

    Args:
        status: of the answer.
        problem: the problem document (RFC 9457).
        headers: what else the answer has to say.
    """
    if status == HTTPStatus.UNAUTHORIZED:
        return _beside_what_was_typed() if _asks_from_a_form() else _to_entrance()
    answer = _in_console(status, problem) if request.path.startswith(_CONSOLE) else None
    if answer is None:
        answer = page("refusal.html", language=chosen_language(), status=status, problem=problem)
        answer.headers["Cache-Control"] = "no-store"
    answer.headers.update(headers)
    return answer


def _asks_from_a_form() -> bool:
    """Tell whether a script sends what somebody has typed on a page of the console."""
    by_script = request.method == "POST" and "HX-Request" in request.headers
    return by_script and request.path.startswith(_CONSOLE)


def _beside_what_was_typed() -> Response:
    """Say on the page where somebody types that they are signed out: led away, they would lose it."""
    from api.console.showing import show  # noqa: PLC0415  pages of the console stand on what refuses them

    return show("console/signed_out.html", status=HTTPStatus.UNAUTHORIZED)


def _in_console(status: int, problem: Mapping[str, Any]) -> Response | None:
    """Return a refusal with the menu beside it for who is signed in; ``None`` for anybody else.

    What is refused may be that the database cannot be asked who that is.
    """
    from api.console.showing import show  # noqa: PLC0415  pages of the console stand on what refuses them
    from api.pages.sessions import signed_in  # noqa: PLC0415  as above

    try:
        if signed_in() is None:
            return None
        return show("console/refusal.html", status=status, problem=problem)
    except StoreUnavailableError:
        return None


def _to_entrance() -> Response:
    """Lead to where one comes in, and back afterwards; a part of a page that asked takes all of it there."""
    if not request.path.startswith(_CONSOLE):
        there = ENTRANCE
    elif request.method == "GET" and "HX-Request" not in request.headers:
        there = f"{SIGN_IN}?{urlencode({'next': request.full_path.rstrip('?')})}"
    else:
        there = SIGN_IN
    if "HX-Request" in request.headers:
        return Response(status=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": there})
    return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": there})
