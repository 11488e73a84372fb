"""Tiles hold the tree in pieces from which everything can be computed again."""

from __future__ import annotations

import pytest
from support.trees import WholeTree, some_leaves

from guardrails.errors import LogError
from guardrails.log.merkle import inclusion_proof, root_at, root_of
from guardrails.log.tiles import (
    TilePath,
    entries_of,
    entries_path,
    entry_bundle,
    grown_tiles,
    hashes_in,
    parse_tile_path,
    tile_path,
    widths,
)

LEAVES = some_leaves(700)
TREE = WholeTree(LEAVES)


class Stored(dict):
    """Tiles in memory, which counts how often they are read."""

    def __init__(self):
        super().__init__()
        self.n_reads = 0

    def read(self, level: int, number: int) -> bytes:
        self.n_reads += 1
        return self.get((level, number), b"")

    def append(self, size: int, leaves: list[bytes]) -> None:
        self.update(grown_tiles(size, leaves, self.read))


def stored(size: int = len(LEAVES)) -> Stored:
    tiles = Stored()
    tiles.append(0, LEAVES[:size])
    return tiles


def test_a_tree_just_beyond_a_full_tile_has_these_tiles():
    tiles = stored(300)
    assert {which: len(tile) // 32 for which, tile in tiles.items()} == {(0, 0): 256, (0, 1): 44, (1, 0): 1}
    assert tiles[0, 1] == b"".join(LEAVES[256:300])
    assert tiles[1, 0] == root_of(LEAVES[:256])


def test_only_the_tiles_that_change_are_written():
    tiles = stored(300)
    assert set(grown_tiles(300, LEAVES[300:310], tiles.read)) == {(0, 1)}
    assert set(grown_tiles(300, LEAVES[300:512], tiles.read)) == {(0, 1), (1, 0)}
    assert grown_tiles(300, [], tiles.read) == {}


def test_a_tree_that_grew_step_by_step_has_the_tiles_of_one_that_grew_at_once():
    tiles, size = Stored(), 0
    for step in [1, 254, 1, 1, 63, 192, 0, 188]:
        tiles.append(size, LEAVES[size : size + step])
        size += step
    assert size == len(LEAVES)
    assert tiles == stored()


def test_what_a_tile_holds_beyond_the_tree_is_cut_off():
    ahead = stored(700)
    assert grown_tiles(600, LEAVES[600:610], ahead.read)[0, 2] == b"".join(LEAVES[512:610])


def test_every_complete_subtree_can_be_had_from_the_tiles():
    hash_of = hashes_in(stored().read)
    for level, row in enumerate(TREE.levels[:10]):
        assert [hash_of(level, index) for index in range(len(row))] == row


def test_a_tile_is_read_once():
    tiles = stored()
    tiles.n_reads = 0
    hash_of = hashes_in(tiles.read)
    for index in range(0, 700, 7):
        inclusion_proof(index, 700, hash_of)
    assert tiles.n_reads == len(tiles)


def test_a_tile_that_has_grown_since_is_read_again():
    tiles = stored(10)
    hash_of = hashes_in(tiles.read)
    assert root_at(10, hash_of) == root_of(LEAVES[:10])
    tiles.append(10, LEAVES[10:20])
    assert root_at(20, hash_of) == root_of(LEAVES[:20])


@pytest.mark.parametrize(("level", "index"), [(0, 700), (3, 87), (9, 1), (16, 0)])
def test_a_subtree_that_is_not_complete_is_not_there(level, index):
    with pytest.raises(LogError, match="lacks hashes"):
        hashes_in(stored().read)(level, index)


def test_a_tree_does_not_grow_over_a_gap():
    with pytest.raises(LogError, match="lacks hashes"):
        grown_tiles(20, LEAVES[20:30], stored(19).read)


@pytest.mark.parametrize(("size", "leaves"), [(0, [b"entry instead of hash"]), (-1, LEAVES[:1])])
def test_a_tree_grows_by_hashes_from_a_size(size, leaves):
    with pytest.raises(LogError):
        grown_tiles(size, leaves, Stored().read)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, []), (1, [1]), (256, [0, 1]), (70_000, [112, 17, 1]), (65_536, [0, 0, 1])],
)
def test_partial_tiles_are_as_wide_as_the_specification_says(size, expected):
    assert widths(size) == expected


def test_a_negative_size_has_no_tiles():
    with pytest.raises(LogError):
        widths(-1)


PATHS = [
    ("tile/0/000", TilePath(0, 0, 256)),
    ("tile/0/x001/067", TilePath(0, 1067, 256)),
    ("tile/63/x001/x234/067", TilePath(63, 1_234_067, 256)),
    ("tile/1/999.p/17", TilePath(1, 999, 17)),
    ("tile/entries/x001/000.p/255", TilePath(None, 1000, 255)),
    ("tile/entries/012", TilePath(None, 12, 256)),
]


@pytest.mark.parametrize(("written", "named"), PATHS)
def test_a_path_names_a_tile_or_a_bundle(written, named):
    assert parse_tile_path(written) == named
    level, number, width = named
    assert written == (entries_path(number, width) if level is None else tile_path(level, number, width))


@pytest.mark.parametrize(
    "written",
    [
        "",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/05",
        "tile/0/000.p/256",
        "tile/0/000.p/999",
        "tile/entries/000/",
        "tile/data/000",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0661",
        "tile/0/" + "x001/" * 2_000 + "000",
    ],
)
def test_every_other_way_of_writing_a_path_is_refused(written):
    with pytest.raises(LogError, match="does not name a tile"):
        parse_tile_path(written)


@pytest.mark.parametrize("which", [(-1, 0, 256), (64, 0, 256), (0, -1, 256), (0, 0, 0), (0, 0, 257)])
def test_a_tile_that_cannot_be_has_no_path(which):
    with pytest.raises(LogError, match="there"):
        tile_path(*which)


def test_a_bundle_gives_its_entries_back():
    entries = [b"one", b"", b"x" * 65_535]
    bundle = entry_bundle(entries)
    assert bundle.startswith(b"\0\3one\0\0\xff\xff")
    assert entries_of(bundle) == entries
    assert entries_of(b"") == []


def test_an_entry_too_long_for_a_bundle_is_refused():
    with pytest.raises(LogError, match="65536 bytes is too long"):
        entry_bundle([b"x" * 65_536])


@pytest.mark.parametrize("n_lost", [1, 2, 3])
def test_a_bundle_cut_short_is_refused(n_lost):
    with pytest.raises(LogError, match="cut short"):
        entries_of(entry_bundle([b"one", b"tw"])[:-n_lost])
