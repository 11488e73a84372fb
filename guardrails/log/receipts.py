"""Receipts: proof that an entry is in the log, complete in itself and checked without asking anybody.

Source: c2sp.org/tlog-proof; the file extension is ``.tlog-proof``.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from guardrails.errors import LogError
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.merkle import HASH_BYTES
from guardrails.log.notes import text_of

_FIRST_LINE = "c2sp.org/tlog-proof@v1"


def receipt(index: int, proof: Sequence[bytes], note: str, *, extra: bytes = b"") -> str:
    """Return a receipt.

    Args:
        index: the entry's position in the log, from 0.
        proof: the inclusion proof, leaf side first, for the tree of the checkpoint.
        note: the checkpoint with its signatures.
        extra: what the reader needs besides, such as disclosures. Nothing signs it: the reader has to
            check it against the entry.

    Raises:
        LogError: the checkpoint's tree has no such entry, or a hash is not of 32 bytes.
    """
    size = Checkpoint.parse(text_of(note)).size
    if not 0 <= index < size:
        raise LogError(f"a tree of {size} leaves has no leaf `{index}`")
    if any(len(each) != HASH_BYTES for each in proof):
        raise LogError("a hash is not of 32 bytes")
    lines = [_FIRST_LINE]
    if extra:
        lines.append(f"extra {_encoded(extra)}")
    lines.append(f"index {index}")
    lines += [_encoded(each) for each in proof]
    return "\n".join([*lines, "", note])


def _encoded(data: bytes) -> str:
    return b64encode(data).decode()
