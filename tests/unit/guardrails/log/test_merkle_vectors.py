"""Proofs are judged as the Certificate Transparency community judges them."""

from __future__ import annotations

import json
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest
from support.trees import CT_ENTRIES, WholeTree

from guardrails.log.merkle import consistency_proof, inclusion_proof, leaf_hash, root_at
from guardrails.log.verifier import verify_consistency, verify_inclusion

TREE = WholeTree([leaf_hash(entry) for entry in CT_ENTRIES])
CASES = Path(__file__).parents[3] / "cases" / "merkle"


def cases(name: str) -> list[object]:
    return [pytest.param(case, id=case["case"]) for case in json.loads((CASES / f"{name}.json").read_bytes())]


def hashes(encoded: list[str] | None) -> list[bytes]:
    return [b64decode(each) for each in encoded or []]


def roots(case: dict[str, str]) -> list[bytes]:
    """The roots of a case; where it says that it does not care, any hash does, but it has to be one."""
    both = hashes([case["root1"], case["root2"]])
    return [sha256(root).digest() if root.startswith(b"don't care") else root for root in both]


@pytest.mark.parametrize("case", cases("inclusion"))
def test_a_proof_of_inclusion_is_accepted_if_and_only_if_it_is_good(case):
    leaf, root = hashes([case["leafHash"], case["root"]])
    accepted = verify_inclusion(case["leafIdx"], case["treeSize"], leaf, hashes(case["proof"]), root)
    assert accepted is not case["wantErr"]


@pytest.mark.parametrize("case", cases("consistency"))
def test_a_proof_of_consistency_is_accepted_if_and_only_if_it_is_good(case):
    accepted = verify_consistency(case["size1"], case["size2"], hashes(case["proof"]), *roots(case))
    assert accepted is not case["wantErr"]


def test_there_are_as_many_vectors_as_were_published():
    assert (len(cases("inclusion")), len(cases("consistency"))) == (98, 98)


def happy(name: str) -> list[object]:
    return [case for case in cases(name) if case.id.endswith("happy-path.json")]


@pytest.mark.parametrize("case", happy("inclusion"))
def test_the_good_proofs_of_inclusion_are_those_that_we_make(case):
    made = inclusion_proof(case["leafIdx"], case["treeSize"], TREE.hash_of)
    assert made == hashes(case["proof"])
    assert root_at(case["treeSize"], TREE.hash_of) == b64decode(case["root"])


@pytest.mark.parametrize("case", happy("consistency"))
def test_the_good_proofs_of_consistency_are_those_that_we_make(case):
    made = consistency_proof(case["size1"], case["size2"], TREE.hash_of)
    assert made == hashes(case["proof"])
    assert [root_at(case[size], TREE.hash_of) for size in ("size1", "size2")] == roots(case)
