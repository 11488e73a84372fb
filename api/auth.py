"""Who may call: bearer keys with roles, declared with the operation and enforced in one place.

A key is looked up by its SHA-256. Keys are long and random, so the lookup is constant-time where
it matters: how long it takes says nothing about how much of a guess was right.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app, request

from api.errors import ForbiddenError, UnauthenticatedError
from api.settings import Settings
from api.storage.api_keys import Role, find_role
from api.storage.connection import reading
from api.wiring import wiring

_SCHEME = "bearer"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call an operation.

    Attributes:
        roles: roles that may; an admin always may.
        public: anyone may, without a key.
        opened_by: name of the setting that, when it is on, lets anyone call.
    """

    roles: frozenset[Role] = frozenset()
    public: bool = False
    opened_by: str | None = None

    def permits(self, role: Role) -> bool:
        """Tell whether a key of this role may call."""
        return self.public or role in self.roles

    def open_to_all(self, settings: Settings) -> bool:
        """Tell whether no key is needed."""
        return self.public or (self.opened_by is not None and bool(getattr(settings, self.opened_by)))


PUBLIC = Access(public=True)


def only(*roles: Role, opened_by: str | None = None) -> Access:
    """Return the access of an operation that only these roles, and admins, may call."""
    return Access(frozenset(roles) | {Role.ADMIN}, opened_by=opened_by)


def guard(app: Flask) -> None:
    """Check every request against what its operation declares; what declares nothing is closed."""
    app.before_request(_check_key)


def access_of(app: Flask, endpoint: str) -> Access:
    """Return what an endpoint declares; nobody may call one that declares nothing."""
    declared = getattr(app.view_functions[endpoint], "access", None)
    return declared if isinstance(declared, Access) else Access()


def _check_key() -> None:
    """Let the request pass, or say why not.

    Raises:
        UnauthenticatedError: no key, or one that is not in force.
        ForbiddenError: the key's role does not cover the operation.
    """
    if request.endpoint is None:
        return  # nothing is here; the answer is 404 or 405 whoever asks
    access = access_of(current_app, request.endpoint)
    if access.open_to_all(wiring().settings):
        return
    if not access.permits(_role_of_caller()):
        raise ForbiddenError("the role of this key does not cover this operation")


def _role_of_caller() -> Role:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != _SCHEME or not secret.strip():
        raise UnauthenticatedError("send a key as `Authorization: Bearer <key>`")
    with reading(wiring().engine) as conn:
        role = find_role(conn, secret.strip())
    if role is None:
        raise UnauthenticatedError("this key is not known or was revoked")
    return role
