"""Who may call: bearer keys with roles, and customers with a token for what is their own.

What an operation is open to is declared with it and enforced in one place. A key is looked up by
its SHA-256. Keys are long and random, so the lookup is constant-time where it matters: how long it
takes says nothing about how much of a guess was right.

A customer's token opens what is declared with ``customer=True``, for that customer alone. In a
path it says ``me``, so that no address of a page holds a customer's id; the id is put in its place
here, before any operation sees it.

What is sent and is not in force is counted by address. Where too much of it came from, nothing that this
process has not lately seen in force is looked up, right or wrong, until the address may guess again.

Pages are for people: a session in a cookie stands for the key, and whatever changes something has to come
from a page of ours. Neither opens what is the other's.

Where the database is gone, keys that this process has lately seen in force still open what is declared
with ``in_outage=True``: answers about nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, g, request
from sqlalchemy import Connection

from api.errors import (
    Finding,
    ForbiddenError,
    InvalidRequestError,
    StoreUnavailableError,
    UnauthenticatedError,
)
from api.pages.forms import require_form_token
from api.pages.sessions import customer_of_session, signed_in
from api.rights.tokens import PREFIX, accept_token, unseal
from api.settings import Settings
from api.storage.api_keys import KeyRow, Role, find_key
from api.storage.transaction import ReadTransaction
from api.wiring import wiring
from guardrails.messages import Phrase

ME = "me"
"""Stands in a path for the customer of the token."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_AUTHORIZATION, _SCHEME = "Authorization", "bearer"
_PATH_ID = "customer_id"
_NOT_IN_PERSON = frozenset({"import", "sale", "system_expiry", "notice_change"})
_NOT_OF_A_PAGE = frozenset({"session_id", "device_id", "presentation"})
_CHANNELS_OF_PAGES = frozenset({"web", "app"})


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call an operation.

    Attributes:
        roles: roles that may; an admin always may.
        public: anyone may, without a key.
        opened_by: name of the setting that, when it is on, lets anyone call.
        customer: customers may, for their own data.
        in_outage: keys may that were in force lately, where the database cannot be asked.
        page: it is a page, for people with a session, and for no key.
        always: it is answered however often it is asked.
        reads_on: it goes on reading in the transaction that its caller was looked up in, and ends it before
            it writes or waits for anything: ``transaction_of_caller``.
    """

    roles: frozenset[Role] = frozenset()
    public: bool = False
    opened_by: str | None = None
    customer: bool = False
    in_outage: bool = False
    page: bool = False
    always: bool = False
    reads_on: bool = False

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

PROBE = Access(public=True, always=True)
"""What machines of the shop ask again and again."""


def only(
    *roles: Role,
    opened_by: str | None = None,
    customer: bool = False,
    in_outage: bool = False,
    reads_on: bool = False,
) -> Access:
    """Return the access of an operation that only these roles, and admins, may call.

    Args:
        roles: roles of keys that may.
        opened_by: name of the setting that, when it is on, lets anyone call.
        customer: customers may too, with a token of their own. An operation without a customer's id
            in its path has to see to it by ``require_own`` that the data is theirs.
        in_outage: it can answer without the database, and then reads and changes nothing of anybody.
        reads_on: it goes on reading in the transaction that its caller was looked up in.
    """
    return Access(
        frozenset(roles) | {Role.ADMIN},
        opened_by=opened_by,
        customer=customer,
        in_outage=in_outage,
        reads_on=reads_on,
    )


ANYBODY = Access(public=True, page=True)
"""A page that anybody may see."""

CUSTOMERS = Access(customer=True, page=True)
"""A page of a customer's own."""


def staff(*roles: Role) -> Access:
    """Return the access of a page for people of the shop with these roles, and for admins."""
    return Access(frozenset(roles) | {Role.ADMIN}, page=True)


def guard(app: Flask) -> None:
    """Check every request against what its operation declares; what declares nothing is closed."""
    app.before_request(_check_caller)
    app.teardown_request(_end_transaction)


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


def transaction_of_caller() -> ReadTransaction:
    """Return the transaction that the caller was looked up in, or one that begins with the next reading.

    Only for operations that declare ``reads_on``. Whatever was withdrawn before the request arrived is
    withdrawn in it, since it began after that.
    """
    begun: ReadTransaction | None = g.get("begun")
    return ReadTransaction(wiring().engine) if begun is None else begun


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


def asked_in_person(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a request for suggestions with the customer of the token in it; a key's as it is.

    A page of a customer's tells what is on it, and may take anything of the customer's away from what is
    used. It does not name a visit or a device, which may be somebody else's, or a channel on which the shop
    speaks first; nor does it say what answers the shop: how it presents suggestions, and who decides.

    Args:
        asked: the body, with its defaults.

    Raises:
        ForbiddenError: it asks for somebody else, or says what is not for a customer to say.
        InvalidRequestError: a key says ``me``, which stands for nobody then.
    """
    customer_id, named = calling_customer(), asked.get(_PATH_ID)
    if customer_id is None:
        if named == ME:
            raise _nobody(pointer=f"/{_PATH_ID}")
        return asked
    if named not in (None, ME):
        raise _not_yours()
    of_the_shop = _NOT_OF_A_PAGE & {name for name, value in asked.items() if value}
    if of_the_shop or asked["channel"] not in _CHANNELS_OF_PAGES or asked["human_review"]:
        raise ForbiddenError("with a customer's token, customers speak for themselves alone")
    return {**asked, _PATH_ID: customer_id}


def _check_caller() -> None:
    """Let the request pass, or say why not.

    Raises:
        UnauthenticatedError: no key or token, or one that is not in force.
        ForbiddenError: it does not cover the operation, or not this customer.
        InvalidRequestError: a key says ``me``, which stands for nobody then.
        TooManyRequestsError: the caller asks for more than it may.
    """
    if request.endpoint is None:
        return  # nothing is here; the answer is 404 or 405 whoever asks
    access = access_of(current_app, request.endpoint)
    if access.open_to_all(wiring().settings) and not access.always:
        wiring().limits.take_of_address(request.remote_addr)
    try:
        _let_in(access)
    except UnauthenticatedError:
        limits = wiring().limits
        count = limits.take_of_guess if _AUTHORIZATION in request.headers else limits.take_of_address
        count(request.remote_addr)
        raise


def _let_in(access: Access) -> None:
    if access.page:
        _let_visitor_in(access)
        return
    if access.open_to_all(wiring().settings):
        return
    secret = _secret()
    if secret.startswith(PREFIX):
        _let_customer_in(access, secret)
        return
    key = _key_of(secret, access)
    g.caller, g.key = key.key_id, key
    wiring().limits.take_of_key(key, before_waiting=_end_transaction)
    if not access.permits(key.role):
        raise ForbiddenError("the role of this key does not cover this operation")
    if access.customer and (request.view_args or {}).get(_PATH_ID) == ME:
        raise _nobody(parameter=_PATH_ID)


def _let_visitor_in(access: Access) -> None:
    """Let somebody see a page, or do what one of its forms asks for.

    Raises:
        UnauthenticatedError: they have to sign in first, or follow the shop's link.
        ForbiddenError: the page is not for their role, or the form is not one of ours.
    """
    view = current_app.view_functions[str(request.endpoint)]
    if request.method not in _SAFE and not getattr(view, "from_elsewhere", False):
        require_form_token()
    if access.public:
        return
    if access.customer:
        g.customer_id, g.caller = customer_of_session(), "customer"
        wiring().limits.take_of_customer(g.customer_id)
        return
    account = signed_in()
    if account is None:
        raise UnauthenticatedError("sign in first")
    g.caller = account.account_id
    if not access.permits(account.role):
        raise ForbiddenError("this page is not for your role")


def _let_customer_in(access: Access, secret: str) -> None:
    found = wiring()
    is_ours = unseal(secret, found.subjects.token_secret()) is not None
    with _looking_up(access, is_trusted=is_ours) as conn:
        token = accept_token(conn, secret, found.subjects, found.clock())
    if not access.customer:
        raise ForbiddenError("a customer's token does not cover this operation")
    g.customer_id, g.caller = token.customer_id, "customer"
    found.limits.take_of_customer(token.customer_id)
    if request.view_args is not None and _PATH_ID in request.view_args:
        if request.view_args[_PATH_ID] not in (ME, token.customer_id):
            raise _not_yours()
        request.view_args[_PATH_ID] = token.customer_id


def _nobody(*, pointer: str | None = None, parameter: str | None = None) -> InvalidRequestError:
    detail = Phrase("`{me}` stands for the customer of a token: with a key, name the customer", me=ME)
    return InvalidRequestError([Finding(detail, pointer=pointer, parameter=parameter)])


def _not_yours() -> ForbiddenError:
    """The same for all that is not theirs, so that it tells nothing of what there is."""
    return ForbiddenError("a customer's token opens that customer's own data alone")


def _secret() -> str:
    scheme, _, secret = request.headers.get(_AUTHORIZATION, "").partition(" ")
    if scheme.lower() != _SCHEME or not secret.strip():
        raise UnauthenticatedError("send a key as `Authorization: Bearer <key>`")
    return secret.strip()


def _key_of(secret: str, access: Access) -> KeyRow:
    found = wiring()
    seen = found.seen_keys.recall(secret)
    try:
        with _looking_up(access, is_trusted=seen is not None) as conn:
            key = find_key(conn, secret)
    except StoreUnavailableError:
        if seen is None or not access.in_outage:
            raise
        return seen
    found.seen_keys.note(secret, key)
    if key is None:
        raise UnauthenticatedError("this key is not known or was revoked")
    return key


@contextmanager
def _looking_up(access: Access, *, is_trusted: bool) -> Iterator[Connection]:
    """Yield a connection to look the caller up by; an operation that reads on gets its transaction.

    That waits for the body before it begins, so that no slow sender keeps it open. Of whom nothing speaks
    for the caller yet, no body is waited for: they are looked up first, and in a transaction of its own; and
    not at all where too much came from that was not in force.

    Args:
        access: what the operation declares.
        is_trusted: the key was in force lately, or the token is one of ours.

    Raises:
        TooManyRequestsError: who asks is not looked up now.
    """
    if not is_trusted:
        wiring().limits.refuse_guesses(request.remote_addr)
    transaction = ReadTransaction(wiring().engine)
    if access.reads_on and is_trusted:
        request.get_data()
        g.begun = transaction
        with transaction.reading() as conn:
            yield conn
        return
    with transaction, transaction.reading() as conn:
        yield conn


def _end_transaction(_error: BaseException | None = None) -> None:
    """End what is read in, before anything is waited for, and what an operation that failed has not ended."""
    begun: ReadTransaction | None = g.pop("begun", None)
    if begun is not None:
        begun.end()
