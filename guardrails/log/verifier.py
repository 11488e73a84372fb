"""Check an exported decision log offline: ``python verify.py BUNDLE``.

This one file needs nothing but Python and shares no code with the program that wrote the log, so that
whoever trusts neither the shop nor its software can read it from top to bottom and run it. A bundle is a
zip file or a folder:

    checkpoint                    the signed note the log serves: its name, number of entries, root hash
    keys.vkey                     one verifier key a line: the log's own, then those of witnesses
    tile/<L>/<N>[.p/<W>]          hashes of the Merkle tree, 256 to a tile
    tile/entries/<N>[.p/<W>]      the entries themselves, 256 to a bundle
    disclosures/<index>.json      chosen sections of a sealed record, with the salts of their digests
    policies/<sha256>.json        policies that entries name
    models/<version>.json         manifests of models that entries name
    verify.py                     this file
    MANIFEST.json                 SHA-256 of every other file, and what the bundle covers

Exit codes: 0 valid, 1 tampered, 2 incomplete, 3 valid but unwitnessed.

Tamper-evident is not tamper-proof: entries after the last witnessed checkpoint are protected by the log's
own signature only. Keys found inside a bundle prove nothing about who made it; name those you were given
on another way with ``--log-key`` and ``--witness``.

Sources: RFC 6962 and RFC 9162 (tree and proofs), RFC 8032 (Ed25519), RFC 8785 (canonical JSON), and
c2sp.org/signed-note, tlog-checkpoint, tlog-tiles, tlog-cosignature, tlog-proof.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib
import json
import os
import re
import stat
import sys
import time
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

VALID, TAMPERED, INCOMPLETE, UNWITNESSED = 0, 1, 2, 3

FORMAT = 1
"""Version of the bundle's layout that this file reads."""

SECTIONS = ("req", "consent", "cand", "rules", "out")
"""Sections of a sealed record, in the order of their digests in ``sd``."""

ENTRY_TYPES = frozenset(
    {
        "decision",
        "erasure",
        "policy_step",
        "model_active",
        "heartbeat",
        "disclosure",
        "legal_hold",
        "key_rotate",
        "prune",
        "self_check",
        "config",
    }
)

HASH_BYTES = 32
TILE_WIDTH = 256
MAX_SIGNATURES = 64
"""Most signatures a note may carry; the format asks for room for at least 16."""

T_MIN_TOLERANCE = 10
"""Minutes by which an entry may be older than one before it without a word: requests overlap."""

ED25519, COSIGNATURE_V1, ML_DSA_44 = 0x01, 0x04, 0x06
"""Kinds of signatures in notes."""

_KEY_BYTES = {ED25519: 32, COSIGNATURE_V1: 32, ML_DSA_44: 1312}
_KEY_ID_BYTES, _TIME_BYTES, _ED25519_BYTES, _ML_DSA_44_BYTES = 4, 8, 64, 2420
_MAX_INTEGER = 2**53 - 1
_MAX_INT64 = 2**63 - 1
_MAX_ONE_BYTE = 255
_FIRST_PRINTABLE = " "
_SALT_BYTES = 16
_VKEY_PARTS = 3
_CHECKPOINT_LINES = 3
_MOST_OF_A_KIND = 20

_MEBIBYTE = 1 << 20
_MAX_NOTE_BYTES = _MEBIBYTE
_MAX_MANIFEST_BYTES = 256 * _MEBIBYTE
_MAX_FILE_BYTES = 32 * _MEBIBYTE
_MAX_LINE_OF_MANIFEST_BYTES = 512
_MOST_TIMES_SMALLER = 200
"""How much smaller a zip may have made its files; whoever makes bombs needs more."""

_NUMBER = r"(?:x[0-9]{3}/){0,6}[0-9]{3}"
_TILE = re.compile(
    rf"tile/(?P<level>entries|0|[1-9]|[1-5][0-9]|6[0-3])/(?P<number>{_NUMBER})(?:\.p/(?P<width>[1-9][0-9]{{0,2}}))?"
)
_DISCLOSURE = re.compile(r"disclosures/(0|[1-9][0-9]{0,18})\.json")
_POLICY = re.compile(r"policies/([0-9a-f]{64})\.json")
_MODEL = re.compile(r"models/([0-9a-f]{64})\.json")
_SINGLE_FILES = frozenset({"checkpoint", "keys.vkey", "MANIFEST.json", "verify.py"})
_SIGNATURE = re.compile("\u2014 (?P<name>[^ ]+) (?P<payload>[^ ]+)")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_JSON_KEY = re.compile(r"[a-z0-9_]+")
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")

Json = Any
Pair = tuple[str, Any]


class VerificationError(Exception):
    """Base of all that this file raises on purpose."""

    exit_code = TAMPERED


class InvalidError(VerificationError):
    """Something is not what it claims to be, or is not written as it must be.

    Attributes:
        index: the entry it is about, where it is about one.
    """

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class IncompleteError(VerificationError):
    """Something is missing, so that no answer can be given."""

    exit_code = INCOMPLETE


# --- the tree (RFC 6962, RFC 9162) -------------------------------------------------------------------


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256(0x00 ‖ entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether a leaf is in a tree (RFC 9162, section 2.1.3.2).

    Args:
        index: place of the leaf, from 0.
        size: leaves in the tree.
        leaf: hash of the leaf.
        proof: hashes from the leaf's sibling up to the child of the root.
        root: the tree's root.
    """
    if not 0 <= index < size or not _are_hashes([leaf, root, *proof]):
        return False
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    old_size: int,
    new_size: int,
    proof: Sequence[bytes],
    old_root: bytes,
    new_root: bytes,
    *,
    from_empty: bool = False,
) -> bool:
    """Tell whether a tree is an older one with leaves appended (RFC 9162, section 2.1.4.2).

    Args:
        old_size: leaves of the older tree.
        new_size: leaves of the newer tree.
        proof: hashes, in the order of the RFC.
        old_root: root of the older tree.
        new_root: root of the newer tree.
        from_empty: also accept the empty tree as the older one, with an empty proof, as witnesses do.
    """
    if not _are_hashes([old_root, new_root, *proof]) or not 0 <= old_size <= new_size:
        return False
    if old_size == 0:
        return from_empty and not proof and old_root == hashlib.sha256(b"").digest()
    if old_size == new_size:
        return not proof and old_root == new_root
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        return False
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_found = new_found = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old_found, new_found = node_hash(each, old_found), node_hash(each, new_found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new_found = node_hash(new_found, each)
        place, last = place >> 1, last >> 1
    return last == 0 and old_found == old_root and new_found == new_root


def _are_hashes(hashes: Iterable[bytes]) -> bool:
    return all(len(each) == HASH_BYTES for each in hashes)


def _top(row: bytes) -> bytes:
    """Return the root over hashes that stand one after the other; their number is a power of two."""
    sha256 = hashlib.sha256
    while len(row) > HASH_BYTES:
        row = b"".join([sha256(b"\x01" + row[at : at + 64]).digest() for at in range(0, len(row), 64)])
    return row


# --- Ed25519 (RFC 8032) and ML-DSA-44 (FIPS 204) -----------------------------------------------------


def _optional(name: str) -> Any:
    """Import a module of the `cryptography` package, which is faster and knows more, where there is one."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_ED25519 = _optional("cryptography.hazmat.primitives.asymmetric.ed25519")
_ML_DSA = _optional("cryptography.hazmat.primitives.asymmetric.mldsa")
_EXCEPTIONS = _optional("cryptography.exceptions")

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_SQRT_MINUS_1 = pow(2, (_P - 1) // 4, _P)

Point = tuple[int, int, int, int]
"""A point in extended coordinates: x = X/Z, y = Y/Z, x * y = T/Z."""

_NEUTRAL: Point = (0, 1, 1, 0)


def verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature is the key's over the message; other encodings of one are refused.

    Uses `cryptography` where it is installed, and ``verify_ed25519_slowly`` elsewhere.

    Args:
        public_key: 32 bytes.
        message: what was signed.
        signature: 64 bytes.
    """
    if not _is_well_encoded(public_key, signature):
        return False
    if _ED25519 is None:
        return verify_ed25519_slowly(public_key, message, signature)
    try:
        _ED25519.Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except _EXCEPTIONS.InvalidSignature:
        return False
    return True


def verify_ed25519_slowly(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Do as ``verify_ed25519`` with nothing but Python's integers (RFC 8032, section 5.1.7)."""
    if not _is_well_encoded(public_key, signature):
        return False
    key = _point(public_key)
    if key is None:
        return False
    challenge = hashlib.sha512(signature[:32] + public_key + message).digest()
    x, y, z, t = key
    against = _times(int.from_bytes(challenge, "little") % _ORDER, (_P - x, y, z, _P - t))
    signed = _times(int.from_bytes(signature[32:], "little"), _BASE)
    return _encoded(_sum(signed, against)) == signature[:32]


def _is_well_encoded(public_key: bytes, signature: bytes) -> bool:
    """Tell whether key and signature have the lengths and the only encodings there are."""
    if len(public_key) != HASH_BYTES or len(signature) != _ED25519_BYTES:
        return False
    is_reduced = int.from_bytes(signature[32:], "little") < _ORDER
    return is_reduced and _is_canonical_point(public_key) and _is_canonical_point(signature[:32])


def _is_canonical_point(encoded: bytes) -> bool:
    number = int.from_bytes(encoded, "little")
    y, is_negative = number & ((1 << 255) - 1), number >> 255
    return y < _P and not (is_negative and y in {1, _P - 1})  # there x is 0, which has no sign


def _point(encoded: bytes) -> Point | None:
    """Return the point that was encoded; None where the curve has none such (section 5.1.3)."""
    number = int.from_bytes(encoded, "little")
    y, is_odd = number & ((1 << 255) - 1), number >> 255
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * _SQRT_MINUS_1 % _P
    if v * x * x % _P != u:
        return None
    if x & 1 != is_odd:
        x = -x % _P
    return (x, y, 1, x * y % _P)


def _sum(one: Point, other: Point) -> Point:
    """Add two points (section 5.1.4)."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(factor: int, point: Point) -> Point:
    """Multiply a point; not in constant time, which checking needs not."""
    product = _NEUTRAL
    while factor:
        if factor & 1:
            product = _sum(product, point)
        point = _sum(point, point)
        factor >>= 1
    return product


def _encoded(point: Point) -> bytes:
    inverse = pow(point[2], _P - 2, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE = _point(_BASE_Y.to_bytes(32, "little")) or _NEUTRAL


def verify_ml_dsa_44(public_key: bytes, message: bytes, signature: bytes) -> bool | None:
    """Tell whether an ML-DSA-44 signature is good; None where no installed library can tell."""
    if _ML_DSA is None:
        return None
    try:
        _ML_DSA.MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except _EXCEPTIONS.InvalidSignature:
        return False
    except _EXCEPTIONS.UnsupportedAlgorithm:
        return None
    return True


# --- signed notes, checkpoints, cosignatures ----------------------------------------------------------


class VerifierKey(NamedTuple):
    """A key as a vkey says it.

    Attributes:
        name: the key's name.
        key_id: 4 bytes, SHA-256(name ‖ 0x0A ‖ kind ‖ material)[:4].
        kind: kind of signature.
        material: the public key.
    """

    name: str
    key_id: bytes
    kind: int
    material: bytes


class Signature(NamedTuple):
    """One signature line of a note.

    Attributes:
        name: the name of the key it claims.
        key_id: the 4 bytes of the key it claims.
        payload: the bytes of the signature, for cosignatures after their time.
    """

    name: str
    key_id: bytes
    payload: bytes


class Note(NamedTuple):
    """A signed note, unverified.

    Attributes:
        text: what is signed, with its final newline.
        signatures: in their order.
    """

    text: str
    signatures: tuple[Signature, ...]


class Signed(NamedTuple):
    """A known key's signature of a note.

    Attributes:
        key: the key.
        at_s: POSIX seconds that a cosignature states; None for others.
        checked: False where no installed library can check it. Such a one counts for nothing.
    """

    key: VerifierKey
    at_s: int | None
    checked: bool


class Checkpoint(NamedTuple):
    """A statement of a log about itself.

    Attributes:
        origin: the log's name.
        size: number of entries.
        root: root hash, 32 bytes.
    """

    origin: str
    size: int
    root: bytes


def parse_vkey(text: str) -> VerifierKey:
    """Read ``name+hex(key id)+base64(kind ‖ public key)``.

    Raises:
        InvalidError: it is no vkey, its id is not that of its key, or its kind is not known here.
    """
    parts = text.split("+", _VKEY_PARTS - 1)
    if len(parts) != _VKEY_PARTS or not _is_key_name(parts[0]) or not re.fullmatch("[0-9a-f]{8}", parts[1]):
        raise InvalidError("a verifier key is not written as name+id+key")
    name, encoded = parts[0], _base64(parts[2])
    kind, material = encoded[0] if encoded else 0, encoded[1:]
    if _KEY_BYTES.get(kind) != len(material):
        raise InvalidError(f"the verifier key of {shown(name)} is of a kind that is not known here")
    key_id = hashlib.sha256(name.encode() + b"\n" + encoded).digest()[:_KEY_ID_BYTES]
    if key_id.hex() != parts[1]:
        raise InvalidError(f"the verifier key of {shown(name)} does not have the id that it states")
    return VerifierKey(name, key_id, kind, material)


def parse_note(data: bytes) -> Note:
    """Read a signed note without verifying it.

    Raises:
        InvalidError: it is not written as c2sp.org/signed-note says, or has no or too many signatures.
    """
    text = _note_text(data)
    at = text.rfind("\n\n")
    if at < 0 or not text.endswith("\n"):
        raise InvalidError("a signed note has no blank line before its signatures")
    lines = text[at + 2 : -1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise InvalidError(f"a signed note has more than {MAX_SIGNATURES} signatures")
    return Note(text[: at + 1], tuple(_signature(line) for line in lines))


def open_note(data: bytes, keys: Iterable[VerifierKey]) -> tuple[str, list[Signed]]:
    """Return a note's text and what the keys signed of it.

    Signatures by unknown keys are ignored. The note is refused if a known key's signature is bad, or if no
    known key's signature could be checked.

    Raises:
        InvalidError: the note cannot be read, or is refused.
        IncompleteError: no installed library can check what the keys signed.
    """
    note = parse_note(data)
    known = {(key.name, key.key_id): key for key in keys}
    signed = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            signed.append(_checked(note.text, signature, key))
    if not signed:
        raise InvalidError("none of the keys that count signed the note")
    if not any(each.checked for each in signed):
        raise IncompleteError("the signatures are of a kind that only the `cryptography` package can check")
    return note.text, signed


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint: origin, size, root and, if any, extension lines.

    Raises:
        InvalidError: it is not written as c2sp.org/tlog-checkpoint says.
    """
    lines = text.split("\n")
    if lines.pop() or len(lines) < _CHECKPOINT_LINES or not all(lines):
        raise InvalidError("a checkpoint needs three lines and no empty ones")
    root = _base64(lines[2])
    if len(root) != HASH_BYTES:
        raise InvalidError("the root hash of a checkpoint is not of 32 bytes")
    return Checkpoint(lines[0], _decimal(lines[1], "the size of a checkpoint"), root)


def cosignature_message(at_s: int, text: str) -> bytes:
    """Return what an Ed25519 cosignature (version 1) signs.

    Args:
        at_s: POSIX seconds.
        text: the checkpoint's text.
    """
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


def subtree_message(name: str, at_s: int, checkpoint: Checkpoint) -> bytes:
    """Return what an ML-DSA-44 cosignature of a whole tree signs.

    Args:
        name: name of the cosigner's key.
        at_s: POSIX seconds; 0 says nothing of a time.
        checkpoint: what is cosigned.

    Raises:
        InvalidError: a name is too long for the format.
    """
    names = [name.encode(), checkpoint.origin.encode()]
    if any(len(each) > _MAX_ONE_BYTE for each in names):
        raise InvalidError("a name is too long to be cosigned")
    cosigner, origin = (bytes([len(each)]) + each for each in names)
    span = bytes(8) + checkpoint.size.to_bytes(8, "big")
    return b"subtree/v1\n\x00" + cosigner + at_s.to_bytes(8, "big") + origin + span + checkpoint.root


def _note_text(data: bytes) -> str:
    if len(data) > _MAX_NOTE_BYTES:
        raise InvalidError("a signed note is absurdly long")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidError("a signed note is not UTF-8") from None
    if any(each < _FIRST_PRINTABLE and each != "\n" for each in text):
        raise InvalidError("a signed note holds control characters")
    return text


def _signature(line: str) -> Signature:
    found = _SIGNATURE.fullmatch(line)
    if found is None or not _is_key_name(found["name"]):
        raise InvalidError("a signature line is not written as dash, name, signature")
    name, payload = found["name"], _base64(found["payload"])
    if len(payload) <= _KEY_ID_BYTES:
        raise InvalidError("a signature line has no signature")
    return Signature(name, payload[:_KEY_ID_BYTES], payload[_KEY_ID_BYTES:])


def _checked(text: str, signature: Signature, key: VerifierKey) -> Signed:
    """Check a known key's signature.

    Raises:
        InvalidError: it is bad.
    """
    at_s: int | None = None
    is_good: bool | None
    if key.kind == ED25519:
        is_good = verify_ed25519(key.material, text.encode(), signature.payload)
    else:
        at_s, is_good = _cosigned(text, signature.payload, key)
    if is_good is False:
        raise InvalidError(f"the signature of {shown(key.name)} is not good")
    return Signed(key, at_s, checked=is_good is True)


def _cosigned(text: str, payload: bytes, key: VerifierKey) -> tuple[int, bool | None]:
    at_s, signature = int.from_bytes(payload[:_TIME_BYTES], "big"), payload[_TIME_BYTES:]
    length = _ED25519_BYTES if key.kind == COSIGNATURE_V1 else _ML_DSA_44_BYTES
    if len(signature) != length or at_s > _MAX_INT64:
        return at_s, False
    checkpoint = parse_checkpoint(text)
    if key.kind == COSIGNATURE_V1:
        return at_s, verify_ed25519(key.material, cosignature_message(at_s, text), signature)
    return at_s, verify_ml_dsa_44(key.material, subtree_message(key.name, at_s, checkpoint), signature)


def _is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(each.isspace() for each in name)


def _base64(text: str) -> bytes:
    """Decode standard base64, written in the only way there is."""
    return _decoded(text, base64.b64decode, base64.b64encode)


def _base64url(text: str) -> bytes:
    """Decode base64url without padding, written in the only way there is."""
    padded = text + "=" * (-len(text) % 4)
    return _decoded(padded, base64.urlsafe_b64decode, base64.urlsafe_b64encode)


def _decoded(text: str, decode: Callable[[str], bytes], encode: Callable[[bytes], bytes]) -> bytes:
    try:
        decoded = decode(text)
    except ValueError:
        decoded = b""
    if encode(decoded).decode() != text:
        raise InvalidError("something is not written in base64 as it must be")
    return decoded


def _decimal(text: str, what: str) -> int:
    number = int(text) if _DECIMAL.fullmatch(text) else _MAX_INT64 + 1
    if number > _MAX_INT64:
        raise InvalidError(f"{what} is no number, or an absurd one")
    return number


# --- tiles, entries, canonical JSON -------------------------------------------------------------------


class TilePath(NamedTuple):
    """What the path of a tile names.

    Attributes:
        level: level of the tile; None for a bundle of entries.
        number: which one of its level, from 0.
        width: hashes or entries in it, 1 to 256.
    """

    level: int | None
    number: int
    width: int


def tile_path(tile: TilePath) -> str:
    """Return the path of a tile, as c2sp.org/tlog-tiles says."""
    digits = str(tile.number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    level = "entries" if tile.level is None else tile.level
    partial = "" if tile.width == TILE_WIDTH else f".p/{tile.width}"
    return f"tile/{level}/" + "".join(f"x{group}/" for group in groups[:-1]) + groups[-1] + partial


def parse_tile_path(path: str) -> TilePath:
    """Return what a path names; only the one way of writing it is understood.

    Raises:
        InvalidError: it is not the path of a tile or of a bundle of entries.
    """
    found = _TILE.fullmatch(path)
    if found is not None:
        level = None if found["level"] == "entries" else int(found["level"])
        number = int(found["number"].replace("/", "").replace("x", ""))
        tile = TilePath(level, number, int(found["width"] or TILE_WIDTH))
        if tile_path(tile) == path:
            return tile
    raise InvalidError(f"{shown(path)} is not the path of a tile")


def entries_of(bundle: bytes) -> list[bytes]:
    """Return the entries of a bundle: each follows its length in two bytes, big-endian.

    Raises:
        InvalidError: the bundle is cut short.
    """
    entries = []
    at, end = 0, len(bundle)
    while at + 2 <= end:
        start = at + 2
        at = start + (bundle[start - 2] << 8 | bundle[start - 1])
        entries.append(bundle[start:at])
    if at != end:
        raise InvalidError("a bundle of entries is cut short")
    return entries


def parse_json(data: bytes, *, decimals: bool = False) -> Json:
    """Read JSON strictly: UTF-8, no key twice in an object, no decimals unless told, no NaN, not too deep.

    Raises:
        InvalidError: it is something else.
    """
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_float=float if decimals else _refused,
            parse_constant=_refused,
        )
    except (ValueError, RecursionError):
        raise InvalidError("something is not the strict JSON that it must be") from None


def parse_canonical(data: bytes) -> Json:
    """Read JSON that is written in the only way the log allows (RFC 8785, without decimals).

    Raises:
        InvalidError: it is no JSON, leaves the profile or could be written in another way.
    """
    document = parse_json(data)
    try:
        _check_profile(document)
        is_same = canonical_json(document) == data
    except (ValueError, RecursionError):
        is_same = False
    if not is_same:
        raise InvalidError("JSON is not in its canonical form")
    return document


def canonical_json(document: Json) -> bytes:
    """Return the canonical bytes of what ``parse_json`` returned."""
    written = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return written.encode("utf-8")


def section_digest(name: str, salt: bytes, content: bytes) -> bytes:
    """Return the salted digest of a section: SHA-256("gr1" ‖ 0 ‖ name ‖ 0 ‖ salt ‖ content)."""
    return hashlib.sha256(b"gr1\x00" + name.encode() + b"\x00" + salt + content).digest()


def verify_sections(entry: Json, sections: Json) -> list[str]:
    """Check sections disclosed of a sealed record against the digests in its entry.

    Args:
        entry: a decision's entry, parsed.
        sections: ``{name: {"salt": base64url, "content": text}}``.

    Returns:
        The names of the sections.

    Raises:
        InvalidError: a section is not the one that was recorded, or is not written as it must be.
    """
    digests = entry.get("sd") if isinstance(entry, dict) else None
    if not isinstance(digests, list) or len(digests) != len(SECTIONS):
        raise InvalidError("the entry has no sections that could be disclosed")
    if not isinstance(sections, dict) or not sections:
        raise InvalidError("no section is disclosed")
    for name, section in sections.items():
        if name not in SECTIONS or not _has_texts(section, {"salt", "content"}):
            raise InvalidError(f"section {shown(name)} is not disclosed as it must be")
        salt = _base64url(section["salt"])
        digest = section_digest(name, salt, section["content"].encode("utf-8", "surrogatepass"))
        if len(salt) != _SALT_BYTES or _base64url_of(digest) != digests[SECTIONS.index(name)]:
            raise InvalidError(f"section {shown(name)} is not the one that was recorded")
    return list(sections)


def _has_texts(value: Json, keys: set[str]) -> bool:
    return isinstance(value, dict) and set(value) == keys and all(isinstance(v, str) for v in value.values())


def _base64url_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _without_duplicates(pairs: list[Pair]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return document


def _refused(text: str) -> NoReturn:
    raise ValueError(text)


def _check_profile(value: Json) -> None:
    """Check what writing it again would not show: keys, large numbers, texts that look alike."""
    if isinstance(value, dict):
        for key, member in value.items():
            if not _JSON_KEY.fullmatch(key):
                raise ValueError("a key leaves the profile")
            _check_profile(member)
    elif isinstance(value, list):
        for member in value:
            _check_profile(member)
    elif isinstance(value, str):
        if not value.isascii() and unicodedata.normalize("NFC", value) != value:
            raise ValueError("a text is not in normal form C")
    elif isinstance(value, int) and abs(value) > _MAX_INTEGER:
        raise ValueError("a number is too large")


def shown(text: str) -> str:
    """Return text from outside so that it can be printed: quoted, in ASCII, not endless."""
    return "`" + ascii(text[:100])[1:-1] + "`"


# --- what is said of a bundle ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One thing that was checked.

    Attributes:
        kind: ``ok``, ``note``, ``warning``, ``unwitnessed``, ``incomplete`` or ``tampered``.
        text: what was found, in plain words and ASCII.
        index: the entry it is about, or the first of those it may be about; None where it is about none.
    """

    kind: str
    text: str
    index: int | None


_EXIT_CODES = {"tampered": TAMPERED, "incomplete": INCOMPLETE, "unwitnessed": UNWITNESSED}


class Report:
    """What was checked, line by line.

    Attributes:
        lines: in the order of the checks.
        first_bad_index: the first entry that is, or may be, not what it was; None where nothing says which.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.first_bad_index: int | None = None
        self._n_of: dict[str, int] = {}

    def add(self, kind: str, text: str, index: int | None = None) -> None:
        """Write a line down; of warnings, and of one kind of failure, only the first are written out."""
        n = self._n_of[kind] = self._n_of.get(kind, 0) + 1
        if kind == "tampered" and index is not None:
            self.first_bad_index = index if self.first_bad_index is None else min(index, self.first_bad_index)
        if n <= _MOST_OF_A_KIND or kind in {"ok", "note"}:
            self.lines.append(Line(kind, text.encode("ascii", "backslashreplace").decode(), index))

    def attempt(self, check: Callable[..., None], *arguments: object) -> None:
        """Make a check; what it raises is written down, and the next check can go on."""
        try:
            check(*arguments)
        except InvalidError as error:
            self.add("tampered", str(error), error.index)
        except IncompleteError as error:
            self.add("incomplete", str(error))

    @property
    def exit_code(self) -> int:
        """0 valid, 1 tampered, 2 incomplete, 3 unwitnessed: the worst that was found."""
        return next((code for kind, code in _EXIT_CODES.items() if kind in self._n_of), VALID)

    @property
    def verdict(self) -> str:
        """The exit code in a word."""
        return ("valid", *_EXIT_CODES)[self.exit_code]

    def to_plain(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "first_bad_index": self.first_bad_index,
            "checks": [asdict(line) for line in self.lines],
        }


class Asked(NamedTuple):
    """What an auditor brings along.

    Attributes:
        log_keys: keys of the log; those inside the bundle count only where there are none.
        witnesses: witnesses that must all have cosigned; if there are none, any in the bundle counts.
        older: checkpoints kept from before, as they were served.
        receipts: receipts of single entries, as they were handed out.
        decision: id of a decision to look for.
        span: entries that were asked for, first and end; all that the log keeps where it is None.
        allow_unwitnessed: a missing witness is worth a note only.
    """

    log_keys: tuple[VerifierKey, ...] = ()
    witnesses: tuple[VerifierKey, ...] = ()
    older: tuple[bytes, ...] = ()
    receipts: tuple[bytes, ...] = ()
    decision: str | None = None
    span: tuple[int, int] | None = None
    allow_unwitnessed: bool = False


_NOTHING_ASKED = Asked()


def check_bundle(files: Mapping[str, bytes], asked: Asked = _NOTHING_ASKED) -> Report:
    """Check a bundle and return what was found; a bad bundle raises nothing.

    Args:
        files: the bundle's files by path, such as ``open_bundle`` gives.
        asked: what the auditor brings along.
    """
    report = Report()
    report.attempt(lambda: _Bundle(files, asked, report).check())
    return report


def open_bundle(path: Path) -> Mapping[str, bytes]:
    """Return access to the files of a bundle, a zip file or a folder.

    Raises:
        InvalidError: it is neither, or holds something that no bundle holds.
        IncompleteError: there is nothing at that path.
    """
    try:
        return FolderFiles(path) if path.is_dir() else ZipFiles(path)
    except FileNotFoundError:
        raise IncompleteError(f"there is no bundle at {shown(str(path))}") from None
    except OSError:
        raise IncompleteError(f"{shown(str(path))} cannot be read") from None


class FolderFiles(Mapping[str, bytes]):
    """The files of a folder by path; links are refused."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = set()
        for place, folders, files in os.walk(folder):
            for name in (*folders, *files):
                path = Path(place) / name
                mode = path.lstat().st_mode
                if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                    raise InvalidError(f"{shown(name)} is a link or no file at all")
                if stat.S_ISREG(mode):
                    self._names.add(_known_name(path.relative_to(folder).as_posix()))

    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        try:
            with (self._folder / name).open("rb") as file:
                return _bounded(name, file.read(_limit(name) + 1))
        except OSError:
            raise IncompleteError(f"{shown(name)} cannot be read") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class ZipFiles(Mapping[str, bytes]):
    """The files of a zip file by path; nothing is unpacked to disk, nothing absurdly long is read."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError):
            raise InvalidError(f"{shown(str(path))} is no zip file that can be read") from None
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            if info.filename.endswith("/"):  # a folder: holds nothing; whoever packs one again gets some
                continue
            name = _known_name(info.orig_filename)
            if name in self._infos:
                raise InvalidError(f"{shown(name)} stands twice in the zip file")
            if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} or info.flag_bits & 1:
                raise InvalidError(f"{shown(name)} is compressed or encrypted in a way that is not allowed")
            if info.file_size > _limit(name):
                raise InvalidError(f"{shown(name)} is absurdly long")
            self._infos[name] = info
        n_bytes = sum(info.file_size for info in self._infos.values())
        if n_bytes > _MAX_FILE_BYTES + _MOST_TIMES_SMALLER * path.stat().st_size:
            raise InvalidError(f"what is in {shown(str(path))} is absurdly long")

    def __getitem__(self, name: str) -> bytes:
        info = self._infos[name]
        try:
            with self._zip.open(info) as file:
                return _bounded(name, file.read(_limit(name) + 1))
        except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, EOFError, OSError):
            raise InvalidError(f"{shown(name)} cannot be unpacked") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)


def _known_name(name: str) -> str:
    """Return a name that the layout has: no other can lead out of the bundle or hide in it."""
    is_known = name in _SINGLE_FILES or any(
        pattern.fullmatch(name) for pattern in (_TILE, _DISCLOSURE, _POLICY, _MODEL)
    )
    if not is_known:
        raise InvalidError(f"{shown(name)} is not the name of a file that a bundle holds")
    return name


def _limit(name: str) -> int:
    """Return the most bytes that a file may have."""
    if name.startswith("tile/") and not name.startswith("tile/entries/"):
        return TILE_WIDTH * HASH_BYTES
    if name in {"checkpoint", "keys.vkey"}:
        return _MAX_NOTE_BYTES
    return _MAX_MANIFEST_BYTES if name == "MANIFEST.json" else _MAX_FILE_BYTES


def _bounded(name: str, data: bytes) -> bytes:
    if len(data) > _limit(name):
        raise InvalidError(f"{shown(name)} is absurdly long")
    return data


class Manifest(NamedTuple):
    """What MANIFEST.json says.

    Attributes:
        origin: the log's name.
        size: entries in the log.
        min_index: first entry that the log still keeps.
        first: first entry in the bundle.
        end: one past the last entry in the bundle.
        made_by: version of the program that made the bundle.
        sha256: SHA-256 of every other file, by path, in hex.
    """

    origin: str
    size: int
    min_index: int
    first: int
    end: int
    made_by: str
    sha256: dict[str, str]


_MANIFEST_KEYS = {"v", "origin", "size", "min_index", "first", "end", "made_by", "files", "self_sha256"}


def parse_manifest(data: bytes) -> Manifest:
    """Read MANIFEST.json. ``self_sha256`` is the SHA-256 of the manifest's canonical bytes without it.

    Raises:
        InvalidError: it is not written as it must be, or has been changed since.
    """
    document = parse_canonical(data)
    if not isinstance(document, dict) or set(document) != _MANIFEST_KEYS or document["v"] != FORMAT:
        raise InvalidError("MANIFEST.json is not of the form that this version reads")
    stated = document.pop("self_sha256")
    if stated != hashlib.sha256(canonical_json(document)).hexdigest():
        raise InvalidError("MANIFEST.json was changed after it was written")
    files = document["files"]
    if not isinstance(files, list) or not all(_has_texts(each, {"path", "sha256"}) for each in files):
        raise InvalidError("MANIFEST.json does not list files as it must")
    sha256 = {each["path"]: each["sha256"] for each in files}
    numbers = [document[name] for name in ("first", "min_index", "end", "size")]
    texts = (document["origin"], document["made_by"])
    if (
        len(sha256) != len(files)
        or not all(type(number) is int for number in numbers)
        or not all(isinstance(text, str) for text in texts)
    ):
        raise InvalidError("MANIFEST.json does not say what it must")
    first, min_index, end, size = numbers
    if not 0 <= min_index <= first <= end <= size:
        raise InvalidError("MANIFEST.json covers entries that its log does not have")
    return Manifest(texts[0], size, min_index, first, end, texts[1], sha256)


# --- one bundle -------------------------------------------------------------------------------------------


class _Listed:
    """The files of a bundle, each compared with the manifest as it is read."""

    def __init__(self, files: Mapping[str, bytes], manifest: Manifest, report: Report) -> None:
        self._files = files
        self._sha256 = manifest.sha256
        self._report = report
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> bytes:
        if name not in self._files:
            raise IncompleteError(f"{shown(name)} is missing")
        data = self._files[name]
        if name not in self._read:
            self._read.add(name)
            if hashlib.sha256(data).hexdigest() != self._sha256.get(name):
                self._report.add("tampered", f"{shown(name)} is not the file that MANIFEST.json lists")
        return data

    def matching(self, pattern: re.Pattern[str]) -> list[str]:
        """Return the names of a kind of file, in order."""
        return sorted(name for name in self._files if pattern.fullmatch(name))

    def check_names(self) -> None:
        """Compare what is there with what the manifest lists."""
        listed, found = set(self._sha256), set(self._files) - {"MANIFEST.json"}
        for name in sorted(found):
            _known_name(name)
        for name in sorted(found - listed):
            self._report.add("tampered", f"{shown(name)} is not listed in MANIFEST.json")
        for name in sorted(listed - found):
            self._report.add("incomplete", f"{shown(name)} is listed in MANIFEST.json and missing")

    def check_rest(self) -> None:
        """Compare every file with the manifest that nothing else had to read."""
        for name in sorted(set(self._files) - self._read - {"MANIFEST.json"}):
            self[name]


_PLAIN = rb'"[ !#-\[\]-~]*"'
_DIGEST_TEXT = rb'"[A-Za-z0-9_-]{43}"'
_SHAPES_OF_FIELDS = {
    "v": rb"(?:[1-9][0-9]{0,14}|0)",
    "type": rb'"decision"',
    "id": rb'"([ !#-\[\]-~]+)"',
    "t_min": rb"([1-9][0-9]{0,14}|0)",
    "policy": rb'(null|"[0-9a-f]{64}")',
    "model": rb'(null|"[0-9a-f]{64}")',
    "sd": rb"\[" + _DIGEST_TEXT + rb"(?:," + _DIGEST_TEXT + rb"){4}\]",
    "ct": _DIGEST_TEXT,
}
_ANY_FIELD = rb"(?:" + _PLAIN + rb"|-?[1-9][0-9]{0,14}|0|null|true|false)"
_MOST_SHAPES = 8


class _Entries:
    """Reads the entries in order and remembers what other checks need.

    Attributes:
        rotations: changes of the log's key, with their index.
        prunes: from where on an entry says that the log still keeps entries, with the entry's index.
        found: index of the decision that is looked for.
    """

    def __init__(self, report: Report, wanted: str | None) -> None:
        self.rotations: list[tuple[int, Json]] = []
        self.prunes: list[tuple[int, int]] = []
        self.found: int | None = None
        self._report = report
        self._wanted = None if wanted is None else wanted.encode("utf-8", "surrogatepass")
        self._shapes: dict[tuple[str, ...], re.Pattern[bytes]] = {}
        self._ids: set[bytes] = set()
        self._named: set[bytes] = set()
        self._latest = 0
        self._n_late = 0
        self._first_late: int | None = None

    def read(self, index: int, entry: bytes) -> None:
        """Check one entry in itself and against those before it.

        A decision of a shape met before is matched as a whole, which shows its canonical form several
        times faster than parsing it and writing it again.

        Raises:
            InvalidError: the entry is not written as it must be.
        """
        for shape in self._shapes.values():
            found = shape.fullmatch(entry)
            if found is not None:
                decision_id, model, policy, minute = found.groups()
                self._named.update((model, policy))
                self._take_decision(index, decision_id)
                break
        else:
            minute = self._read_slowly(index, entry)
        self._take_minute(index, int(minute))

    def is_named(self, version: str) -> bool:
        """Tell whether an entry names a policy or a model."""
        return f'"{version}"'.encode() in self._named

    def check_order(self) -> None:
        """Warn of entries that are older than those before them."""
        if self._first_late is not None:
            self._report.add(
                "warning",
                f"{self._n_late} entries, first {self._first_late}, are more than {T_MIN_TOLERANCE} minutes "
                "older than one before them",
                self._first_late,
            )

    def _read_slowly(self, index: int, entry: bytes) -> int:
        document = parse_canonical(entry)
        says = document if isinstance(document, dict) else {}
        version, kind, minute = says.get("v"), says.get("type"), says.get("t_min")
        if type(version) is not int or type(minute) is not int or minute < 0 or not isinstance(kind, str):
            raise InvalidError("an entry does not say its version, type and minute")
        self._named.update(f'"{text}"'.encode() for text in _texts(document) if _SHA256_HEX.fullmatch(text))
        if kind == "decision":
            _check_decision(document)
            self._learn(document)
            self._take_decision(index, document["id"].encode())
        elif kind == "key_rotate":
            self.rotations.append((index, document))
        elif kind == "prune":
            self.prunes.append((index, _pruned_to(index, document)))
        elif kind not in ENTRY_TYPES:
            self._report.add("warning", f"entry {index} is of an unknown type, {shown(kind)}", index)
        return minute

    def _learn(self, document: dict[str, Json]) -> None:
        """Remember what a decision with these fields looks like."""
        keys = tuple(sorted(document))
        is_new = keys not in self._shapes and set(_SHAPES_OF_FIELDS).issubset(keys)
        if is_new and len(self._shapes) < _MOST_SHAPES:
            fields = [f'"{key}":'.encode() + _SHAPES_OF_FIELDS.get(key, _ANY_FIELD) for key in keys]
            self._shapes[keys] = re.compile(rb"\{" + b",".join(fields) + rb"\}")

    def _take_decision(self, index: int, decision_id: bytes) -> None:
        if decision_id in self._ids:
            self._report.add("tampered", f"entry {index} repeats the id of a decision before it", index)
        self._ids.add(decision_id)
        if decision_id == self._wanted:
            self.found = index

    def _take_minute(self, index: int, minute: int) -> None:
        if minute > self._latest:
            self._latest = minute
        elif minute < self._latest - T_MIN_TOLERANCE:
            self._n_late += 1
            self._first_late = index if self._first_late is None else self._first_late


def _check_decision(document: dict[str, Json]) -> None:
    digests, decision_id = document.get("sd"), document.get("id")
    if not isinstance(decision_id, str) or not decision_id or not _is_digest(document.get("ct")):
        raise InvalidError("a decision has no id or does not say what was sealed")
    if not isinstance(digests, list) or len(digests) != len(SECTIONS) or not all(map(_is_digest, digests)):
        raise InvalidError("a decision does not have a digest of each section")


def _is_digest(value: Json) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _pruned_to(index: int, document: dict[str, Json]) -> int:
    min_index = document.get("min_index")
    if type(min_index) is not int or not 0 <= min_index <= index:
        raise InvalidError("an entry about pruning does not say from where on entries are kept")
    return min_index


def _texts(value: Json) -> Iterator[str]:
    """Yield every text in a document that is no key."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts(member)


class _Tree:
    """The tree of a bundle: tiles against entries, against each other and against a root."""

    def __init__(self, files: _Listed, manifest: Manifest, report: Report) -> None:
        self._files = files
        self._manifest = manifest
        self._size = manifest.size
        self._report = report
        self._at_hand: dict[int, tuple[int, bytes]] = {}

    def check(self, entries: _Entries) -> None:
        """Check entries and tiles from left to right.

        Raises:
            InvalidError: a tile or a bundle of entries is not written as it must be.
            IncompleteError: one is missing.
        """
        self._check_names()
        for number in self._numbers(0):
            if self._bundles[0] <= number < self._bundles[1]:
                self._check_entries(number, entries)
            self._check_above(0, number)
        for level in range(1, self._n_levels):
            for number in self._numbers(level):
                self._check_above(level, number)

    def root_at(self, size: int) -> bytes:
        """Return the root over the first ``size`` entries, which must not be fewer than those pruned."""
        complete, start = [], 0
        while start < size:
            level = (size - start).bit_length() - 1
            complete.append(self._subtree(level, start >> level))
            start += 1 << level
        root = complete.pop() if complete else hashlib.sha256(b"").digest()
        while complete:
            root = node_hash(complete.pop(), root)
        return root

    def leaf(self, index: int) -> bytes:
        """Return the hash of a leaf."""
        return self._subtree(0, index)

    def entry(self, index: int) -> bytes | None:
        """Return an entry; None where the bundle does not hold it."""
        number, at = divmod(index, TILE_WIDTH)
        if not self._bundles[0] <= number < self._bundles[1]:
            return None
        entries = entries_of(self._files[self._path(None, number)])
        return entries[at] if at < len(entries) else None

    @property
    def _n_levels(self) -> int:
        return -(-self._size.bit_length() // 8)

    @property
    def _bundles(self) -> tuple[int, int]:
        """First and end of the bundles of entries that the manifest speaks of."""
        first, end = self._manifest.first, self._manifest.end
        return (first // TILE_WIDTH, -(-end // TILE_WIDTH)) if first < end else (0, 0)

    def _numbers(self, level: int) -> range:
        """Return the numbers of the tiles of a level; those that end before the first entry kept are gone."""
        shift = 8 * (level + 1)
        return range(self._manifest.min_index >> shift, -(-(self._size >> 8 * level) // TILE_WIDTH))

    def _path(self, level: int | None, number: int) -> str:
        width = min(TILE_WIDTH, (self._size >> 8 * (level or 0)) - number * TILE_WIDTH)
        return tile_path(TilePath(level, number, width))

    def _check_names(self) -> None:
        found = set(self._files.matching(_TILE))
        spans: list[tuple[int | None, range]] = [(None, range(*self._bundles))]
        spans += [(level, self._numbers(level)) for level in range(self._n_levels)]
        n_needed = sum(numbers.stop - numbers.start for _, numbers in spans)
        if n_needed > len(found):
            n_missing = n_needed - len(found)
            raise IncompleteError(f"{n_missing} of {n_needed} tiles and bundles of entries are missing")
        needed = {self._path(level, number) for level, numbers in spans for number in numbers}
        for name in sorted(needed - found):
            self._report.add("incomplete", f"{shown(name)} is missing")
        for name in sorted(found - needed):
            self._report.add("tampered", f"{shown(name)} is no part of a tree of {self._size} entries")
        if needed - found:
            raise IncompleteError("without all tiles and bundles of entries the tree cannot be checked")

    def _check_entries(self, number: int, reader: _Entries) -> None:
        """Check a bundle of entries against its tile, and each entry in itself."""
        first, tile = number * TILE_WIDTH, self._tile(0, number)
        try:
            entries = entries_of(self._files[self._path(None, number)])
        except InvalidError as error:
            raise InvalidError(str(error), first) from None
        sha256 = hashlib.sha256
        hashes = [sha256(b"\x00" + entry).digest() for entry in entries]
        if b"".join(hashes) != tile:
            self._report_differences(first, hashes, tile)
        for index, entry in enumerate(entries, first):
            try:
                reader.read(index, entry)
            except InvalidError as error:
                self._report.add("tampered", f"entry {index}: {error}", index)

    def _report_differences(self, first: int, hashes: list[bytes], tile: bytes) -> None:
        n_expected = len(tile) // HASH_BYTES
        if len(hashes) != n_expected:
            text = f"{len(hashes)} entries stand where the tree has {n_expected}, from {first} on"
            self._report.add("tampered", text, first + min(len(hashes), n_expected))
        for at in range(min(len(hashes), n_expected)):
            if hashes[at] != tile[at * HASH_BYTES : (at + 1) * HASH_BYTES]:
                self._report.add("tampered", f"entry {first + at} is not the one in the tree", first + at)

    def _check_above(self, level: int, number: int) -> None:
        """Check a full tile against its hash in the tile above."""
        tile = self._tile(level, number)
        if len(tile) < TILE_WIDTH * HASH_BYTES:
            return
        above = self._tile(level + 1, number // TILE_WIDTH)
        at = number % TILE_WIDTH * HASH_BYTES
        if _top(tile) != above[at : at + HASH_BYTES]:
            first, end = (place << 8 * (level + 1) for place in (number, number + 1))
            self._report.add(
                "tampered", f"the hashes over entries {first} to {end - 1} are not those in the tree", first
            )

    def _tile(self, level: int, number: int) -> bytes:
        """Return a tile; the one of each level that was read last is at hand."""
        at_hand = self._at_hand.get(level)
        if at_hand is None or at_hand[0] != number:
            name = self._path(level, number)
            tile = self._files[name]
            if len(tile) != parse_tile_path(name).width * HASH_BYTES:
                raise InvalidError(f"{shown(name)} does not have the length that its name says")
            at_hand = self._at_hand[level] = (number, tile)
        return at_hand[1]

    def _subtree(self, level: int, index: int) -> bytes:
        tile_level, height = divmod(level, 8)
        number, at = divmod(index << height, TILE_WIDTH)
        return _top(self._tile(tile_level, number)[at * HASH_BYTES : (at + (1 << height)) * HASH_BYTES])


_MODEL_FORMAT = 4
_MODEL_FILES = (
    "item_ids.json",
    "classes.json",
    "facts.json",
    "indptr.npy",
    "indices.npy",
    "weights.npy",
    "support.npy",
    "row_source.npy",
    "popularity.npy",
    "repeat.npy",
    "repeat_support.npy",
    "repeat_interval_days.npy",
    "lift_item.npy",
    "lift_class.npy",
    "lift_percent.npy",
)
"""Files whose hashes, in this order, give a model of that format its version."""


class _Bundle:
    """One bundle and what is to be checked of it.

    Raises:
        InvalidError: what the rest depends on cannot be read.
        IncompleteError: what the rest depends on is missing.
    """

    def __init__(self, files: Mapping[str, bytes], asked: Asked, report: Report) -> None:
        if "MANIFEST.json" not in files:
            raise IncompleteError("`MANIFEST.json` is missing")
        self._asked = asked
        self._report = report
        manifest = files["MANIFEST.json"]
        if len(manifest) > _MEBIBYTE + _MAX_LINE_OF_MANIFEST_BYTES * len(files):
            raise InvalidError("`MANIFEST.json` is absurdly long for the files that there are")
        self._manifest = parse_manifest(manifest)
        self._files = _Listed(files, self._manifest, report)
        report.attempt(self._files.check_names)
        self._note = self._files["checkpoint"]
        self._checkpoint = parse_checkpoint(parse_note(self._note).text)
        self._tree = _Tree(self._files, self._manifest, report)
        self._entries = _Entries(report, asked.decision)
        inside = parse_keys(self._files["keys.vkey"])
        origin = self._checkpoint.origin
        self._log_keys = asked.log_keys or tuple(key for key in inside if key.name == origin)
        named = asked.witnesses or tuple(key for key in inside if key.name != origin)
        self._witnesses = tuple(key for key in named if key.kind != ED25519)
        self._signers = self._log_keys
        self._is_read = False

    def check(self) -> None:
        """Check everything, as far as one thing does not need another."""
        attempt = self._report.attempt
        attempt(self._check_head)
        attempt(self._check_tree)
        attempt(self._check_kept)
        attempt(self._check_signatures)
        for pattern, check in (
            (_DISCLOSURE, self._check_disclosure),
            (_POLICY, self._check_policy),
            (_MODEL, self._check_model),
        ):
            for name in self._files.matching(pattern):
                attempt(check, name)
        for older in self._asked.older:
            attempt(self._check_older, older)
        for receipt in self._asked.receipts:
            attempt(self._check_receipt, receipt)
        attempt(self._check_decision)
        attempt(self._files.check_rest)

    def _check_head(self) -> None:
        manifest, checkpoint = self._manifest, self._checkpoint
        if (manifest.origin, manifest.size) != (checkpoint.origin, checkpoint.size):
            raise InvalidError("MANIFEST.json and the checkpoint speak of different logs or sizes")
        self._report.add(
            "ok",
            f"the bundle is of log {shown(checkpoint.origin)} with {checkpoint.size} entries, made by "
            f"version {shown(manifest.made_by)}",
        )

    def _check_tree(self) -> None:
        n_lines = len(self._report.lines)
        self._tree.check(self._entries)
        self._is_read = True
        self._entries.check_order()
        if self._tree.root_at(self._manifest.size) != self._checkpoint.root:
            raise InvalidError("the tree of these entries is not the one in the checkpoint")
        if all(line.kind == "warning" for line in self._report.lines[n_lines:]):
            first, end = self._manifest.first, self._manifest.end
            self._report.add(
                "ok",
                f"{end - first} entries ({first} up to, not including, {end}) are in canonical form and hash "
                "to the tiles, the tiles to each other and to the root in the checkpoint",
            )

    def _check_kept(self) -> None:
        """Check that all is there that the auditor wants, and that somebody accounts for what is gone."""
        first, end, min_index = self._manifest.first, self._manifest.end, self._manifest.min_index
        wanted = self._asked.span or (min_index, self._manifest.size)
        if first > wanted[0] or end < wanted[1]:
            raise IncompleteError(
                f"the bundle holds entries {first} up to, not including, {end}; wanted are {wanted[0]} up to "
                f"{wanted[1]}"
            )
        if min_index == 0 or self._asked.span is not None:
            return
        if max((kept_from for _, kept_from in self._entries.prunes), default=0) < min_index:
            raise IncompleteError(f"entries before {min_index} are gone and no entry accounts for that")
        self._report.add("note", f"entries before {min_index} were pruned, as an entry of the log says")

    def _check_signatures(self) -> None:
        report = self._report
        in_force = self._keys_in_force()
        others = [key for key in self._log_keys if key.kind != ED25519]
        _, signed = open_note(self._note, [*in_force, *others, *self._witnesses])
        if not any(each.checked and each.key in in_force for each in signed):
            raise InvalidError("the checkpoint is not signed by the key of the log that is in force")
        if self._asked.log_keys:
            report.add("ok", "the checkpoint is signed by the key of the log that was named")
        else:
            report.add("ok", "the checkpoint is signed by the key of the log inside the bundle")
            report.add(
                "note",
                "keys inside a bundle prove nothing about who made it: name the one you were given otherwise "
                "with --log-key",
            )
        self._check_witnesses(signed)

    def _check_witnesses(self, signed: list[Signed]) -> None:
        report = self._report
        cosigned = set()
        for each in signed:
            if each.key not in self._witnesses:
                continue
            if each.checked:
                cosigned.add(each.key)
                report.add("ok", f"witness {shown(each.key.name)} cosigned at {_time(each.at_s)}")
            else:
                report.add(
                    "note",
                    f"the cosignature of {shown(each.key.name)} was not checked: that needs the "
                    "`cryptography` package",
                )
        lacking = "note" if self._asked.allow_unwitnessed else "unwitnessed"
        for key in self._asked.witnesses:
            if key not in cosigned:
                report.add(lacking, f"witness {shown(key.name)} did not cosign the checkpoint")
        if not cosigned and not self._asked.witnesses:
            report.add(lacking, "no witness cosigned the checkpoint: only the log itself speaks for it")
        elif not self._asked.witnesses:
            by_the_bundle = lacking if self._asked.log_keys else "note"
            report.add(by_the_bundle, "the witnesses are those the bundle names: name yours with --witness")

    def _keys_in_force(self) -> list[VerifierKey]:
        """Follow the changes of the log's key and return the keys that may sign the checkpoint now.

        Raises:
            InvalidError: a change is not signed by both keys, or starts from a key that was not in force.
        """
        if not self._log_keys:
            raise InvalidError("no key of the log is named, neither on the command line nor in the bundle")
        if any(key.name != self._checkpoint.origin for key in self._log_keys):
            raise InvalidError("the key named for the log is one of another log")
        chain: list[VerifierKey] = []
        for index, entry in self._entries.rotations:
            old, new = verify_rotation(entry, self._checkpoint.origin, index)
            if chain and chain[-1] != old:
                raise InvalidError(f"entry {index} replaces a key that was not in force", index)
            chain += [new] if chain else [old, new]
        if self._manifest.end - self._manifest.first < self._manifest.size:
            self._report.add(
                "note", "changes of the log's key among entries not in the bundle cannot be seen"
            )
        replaceable = [key for key in self._log_keys if key.kind == ED25519]
        if not chain or not replaceable:
            return list(self._log_keys)
        if not any(key in chain for key in replaceable):
            raise InvalidError("the key named for the log is none of those it had in force")
        self._signers = (*self._log_keys, *chain)
        self._report.add(
            "ok", f"{len(self._entries.rotations)} changes of the log's key are signed by both keys"
        )
        return chain[-1:]

    def _check_disclosure(self, name: str) -> None:
        index = int(name.rpartition("/")[2].partition(".")[0])
        document = parse_json(self._files[name])
        if not isinstance(document, dict) or set(document) != {"index", "sections"}:
            raise InvalidError(f"{shown(name)} is not written as it must be")
        if type(document["index"]) is not int or document["index"] != index:
            raise InvalidError(f"{shown(name)} is about another entry than its name says")
        entry = self._tree.entry(index)
        if entry is None:
            raise IncompleteError(f"{shown(name)} is about an entry that the bundle does not hold")
        try:
            sections = verify_sections(parse_json(entry), document["sections"])
        except InvalidError as error:
            raise InvalidError(f"{shown(name)}: {error}", index) from None
        self._report.add(
            "ok", f"what is disclosed of entry {index} is what was recorded: {', '.join(sections)}"
        )

    def _check_policy(self, name: str) -> None:
        version = name.rpartition("/")[2].partition(".")[0]
        if hashlib.sha256(self._files[name]).hexdigest() != version:
            raise InvalidError(f"{shown(name)} is not the policy of that version")
        self._check_named("policy", version)

    def _check_model(self, name: str) -> None:
        version = name.rpartition("/")[2].partition(".")[0]
        if not _is_model(parse_json(self._files[name], decimals=True), version):
            raise InvalidError(f"{shown(name)} is not the manifest of the model of that version")
        self._check_named("model", version)

    def _check_named(self, kind: str, version: str) -> None:
        if not self._is_read:
            raise IncompleteError(f"whether entries name {kind} {version} cannot be told")
        if not self._entries.is_named(version):
            raise InvalidError(f"no entry in the bundle names {kind} {version}")
        self._report.add("ok", f"{kind} {version} is one that entries name")

    def _check_older(self, data: bytes) -> None:
        checkpoint = self._checkpoint_of(data, "the checkpoint kept")
        if checkpoint.size > self._checkpoint.size:
            raise InvalidError(
                f"the log had {checkpoint.size} entries and has {self._checkpoint.size} now: it was cut short"
            )
        self._check_same(checkpoint, "the checkpoint kept")

    def _check_receipt(self, data: bytes) -> None:
        receipt = parse_receipt(data)
        checkpoint = self._checkpoint_of(receipt.checkpoint, "the receipt")
        if checkpoint.size > self._checkpoint.size:
            raise IncompleteError("the receipt is of a later time than the bundle: ask for a newer bundle")
        self._check_same(checkpoint, "the receipt")
        entry = entry_of_receipt(receipt)
        if receipt.index >= self._manifest.min_index:
            leaf = self._tree.leaf(receipt.index)
            if entry is not None and leaf_hash(entry) != leaf:
                raise InvalidError("the entry in the receipt is not the one in the log", receipt.index)
        elif entry is not None:
            leaf = leaf_hash(entry)
        else:
            raise IncompleteError("the receipt is of an entry that was pruned, and does not hold it itself")
        _check_proof(receipt, checkpoint, leaf)
        self._report.add("ok", f"the receipt proves entry {receipt.index} of this log")

    def _checkpoint_of(self, data: bytes, what: str) -> Checkpoint:
        """Return a checkpoint from elsewhere, which a key of the log must have signed."""
        try:
            checkpoint = parse_checkpoint(open_note(data, self._signers)[0])
        except InvalidError as error:
            raise InvalidError(f"{what}: {error}") from None
        if checkpoint.origin != self._checkpoint.origin:
            raise InvalidError(f"{what} is of another log")
        return checkpoint

    def _check_same(self, checkpoint: Checkpoint, what: str) -> None:
        if 0 < checkpoint.size < self._manifest.min_index:
            raise IncompleteError(f"{what} is of a tree whose entries were pruned since")
        if self._tree.root_at(checkpoint.size) != checkpoint.root:
            raise InvalidError(
                f"{what} is of another tree of {checkpoint.size} entries: it was changed or has two faces"
            )
        self._report.add("ok", f"{what}, of {checkpoint.size} entries, is of the same tree")

    def _check_decision(self) -> None:
        wanted, found = self._asked.decision, self._entries.found
        if wanted is None:
            return
        if found is None:
            raise IncompleteError(f"no entry in the bundle is decision {shown(wanted)}")
        self._report.add("ok", f"decision {shown(wanted)} is entry {found}")


def parse_keys(data: bytes) -> list[VerifierKey]:
    """Read ``keys.vkey``: one verifier key a line.

    Raises:
        InvalidError: a line is none, or there is none at all.
    """
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise InvalidError("`keys.vkey` is not UTF-8") from None
    if lines.pop() or not lines:
        raise InvalidError("`keys.vkey` is not written as it must be")
    return [parse_vkey(line) for line in lines]


_ROTATION_KEYS = {"v", "type", "t_min", "origin", "old_vkey", "new_vkey", "old_sig", "new_sig"}


def verify_rotation(entry: Json, origin: str, index: int) -> tuple[VerifierKey, VerifierKey]:
    """Check an entry that replaces the log's key and return the old key and the new one.

    Both keys sign the canonical bytes of the entry without ``old_sig`` and ``new_sig``; signatures are
    written in base64url without padding.

    Args:
        entry: the entry, parsed.
        origin: name of the log.
        index: the entry's place, for messages.

    Raises:
        InvalidError: the entry is not written as it must be or not signed by both keys.
    """
    try:
        return _rotation(entry, origin)
    except InvalidError as error:
        raise InvalidError(f"entry {index} does not replace the key of the log: {error}", index) from None


def _rotation(entry: Json, origin: str) -> tuple[VerifierKey, VerifierKey]:
    texts = [entry.get(name) for name in sorted(_ROTATION_KEYS - {"v", "t_min"})]
    if set(entry) != _ROTATION_KEYS or not all(isinstance(text, str) for text in texts):
        raise InvalidError("it does not say what it must")
    signed = canonical_json({name: entry[name] for name in _ROTATION_KEYS - {"old_sig", "new_sig"}})
    old, new = parse_vkey(entry["old_vkey"]), parse_vkey(entry["new_vkey"])
    if {old.name, new.name, entry["origin"]} != {origin} or {old.kind, new.kind} != {ED25519}:
        raise InvalidError("it is about another log or another kind of key")
    for key, signature in ((old, entry["old_sig"]), (new, entry["new_sig"])):
        if not verify_ed25519(key.material, signed, _base64url(signature)):
            raise InvalidError("it is not signed by both keys")
    return old, new


def _is_model(document: Json, version: str) -> bool:
    """Tell whether a model's manifest is that of a version, as far as its format is known here."""
    if not isinstance(document, dict) or document.get("version") != version:
        return False
    hashes = document.get("sha256")
    if document.get("format") != _MODEL_FORMAT or not isinstance(hashes, dict):
        return False
    content = [["format", _MODEL_FORMAT], *([name, hashes.get(name)] for name in _MODEL_FILES)]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest() == version


def _time(at_s: int | None) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_s))
    except (ValueError, OverflowError, OSError):
        return f"{at_s} s after 1970"


# --- receipts ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Receipt:
    """A receipt of one entry (c2sp.org/tlog-proof), unverified.

    Attributes:
        index: the entry's place.
        proof: hashes of the inclusion proof.
        checkpoint: a checkpoint, as it was served.
        extra: what is sent along, unsigned; ours is ``{"entry": text, "sections": …}`` in JSON.
    """

    index: int
    proof: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None


def parse_receipt(data: bytes) -> Receipt:
    """Read a ``.tlog-proof`` file.

    Raises:
        InvalidError: it is not written as the format says.
    """
    text = _note_text(data)
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise InvalidError("the receipt is not of a form that is known here")
    extra = _base64(lines.pop(0)[len("extra ") :]) if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise InvalidError("the receipt does not say which entry it is about")
    index = _decimal(lines.pop(0)[len("index ") :], "the index in the receipt")
    return Receipt(index, tuple(_base64(line) for line in lines), checkpoint.encode(), extra)


def entry_of_receipt(receipt: Receipt) -> bytes | None:
    """Return the entry that a receipt of ours holds, after checking what it discloses of it.

    Returns:
        The entry's bytes; None where the receipt holds none.

    Raises:
        InvalidError: what it holds is not written as it must be, or the sections are not those recorded.
    """
    if receipt.extra is None:
        return None
    extra = parse_json(receipt.extra)
    if (
        not isinstance(extra, dict)
        or not isinstance(extra.get("entry"), str)
        or not set(extra) <= _EXTRA_KEYS
    ):
        raise InvalidError("what the receipt holds besides its proof is not of a form that is known here")
    entry = extra["entry"].encode("utf-8", "surrogatepass")
    document = parse_canonical(entry)
    if "sections" in extra:
        verify_sections(document, extra["sections"])
    return bytes(entry)


_EXTRA_KEYS = {"entry", "sections"}


def check_receipt(data: bytes, asked: Asked) -> Report:
    """Check a receipt that holds its entry, without a bundle, and return what was found.

    Args:
        data: the ``.tlog-proof`` file.
        asked: keys of the log, at least one, and of witnesses that must have cosigned.
    """
    report = Report()
    report.attempt(_check_receipt_alone, data, asked, report)
    return report


def _check_receipt_alone(data: bytes, asked: Asked, report: Report) -> None:
    receipt = parse_receipt(data)
    text, signed = open_note(receipt.checkpoint, [*asked.log_keys, *asked.witnesses])
    checkpoint = parse_checkpoint(text)
    checked = {each.key for each in signed if each.checked}
    if not any(key in checked and key.name == checkpoint.origin for key in asked.log_keys):
        raise InvalidError("the checkpoint in the receipt is not signed by the key named for its log")
    entry = entry_of_receipt(receipt)
    if entry is None:
        raise IncompleteError("the receipt does not hold its entry: check it together with a bundle")
    _check_proof(receipt, checkpoint, leaf_hash(entry))
    report.add("ok", f"the receipt proves entry {receipt.index} of log {shown(checkpoint.origin)}")
    lacking = "note" if asked.allow_unwitnessed else "unwitnessed"
    for key in asked.witnesses:
        if key not in checked:
            report.add(lacking, f"witness {shown(key.name)} did not cosign the checkpoint in the receipt")
    if not asked.witnesses:
        report.add(lacking, "no witness was named: only the log itself speaks for the receipt")


def _check_proof(receipt: Receipt, checkpoint: Checkpoint, leaf: bytes) -> None:
    if not verify_inclusion(receipt.index, checkpoint.size, leaf, receipt.proof, checkpoint.root):
        raise InvalidError(f"the receipt does not prove entry {receipt.index}", receipt.index)


# --- command line -----------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what the command line names, print what was found and return the exit code."""
    options = _parser().parse_args(arguments)
    report = Report()
    try:
        report = _run(options)
    except VerificationError as error:
        report.add("incomplete" if error.exit_code == INCOMPLETE else "tampered", str(error))
    except Exception as error:  # noqa: BLE001  whatever a made-up bundle may provoke must not look like a crash
        report.add("tampered", f"the bundle cannot be read ({type(error).__name__})")
    lines = [json.dumps(report.to_plain(), indent=2)] if options.json else _lines(report)
    print("\n".join(lines))  # noqa: T201  this is a program, and printing its answer
    return report.exit_code


def _run(options: argparse.Namespace) -> Report:
    asked = Asked(
        log_keys=tuple(parse_vkey(text) for text in options.log_key),
        witnesses=tuple(parse_vkey(text) for text in options.witness),
        older=tuple(_read(path) for path in options.older),
        receipts=tuple(_read(path) for path in options.receipt),
        decision=options.decision,
        span=options.range,
        allow_unwitnessed=options.allow_unwitnessed,
    )
    if options.bundle is not None:
        return check_bundle(open_bundle(options.bundle), asked)
    if len(asked.receipts) != 1 or not asked.log_keys:
        raise IncompleteError("name a bundle, or one receipt and the key of its log")
    return check_receipt(asked.receipts[0], asked)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_NOTE_BYTES + 1)
    except OSError:
        raise IncompleteError(f"{shown(str(path))} cannot be read") from None


def _lines(report: Report) -> list[str]:
    lines = [f"{line.kind}: {line.text}" for line in report.lines]
    if report.first_bad_index is not None:
        lines.append(f"first bad index: {report.first_bad_index}")
    return [*lines, f"verdict: {report.verdict}"]


def _span(text: str) -> tuple[int, int]:
    found = re.fullmatch("([0-9]{1,18}):([0-9]{1,18})", text)
    if found is None:
        raise argparse.ArgumentTypeError("write it as FIRST:END")
    return int(found[1]), int(found[2])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verify.py",
        description="Check an exported decision log offline. Exit codes: 0 valid, 1 tampered, 2 incomplete, "
        "3 valid but unwitnessed: a witness named did not cosign, or none is named. Only where no key of "
        "the log is named either is a witness that the bundle names taken for one.",
        epilog="Keys inside a bundle prove nothing about who made it. Name the key of the log and those of "
        "witnesses as you were given them on another way, and run a copy of this program of your own.",
    )
    add = parser.add_argument
    add("bundle", nargs="?", type=Path, metavar="BUNDLE", help="zip file or folder")
    add(
        "--log-key",
        action="append",
        default=[],
        metavar="VKEY",
        help="key of the log; wins over those inside",
    )
    add(
        "--witness",
        action="append",
        default=[],
        metavar="VKEY",
        help="witness that must have cosigned; may be given several times; wins over those inside",
    )
    add(
        "--older",
        action="append",
        default=[],
        type=Path,
        metavar="CHECKPOINT",
        help="a checkpoint you kept: the log must have grown from it",
    )
    add(
        "--receipt",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a .tlog-proof file: its entry must be in the log; alone with --log-key and no bundle",
    )
    add("--decision", metavar="ID", help="say where a decision is; incomplete if it is not there")
    add(
        "--range",
        type=_span,
        metavar="FIRST:END",
        help="entries you asked for; without it a bundle of fewer than the log keeps is incomplete",
    )
    add("--allow-unwitnessed", action="store_true", help="exit with 0 where only a witness is lacking")
    add("--json", action="store_true", help="print one JSON document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
