"""Who may come in: the accounts of everybody, for admins, and one's own."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, request
from marshmallow import fields, validate
from werkzeug.exceptions import NotFound

from api.auth import staff
from api.console.passwords import MOST_CHARACTERS, check_password, new_password
from api.console.people import (
    MOST_NAME_CHARACTERS,
    give_password,
    give_role,
    open_account,
    put_out_of_use,
    sign_out_everywhere,
)
from api.console.showing import see_other, show
from api.console.throttling import begin_attempt, succeed, too_many
from api.errors import AccountRefusedError
from api.languages import say
from api.pages.blueprint import Pages
from api.pages.forms import Form
from api.pages.refusals import SIGN_IN
from api.pages.sessions import known_browser, sign_in, sign_out, signed_in
from api.schemas.base import RequestSchema, Text
from api.storage.accounts import STAFF, Account, count_sessions, find_account, find_by_name, list_accounts
from api.storage.api_keys import Role
from api.storage.connection import reading
from api.wiring import wiring
from guardrails.messages import Phrase

ACCOUNTS, ME = "/console/accounts", "/console/me"

blueprint = Pages("accounts", __name__)

_ADMINS, _EVERYBODY = staff(), staff(*STAFF)


class _RoleSchema(RequestSchema):
    role = fields.String(required=True, validate=validate.OneOf([role.value for role in STAFF]))


class _NewSchema(_RoleSchema):
    name = Text(least=1, most=MOST_NAME_CHARACTERS, required=True)
    password = fields.String(validate=validate.Length(max=MOST_CHARACTERS))


class _PasswordSchema(RequestSchema):
    password = fields.String(validate=validate.Length(max=MOST_CHARACTERS))


class _OwnPasswordSchema(RequestSchema):
    old = fields.String(required=True, validate=validate.Length(1, MOST_CHARACTERS))
    new = fields.String(required=True, validate=validate.Length(1, MOST_CHARACTERS))
    again = fields.String(required=True, validate=validate.Length(1, MOST_CHARACTERS))


@blueprint.page("GET", ACCOUNTS, _ADMINS)
def accounts_page() -> Response:
    """Show who may come in."""
    return _accounts(Form())


@blueprint.page("POST", ACCOUNTS, _ADMINS, form=_NewSchema())
def account_form(form: Form) -> Response:
    """Make an account; a password that was made up is shown in the answer, and never again."""
    if not form.ok:
        return _accounts(form)
    found, name = wiring(), form.data["name"]
    made_up = None if "password" in form.data else new_password()
    try:
        account = open_account(
            found.engine,
            name,
            Role(form.data["role"]),
            made_up or form.data["password"],
            found.clock(),
            _self().account_id,
        )
    except AccountRefusedError as error:
        return _accounts(form.but(error.field, say(str(error))))
    if made_up is None:
        return see_other(ACCOUNTS, say(Phrase("{name} can sign in now.", name=account.name)))
    return show("console/new_password.html", whose=account, password=made_up)


@blueprint.page("GET", f"{ACCOUNTS}/<name:account_id>", _ADMINS)
def account_page(account_id: str) -> Response:
    """Show one account and what can be done about it."""
    return _account(_named(account_id), Form())


@blueprint.page("POST", f"{ACCOUNTS}/<name:account_id>/role", _ADMINS, form=_RoleSchema())
def account_role_form(form: Form, account_id: str) -> Response:
    """Give somebody another role."""
    account, found = _in_use(account_id), wiring()
    if not form.ok:
        return _account(account, form)
    try:
        give_role(found.engine, account, Role(form.data["role"]), found.clock(), _self().account_id)
    except AccountRefusedError as error:
        return _account(account, form.but(error.field, say(str(error))))
    return see_other(_path(account), say("The role is changed."))


@blueprint.page("POST", f"{ACCOUNTS}/<name:account_id>/password", _ADMINS, form=_PasswordSchema())
def account_password_form(form: Form, account_id: str) -> Response:
    """Give somebody another password; one that was made up is shown in the answer, and never again."""
    account, found = _in_use(account_id), wiring()
    if not form.ok:
        return _account(account, form)
    made_up = None if "password" in form.data else new_password()
    try:
        give_password(
            found.engine,
            found.subjects,
            account,
            made_up or form.data["password"],
            found.clock(),
            _self().account_id,
        )
    except AccountRefusedError as error:
        return _account(account, form.but(error.field, say(str(error))))
    if made_up is None:
        return see_other(_path(account), say("The password is changed."))
    return show("console/new_password.html", whose=account, password=made_up)


@blueprint.page("POST", f"{ACCOUNTS}/<name:account_id>/sign-out", _ADMINS)
def account_sign_out_form(account_id: str) -> Response:
    """Sign somebody out wherever they are signed in."""
    account, found = _named(account_id), wiring()
    sign_out_everywhere(found.engine, account, found.clock(), _self().account_id)
    said = say(Phrase("{name} is signed out everywhere.", name=account.name))
    return see_other(_path(account), said)


@blueprint.page("POST", f"{ACCOUNTS}/<name:account_id>/disable", _ADMINS)
def account_disable_form(account_id: str) -> Response:
    """Put an account out of use for good."""
    account, found = _in_use(account_id), wiring()
    try:
        put_out_of_use(found.engine, account, found.clock(), _self().account_id)
    except AccountRefusedError as error:
        return _account(account, Form().but(error.field, say(str(error))))
    return see_other(ACCOUNTS, say(Phrase("{name} cannot sign in any longer.", name=account.name)))


@blueprint.page("GET", ME, _EVERYBODY)
def own_page() -> Response:
    """Show somebody their own account."""
    return _own(Form())


@blueprint.page("POST", f"{ME}/password", _EVERYBODY, form=_OwnPasswordSchema())
def own_password_form(form: Form) -> Response:
    """Give oneself another password, with the old one; sessions elsewhere end.

    The old password is asked as often as one that is signed in with, so that a browser that was left open
    is no place to guess it.
    """
    if form.ok and form.data["new"] != form.data["again"]:
        form = form.but("again", say("the two are not the same"))
    if not form.ok:
        return _own(form)
    account, found = _self(), wiring()
    attempt = begin_attempt(found, account.name, request.remote_addr, known_browser(account.name))
    if attempt.wait_s:
        answer = _own(form.but("", too_many(attempt.wait_s)), HTTPStatus.TOO_MANY_REQUESTS)
        answer.headers["Retry-After"] = str(attempt.wait_s)
        return answer
    if check_password(account.name, form.data["old"]) is None:
        return _own(form.but("old", say("this is not your password")))
    succeed(found, attempt)
    try:
        give_password(
            found.engine, found.subjects, account, form.data["new"], found.clock(), account.account_id
        )
    except AccountRefusedError as error:
        return _own(form.but("new", say(str(error))))
    sign_in(account)
    return see_other(ME, say("Your password is changed; you are signed out everywhere else."))


@blueprint.page("POST", f"{ME}/sign-out", _EVERYBODY)
def own_sign_out_form() -> Response:
    """Sign oneself out everywhere."""
    account, found = _self(), wiring()
    sign_out_everywhere(found.engine, account, found.clock(), account.account_id)
    sign_out()
    return see_other(SIGN_IN, say("You are signed out everywhere."))


def _accounts(form: Form) -> Response:
    found = wiring()
    with reading(found.engine) as conn:
        known = list_accounts(conn)
        n_sessions = count_sessions(conn, found.clock())
    return show(
        "console/accounts.html",
        status=HTTPStatus.OK if form.ok else HTTPStatus.UNPROCESSABLE_ENTITY,
        form=form,
        accounts=sorted(known, key=lambda each: (each.disabled_at_ms is not None, each.name)),
        n_sessions=n_sessions,
        roles=_roles(),
    )


def _account(account: Account, form: Form) -> Response:
    found = wiring()
    with reading(found.engine) as conn:
        n_sessions = count_sessions(conn, found.clock()).get(account.account_id, 0)
    return show(
        "console/account.html",
        status=HTTPStatus.OK if form.ok else HTTPStatus.UNPROCESSABLE_ENTITY,
        form=form,
        whose=account,
        n_sessions=n_sessions,
        roles=_roles(),
    )


def _own(form: Form, status: HTTPStatus | None = None) -> Response:
    wrong = HTTPStatus.OK if form.ok else HTTPStatus.UNPROCESSABLE_ENTITY
    with reading(wiring().engine) as conn:
        known = find_by_name(conn, _self().name)
    has_password = known is not None and known[1] is not None
    return show("console/me.html", status=status or wrong, form=form, has_password=has_password)


def _roles() -> list[tuple[str, str]]:
    """Return what can be chosen: role, and what it may do."""
    does = {
        Role.MARKETER: say("Marketer: writes policies and looks at how they work"),
        Role.APPROVER: say("Approver: lets policies come into force"),
        Role.AUDITOR: say("Auditor: looks into decisions and customers' requests"),
        Role.ADMIN: say("Admin: may do everything, also give accounts"),
    }
    return [(role.value, does[role]) for role in STAFF]


def _named(account_id: str) -> Account:
    with reading(wiring().engine) as conn:
        account = find_account(conn, account_id)
    if account is None:
        raise NotFound
    return account


def _in_use(account_id: str) -> Account:
    account = _named(account_id)
    if account.disabled_at_ms is not None:
        raise NotFound
    return account


def _self() -> Account:
    account = signed_in()
    if account is None:
        raise NotFound  # the door has let nobody in who is nobody
    return account


def _path(account: Account) -> str:
    return f"{ACCOUNTS}/{account.account_id}"
