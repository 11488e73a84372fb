"""Signing in and out, and in what language."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from flask import Response, current_app, request, session
from marshmallow import EXCLUDE, fields, validate
from werkzeug.exceptions import NotFound

from api.auth import ANYBODY
from api.console.passwords import MOST_CHARACTERS, check_password
from api.console.provider import RETURN, come_back, is_offered, lead_there
from api.console.showing import LANGUAGES, see_other, show
from api.console.throttling import begin_attempt, succeed, too_many
from api.errors import NoRoleError, NotSignedInError
from api.languages import say
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.pages.refusals import SIGN_IN
from api.pages.sessions import LANGUAGE, known_browser, safe_next, sign_in, sign_out, signed_in
from api.schemas.base import RequestSchema, Text
from api.storage.accounts import set_language
from api.storage.connection import writing
from api.wiring import wiring
from guardrails.messages import Phrase

HOME = "/console"

ELSEWHERE = "/console/sign-in/elsewhere"
"""Leads to where the shop's people sign in for everything."""

_NEXT = "next"

blueprint = Pages("entrance", __name__)


class _NextSchema(RequestSchema):
    next = Text(most=2048)


class _SignInSchema(_NextSchema):
    name = Text(least=1, required=True)
    password = fields.String(required=True, validate=validate.Length(1, MOST_CHARACTERS))


class _ReturnSchema(RequestSchema):
    class Meta:
        """Providers add what they like, which says nothing to us (RFC 6749, 4.1.2)."""

        unknown = EXCLUDE

    iss = Text(most=2048)


class _LanguageSchema(_NextSchema):
    language = fields.String(required=True, validate=validate.OneOf(LANGUAGES))


@blueprint.page("GET", SIGN_IN, ANYBODY, query=_NextSchema())
def sign_in_page(query: dict[str, str]) -> Response:
    """Ask who is there; whoever is signed in already goes on."""
    if signed_in() is not None:
        return see_other(_onward(query.get("next")))
    return _ask_again(Form(query))


@blueprint.page("POST", SIGN_IN, ANYBODY, form=_SignInSchema())
def sign_in_form(form: Form) -> Response:
    """Sign somebody in. Whether a name is known is told by nothing: not by words, and not by time."""
    if not form.ok:
        return _ask_again(form, HTTPStatus.UNPROCESSABLE_ENTITY)
    found, name = wiring(), form.data["name"]
    attempt = begin_attempt(found, name, request.remote_addr, known_browser(name))
    if attempt.wait_s:
        return _ask_to_wait(form, attempt.wait_s)
    account = check_password(name, form.data["password"])
    if account is None:
        refused = form.but("", say("name and password do not belong together"))
        return _ask_again(refused, HTTPStatus.UNPROCESSABLE_ENTITY)
    succeed(found, attempt)
    sign_in(account)
    return see_other(_onward(form.data.get("next")))


@blueprint.page("GET", ELSEWHERE, ANYBODY, query=_NextSchema())
def sign_in_elsewhere(query: dict[str, str]) -> Response:
    """Lead to where the shop's people sign in for everything."""
    if not is_offered():
        raise NotFound
    session[_NEXT] = query.get("next", "")
    try:
        return lead_there()
    except NotSignedInError:
        return _refuse_elsewhere(Phrase("signing in elsewhere does not work just now: try again later"))


@blueprint.page("GET", RETURN, ANYBODY, query=_ReturnSchema())
def sign_in_return(query: dict[str, str]) -> Response:
    """Sign in who comes back from there."""
    if not is_offered():
        raise NotFound
    path = session.pop(_NEXT, None)
    try:
        account = come_back(query.get("iss"))
    except NotSignedInError:
        return _refuse_elsewhere(Phrase("signing in elsewhere did not work: try again"))
    except NoRoleError:
        return _refuse_elsewhere(Phrase("you are known there, but you have no role here: ask an admin"))
    sign_in(account)
    return see_other(_onward(path))


@blueprint.page("POST", "/console/sign-out", ANYBODY)
def sign_out_form() -> Response:
    """End the session."""
    sign_out()
    return see_other(SIGN_IN, say("You are signed out."))


@blueprint.page("POST", "/console/language", ANYBODY, form=_LanguageSchema())
def choose_console_language(form: Form) -> Response:
    """Show the console in another language, and keep to it."""
    if form.ok:
        language, account = form.data["language"], signed_in()
        session[LANGUAGE] = language
        if account is not None:
            with writing(wiring().engine) as conn:
                set_language(conn, account.account_id, language)
    return see_other(_onward(form.data.get("next")))


def _onward(path: str | None) -> str:
    return safe_next(current_app, path, HOME)


def _ask_again(form: Form, status: HTTPStatus = HTTPStatus.OK) -> Response:
    elsewhere = f"{ELSEWHERE}?{urlencode({_NEXT: form.sent.get(_NEXT, '')})}" if is_offered() else None
    return show(
        "console/sign_in.html", form=form, next=form.sent.get(_NEXT, ""), elsewhere=elsewhere, status=status
    )


def _refuse_elsewhere(why: Phrase) -> Response:
    return _ask_again(Form().but("", say(why)), HTTPStatus.FORBIDDEN)


def _ask_to_wait(form: Form, wait_s: int) -> Response:
    answer = _ask_again(form.but("", too_many(wait_s)), HTTPStatus.TOO_MANY_REQUESTS)
    answer.headers["Retry-After"] = str(wait_s)
    return answer
