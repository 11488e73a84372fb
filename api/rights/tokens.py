"""Customer tokens: short-lived, sealed, good for one customer's own data and nothing else.

A shop's page runs in the customer's browser, where a key of the shop has no place. So the shop asks
for a token and hands that to the page. It is sealed with AES-256-GCM under a key that derives from
the pseudonym key: whoever finds one in a log reads nothing from it, and changing the pseudonym key
ends all of them. Nothing is stored; the random nonces are far below the 2^32 that one key bears
(NIST SP 800-38D, 8.3).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, bindparam, select

from api.errors import UnauthenticatedError
from api.storage.prepared import Prepared, Rows, Wanted
from api.storage.subjects import Subjects
from api.storage.tables import customers, suppressions

PREFIX = "ct_"
"""What every token starts with, so that it is never looked up as a key."""

DEFAULT_TTL_S = 900
MAX_TTL_S = 86_400

MAX_CHARACTERS = 4096
"""More than any token of ours has."""

_NONCE_BYTES = 12
_FORMAT = b"tactful customer token 1"

_NUMBER_OF = Prepared(
    select(customers.c.customer_no).where(customers.c.subject_key == bindparam("subject_key"))
)
_SUPPRESSED_SINCE = Prepared(
    select(suppressions.c.since_ms).where(suppressions.c.suppression_key == bindparam("suppression_key"))
)


@dataclass(frozen=True, slots=True)
class CustomerToken:
    """What a token says.

    Attributes:
        customer_id: whose data it opens: the shop's key.
        customer_no: the row the customer had when it was made, whose number is never given out
            again; ``None`` without one.
        issued_at_ms: when it was made, milliseconds since the epoch.
        expires_at_ms: first millisecond at which it no longer opens anything.
    """

    customer_id: str
    customer_no: int | None
    issued_at_ms: int
    expires_at_ms: int


def issue_token(
    conn: Connection, customer_id: str, subjects: Subjects, now_ms: int, ttl_s: int = DEFAULT_TTL_S
) -> tuple[str, CustomerToken]:
    """Make a token for a customer, whether or not anything is stored of them yet.

    Args:
        conn: a connection.
        customer_id: whose data it opens.
        subjects: the shop's pseudonyms, and the secret that tokens are sealed with.
        now_ms: the clock, milliseconds since the epoch.
        ttl_s: how long it opens anything, in seconds.

    Returns:
        The token as it is sent, and what it says.
    """
    number = _first(_NUMBER_OF.rows(conn, subject_key=subjects.account(customer_id)))
    token = CustomerToken(customer_id, number, now_ms, now_ms + ttl_s * 1000)
    return seal(token, subjects.token_secret()), token


def accept_token(conn: Connection, text: str, subjects: Subjects, now_ms: int) -> CustomerToken:
    """Return what a token says, if it is in force.

    Raises:
        UnauthenticatedError: it is not ours, was changed, has ended, or its customer was erased
            since. Which of these is not told.
    """
    token = unseal(text, subjects.token_secret())
    if token is None or now_ms >= token.expires_at_ms or _erased_since(conn, token, subjects):
        raise UnauthenticatedError("this token is not in force: it has ended, or it is not one of ours")
    return token


def seal(token: CustomerToken, secret: bytes) -> str:
    """Return a token as it is sent.

    Args:
        token: what it says.
        secret: 32 bytes.
    """
    content = orjson.dumps([token.customer_id, token.customer_no, token.issued_at_ms, token.expires_at_ms])
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + AESGCM(secret).encrypt(nonce, content, _FORMAT)
    return PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def unseal(text: str, secret: bytes) -> CustomerToken | None:
    """Return what a token says; ``None`` when it was not sealed under this secret or was changed."""
    encoded = text.removeprefix(PREFIX)
    if encoded == text or len(text) > MAX_CHARACTERS or not encoded.isascii():
        return None
    try:
        sealed = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        content = AESGCM(secret).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _FORMAT)
    except (binascii.Error, InvalidTag, ValueError):
        return None
    return CustomerToken(*orjson.loads(content))


def _erased_since(conn: Connection, token: CustomerToken, subjects: Subjects) -> bool:
    """Tell whether the customer was erased after the token was made, also if they came back since."""
    subject_key = subjects.account(token.customer_id)
    number, since_ms = Wanted(
        [
            _NUMBER_OF.asking(subject_key=subject_key),
            _SUPPRESSED_SINCE.asking(suppression_key=subjects.suppression(subject_key)),
        ],
        lambda rows: tuple(map(_first, rows)),
    ).read(conn)
    if token.customer_no is not None and number != token.customer_no:
        return True
    return since_ms is not None and since_ms >= token.issued_at_ms


def _first(rows: Rows) -> int | None:
    return rows[0][0] if rows else None
