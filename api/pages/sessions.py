"""Who looks at a page: somebody of the shop who has signed in, or a customer who came with a token.

The browser keeps a cookie for each of the two, which scripts cannot read: signed, with the token of a session
that stands in the database and can be ended there, or with the sealed token of a customer. Which of them a
page reads and writes is told by its path. So whatever other sites send to the pages of customers, whose
entrance takes forms from elsewhere, nobody of the shop is signed out by it.
"""

from __future__ import annotations

import secrets
from urllib.parse import unquote, urlsplit

from flask import Flask, Request, Response, g, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from werkzeug.exceptions import HTTPException

from api.errors import UnauthenticatedError
from api.pages.forms import TOKEN
from api.policies.service import Actor
from api.rights.tokens import accept_token
from api.storage.accounts import Account, begin_session, end_session, folded, see, session_account
from api.storage.connection import reading, writing
from api.wiring import Wiring, wiring

_SIGN_IN, _CUSTOMER, _KNOWN = "sign_in", "customer", "known"
_CONSOLE, _OF_CUSTOMERS = "/console", "-customer"
_MOST_KNOWN = 8
_BROWSER_BYTES = 12

LANGUAGE = "language"
"""Where a session holds the language that was chosen for its pages."""


class _Sessions(SecureCookieSessionInterface):
    """Sessions of people of the shop in one cookie, those of customers in another."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return what the cookie holds; where there is no cookie there is no signature to look at."""
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Set the cookie, and say that the answer depends on it, unless nobody has looked at the session."""
        if session.accessed or session.modified:
            super().save_session(app, session, response)

    def get_cookie_name(self, app: Flask) -> str:
        """Return the name of the cookie that this page reads and writes."""
        name = super().get_cookie_name(app)
        return name if request.path.startswith(_CONSOLE) else name + _OF_CUSTOMERS


def keep_sessions(app: Flask, wired: Wiring) -> None:
    """Set an application up for sessions: what the cookies are called, signed with and sent to."""
    over_tls = wired.settings.public_url.startswith("https://")
    app.secret_key = wired.subjects.session_secret()
    app.session_interface = _Sessions()
    app.config.update(
        SESSION_COOKIE_NAME="__Host-tactful" if over_tls else "tactful",
        SESSION_COOKIE_SECURE=over_tls,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",  # links of other sites lead to the pages, their forms do not
    )


def sign_in(account: Account) -> None:
    """Sign somebody in: of what the cookie held before nothing is kept but the language and who is known.

    A session that the browser had before is ended, so that no cookie of before opens anything (CWE-384).
    """
    found = wiring()
    before = session.get(_SIGN_IN)
    with writing(found.engine) as conn:
        if before is not None:
            end_session(conn, before)
        token = begin_session(conn, account.account_id, found.clock())
    _begin_anew()
    session[_SIGN_IN] = token
    _get_to_know(account)
    g.account = account


def sign_out() -> None:
    """End the session, here and in the database."""
    token = session.get(_SIGN_IN)
    _begin_anew()
    g.account = None
    if token is not None:
        with writing(wiring().engine) as conn:
            end_session(conn, token)


def known_browser(name: str) -> str | None:
    """Return the id of this browser, if somebody has signed in with this name here before."""
    known = session.get(_KNOWN, {})
    return known["browser"] if _mark_of(name) in known.get("names", ()) else None


def signed_in() -> Account | None:
    """Return who of the shop looks at this page; ``None`` for anybody else."""
    if "account" not in g:
        g.account = _account_of(session.get(_SIGN_IN))
    account: Account | None = g.account
    return account


def actor() -> Actor:
    """Return who of the shop acts, as it is written down.

    Raises:
        UnauthenticatedError: nobody is signed in.
    """
    account = signed_in()
    if account is None:
        raise UnauthenticatedError("sign in first")
    return Actor(account.account_id, account.role.value)


def let_customer_in(token: str, *, is_known: bool = False) -> str:
    """Let a customer see pages of their own; return the customer's id.

    Args:
        token: the customer's token.
        is_known: whether this session has acted for the customer before, by forms of ours. Its form token
            stays then: what the page that is being left still sends holds it.

    Raises:
        UnauthenticatedError: the token is not in force.
    """
    found = wiring()
    with reading(found.engine) as conn:
        accepted = accept_token(conn, token, found.subjects, found.clock())
    if not is_known and session.get(_CUSTOMER) != token:
        _forget_form_token()
    session[_CUSTOMER] = token
    return accepted.customer_id


def customer_of_session() -> str:
    """Return the id of the customer who looks at this page.

    Raises:
        UnauthenticatedError: there is none, or their token has ended.
    """
    token = session.get(_CUSTOMER)
    if token is None:
        raise UnauthenticatedError("follow the link of the shop first")
    found = wiring()
    with reading(found.engine) as conn:
        return accept_token(conn, token, found.subjects, found.clock()).customer_id


def customer_token() -> str | None:
    """Return the token that the customer came with; ``None`` without one."""
    token: str | None = session.get(_CUSTOMER)
    return token


def let_customer_out() -> None:
    """Forget the customer's token."""
    session.pop(_CUSTOMER, None)


def safe_next(app: Flask, path: str | None, otherwise: str) -> str:
    """Return where to go on to: a page of ours, whatever the address says (CWE-601).

    Browsers take a backslash for a slash and drop tabs and line ends, so that what looks like a path leads
    elsewhere: nothing that holds one is followed.
    """
    if path is None or "\\" in path or not path.isprintable() or not path.startswith("/"):
        return otherwise
    try:
        parts = urlsplit(path)
        if parts.scheme or parts.netloc:
            return otherwise
        endpoint, _ = app.url_map.bind("localhost").match(unquote(parts.path), method="GET")
    except (HTTPException, ValueError):
        return otherwise
    access = getattr(app.view_functions[endpoint], "access", None)
    return path if access is not None and access.page else otherwise


def _begin_anew() -> None:
    kept = {name: session[name] for name in (LANGUAGE, _KNOWN) if name in session}
    session.clear()
    session.update(kept)
    _forget_form_token()


def _forget_form_token() -> None:
    """Let no form be sent any longer that was open before: whoever had it may be somebody else."""
    session.pop(TOKEN, None)
    g.pop(TOKEN, None)


def _get_to_know(account: Account) -> None:
    """Remember in the cookie that this account was used here: others who guess do not slow it down then."""
    known = session.get(_KNOWN, {})
    names = [_mark_of(account.name), *known.get("names", ())]
    browser = known.get("browser") or secrets.token_urlsafe(_BROWSER_BYTES)
    session[_KNOWN] = {"browser": browser, "names": list(dict.fromkeys(names))[:_MOST_KNOWN]}


def _mark_of(name: str) -> str:
    """Return by what a name is known in a cookie, which anybody at the browser can read."""
    return wiring().subjects.attempt(f"known {folded(name)}").hex()


def _account_of(token: str | None) -> Account | None:
    if token is None:
        return None
    found = wiring()
    now_ms = found.clock()
    with reading(found.engine) as conn:
        known = session_account(conn, token, now_ms)
    if known is None:
        return None
    account, is_due = known
    if is_due:
        with writing(found.engine) as conn:
            see(conn, token, now_ms)
    return account
