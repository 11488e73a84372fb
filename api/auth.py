"""Who may call: bearer keys with roles, and customers with a token for what is their own.

What an operation is open to is declared with it and enforced in one place. A key is looked up by
its SHA-256. Keys are long and random, so the lookup is constant-time where it matters: how long it
takes says nothing about how much of a guess was right.

A customer's token opens what is declared with ``customer=True``, for that customer alone. In a
path it says ``me``, so that no address of a page holds a customer's id; the id is put in its place
here, before any operation sees it.

Where the database is gone, keys that this process has lately seen in force still open what is declared
with ``in_outage=True``: answers about nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, g, request

from api.errors import (
    Finding,
    ForbiddenError,
    InvalidRequestError,
    StoreUnavailableError,
    UnauthenticatedError,
)
from api.rights.tokens import PREFIX, accept_token
from api.settings import Settings
from api.storage.api_keys import KeyRow, Role, find_key
from api.storage.connection import reading
from api.wiring import wiring
from guardrails.messages import Phrase

ME = "me"
"""Stands in a path for the customer of the token."""

_SCHEME = "bearer"
_PATH_ID = "customer_id"
_NOT_IN_PERSON = frozenset({"import", "sale", "system_expiry", "notice_change"})


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call an operation.

    Attributes:
        roles: roles that may; an admin always may.
        public: anyone may, without a key.
        opened_by: name of the setting that, when it is on, lets anyone call.
        customer: customers may, for their own data.
        in_outage: keys may that were in force lately, where the database cannot be asked.
    """

    roles: frozenset[Role] = frozenset()
    public: bool = False
    opened_by: str | None = None
    customer: bool = False
    in_outage: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What may call, in words, for the documentation."""
        return (*(("customer",) if self.customer else ()), *sorted(role.value for role in self.roles))

    def permits(self, role: Role) -> bool:
        """Tell whether a key of this role may call."""
        return self.public or role in self.roles

    def open_to_all(self, settings: Settings) -> bool:
        """Tell whether no key is needed."""
        return self.public or (self.opened_by is not None and bool(getattr(settings, self.opened_by)))


PUBLIC = Access(public=True)


def only(
    *roles: Role, opened_by: str | None = None, customer: bool = False, in_outage: bool = False
) -> Access:
    """Return the access of an operation that only these roles, and admins, may call.

    Args:
        roles: roles of keys that may.
        opened_by: name of the setting that, when it is on, lets anyone call.
        customer: customers may too, with a token of their own. An operation without a customer's id
            in its path has to see to it by ``require_own`` that the data is theirs.
        in_outage: it can answer without the database, and then reads and changes nothing of anybody.
    """
    return Access(
        frozenset(roles) | {Role.ADMIN}, opened_by=opened_by, customer=customer, in_outage=in_outage
    )


def guard(app: Flask) -> None:
    """Check every request against what its operation declares; what declares nothing is closed."""
    app.before_request(_check_caller)


def access_of(app: Flask, endpoint: str) -> Access:
    """Return what an endpoint declares; nobody may call one that declares nothing."""
    declared = getattr(app.view_functions[endpoint], "access", None)
    return declared if isinstance(declared, Access) else Access()


def calling_customer() -> str | None:
    """Return the id of the customer whose token this request carries; ``None`` for a key."""
    found: str | None = g.get(_PATH_ID)
    return found


def calling_key() -> KeyRow:
    """Return the key that this request carries; only of operations that customers may not call.

    Raises:
        UnauthenticatedError: it carries none.
    """
    key: KeyRow | None = g.get("key")
    if key is None:
        raise UnauthenticatedError("send a key as `Authorization: Bearer <key>`")
    return key


def require_own(subject_key: bytes | None) -> None:
    """Refuse what is somebody else's to a customer; a key may go on.

    Args:
        subject_key: whose it is; ``None`` for nobody's, and for what does not exist.

    Raises:
        ForbiddenError: a customer asks for what is not theirs. Whether it exists is not told.
    """
    customer_id = calling_customer()
    if customer_id is not None and subject_key != wiring().subjects.account(customer_id):
        raise _not_yours()


def require_account(subject_type: str) -> None:
    """Refuse to a customer what belongs to a visit or a device: those are not proven to be theirs.

    Raises:
        ForbiddenError: a customer asks for anything but an account.
    """
    if calling_customer() is not None and subject_type != "account":
        raise _not_yours()


def require_in_person(choices: Iterable[Mapping[str, Any]]) -> None:
    """Refuse to a customer choices in which anybody else speaks: a parent, the shop, another system.

    Args:
        choices: consent events as they were sent.

    Raises:
        ForbiddenError: a customer sends one.
    """
    if calling_customer() is None:
        return
    for choice in choices:
        if choice.get("actor", "data_subject") != "data_subject" or choice.get("method") in _NOT_IN_PERSON:
            raise ForbiddenError("with a customer's token, customers speak for themselves alone")


def _check_caller() -> None:
    """Let the request pass, or say why not.

    Raises:
        UnauthenticatedError: no key or token, or one that is not in force.
        ForbiddenError: it does not cover the operation, or not this customer.
        InvalidRequestError: a key says ``me``, which stands for nobody then.
    """
    if request.endpoint is None:
        return  # nothing is here; the answer is 404 or 405 whoever asks
    access = access_of(current_app, request.endpoint)
    if access.open_to_all(wiring().settings):
        return
    secret = _secret()
    if secret.startswith(PREFIX):
        _let_customer_in(access, secret)
        return
    key = _key_of(secret, in_outage=access.in_outage)
    g.caller, g.key = key.key_id, key
    if not access.permits(key.role):
        raise ForbiddenError("the role of this key does not cover this operation")
    if access.customer and (request.view_args or {}).get(_PATH_ID) == ME:
        detail = Phrase("`{me}` stands for the customer of a token: with a key, name the customer", me=ME)
        raise InvalidRequestError([Finding(detail, parameter=_PATH_ID)])


def _let_customer_in(access: Access, secret: str) -> None:
    found = wiring()
    with reading(found.engine) as conn:
        token = accept_token(conn, secret, found.subjects, found.clock())
    if not access.customer:
        raise ForbiddenError("a customer's token does not cover this operation")
    g.customer_id, g.caller = token.customer_id, "customer"
    if request.view_args is not None and _PATH_ID in request.view_args:
        if request.view_args[_PATH_ID] not in (ME, token.customer_id):
            raise _not_yours()
        request.view_args[_PATH_ID] = token.customer_id


def _not_yours() -> ForbiddenError:
    """The same for all that is not theirs, so that it tells nothing of what there is."""
    return ForbiddenError("a customer's token opens that customer's own data alone")


def _secret() -> str:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != _SCHEME or not secret.strip():
        raise UnauthenticatedError("send a key as `Authorization: Bearer <key>`")
    return secret.strip()


def _key_of(secret: str, *, in_outage: bool) -> KeyRow:
    found = wiring()
    try:
        with reading(found.engine) as conn:
            key = find_key(conn, secret)
    except StoreUnavailableError:
        key = found.seen_keys.recall(secret) if in_outage else None
        if key is None:
            raise
        return key
    found.seen_keys.note(secret, key)
    if key is None:
        raise UnauthenticatedError("this key is not known or was revoked")
    return key
