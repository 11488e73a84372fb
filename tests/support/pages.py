"""People at the pages of a shop, without a browser: what it sends is looked at as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from support.http import NO_TLS, Served
from werkzeug.routing import Rule

from api.auth import access_of
from api.console.passwords import hash_password
from api.paths import DigestConverter
from api.storage.accounts import STAFF, Account, create_account
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.wiring import now_ms

PASSWORD = "correct horse battery staple"
SIGN_IN = "/console/sign-in"

SESSION, OF_CUSTOMERS = "tactful", "tactful-customer"
"""What the cookies are called where there is no TLS: of people of the shop, and of customers."""

_MARKUP = re.compile(r"<[^>]+>")
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@cache
def hashed(password: str = PASSWORD) -> str:
    """Return the hash of a password, made once: it takes its time."""
    return hash_password(password)


def staff_of(served: Served) -> Mapping[Role, Account]:
    """Give an account of each role to a shop, called as the role, all with the same password."""
    with writing(served.wiring.engine) as conn:
        return {
            role: create_account(conn, role.value, role, now_ms(), password_hash=hashed()) for role in STAFF
        }


@contextmanager
def somebody(served: Served) -> Iterator[httpx.Client]:
    """A browser that nobody has used; it follows no redirect by itself."""
    with httpx.Client(base_url=served.url, timeout=30, verify=NO_TLS) as client:
        yield client


def token_in(answer: httpx.Response) -> str:
    """Return the token that the forms of a page hold."""
    found = _TOKEN.search(answer.text)
    assert found, answer.text
    return found[1]


def text_of(answer: httpx.Response, status: int = 200) -> str:
    """Return what a page says, without its markup and with plain hyphens."""
    assert answer.status_code == status, answer.text
    text = _MARKUP.sub(" ", answer.text.partition("<main")[2])
    return " ".join(text.replace("\N{EN DASH}", "-").split())


def send(client: httpx.Client, path: str, seen_on: str = SIGN_IN, **fields: Any) -> httpx.Response:
    """Send a form, with the token of a page that was looked at."""
    token = token_in(client.get(seen_on, follow_redirects=True))
    return client.post(path, data={"csrf_token": token, **fields})


def sign_in(client: httpx.Client, name: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
    """Sign in to the console."""
    return send(client, SIGN_IN, name=name, password=password, **fields)


def hold(client: httpx.Client, cookie: str, name: str = SESSION) -> None:
    """Let a browser hold a cookie of a session, in place of what it has."""
    client.cookies.clear()
    client.cookies.set(name, cookie, domain="127.0.0.1", path="/")


def come_in(served: Served, client: httpx.Client, customer_id: str) -> None:
    """Let a customer in, as the shop's link does."""
    serializer = SecureCookieSessionInterface().get_signing_serializer(served.app)
    assert serializer is not None
    hold(client, serializer.dumps({"customer": customer_token(served, customer_id)}), OF_CUSTOMERS)


def customer_token(served: Served, customer_id: str) -> str:
    """Return a token of a customer."""
    answer = served.ask("POST", f"/v1/customers/{customer_id}/tokens", json={})
    token: str = answer.json()["token"]
    return token


def routes(app: Flask, *, pages: bool) -> list[tuple[Rule, str]]:
    """Return every page, or everything else, with each method that it has of its own."""
    return [
        (rule, method)
        for rule in sorted(app.url_map.iter_rules(), key=lambda each: each.rule)
        if access_of(app, rule.endpoint).page is pages
        for method in sorted(rule.methods or ())
        if method not in ("HEAD", "OPTIONS")
    ]


def path_of(rule: Rule, **values: str) -> str:
    """Return an address of a rule: of nothing that is there, unless values are given."""
    made_up = {name: _made_up(name, rule) for name in rule.arguments}
    built = rule.build({**made_up, **{name: text for name, text in values.items() if name in made_up}})
    assert built is not None, rule
    return built[1]


def _made_up(name: str, rule: Rule) -> str:
    converter = rule._converters[name]
    if isinstance(converter, DigestConverter):
        return "0" * 64
    choices = getattr(converter, "items", None)
    return min(choices) if choices else {"where": "0/000"}.get(name, "1")
