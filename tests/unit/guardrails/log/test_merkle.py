"""The tree is that of Certificate Transparency, and its proofs are those of RFC 6962."""

from __future__ import annotations

import pytest
from support.trees import CT_ENTRIES, WholeTree, head, path, proof, some_leaves

from guardrails.errors import LogError
from guardrails.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_at,
    root_of,
    split_hashes,
)

CT_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
SOME = some_leaves(70)
TREE = WholeTree(SOME)


def test_a_tree_without_leaves_has_the_hash_of_nothing_as_its_root():
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of([]) == root_at(0, TREE.hash_of) == Frontier.empty().root() == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_of_certificate_transparency_come_out(size):
    leaves = [leaf_hash(entry) for entry in CT_ENTRIES[:size]]
    assert root_of(leaves).hex() == CT_ROOTS[size - 1]
    assert root_at(size, WholeTree(leaves).hash_of).hex() == CT_ROOTS[size - 1]


def test_a_leaf_cannot_pass_for_a_node():
    left, right = SOME[:2]
    assert leaf_hash(left + right) != node_hash(left, right)


@pytest.mark.parametrize("size", range(1, len(SOME) + 1))
def test_roots_and_proofs_of_small_trees_are_those_of_the_definition(size):
    leaves = SOME[:size]
    assert root_of(leaves) == root_at(size, TREE.hash_of) == head(leaves)
    for index in range(size):
        assert inclusion_proof(index, size, TREE.hash_of) == path(index, leaves)
        assert consistency_proof(index + 1, size, TREE.hash_of) == proof(index + 1, leaves)


def test_nothing_has_to_be_proved_of_an_empty_tree():
    assert consistency_proof(0, 5, TREE.hash_of) == consistency_proof(0, 0, TREE.hash_of) == []


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 64, 70])
def test_a_frontier_survives_being_written_down(size):
    frontier = Frontier.empty().with_leaves(SOME[:size])
    assert Frontier.from_bytes(size, frontier.to_bytes()) == frontier
    assert len(frontier.to_bytes()) == 32 * size.bit_count()


def test_a_frontier_holds_the_largest_complete_subtree_first():
    assert Frontier.empty().with_leaves(SOME[:7]).hashes == (head(SOME[:4]), head(SOME[4:6]), SOME[6])


@pytest.mark.parametrize(
    ("size", "hashes"),
    [(-1, ()), (1, ()), (2, (SOME[0], SOME[1])), (1, (b"short",))],
    ids=["negative", "too few", "too many", "wrong length"],
)
def test_a_frontier_that_fits_no_tree_is_refused(size, hashes):
    with pytest.raises(LogError):
        Frontier(size, hashes)


def test_a_leaf_of_the_wrong_length_is_refused():
    with pytest.raises(LogError, match="not of 32 bytes"):
        root_of([SOME[0], b"entry instead of hash"])


def test_hashes_cut_short_are_refused():
    with pytest.raises(LogError, match="cut short"):
        split_hashes(bytes(33))


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0), (0, -1)])
def test_what_is_not_in_the_tree_has_no_proof(index, size):
    with pytest.raises(LogError, match="has no leaf"):
        inclusion_proof(index, size, TREE.hash_of)


@pytest.mark.parametrize(("old", "new"), [(-1, 5), (6, 5)])
def test_a_tree_cannot_have_grown_from_a_larger_one(old, new):
    with pytest.raises(LogError, match="has not grown"):
        consistency_proof(old, new, TREE.hash_of)


def test_no_tree_has_a_negative_size():
    with pytest.raises(LogError, match="negative"):
        root_at(-1, TREE.hash_of)
