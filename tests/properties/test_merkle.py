"""Promises of the log's tree, for trees of any size: what is in it can be proved, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.trees import WholeTree, some_leaves
from support.tries import tries

from guardrails.log.merkle import Frontier, consistency_proof, inclusion_proof, root_at, root_of
from guardrails.log.tiles import grown_tiles, hashes_in, widths
from guardrails.log.verifier import verify_consistency, verify_inclusion

EXHAUSTIVE = 300
LARGEST = 100_000

LEAVES = some_leaves(LARGEST)
TREE = WholeTree(LEAVES)

sizes = st.integers(1, LARGEST)
ordered_sizes = st.lists(sizes, min_size=2, max_size=2).map(sorted)


def test_every_leaf_of_every_tree_up_to_300_is_proved():
    for size in range(1, EXHAUSTIVE + 1):
        root = root_at(size, TREE.hash_of)
        for index in range(size):
            proof = inclusion_proof(index, size, TREE.hash_of)
            assert verify_inclusion(index, size, LEAVES[index], proof, root)


def test_every_tree_up_to_300_is_proved_to_have_grown_from_every_smaller_one():
    roots = [root_at(size, TREE.hash_of) for size in range(EXHAUSTIVE + 1)]
    for new in range(EXHAUSTIVE + 1):
        for old in range(new + 1):
            proof = consistency_proof(old, new, TREE.hash_of)
            assert verify_consistency(old, new, proof, roots[old], roots[new], from_empty=True)


def test_the_frontier_has_the_root_of_every_tree_up_to_300():
    frontier = Frontier.empty()
    for size in range(1, EXHAUSTIVE + 1):
        frontier = frontier.with_leaves([LEAVES[size - 1]])
        assert frontier.size == size
        assert frontier.root() == root_at(size, TREE.hash_of) == root_of(LEAVES[:size])


@given(sizes, st.data())
def test_any_leaf_of_a_large_tree_is_proved_and_no_other(size, data):
    index = data.draw(st.integers(0, size - 1))
    root = root_at(size, TREE.hash_of)
    proof = inclusion_proof(index, size, TREE.hash_of)
    assert verify_inclusion(index, size, LEAVES[index], proof, root)
    assert not verify_inclusion(index, size, LEAVES[index], [bytes(32), *proof], root)
    other = data.draw(st.integers(0, LARGEST - 1).filter(lambda at: at != index))
    assert not verify_inclusion(index, size, LEAVES[other], proof, root)
    assert not verify_inclusion(other, size, LEAVES[index], proof, root)


@given(ordered_sizes)
def test_any_growth_of_a_large_tree_is_proved(both):
    old, new = both
    proof = consistency_proof(old, new, TREE.hash_of)
    roots = (root_at(old, TREE.hash_of), root_at(new, TREE.hash_of))
    assert verify_consistency(old, new, proof, *roots)


@given(st.integers(1, 2_000), st.integers(1, 100), st.data())
def test_a_tree_in_which_a_leaf_was_changed_has_not_grown_from_the_older_one(old, n_more, data):
    new = old + n_more
    changed = LEAVES[:new]
    changed[data.draw(st.integers(0, old - 1))] = bytes(32)
    tree = WholeTree(changed)
    roots = (root_at(old, TREE.hash_of), root_at(new, tree.hash_of))
    for teller in (tree, TREE):
        assert not verify_consistency(old, new, consistency_proof(old, new, teller.hash_of), *roots)


@tries(20)
@given(st.lists(st.integers(0, 300), max_size=12))
def test_tiles_hold_the_same_tree_however_it_grew(steps):
    tiles: dict[tuple[int, int], bytes] = {}
    frontier = Frontier.empty()

    def read(level: int, number: int) -> bytes:
        return tiles.get((level, number), b"")

    for step in steps:
        batch = LEAVES[frontier.size : frontier.size + step]
        tiles.update(grown_tiles(frontier.size, batch, read))
        frontier = frontier.with_leaves(batch)
    size = frontier.size
    assert root_at(size, hashes_in(read)) == root_at(size, TREE.hash_of) == frontier.root()
    last = {level: max(number for at, number in tiles if at == level) for level, _ in tiles}
    partial = [len(tiles[level, number]) // 32 % 256 for level, number in sorted(last.items())]
    assert partial == widths(size)
