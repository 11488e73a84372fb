"""Pages that customers see: the same frame around each, in the language they chose or like best."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, flash, request, session
from marshmallow import fields, validate

from api.languages import NAMES, choose_language, negotiated
from api.pages.forms import form_token
from api.pages.rendering import page
from api.pages.sessions import LANGUAGE, customer_token
from api.rights.tokens import unseal
from api.schemas.base import RequestSchema
from api.wiring import wiring


class LanguageQuerySchema(RequestSchema):
    """Base of the queries of pages that links lead to, which may say the language."""

    language = fields.String(validate=validate.OneOf(tuple(NAMES)))


def storefront_language() -> str:
    """Return the language of this page: what its address says, or was chosen before, or is liked best."""
    asked = request.args.get("language")
    if asked in NAMES:
        session[LANGUAGE] = asked
    chosen = session.get(LANGUAGE)
    return choose_language(
        chosen if chosen in NAMES else negotiated(request.headers.get("Accept-Language", ""))
    )


def show(template: str, *, status: int = HTTPStatus.OK, **values: Any) -> Response:
    """Return a page for a customer, or a part of one.

    Args:
        template: name of the template, which extends ``storefront/frame.html``, or is a part of such a page.
        status: of the answer: 422 for a form with something wrong in it.
        values: what the template shows.
    """
    settings = wiring().settings
    answer = page(
        template,
        language=storefront_language(),
        status=status,
        shop=settings.controller,
        contact=settings.contact,
        inside=customer_token() is not None,
        open_until_ms=_open_until_ms(),
        here=request.full_path.rstrip("?"),
        csrf_token=form_token(),
        spoken=NAMES,
        **values,
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def see_other(path: str, said: str | None = None, kind: str = "done") -> Response:
    """Lead to another page after something was changed; takes along what is said there.

    Args:
        path: where to.
        said: what is said there, in the language of the page; nothing personal, since the cookie holds it.
        kind: ``done`` or ``warning``.
    """
    if said is not None:
        flash(said, kind)
    if "HX-Request" in request.headers:
        return Response(status=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": path})
    return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": path})


def _open_until_ms() -> int | None:
    """Return when the customer's token ends; ``None`` without one."""
    told = unseal(customer_token() or "", wiring().subjects.token_secret())
    return None if told is None else told.expires_at_ms
