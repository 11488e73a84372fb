"""The Merkle tree over the log's entries: roots and proofs, computed by whoever keeps the log.

``MTH({}) = SHA-256("")``, a leaf is ``SHA-256(0x00 ‖ entry)``, a node ``SHA-256(0x01 ‖ left ‖ right)``;
a tree of n leaves splits at the largest power of two below n. A subtree is *complete* if it has
2^level leaves; complete subtrees never change again, so they are all that has to be kept.

Proofs are made here and checked in ``guardrails/log/verifier.py``, which shares no code with this.

Source: RFC 6962, section 2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from guardrails.errors import LogError

HASH_BYTES = 32
"""Bytes of every hash in the tree."""

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""

HashOf = Callable[[int, int], bytes]
"""``(level, index)`` -> hash of the ``index``-th complete subtree of ``2**level`` leaves."""

_LEAF = b"\x00"
_NODE = b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf whose data is ``entry``."""
    return sha256(_LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two hashes."""
    return sha256(_NODE + left + right).digest()


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root over the leaves, in order.

    Raises:
        LogError: a hash is not of 32 bytes.
    """
    return Frontier.empty().with_leaves(leaf_hashes).root()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that appending needs to know of a tree.

    Attributes:
        size: number of leaves.
        hashes: roots of the complete subtrees, largest first: one for each bit set in ``size``.

    Raises:
        LogError: the hashes are not those of a tree of that size.
    """

    size: int
    hashes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise LogError("the hashes of a frontier do not fit its size")
        _check_lengths(self.hashes)

    @classmethod
    def empty(cls) -> Frontier:
        """Return the frontier of a tree without leaves."""
        return cls(0, ())

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """Read what ``to_bytes`` wrote.

        Raises:
            LogError: the bytes are not those of a tree of that size.
        """
        return cls(size, tuple(split_hashes(data)))

    def to_bytes(self) -> bytes:
        """Return the hashes one after the other, largest subtree first."""
        return b"".join(self.hashes)

    def with_leaves(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """Return the frontier after the leaves were appended.

        Raises:
            LogError: a hash is not of 32 bytes.
        """
        size, hashes = self.size, list(self.hashes)
        for leaf in leaf_hashes:
            if len(leaf) != HASH_BYTES:
                raise LogError("a hash is not of 32 bytes")
            size += 1
            grown, rest = leaf, size
            while not rest & 1:  # two complete subtrees of one size are one of twice the size
                grown = sha256(_NODE + hashes.pop() + grown).digest()
                rest >>= 1
            hashes.append(grown)
        return Frontier(size, tuple(hashes))

    def root(self) -> bytes:
        """Return the root of the tree."""
        return _joined(self.hashes) if self.hashes else EMPTY_ROOT


def root_at(size: int, hash_of: HashOf) -> bytes:
    """Return the root of the tree's first ``size`` leaves.

    Raises:
        LogError: the size is negative.
    """
    if size < 0:
        raise LogError("a tree has no negative size")
    return _range_root(0, size, hash_of) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, hash_of: HashOf) -> list[bytes]:
    """Return the audit path of leaf ``index`` in the tree of the first ``size`` leaves, leaf side first.

    Raises:
        LogError: the tree has no such leaf.

    Source: RFC 6962, section 2.1.1.
    """
    if not 0 <= index < size:
        raise LogError(f"a tree of {size} leaves has no leaf `{index}`")
    start, end = 0, size
    from_the_top: list[bytes] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            from_the_top.append(_range_root(middle, end, hash_of))
            end = middle
        else:
            from_the_top.append(_range_root(start, middle, hash_of))
            start = middle
    return from_the_top[::-1]


def consistency_proof(old_size: int, new_size: int, hash_of: HashOf) -> list[bytes]:
    """Return the proof that the first ``old_size`` leaves of the tree of ``new_size`` are the older tree.

    Nothing has to be proved of the empty tree or of one that did not grow: the proof is empty.

    Raises:
        LogError: the old size is negative or larger than the new one.

    Source: RFC 6962, section 2.1.2.
    """
    if not 0 <= old_size <= new_size:
        raise LogError(f"a tree of {new_size} leaves has not grown from `{old_size}`")
    if old_size in {0, new_size}:
        return []
    start, end = 0, new_size
    from_the_top: list[bytes] = []
    while end != old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            from_the_top.append(_range_root(middle, end, hash_of))
            end = middle
        else:
            from_the_top.append(_range_root(start, middle, hash_of))
            start = middle
    if start:  # otherwise what is left is the old tree, whose root the reader knows
        from_the_top.append(_range_root(start, end, hash_of))
    return from_the_top[::-1]


def split_hashes(data: bytes) -> list[bytes]:
    """Return the hashes that stand one after the other in ``data``.

    Raises:
        LogError: the last one is cut short.
    """
    if len(data) % HASH_BYTES:
        raise LogError("a row of hashes is cut short")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def _split(n_leaves: int) -> int:
    """Return the largest power of two below ``n_leaves``, which is at least 2."""
    return 1 << ((n_leaves - 1).bit_length() - 1)


def _range_root(start: int, end: int, hash_of: HashOf) -> bytes:
    """Return the root over leaves ``start`` to ``end``, a range that splitting the tree leads to."""
    complete: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        complete.append(hash_of(level, start >> level))
        start += 1 << level
    return _joined(complete)


def _joined(largest_first: Sequence[bytes]) -> bytes:
    """Return the root over neighbouring complete subtrees, of which there is at least one."""
    root = largest_first[-1]
    for left in reversed(largest_first[:-1]):
        root = node_hash(left, root)
    return root


def _check_lengths(hashes: Iterable[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise LogError("a hash is not of 32 bytes")
