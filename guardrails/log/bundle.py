"""Bundles: what an auditor is given, as files that ``guardrails/log/verifier.py`` checks offline.

The layout is described where it is read, at the head of the verifier, which goes along as ``verify.py``.
Hashes inside tiles do not compress; entries do, to about half.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType

from guardrails.errors import LogError
from guardrails.log.canonical import canonical
from guardrails.log.merkle import HASH_BYTES
from guardrails.log.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    ReadTile,
    entries_of,
    entries_path,
    entry_bundle,
    tile_path,
    widths,
)

FORMAT = 1
"""Version of the layout."""

ReadEntries = Callable[[int], bytes]
"""Number of an entry bundle -> the bundle, with the entries stored so far."""

Sections = Mapping[str, tuple[bytes, bytes]]
"""Salt and canonical bytes of each section that is disclosed, by its name."""


@dataclass(frozen=True, slots=True)
class BundlePieces:
    """All that goes into a bundle.

    Attributes:
        origin: the log's name.
        checkpoint: the signed checkpoint, as it is served.
        vkeys: the log's verifier keys, then those of witnesses.
        size: entries of the checkpoint's tree.
        min_index: first entry that the log still keeps.
        first: first entry to give.
        end: one past the last entry to give; entries come in bundles of 256, so neighbours come along.
        read_tile: the tiles; what they hold beyond ``size`` is cut.
        read_entries: the entry bundles; what they hold beyond ``size`` is cut.
        made_by: version of this program.
        verifier: the verifier's source.
        disclosures: sections to disclose, by the index of their decision.
        policies: canonical documents of policies, by version.
        models: manifests of models, by version.
    """

    origin: str
    checkpoint: bytes
    vkeys: Sequence[str]
    size: int
    min_index: int
    first: int
    end: int
    read_tile: ReadTile
    read_entries: ReadEntries
    made_by: str
    verifier: bytes
    disclosures: Mapping[int, Sections] = field(default_factory=dict)
    policies: Mapping[str, bytes] = field(default_factory=dict)
    models: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.min_index <= self.first <= self.end <= self.size:
            raise LogError("a bundle is of entries that the log has and still keeps")


def bundle_files(pieces: BundlePieces) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a bundle as path and content, the manifest last.

    No more than one file is held at a time, so a bundle may be larger than memory.

    Raises:
        LogError: a tile or an entry bundle lacks what a tree of that size has.
    """
    listed = []
    for path, content in _contents(pieces):
        listed.append({"path": path, "sha256": sha256(content).hexdigest()})
        yield path, content
    yield "MANIFEST.json", _manifest(pieces, listed)


def disclosure(index: int, sections: Sections) -> bytes:
    """Return the file that discloses sections of a decision.

    Args:
        index: the decision's place in the log.
        sections: salt and canonical bytes of each, by name.
    """
    return canonical({"index": index, "sections": _plain(sections)})


def receipt_extra(entry: bytes, sections: Sections = MappingProxyType({})) -> bytes:
    """Return what a receipt carries besides its proof: the entry and, if any, what is disclosed of it.

    Args:
        entry: canonical bytes of the entry.
        sections: salt and canonical bytes of each section that is disclosed, by name.
    """
    disclosed = {"sections": _plain(sections)} if sections else {}
    return canonical({"entry": entry.decode(), **disclosed})


def _plain(sections: Sections) -> dict[str, dict[str, str]]:
    return {
        name: {"salt": urlsafe_b64encode(salt).decode().rstrip("="), "content": content.decode()}
        for name, (salt, content) in sections.items()
    }


def _contents(pieces: BundlePieces) -> Iterator[tuple[str, bytes]]:
    yield "checkpoint", pieces.checkpoint
    yield "keys.vkey", "".join(f"{vkey}\n" for vkey in pieces.vkeys).encode()
    yield "verify.py", pieces.verifier
    yield from _tiles(pieces)
    yield from _entries(pieces)
    for index, sections in pieces.disclosures.items():
        yield f"disclosures/{index}.json", disclosure(index, sections)
    for version, document in pieces.policies.items():
        yield f"policies/{version}.json", document
    for version, manifest in pieces.models.items():
        yield f"models/{version}.json", manifest


def _tiles(pieces: BundlePieces) -> Iterator[tuple[str, bytes]]:
    """Yield every tile but those that end before the first entry kept."""
    for level in range(len(widths(pieces.size))):
        n_hashes = pieces.size >> TILE_HEIGHT * level
        for number in range(pieces.min_index >> TILE_HEIGHT * (level + 1), _n_tiles(n_hashes)):
            width = _width(n_hashes, number)
            tile = pieces.read_tile(level, number)[: width * HASH_BYTES]
            if len(tile) < width * HASH_BYTES:
                raise LogError(f"tile `{level}/{number}` lacks hashes that the tree has")
            yield tile_path(level, number, width), tile


def _entries(pieces: BundlePieces) -> Iterator[tuple[str, bytes]]:
    if pieces.first == pieces.end:
        return
    for number in range(pieces.first // TILE_WIDTH, _n_tiles(pieces.end)):
        width = _width(pieces.size, number)
        entries = entries_of(pieces.read_entries(number))[:width]
        if len(entries) < width:
            raise LogError(f"bundle `{number}` lacks entries that the tree has")
        yield entries_path(number, width), entry_bundle(entries)


def _n_tiles(n_hashes: int) -> int:
    return -(-n_hashes // TILE_WIDTH)


def _width(n_hashes: int, number: int) -> int:
    return min(TILE_WIDTH, n_hashes - number * TILE_WIDTH)


def _manifest(pieces: BundlePieces, listed: list[dict[str, str]]) -> bytes:
    document: dict[str, object] = {
        "v": FORMAT,
        "origin": pieces.origin,
        "size": pieces.size,
        "min_index": pieces.min_index,
        "first": pieces.first,
        "end": pieces.end,
        "made_by": pieces.made_by,
        "files": listed,
    }
    return canonical({**document, "self_sha256": sha256(canonical(document)).hexdigest()})
