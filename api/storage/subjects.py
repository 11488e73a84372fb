"""Subject keys: pseudonyms of customers and visits, so that tables need not name anybody.

GDPR 4(5): without the secret, kept apart from the database, a key leads back to nobody.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from api.errors import SettingsError
from api.settings import KEY_BYTES, Settings
from api.storage.secret_files import secret_in

SUBJECT_KEY_BYTES = 16
"""Length of a subject key: 128 bits, so that two customers never share one."""

_ACCOUNT, _SESSION, _DEVICE = b"tactful account\x00", b"tactful session\x00", b"tactful device\x00"
_SUPPRESSION, _TOKENS = b"tactful suppression\x00", b"tactful customer tokens\x00"
_REFERENCE = b"tactful reference\x00"
_PAGES, _ATTEMPT = b"tactful sessions of pages\x00", b"tactful attempt to sign in\x00"


class Subjects:
    """Derives subject keys (HMAC-SHA-256, cut to 16 bytes); kinds of subjects never collide.

    Args:
        secret: the pseudonym key. Whoever changes it forgets every subject.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def account(self, customer_id: str) -> bytes:
        """Return the subject key of a customer, 16 bytes."""
        return self._key(_ACCOUNT, customer_id)

    def session(self, session_id: str) -> bytes:
        """Return the subject key of a visit, 16 bytes."""
        return self._key(_SESSION, session_id)

    def device(self, device_id: str) -> bytes:
        """Return the subject key of a device or browser, 16 bytes."""
        return self._key(_DEVICE, device_id)

    def suppression(self, subject_key: bytes) -> bytes:
        """Return the key under which it is remembered that a subject was erased, 16 bytes.

        It is another one than the subject key, so that what is remembered of an erased customer
        joins with nothing that may have been kept elsewhere.
        """
        return hmac.digest(self._secret, _SUPPRESSION + subject_key, hashlib.sha256)[:SUBJECT_KEY_BYTES]

    def reference(self, subject_key: bytes, name: str) -> str:
        """Return by what a case or an order of a subject is known, 32 hex digits.

        The number that the shop gave it is not kept, and no two subjects share a digest: it tells one
        case of somebody from another of theirs, and leads nowhere else.
        """
        digest = hmac.digest(self._secret, _REFERENCE + subject_key + name.encode(), hashlib.sha256)
        return digest[:SUBJECT_KEY_BYTES].hex()

    def token_secret(self) -> bytes:
        """Return the secret that customer tokens are sealed with, 32 bytes."""
        return hmac.digest(self._secret, _TOKENS, hashlib.sha256)

    def session_secret(self) -> bytes:
        """Return the secret that cookies of pages are signed with, 32 bytes."""
        return hmac.digest(self._secret, _PAGES, hashlib.sha256)

    def attempt(self, name: str) -> bytes:
        """Return the key under which failed attempts to sign in are counted, 16 bytes."""
        return self._key(_ATTEMPT, name)

    def _key(self, domain: bytes, name: str) -> bytes:
        return hmac.digest(self._secret, domain + name.encode(), hashlib.sha256)[:SUBJECT_KEY_BYTES]


def open_subjects(settings: Settings) -> Subjects:
    """Return the subject keys of this shop; the first call ever makes the secret.

    Raises:
        SettingsError: the key file cannot be made, read, or does not hold a key.
    """
    if settings.pseudonym_key is not None:
        return Subjects(settings.pseudonym_key)
    file = settings.pseudonym_key_file
    secret = secret_in(file, "pseudonym key", lambda: secrets.token_bytes(KEY_BYTES))
    if len(secret) != KEY_BYTES:
        raise SettingsError(f"the pseudonym key `{file}` does not hold {KEY_BYTES} bytes")
    return Subjects(secret)
