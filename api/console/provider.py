"""Signing in elsewhere: at an OpenID provider of the shop's (OpenID Connect Core 1.0, section 3.1).

The code flow, with PKCE (RFC 7636), state and nonce, by Authlib, which is loaded only where this is set up.
An account is somebody's by issuer and subject, which the provider never gives to anybody else, and not by a
name or an address, which it may. What they may do is what the provider says each time they sign in; whom it
gives no role that is mapped does not come in, gets no account, and is signed out wherever they came in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from flask import Flask, Response, current_app, session

from api.console.people import MOST_NAME_CHARACTERS, sign_out_everywhere
from api.errors import NoRoleError, NotSignedInError
from api.logging import warn
from api.settings import OidcSettings
from api.storage.accounts import (
    Account,
    change_role,
    count_sessions,
    create_account,
    find_by_identity,
    is_taken,
)
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.wiring import wiring

RETURN = "/console/sign-in/return"
"""Where the provider sends people back to."""

_EXTENSION = "tactful.provider"
_STATES = "_state_provider_"
_PATIENCE_S = 10
_SIGNATURES = frozenset(f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512))
"""Signatures that only the provider can make: none is no signature, and a shared secret proves nobody."""


def offer_provider(app: Flask, settings: OidcSettings | None) -> None:
    """Make an application ready for people to sign in elsewhere, if that is set up."""
    if settings is None:
        return
    app.extensions[_EXTENSION] = (
        import_module("authlib.integrations.flask_client")
        .OAuth(app)
        .register(
            "provider",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            server_metadata_url=f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "default_timeout": _PATIENCE_S,
            },
        )
    )


def is_offered() -> bool:
    """Tell whether people can sign in elsewhere."""
    return _EXTENSION in current_app.extensions


def lead_there() -> Response:
    """Lead to the provider.

    Raises:
        NotSignedInError: it cannot be reached, or is not the one that was set up.
    """
    found = wiring()
    for kept in [name for name in session if name.startswith(_STATES)]:
        session.pop(kept)  # one way there at a time: the cookie is small
    client = _client()
    redirect: Response = _asked(client.authorize_redirect, f"{found.settings.address}{RETURN}")
    return redirect


def come_back(issuer: str | None) -> Account:
    """Return whose account it is that somebody has signed in with elsewhere; it is made if there is none.

    Args:
        issuer: who says so, if the answer tells (RFC 9207).

    Raises:
        NotSignedInError: what came back proves nothing.
        NoRoleError: it proves who they are, and they may not come in.
    """
    settings = _settings()
    if issuer not in (None, settings.issuer):
        raise NotSignedInError("the answer is not from the provider")
    only = {"iss": {"essential": True, "values": [settings.issuer]}, "aud": _only(settings.client_id)}
    token = _asked(_client().authorize_access_token, claims_options=only)
    claims = token.get("userinfo")
    if not claims or not isinstance(claims["sub"], str):
        raise NotSignedInError("the provider has sent no id token")
    role = role_in(claims, settings)
    if role is None:
        _turn_out(claims)
        raise NoRoleError("no value of the claim is mapped to a role")
    return _account_of(claims, role)


def role_in(claims: Mapping[str, Any], settings: OidcSettings) -> Role | None:
    """Return the role that claims give; ``None`` where they give none that is mapped."""
    found: Any = claims.get(settings.claim)
    if found is None:
        found = claims
        for name in settings.claim.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    values = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return next((Role(role) for value, role in settings.roles if value in values), None)


def _only(value: str) -> dict[str, Any]:
    return {"essential": True, "values": [value]}


def _settings() -> OidcSettings:
    settings = wiring().settings.oidc
    if settings is None:
        raise NotSignedInError("signing in elsewhere is not set up")
    return settings


def _client() -> Any:
    """Return what talks to the provider, once it is certain that it is the one that was set up.

    Raises:
        NotSignedInError: it is not, or cannot be reached.
    """
    client = current_app.extensions[_EXTENSION]
    known = _asked(client.load_server_metadata)
    if known.get("issuer") != _settings().issuer:
        client.server_metadata.clear()  # asked for again the next time
        raise NotSignedInError("the provider gives itself another name")
    offered = known.get("id_token_signing_alg_values_supported") or ["RS256"]
    known["id_token_signing_alg_values_supported"] = [name for name in offered if name in _SIGNATURES]
    return client


def _asked(ask: Any, *given: Any, **named: Any) -> Any:
    """Return what the provider answers; whatever is wrong with that is its failure, and none of ours.

    Raises:
        NotSignedInError: something is.
    """
    try:
        return ask(*given, **named)
    except _wrong() as error:
        warn("sign_in:provider:failed", error)
        raise NotSignedInError("the provider does not let them in") from None


def _wrong() -> tuple[type[Exception], ...]:
    """Return what comes of an answer that cannot be used, or of none."""
    theirs = (
        import_module("authlib.common.errors").AuthlibBaseError,
        import_module("joserfc.errors").JoseError,
        import_module("requests").RequestException,
    )
    return (*theirs, ValueError, KeyError, TypeError, RuntimeError)


def _turn_out(claims: Mapping[str, Any]) -> None:
    """End every session of somebody whom the provider gives no role any longer."""
    found = wiring()
    now_ms = found.clock()
    with reading(found.engine) as conn:
        account = find_by_identity(conn, _identity(claims))
        is_in = account is not None and account.account_id in count_sessions(conn, now_ms)
    if account is not None and is_in:
        sign_out_everywhere(found.engine, account, now_ms)


def _identity(claims: Mapping[str, Any]) -> str:
    return f"{claims['iss']} {claims['sub']}"


def _account_of(claims: Mapping[str, Any], role: Role) -> Account:
    found = wiring()
    identity, now_ms = _identity(claims), found.clock()
    with writing(found.engine) as conn:
        account = find_by_identity(conn, identity)
        if account is None:
            name = next(each for each in _names(claims) if not is_taken(conn, each))
            return create_account(conn, name, role, now_ms, identity=identity)
        if account.disabled_at_ms is not None:
            raise NoRoleError("the account is out of use")
        change_role(conn, account.account_id, role, now_ms)
    return replace(account, role=role)


def _names(claims: Mapping[str, Any]) -> Iterator[str]:
    """Yield what somebody can be called here: as there, or with a number where others are called that."""
    asked = (claims.get("preferred_username"), claims.get("email"), claims["sub"])
    name = next(each for each in asked if isinstance(each, str) and each.strip() and each.isprintable())
    name = name.strip()[: MOST_NAME_CHARACTERS - 5]
    yield name
    yield from (f"{name} {n}" for n in range(2, 10_000))
