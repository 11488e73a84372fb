"""What a log sends to a witness, and reading it.

    old <size that the witness has signed last>
    <hashes of the consistency proof, base64, a line each>

    <the checkpoint, a signed note>

Source: c2sp.org/tlog-witness.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import NamedTuple

from api.errors import WitnessRefusedError
from guardrails.log.verifier import HASH_BYTES, Checkpoint, InvalidError, Note, parse_checkpoint, parse_note

MAX_PROOF_LINES = 63
"""The longest proof there can be: a hash for each level of a tree whose size is a 64-bit number."""

MALFORMED = 400

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


class Submission(NamedTuple):
    """A checkpoint to be signed.

    Attributes:
        old_size: leaves of the tree that it goes on from.
        proof: the consistency proof from there.
        data: the signed checkpoint as it was sent.
        note: the same, taken apart; nothing of it is verified.
        checkpoint: what it says.
    """

    old_size: int
    proof: tuple[bytes, ...]
    data: bytes
    note: Note
    checkpoint: Checkpoint


def write_submission(old_size: int, proof: Sequence[bytes], note: str) -> bytes:
    """Return the body of a request to sign a checkpoint."""
    lines = [f"old {old_size}", *(b64encode(each).decode() for each in proof)]
    return "\n".join([*lines, "", note]).encode()


def read_submission(body: bytes) -> Submission:
    """Read the body of a request; only the one way of writing it is understood.

    Raises:
        WitnessRefusedError: it is malformed (400).
    """
    head, _, data = body.partition(b"\n\n")
    old, *proof = head.split(b"\n")
    found = _OLD.fullmatch(old.decode("ascii", "replace"))
    if found is None or len(proof) > MAX_PROOF_LINES:
        raise WitnessRefusedError(MALFORMED, "the request is not an old size, a proof and a checkpoint")
    try:
        note = parse_note(data)
        checkpoint = parse_checkpoint(note.text)
    except InvalidError as error:
        raise WitnessRefusedError(MALFORMED, str(error)) from None
    if int(found[1]) > checkpoint.size:
        raise WitnessRefusedError(MALFORMED, "the old size is larger than that of the checkpoint")
    return Submission(int(found[1]), tuple(map(_hash, proof)), data, note, checkpoint)


def _hash(line: bytes) -> bytes:
    try:
        decoded = b64decode(line, validate=True)
    except ValueError:
        decoded = b""
    if len(decoded) != HASH_BYTES or b64encode(decoded) != line:
        raise WitnessRefusedError(MALFORMED, "a line of the proof is not a hash in base64")
    return decoded
