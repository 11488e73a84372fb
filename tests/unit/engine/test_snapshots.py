"""States of the catalogue are kept under their versions, what they share once, and read back or refused."""

from __future__ import annotations

import multiprocessing
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import models
from support.shops import a_catalogue
from support.tries import tries

from engine.catalogue import Catalogue, content_digest
from engine.errors import SnapshotError
from engine.snapshots import ROWS_ABOUT, Snapshots


def versioned(catalogue: Catalogue, **changes: Any) -> Catalogue:
    """The catalogue with some columns changed, under the version of its content."""
    content = {each.name: getattr(catalogue, each.name) for each in fields(Catalogue)} | changes
    del content["version"]
    return Catalogue(version=content_digest(content), **content)


def a_large_one(n_items: int = 20 * ROWS_ABOUT, ids: Sequence[str] | None = None) -> Catalogue:
    """Many items; what is known of one does not depend on which others there are."""
    ids = models.item_ids(n_items) if ids is None else ids
    numbers = np.array([zlib.crc32(each.encode()) for each in ids], np.int64)
    return versioned(models.catalogue(ids), price_minor=numbers % 9_999, item_no=numbers)


SMALL, LARGE = versioned(a_catalogue()), a_large_one()


def same(one: Catalogue, other: Catalogue) -> bool:
    return all(
        np.array_equal(getattr(one, each.name), getattr(other, each.name)) for each in fields(Catalogue)
    )


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def kept(tmp_path) -> Snapshots:
    return Snapshots(tmp_path / "catalogues")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "catalogues"


@pytest.mark.parametrize("catalogue", [SMALL, LARGE, versioned(models.catalogue(()))])
def test_what_was_kept_is_read_back(kept, catalogue):
    assert kept.versions() == []
    assert kept.keep(catalogue)
    assert kept.versions() == [catalogue.version]
    assert same(kept.load(catalogue.version), catalogue)
    assert kept.load(catalogue.version).tier.dtype == np.int8


def test_what_is_there_is_not_written_again(kept, folder):
    kept.keep(LARGE)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert not kept.keep(LARGE)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_it_works_wherever_files_can_be_kept():
    kept = Snapshots("memory://catalogues")
    kept.keep(SMALL)
    assert not kept.keep(SMALL)
    assert same(kept.load(SMALL.version), SMALL)
    assert kept.prune(()) == 1
    assert kept.versions() == []


def n_new_chunks(kept: Snapshots, folder, catalogue: Catalogue) -> int:
    before = names(folder)
    kept.keep(catalogue)
    return len([name for name in names(folder) - before if name.endswith(".z")])


class TestWhatStatesShare:
    def test_one_price_makes_one_chunk_new(self, kept, folder):
        kept.keep(LARGE)
        price_minor = LARGE.price_minor.copy()
        price_minor[3_000] += 1
        assert n_new_chunks(kept, folder, versioned(LARGE, price_minor=price_minor)) == 1

    @pytest.mark.parametrize("place", [0, 1, 5_000, LARGE.n_items - 1])
    def test_one_item_more_or_less_makes_two_chunks_new_at_most(self, kept, folder, place):
        ids = list(LARGE.item_ids)
        kept.keep(LARGE)
        assert n_new_chunks(kept, folder, a_large_one(ids=ids[:place] + ids[place + 1 :])) <= 2
        one_more = [*ids[: place + 1], f"{ids[place]}-a", *ids[place + 1 :]]
        assert n_new_chunks(kept, folder, a_large_one(ids=one_more)) <= 2

    def test_a_category_more_makes_only_the_names_and_its_own_chunk_new(self, kept, folder):
        kept.keep(LARGE)
        category = LARGE.category + 1
        category[7] = 0
        more = versioned(LARGE, categories=("Books", *LARGE.categories), category=category)
        assert n_new_chunks(kept, folder, more) == 2
        assert same(kept.load(more.version), more)


class TestPruning:
    def test_leaves_what_is_named_and_what_that_needs(self, kept, folder):
        other = versioned(LARGE, price_minor=LARGE.price_minor + (np.arange(LARGE.n_items) < 9))
        kept.keep(LARGE)
        alone = names(folder)
        kept.keep(other)
        kept.keep(SMALL)
        assert kept.prune({LARGE.version, "f" * 64}) == 2
        assert names(folder) == alone
        assert same(kept.load(LARGE.version), LARGE)
        with pytest.raises(SnapshotError, match="is not kept"):
            kept.load(other.version)

    def test_sweeps_up_after_a_writer_that_did_not_come_to_its_end(self, kept, folder):
        kept.keep(SMALL)
        before = names(folder)
        (folder / ".draft-x").write_bytes(b"half")
        (folder / ("0" * 64 + ".z")).write_bytes(b"of nothing")
        assert kept.prune({SMALL.version}) == 0
        assert names(folder) == before

    def test_of_nothing_is_no_error(self, kept):
        assert kept.prune(()) == 0


class TestWhatIsBroken:
    def test_every_file_that_was_altered_cut_or_lost_is_told(self, kept, folder, tmp_path):
        kept.keep(SMALL)
        for path in sorted(folder.iterdir()):
            content = path.read_bytes()
            middle = len(content) // 2
            flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            for broken in (flipped, content[:middle], b""):
                path.write_bytes(broken)
                with pytest.raises(SnapshotError):
                    kept.load(SMALL.version)
            path.unlink()
            with pytest.raises(SnapshotError):
                kept.load(SMALL.version)
            path.write_bytes(content)
        assert same(kept.load(SMALL.version), SMALL)

    def test_a_chunk_of_another_content_under_its_name_is_told(self, kept, folder):
        kept.keep(SMALL)
        chunk = next(iter(sorted(folder.glob("*.z"))))
        chunk.write_bytes(zlib.compress(b"{}"))
        with pytest.raises(SnapshotError, match="its hash differs"):
            kept.load(SMALL.version)

    def test_chunks_of_another_state_are_told(self, kept, folder):
        other = versioned(SMALL, price_minor=SMALL.price_minor + 1)
        kept.keep(SMALL)
        kept.keep(other)
        listed = folder / f"{SMALL.version}.json"
        listed.write_bytes((folder / f"{other.version}.json").read_bytes())
        with pytest.raises(SnapshotError, match="named after"):
            kept.load(SMALL.version)

    def test_another_format_is_told(self, kept, folder):
        kept.keep(SMALL)
        listed = folder / f"{SMALL.version}.json"
        listed.write_bytes(listed.read_bytes().replace(b'"format":1', b'"format":9'))
        with pytest.raises(SnapshotError, match="of format 9"):
            kept.load(SMALL.version)

    def test_what_is_no_version_is_refused(self, kept):
        for version in ("", "../secrets", "F" * 64):
            with pytest.raises(SnapshotError, match="64 hexadecimal"):
                kept.load(version)

    def test_a_version_that_is_not_of_its_content_is_not_kept(self, kept):
        with pytest.raises(SnapshotError, match="not what its version says"):
            kept.keep(replace(SMALL, currency="DKK"))

    def test_a_folder_that_cannot_be_written_is_told(self, tmp_path):
        (tmp_path / "catalogues").write_text("a file")
        with pytest.raises(SnapshotError, match="cannot write"):
            Snapshots(tmp_path / "catalogues").keep(SMALL)


def _keep_all(root: str, versions: int) -> None:
    for number in range(versions):
        Snapshots(root).keep(versioned(LARGE, price_minor=LARGE.price_minor + number))


def test_several_processes_keep_the_same_at_once(kept, folder):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_keep_all, args=(str(folder), 4)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert len(kept.versions()) == 4
    for version in kept.versions():
        kept.load(version)
    assert not [name for name in names(folder) if name.startswith(".")]


@tries(30)
@given(st.data())
def test_any_run_of_changes_is_read_back(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("catalogues")
    kept, states = Snapshots(folder), [LARGE]
    for _ in range(2):
        ids = list(states[-1].item_ids)
        for place in data.draw(st.lists(st.integers(0, len(ids) - 1), max_size=3)):
            del ids[min(place, len(ids) - 1)]
        states.append(a_large_one(ids=ids))
    for state in states:
        kept.keep(state)
    for state in states:
        assert same(kept.load(state.version), state)
    shutil.rmtree(folder)
