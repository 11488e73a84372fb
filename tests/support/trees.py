"""Merkle trees and proofs a second way: by the letter of RFC 6962, and slow where that is plainer."""

from __future__ import annotations

from hashlib import sha256

CT_ENTRIES = tuple(
    bytes.fromhex(entry)
    for entry in "- 00 10 2021 3031 40414243 5051525354555657 606162636465666768696a6b6c6d6e6f".replace(
        "-", ""
    ).split(" ")
)
"""The eight entries that implementations of Certificate Transparency are tested with."""


def some_leaves(n: int) -> list[bytes]:
    """Hashes of leaves, all different."""
    return [sha256(b"\0%d" % number).digest() for number in range(n)]


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def _split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def head(leaves: list[bytes]) -> bytes:
    """``MTH`` of RFC 6962, section 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return _node(head(leaves[:k]), head(leaves[k:]))


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """``PATH`` of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), head(leaves[k:])]
    return [*path(index - k, leaves[k:]), head(leaves[:k])]


def proof(old: int, leaves: list[bytes], *, known: bool = True) -> list[bytes]:
    """``SUBPROOF`` of RFC 6962, section 2.1.2."""
    if old == len(leaves):
        return [] if known else [head(leaves)]
    k = _split(len(leaves))
    if old <= k:
        return [*proof(old, leaves[:k], known=known), head(leaves[k:])]
    return [*proof(old - k, leaves[k:], known=False), head(leaves[:k])]


class WholeTree:
    """Every complete subtree of a tree, computed once and looked up."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = leaves
        self.levels = [leaves]
        while len(row := self.levels[-1]) > 1:
            self.levels.append([_node(*row[at : at + 2]) for at in range(0, len(row) - 1, 2)])

    def hash_of(self, level: int, index: int) -> bytes:
        return self.levels[level][index]
