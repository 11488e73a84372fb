"""Sealing: the personal part of a record, readable only with a key that can be destroyed.

Every subject has a key of their own for each calendar year. What is written about them is encrypted
under it (AES-256-GCM), the tree holds a digest of the encrypted bytes, and erasing somebody is
destroying their key: what was encrypted stays as good as noise wherever a copy of it is, and no proof
over the tree changes by a bit.

    sealed = nonce (12) ‖ AES-256-GCM(key, nonce, padded body, associated data)
    padded = length (4, big endian) ‖ body ‖ zeros, to a multiple of 256 bytes

The associated data is the SHA-256 of the entry without ``ct``, so a body opens only as the body of its
own entry. Padding keeps the length from telling baskets apart. Keys are stored wrapped (RFC 3394) under
a key-encryption key that is kept apart from them.
"""

from __future__ import annotations

import base64
import hashlib

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from guardrails.errors import RecordError

KEY_BYTES = 32
"""Length of a subject's key, and of the one that wraps it."""

NONCE_BYTES = 12

NOBODY = bytes(16)
"""The subject key of decisions that were for nobody."""

_BUCKET_BYTES = 256
_LENGTH_BYTES = 4
_CT = "ct"


def base64url(data: bytes) -> str:
    """Return bytes as entries and disclosures write them: base64url without padding (RFC 4648)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def digest(data: bytes) -> str:
    """Return a SHA-256 as entries write it, 43 characters."""
    return base64url(hashlib.sha256(data).digest())


def seal(body: bytes, header: bytes, key: bytes, nonce: bytes) -> bytes:
    """Encrypt the body of a record.

    Args:
        body: the packed body.
        header: canonical bytes of its entry without ``ct``.
        key: the subject's key of the year, 32 bytes.
        nonce: 12 random bytes, never used twice with one key.
    """
    return nonce + AESGCM(key).encrypt(nonce, _padded(body), hashlib.sha256(header).digest())


def unseal(sealed: bytes, header: bytes, key: bytes) -> bytes:
    """Return the packed body.

    Raises:
        RecordError: it was sealed under another key, belongs to another entry, or was changed.
    """
    nonce, encrypted = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        padded = AESGCM(key).decrypt(nonce, encrypted, hashlib.sha256(header).digest())
    except (InvalidTag, ValueError):
        raise RecordError("the body of a record does not open with this key and entry") from None
    end = _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES], "big")
    return padded[_LENGTH_BYTES:end]


def entry_of(header: bytes, sealed: bytes) -> bytes:
    """Return the entry of a decision: its header with the digest of the sealed bytes."""
    return orjson.dumps({**orjson.loads(header), _CT: digest(sealed)}, option=orjson.OPT_SORT_KEYS)


def header_of(entry: bytes) -> bytes:
    """Return the header that an entry was made from."""
    fields = orjson.loads(entry)
    fields.pop(_CT, None)
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


def wrap(kek: bytes, key: bytes) -> bytes:
    """Encrypt a subject's key for storing, 40 bytes (RFC 3394)."""
    return aes_key_wrap(kek, key)


def unwrap(kek: bytes, wrapped: bytes) -> bytes:
    """Return a subject's key.

    Raises:
        RecordError: it was wrapped with another key-encryption key, or was changed.
    """
    try:
        return aes_key_unwrap(kek, wrapped)
    except InvalidUnwrap:
        raise RecordError("the key of a record does not open with this key-encryption key") from None


def _padded(body: bytes) -> bytes:
    framed = len(body).to_bytes(_LENGTH_BYTES, "big") + body
    return framed + bytes(-len(framed) % _BUCKET_BYTES)
