"""Checkpoints: what a log says its tree is, in the text that is signed.

Three lines: the log's origin, the number of leaves, the root. Extension lines may follow in other
people's checkpoints; nobody can audit them, so ours have none and they are passed over when read.

Source: c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

from guardrails.errors import LogError
from guardrails.log.merkle import HASH_BYTES

MAX_SIZE = 2**62 - 1
"""The most leaves a checkpoint may speak of: more than any log has, and far from overflowing anywhere."""

_CONTROL = re.compile(r"[\x00-\x1f\ud800-\udfff]")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_N_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log at one time.

    Attributes:
        origin: which log; a URL without scheme by convention.
        size: number of leaves.
        root: root of the tree of that many leaves, 32 bytes.

    Raises:
        LogError: a line cannot be written so.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or _CONTROL.search(self.origin):
            raise LogError("the origin of a checkpoint is one line of text that is not empty")
        if not 0 <= self.size <= MAX_SIZE:
            raise LogError(f"`{self.size}` is not the size of a tree")
        if len(self.root) != HASH_BYTES:
            raise LogError("the root of a checkpoint is not of 32 bytes")

    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a signed note; only the one way of writing each line is understood.

        Raises:
            LogError: it is not the text of a checkpoint.
        """
        *lines, rest = text.split("\n")
        if rest or len(lines) < _N_LINES or not all(lines):
            raise LogError("a checkpoint is at least three lines of text, none of them empty")
        origin, size, root = lines[:_N_LINES]
        if not _SIZE.fullmatch(size):
            raise LogError("the size in a checkpoint is not a decimal number")
        return cls(origin, int(size), _decoded(root))


def _decoded(root: str) -> bytes:
    try:
        decoded = b64decode(root, validate=True)
    except ValueError:
        decoded = b""
    if not decoded or b64encode(decoded).decode() != root:
        raise LogError("the root in a checkpoint is not base64")
    return decoded
