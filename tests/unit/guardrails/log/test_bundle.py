from __future__ import annotations

import json

import pytest
from support.bundles import Log, decision, sections_of

from guardrails.errors import LogError
from guardrails.log import bundle
from guardrails.log.tiles import entries_of, entry_bundle
from guardrails.log.verifier import VALID, check_bundle, verify_sections


@pytest.fixture(scope="module")
def log():
    return Log([decision(index) for index in range(300)])


def test_tiles_and_entries_that_grew_since_the_checkpoint_are_cut(log):
    n = 280
    files = log.bundle(checkpoint=log.checkpoint(n), size=n, span=(0, n))
    assert len(files["tile/0/001.p/24"]) == 24 * 32
    assert entries_of(files["tile/entries/001.p/24"]) == log.entries[256:280]
    assert check_bundle(files).exit_code == VALID


def test_a_tile_or_bundle_that_lacks_what_the_tree_has_is_refused(log):
    with pytest.raises(LogError, match="tile `0/0` lacks hashes"):
        log.bundle(read_tile=lambda level, number: b"")
    with pytest.raises(LogError, match="bundle `0` lacks entries"):
        log.bundle(read_entries=lambda number: entry_bundle([]))


@pytest.mark.parametrize("span", [(-1, 5), (5, 4), (0, 301)])
def test_entries_that_the_log_does_not_have_cannot_be_exported(log, span):
    with pytest.raises(LogError, match="still keeps"):
        log.bundle(span=span)


def test_entries_that_were_pruned_cannot_be_exported(log):
    with pytest.raises(LogError, match="still keeps"):
        log.bundle(min_index=256, span=(0, 300))


def test_the_manifest_comes_last_and_lists_all_else(log):
    files = log.bundle()
    assert list(files)[-1] == "MANIFEST.json"
    listed = json.loads(files["MANIFEST.json"])["files"]
    assert [each["path"] for each in listed] == list(files)[:-1]


def test_disclosed_sections_stand_beside_their_salts():
    document = json.loads(bundle.disclosure(4, {"out": sections_of(4)["out"]}))
    assert document["index"] == 4
    assert verify_sections(json.loads(decision(4)), document["sections"]) == ["out"]


def test_a_receipt_carries_its_entry_and_what_is_disclosed():
    entry = decision(4)
    assert json.loads(bundle.receipt_extra(entry, {})) == {"entry": entry.decode()}
    extra = json.loads(bundle.receipt_extra(entry, sections_of(4)))
    assert verify_sections(json.loads(extra["entry"]), extra["sections"]) == sorted(sections_of(4))
