"""Signed notes: a text, and under it a line for everybody who signed it.

The log signs its checkpoints as notes (Ed25519); witnesses, and a log that wants to outlast quantum
computers, add *cosignatures*, which say when they were made (Ed25519 or ML-DSA-44). A key's public
half travels as a *vkey*, its private half as 32 bytes of seed or as the text that Go's tools use.

Signatures are made here and checked in ``guardrails/log/verifier.py``, which shares no code with this.

Sources: c2sp.org/signed-note, c2sp.org/tlog-cosignature.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Iterable
from enum import IntEnum
from hashlib import sha256
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from guardrails.errors import LogError
from guardrails.log.checkpoint import Checkpoint

SEED_BYTES = 32
"""Bytes of a private key, of every kind."""

MAX_TIME_S = 2**63 - 1
"""The latest time a cosignature can be made at, in seconds since the epoch."""

_KEY_ID_BYTES = 4
_NAME = re.compile(r"[^\s+]+")
_LINE = re.compile(r"— [^\s+]+ [A-Za-z0-9+/]+={0,2}\n")
_FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_PRIVATE = "PRIVATE+KEY+"
_MAX_VECTOR_BYTES = 255
_SUBTREE = b"subtree/v1\n\0"


class SignatureType(IntEnum):
    """What a key signs, and how; the first byte of a vkey's last part."""

    ED25519 = 0x01
    """The note's text as it stands."""

    ED25519_COSIGNATURE = 0x04
    """The note's text and a time."""

    ML_DSA_44_COSIGNATURE = 0x06
    """What a checkpoint says, a time and the signer's name."""


class Signer(ABC):
    """A private key under a name.

    Args:
        name: who signs: not empty, without blanks and ``+``; a URL without scheme by convention.
        seed: the private key, 32 bytes.

    Raises:
        LogError: the name or the seed cannot be used.
    """

    type: ClassVar[SignatureType]
    """What it signs, and how."""

    def __init__(self, name: str, seed: bytes) -> None:
        if not _NAME.fullmatch(name) or _FORBIDDEN.search(name):
            raise LogError("the name of a key is not empty and has no blanks and no `+`")
        if len(seed) != SEED_BYTES:
            raise LogError("a private key is not of 32 bytes")
        self.name = name
        self._load(seed)

    @property
    @abstractmethod
    def seed(self) -> bytes:
        """The private key, 32 bytes."""

    @property
    @abstractmethod
    def public_key(self) -> bytes:
        """The public key, as its algorithm writes it."""

    @property
    def key_id(self) -> bytes:
        """Four bytes that, with the name, tell this key from others."""
        return sha256(f"{self.name}\n".encode() + self._typed(self.public_key)).digest()[:_KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The public key, as others are given it."""
        return self._described(self.public_key)

    @property
    def private_key(self) -> str:
        """The private key, as it is kept in a file; whoever has it can sign in this name."""
        return _PRIVATE + self._described(self.seed)

    def line(self, text: str, at_s: int) -> str:
        """Return the line to put under a note.

        Args:
            text: what is signed, with its last newline.
            at_s: now, in seconds since the epoch; a plain note signature does not tell it.

        Raises:
            LogError: the text cannot be signed with such a key, or the time cannot be told.
        """
        _check_text(text)
        signature = self._signature(text, at_s)
        return f"— {self.name} {b64encode(self.key_id + signature).decode()}\n"

    @abstractmethod
    def _load(self, seed: bytes) -> None:
        """Keep the private key."""

    @abstractmethod
    def _signature(self, text: str, at_s: int) -> bytes:
        """Return what follows the key id in the line."""

    def _typed(self, key: bytes) -> bytes:
        return bytes([self.type]) + key

    def _described(self, key: bytes) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(self._typed(key)).decode()}"


class _Ed25519(Signer):
    """What the two kinds of Ed25519 keys share."""

    _key: Ed25519PrivateKey

    @property
    def seed(self) -> bytes:
        return self._key.private_bytes_raw()

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """Return the key's signature of any bytes, 64 bytes."""
        return self._key.sign(data)

    def _load(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)


class NoteSigner(_Ed25519):
    """Signs a note as it stands: what a log signs its checkpoints with."""

    type = SignatureType.ED25519

    def _signature(self, text: str, at_s: int) -> bytes:  # noqa: ARG002  a note signature tells no time
        return self._key.sign(text.encode())


class Cosigner(_Ed25519):
    """Says that of all trees of this log it has seen, the checkpoint's is the largest at that time."""

    type = SignatureType.ED25519_COSIGNATURE

    def _signature(self, text: str, at_s: int) -> bytes:
        timestamp = _timestamp(at_s)
        return timestamp + self._key.sign(f"cosignature/v1\ntime {at_s}\n{text}".encode())


class MlDsaCosigner(Signer):
    """Says the same in a way that quantum computers cannot forge; a log may sign with it as well."""

    type = SignatureType.ML_DSA_44_COSIGNATURE

    _key: MLDSA44PrivateKey

    @property
    def seed(self) -> bytes:
        """The private key, 32 bytes."""
        return self._key.private_bytes_raw()

    @property
    def public_key(self) -> bytes:
        """The public key, 1,312 bytes."""
        return self._key.public_key().public_bytes_raw()

    def _load(self, seed: bytes) -> None:
        self._key = MLDSA44PrivateKey.from_seed_bytes(seed)

    def _signature(self, text: str, at_s: int) -> bytes:
        timestamp = _timestamp(at_s)
        checkpoint = Checkpoint.parse(text)
        message = (
            _SUBTREE
            + _vector(self.name)
            + timestamp
            + _vector(checkpoint.origin)
            + (0).to_bytes(8, "big")
            + checkpoint.size.to_bytes(8, "big")
            + checkpoint.root
        )
        return timestamp + self._key.sign(message)


_SIGNERS: dict[int, type[Signer]] = {each.type: each for each in (NoteSigner, Cosigner, MlDsaCosigner)}


def read_private_key(written: str) -> Signer:
    """Return the signer of a private key as ``Signer.private_key`` writes it.

    Raises:
        LogError: it is no such key; the message does not quote it.
    """
    try:
        name, key_id, encoded = written.removeprefix(_PRIVATE).split("+", maxsplit=2)
        typed = b64decode(encoded, validate=True)
        signer = _SIGNERS[typed[0]](name, typed[1:])
    except (ValueError, LookupError, LogError):
        raise LogError("the private key cannot be read") from None
    if signer.key_id.hex() != key_id:
        raise LogError("the private key does not fit its name")
    return signer


def sign_note(text: str, signers: Iterable[Signer], at_s: int) -> str:
    """Return the signed note.

    Args:
        text: ends in a newline, holds no other control character.
        signers: whose lines stand under the text, in this order.
        at_s: now, in seconds since the epoch.

    Raises:
        LogError: the text cannot be signed, or nobody signs it.
    """
    lines = [signer.line(text, at_s) for signer in signers]
    if not lines:
        raise LogError("a note is signed by somebody")
    return f"{text}\n{''.join(lines)}"


def add_signature(note: str, line: str) -> str:
    """Return the note with one more signature line under it; one that it has already is not repeated.

    Whether the line is true is for the reader of the note to check.

    Raises:
        LogError: it is not a signed note, or not a line of one.
    """
    if not _LINE.fullmatch(line):
        raise LogError("the line is not a signature")
    text = text_of(note)
    signatures = note[len(text) + 1 :]
    return note if line in signatures.splitlines(keepends=True) else note + line


def text_of(note: str) -> str:
    """Return the text of a signed note, with its last newline: all before the last blank line.

    Raises:
        LogError: it is not a signed note.
    """
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or not re.fullmatch(f"(?:{_LINE.pattern})+", signatures):
        raise LogError("a signed note is a text, a blank line and signatures")
    _check_text(text + "\n")
    return text + "\n"


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _FORBIDDEN.search(text):
        raise LogError("the text of a note ends in a newline and holds no other control characters")


def _timestamp(at_s: int) -> bytes:
    if not 0 < at_s <= MAX_TIME_S:
        raise LogError(f"`{at_s}` is not a time that a signature can tell")
    return at_s.to_bytes(8, "big")


def _vector(text: str) -> bytes:
    """Return text after its length in one byte, as TLS writes it (RFC 8446, section 3.4)."""
    data = text.encode()
    if len(data) > _MAX_VECTOR_BYTES:
        raise LogError("a name or an origin is too long for an ML-DSA-44 signature")
    return bytes([len(data)]) + data
