"""Coming in by the shop's link, choosing a language, and leaving.

The link holds the token behind a ``#``: what stands there is sent to no server and written into no log. A
script of the page takes it off the address and sends it as a form; without scripts the link is pasted.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, current_app, session
from marshmallow import fields, validate

from api.auth import ANYBODY
from api.errors import UnauthenticatedError
from api.languages import NAMES, say
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.pages.refusals import ENTRANCE
from api.pages.sessions import (
    LANGUAGE,
    customer_of_session,
    customer_token,
    let_customer_in,
    let_customer_out,
    safe_next,
)
from api.rights.tokens import MAX_CHARACTERS
from api.schemas.base import RequestSchema, Text
from api.storefront.showing import LanguageQuerySchema, see_other, show, storefront_language

HOME = "/privacy"

_MORE_THAN_A_LINK = MAX_CHARACTERS + 2048

blueprint = Pages("privacy_entrance", __name__)


class _EntranceSchema(RequestSchema):
    token = fields.String(required=True, validate=validate.Length(1, _MORE_THAN_A_LINK))


class _LanguageSchema(RequestSchema):
    language = fields.String(required=True, validate=validate.OneOf(tuple(NAMES)))
    next = Text(most=2048)


@blueprint.page("GET", ENTRANCE, ANYBODY, query=LanguageQuerySchema())
def enter_page(query: dict[str, str]) -> Response:
    """Take the link's token; whoever came before and whose token has ended is told so."""
    del query  # the frame has read the language
    ended = customer_token() is not None and not _is_inside()
    return show("storefront/privacy/enter.html", form=Form(), ended=ended)


@blueprint.page("POST", ENTRANCE, ANYBODY, form=_EntranceSchema(), from_elsewhere=True)
def enter(form: Form) -> Response:
    """Let a customer in by a token, or by the whole link; the shop's own page may send it here."""
    storefront_language()
    try:
        let_customer_in(form.data["token"].strip().rpartition("#")[2] if form.ok else "")
    except UnauthenticatedError:
        let_customer_out()
        return show(
            "storefront/privacy/enter.html",
            form=Form(),
            ended=True,
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
        )
    return see_other(HOME)


@blueprint.page("POST", "/privacy/leave", ANYBODY)
def leave() -> Response:
    """Forget the customer's token."""
    storefront_language()
    let_customer_out()
    return see_other(ENTRANCE, say("You have left. Nobody can open your page in this browser any more."))


@blueprint.page("POST", "/privacy/language", ANYBODY, form=_LanguageSchema())
def choose_storefront_language(form: Form) -> Response:
    """Show pages in another language, and keep to it."""
    if form.ok:
        session[LANGUAGE] = form.data["language"]
    return see_other(safe_next(current_app, form.sent.get("next"), HOME))


def _is_inside() -> bool:
    """Tell whether the token of this session is in force; one that is not is forgotten."""
    try:
        customer_of_session()
    except UnauthenticatedError:
        let_customer_out()
        return False
    return True
