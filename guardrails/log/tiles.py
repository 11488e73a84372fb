"""Tiles: the Merkle tree and its entries in pieces that never change once they are full.

A tile of level ``l`` holds up to 256 neighbouring hashes of tree level ``8 * l``, one after the other;
nodes in between are computed when they are asked for. An entry bundle holds the entries under a tile
of level 0. Only the right-most tile of a level may be *partial*, and it only ever grows.

Source: c2sp.org/tlog-tiles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from guardrails.errors import LogError
from guardrails.log.merkle import HASH_BYTES, HashOf, node_hash, split_hashes

TILE_HEIGHT = 8
"""Tree levels that one tile spans."""

TILE_WIDTH = 1 << TILE_HEIGHT
"""Hashes in a full tile."""

MAX_ENTRY_BYTES = 2**16 - 1
"""The longest entry that a bundle can hold: its length is written in two bytes."""

ReadTile = Callable[[int, int], bytes]
"""``(level, number)`` -> the hashes of a tile stored so far, one after the other."""

_LENGTH_BYTES = 2
_MAX_LEVEL = 63
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<number>(?:x[0-9]{3}/){0,6}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


class TilePath(NamedTuple):
    """What a path names.

    Attributes:
        level: level of the tile; None for an entry bundle.
        number: which tile of the level, from 0.
        width: how many hashes or entries it holds, 1 to 256.
    """

    level: int | None
    number: int
    width: int


def grown_tiles(size: int, leaf_hashes: Sequence[bytes], read_tile: ReadTile) -> dict[tuple[int, int], bytes]:
    """Return the whole new content of every tile that appending leaves changes.

    Args:
        size: leaves of the tree before.
        leaf_hashes: hashes of the leaves to append, in order.
        read_tile: the tiles as they were; what they hold beyond ``size`` is ignored.

    Returns:
        Contents by ``(level, number)``.

    Raises:
        LogError: a hash is not of 32 bytes, or a tile lacks hashes that a tree of ``size`` has.
    """
    if size < 0 or any(len(leaf) != HASH_BYTES for leaf in leaf_hashes):
        raise LogError("a tree grows by hashes of 32 bytes from a size that is not negative")
    changed: dict[tuple[int, int], bytes] = {}
    level, n_before, appended = 0, size, list(leaf_hashes)
    while appended:
        first, n_kept = divmod(n_before, TILE_WIDTH)
        kept = _holding(n_kept, level, first, read_tile) if n_kept else b""
        row = kept[: n_kept * HASH_BYTES] + b"".join(appended)
        full_bytes = TILE_WIDTH * HASH_BYTES
        pieces = [row[at : at + full_bytes] for at in range(0, len(row), full_bytes)]
        changed.update(((level, first + at), piece) for at, piece in enumerate(pieces))
        appended = [_top_of(split_hashes(piece)) for piece in pieces if len(piece) == full_bytes]
        level, n_before = level + 1, first
    return changed


def hashes_in(read_tile: ReadTile) -> HashOf:
    """Return access to the hash of any complete subtree whose tiles can be read.

    Tiles are remembered, and read again only where they have to have grown; nodes inside a tile are
    computed on demand.

    Returns:
        The function; it raises ``LogError`` for a subtree that the tiles do not hold.
    """
    remembered: dict[tuple[int, int], bytes] = {}

    def hash_of(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        number, first = divmod(index << height, TILE_WIDTH)
        end = first + (1 << height)
        tile = remembered.get((tile_level, number), b"")
        if len(tile) < end * HASH_BYTES:
            tile = remembered[tile_level, number] = _holding(end, tile_level, number, read_tile)
        return _top_of(split_hashes(tile[first * HASH_BYTES : end * HASH_BYTES]))

    return hash_of


def widths(size: int) -> list[int]:
    """Return how many hashes the right-most, partial tile of each level holds, lowest level first.

    A 0 says that all tiles of that level are full: an empty tile does not exist. The list ends with
    the highest level that has hashes at all.

    Raises:
        LogError: the size is negative.
    """
    if size < 0:
        raise LogError("a tree has no negative size")
    partial = []
    while size:
        size, width = divmod(size, TILE_WIDTH)
        partial.append(width)
    return partial


def tile_path(level: int, number: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile under the log's prefix: `tile/0/x001/067`, or `tile/0/x001/067.p/5`.

    Raises:
        LogError: there is no such tile.
    """
    if not 0 <= level <= _MAX_LEVEL:
        raise LogError(f"there are no tiles of level `{level}`")
    return f"tile/{level}/{_numbered(number, width)}"


def entries_path(number: int, width: int = TILE_WIDTH) -> str:
    """Return the path of an entry bundle under the log's prefix: `tile/entries/x001/067`.

    Raises:
        LogError: there is no such bundle.
    """
    return f"tile/entries/{_numbered(number, width)}"


def parse_tile_path(path: str) -> TilePath:
    """Return what a path under the log's prefix names; only the one way of writing it is understood.

    Raises:
        LogError: it is not the path of a tile or of an entry bundle.
    """
    found = _PATH.fullmatch(path)
    if found is None:
        raise LogError("the path does not name a tile")
    level = None if found["level"] == "entries" else int(found["level"])
    number = int(found["number"].replace("/", "").replace("x", ""))
    width = TILE_WIDTH if found["width"] is None else int(found["width"])
    try:
        written = entries_path(number, width) if level is None else tile_path(level, number, width)
    except LogError:
        written = ""
    if written != path:
        raise LogError("the path does not name a tile")
    return TilePath(level, number, width)


def entry_bundle(entries: Iterable[bytes]) -> bytes:
    """Return entries as a bundle: each after its length in two bytes, big-endian.

    Raises:
        LogError: an entry is longer than 65,535 bytes.
    """
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise LogError(f"an entry of {len(entry)} bytes is too long for a bundle")
        parts += (len(entry).to_bytes(_LENGTH_BYTES, "big"), entry)
    return b"".join(parts)


def entries_of(bundle: bytes) -> list[bytes]:
    """Return the entries of a bundle.

    Raises:
        LogError: the bundle is cut short.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(bundle[at:start], "big")
        entries.append(bundle[start:at])
    if at > len(bundle):
        raise LogError("a bundle of entries is cut short")
    return entries


def _numbered(number: int, width: int) -> str:
    """Return a tile's number in groups of three digits, with its width where it is partial."""
    if number < 0 or not 1 <= width <= TILE_WIDTH:
        raise LogError(f"there is no tile `{number}` of width `{width}`")
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "".join(f"x{group}/" for group in groups[:-1]) + groups[-1]
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def _holding(n_hashes: int, level: int, number: int, read_tile: ReadTile) -> bytes:
    """Return a tile that has at least so many hashes."""
    tile = read_tile(level, number)
    if len(tile) < n_hashes * HASH_BYTES:
        raise LogError(f"tile `{level}/{number}` lacks hashes that the tree has")
    return tile


def _top_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over neighbouring hashes whose number is a power of two."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]
