"""A receipt holds all that is needed to check it."""

from __future__ import annotations

from base64 import b64encode

import pytest
from support.trees import WholeTree, some_leaves

from guardrails.errors import LogError
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.merkle import inclusion_proof, root_of
from guardrails.log.notes import NoteSigner, sign_note
from guardrails.log.receipts import receipt

LEAVES = some_leaves(3)
PROOF = inclusion_proof(1, 3, WholeTree(LEAVES).hash_of)
NOTE = sign_note(
    Checkpoint("shop.example/log", 3, root_of(LEAVES)).text(), [NoteSigner("shop.example/log", bytes(32))], 1
)


def test_a_receipt_is_written_as_the_specification_says():
    hashes = "".join(f"{b64encode(each).decode()}\n" for each in PROOF)
    assert receipt(1, PROOF, NOTE) == f"c2sp.org/tlog-proof@v1\nindex 1\n{hashes}\n{NOTE}"


def test_what_the_reader_needs_besides_stands_before_the_index():
    written = receipt(1, PROOF, NOTE, extra=b"\xff\x00").splitlines()
    assert written[:3] == ["c2sp.org/tlog-proof@v1", "extra /wA=", "index 1"]


def test_the_only_entry_of_a_log_needs_no_hashes():
    alone = sign_note(Checkpoint("log", 1, LEAVES[0]).text(), [NoteSigner("log", bytes(32))], 1)
    assert receipt(0, [], alone) == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{alone}"


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_receipt_for_what_the_checkpoint_does_not_cover(index):
    with pytest.raises(LogError, match="has no leaf"):
        receipt(index, PROOF, NOTE)


def test_a_hash_of_the_wrong_length_is_refused():
    with pytest.raises(LogError, match="32 bytes"):
        receipt(1, [b"short"], NOTE)


def test_a_checkpoint_without_signatures_is_refused():
    with pytest.raises(LogError):
        receipt(1, PROOF, Checkpoint("log", 3, root_of(LEAVES)).text())
