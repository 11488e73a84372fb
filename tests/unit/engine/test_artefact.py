from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import fsspec
import numpy as np
import orjson
import pytest
from support import models

from engine.artefact import (
    Artefact,
    Manifest,
    ModelArrays,
    erase_artefact,
    erase_unnamed,
    fetch_artefact,
    load_artefact,
    publish_artefact,
    stored_manifest,
    write_artefact,
)
from engine.errors import ArtefactError
from guardrails.log.verifier import _is_model, parse_json

EDGES = np.array([[0, 3, 0], [3, 0, 5], [0, 5, 0]], np.int32)
MANIFEST = Manifest(learner="walk", params={"K": 400}, n_edges=4, metrics=[{"learner": "walk", "ndcg": 0.5}])


def a_lift(item: int, sensitive_class: int) -> dict[str, object]:
    """One item that tells of one class, of which the model knows only the first."""
    columns = {"lift_item": item, "lift_class": sensitive_class, "lift_percent": 250}
    return {"classes": ("alcohol",), **{name: np.array([value], np.int32) for name, value in columns.items()}}


@pytest.fixture
def arrays() -> ModelArrays:
    plain = models.model(EDGES, popularity=[3, 2, 1], repeat=[1, 2, 3], interval_days=[7, 0, 9])
    return replace(plain, **a_lift(2, 0))


@pytest.fixture
def folder(tmp_path: Path, arrays: ModelArrays) -> Path:
    return tmp_path / write_artefact(tmp_path, arrays, MANIFEST)


def assert_same(loaded: Artefact, arrays: ModelArrays) -> None:
    for name, value in vars(arrays).items():
        assert np.array_equal(getattr(loaded, name), value), name


def test_what_was_written_is_read_back_with_its_manifest_under_its_version(folder, arrays):
    loaded = load_artefact(folder)
    assert_same(loaded, arrays)
    assert loaded.manifest == MANIFEST
    assert loaded.version == folder.name
    assert loaded.n_items == 3


def test_models_that_know_the_same_items_share_the_list_of_them(tmp_path, folder, arrays):
    before = load_artefact(folder)
    same = replace(arrays, popularity=arrays.popularity + 1)
    other = replace(arrays, item_ids=(*arrays.item_ids[:-1], f"{arrays.item_ids[-1]}0"))
    after, renamed = (
        load_artefact(tmp_path / write_artefact(tmp_path, each, MANIFEST), like=before)
        for each in (same, other)
    )
    assert after.item_ids is before.item_ids
    assert renamed.item_ids == other.item_ids != before.item_ids


def test_loaded_arrays_are_mapped_and_cannot_be_written(folder):
    loaded = load_artefact(folder)
    assert isinstance(loaded.weights.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        loaded.weights[0] = 1


def test_the_same_arrays_have_the_same_version_whatever_else_the_manifest_says(tmp_path, folder, arrays):
    assert write_artefact(tmp_path / "elsewhere", arrays, Manifest(learner="als")) == folder.name


@pytest.mark.parametrize("fact", [{"latent": True}, {"usefulness_floor": 7}, {"repeat_shift": 4}])
def test_what_scores_and_rules_go_by_is_part_of_the_version(tmp_path, folder, arrays, fact):
    assert write_artefact(tmp_path, arrays, replace(MANIFEST, **fact)) != folder.name


def test_a_manifest_that_says_otherwise_of_what_rules_go_by_is_refused(folder):
    document = orjson.loads((folder / "manifest.json").read_bytes())
    document["model"]["latent"] = True
    (folder / "manifest.json").write_bytes(orjson.dumps(document))
    with pytest.raises(ArtefactError, match="not true of it"):
        load_artefact(folder)


@pytest.mark.parametrize(
    "name", ["weights", "support", "row_source", "popularity", "repeat", "repeat_interval_days"]
)
def test_another_content_has_another_version(tmp_path, folder, arrays, name):
    other = replace(arrays, **{name: getattr(arrays, name) + 1})
    assert write_artefact(tmp_path, other, MANIFEST) != folder.name


def test_writing_again_leaves_the_arrays_and_keeps_what_was_said_last(tmp_path, folder, arrays):
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir() if file.suffix == ".npy"}
    assert write_artefact(tmp_path, arrays, Manifest(learner="als")) == folder.name
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
    assert load_artefact(folder).manifest == Manifest(learner="als")
    assert [entry.name for entry in tmp_path.iterdir()] == [folder.name]


def test_an_erased_model_cannot_be_loaded_and_erasing_it_again_is_no_error(folder):
    for _ in range(2):
        erase_artefact(folder)
        with pytest.raises(ArtefactError, match="manifest"):
            load_artefact(folder)


def test_who_has_an_erased_model_mapped_can_go_on_until_letting_go_of_it(folder, arrays):
    loaded = load_artefact(folder)
    erase_artefact(folder)
    assert_same(loaded, arrays)


def test_what_cannot_be_removed_is_told(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("shutil.rmtree", _refused)
    with pytest.raises(ArtefactError, match="cannot remove"):
        erase_artefact(folder)


def _refused(*_args, **_options):
    raise PermissionError(13, "Permission denied")


def test_what_writers_left_behind_is_removed_and_nothing_else(tmp_path, folder, arrays):
    unnamed = write_artefact(tmp_path, replace(arrays, popularity=arrays.popularity + 1), MANIFEST)
    (tmp_path / ".draft-abc").mkdir()
    (tmp_path / ".draft-abc" / "weights.npy").write_bytes(b"somebody")
    (tmp_path / "notes").mkdir()
    (tmp_path / ".lock").touch()
    erase_unnamed(tmp_path, {folder.name})
    assert {entry.name for entry in tmp_path.iterdir()} == {folder.name, "notes", ".lock"}
    assert unnamed != folder.name
    erase_unnamed(tmp_path / "nowhere", ())


def test_writing_again_mends_a_damaged_model(tmp_path, folder, arrays):
    (folder / "weights.npy").unlink()
    write_artefact(tmp_path, arrays, MANIFEST)
    assert_same(load_artefact(folder), arrays)


@pytest.mark.parametrize(
    "file", ["manifest.json", "item_ids.json", "indptr.npy", "indices.npy", "weights.npy", "popularity.npy"]
)
@pytest.mark.parametrize("verify", [True, False])
def test_a_missing_or_truncated_file_is_refused_by_name(folder, file, verify):
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(ArtefactError, match=file):
        load_artefact(folder, verify=verify)
    (folder / file).unlink()
    with pytest.raises(ArtefactError, match=file):
        load_artefact(folder, verify=verify)


def test_a_single_altered_byte_is_refused_by_name(folder):
    content = bytearray((folder / "weights.npy").read_bytes())
    content[-1] ^= 1
    (folder / "weights.npy").write_bytes(content)
    with pytest.raises(ArtefactError, match=r"weights\.npy"):
        load_artefact(folder)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ArtefactError, match="nowhere"):
        load_artefact(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "format 99"),
        ({"version": "0" * 64}, "hashes"),
        ({"model": 7}, "manifest"),
        ({"sha256": 7}, "manifest"),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused(folder, change, message):
    file = folder / "manifest.json"
    file.write_bytes(orjson.dumps({**orjson.loads(file.read_bytes()), **change}))
    with pytest.raises(ArtefactError, match=message):
        load_artefact(folder)


def test_a_manifest_that_knows_more_than_this_version_is_read(folder):
    file = folder / "manifest.json"
    document = orjson.loads(file.read_bytes())
    document["model"]["invented_later"] = 1
    file.write_bytes(orjson.dumps(document))
    assert load_artefact(folder).manifest == MANIFEST


def test_an_array_of_another_type_is_refused_even_without_hashes(folder):
    np.save(folder / "weights.npy", np.ones(4, np.float64))
    with pytest.raises(ArtefactError, match="float64"):
        load_artefact(folder, verify=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item_ids": ("b", "a", "c")}, "item_ids"),
        ({"item_ids": ("a", "a", "c")}, "item_ids"),
        ({"popularity": np.zeros(2, np.int64)}, "popularity"),
        ({"support": np.zeros(2, np.int32)}, "support"),
        ({"indptr": np.array([0, 3, 2, 4], np.int64)}, "indptr"),
        ({"indptr": np.array([0, 1, 2], np.int64)}, "indptr"),
        ({"indices": np.array([0, 1, 2, 3], np.int32)}, "indices"),
        ({"indices": np.array([1, 0, -1, 1], np.int32)}, "indices"),
        ({"lift_percent": np.array([200, 300], np.int32)}, "one entry a lift"),
        (a_lift(0, 1), "points at nothing"),
        (a_lift(3, 0), "points at nothing"),
    ],
)
def test_arrays_that_contradict_each_other_are_never_written(tmp_path, arrays, change, message):
    with pytest.raises(ArtefactError, match=message):
        write_artefact(tmp_path, replace(arrays, **change), MANIFEST)
    assert not list(tmp_path.iterdir())


def test_a_model_without_items_is_a_model(tmp_path):
    arrays = models.model(np.zeros((0, 0), np.int32))
    assert_same(
        load_artefact(tmp_path / write_artefact(tmp_path, arrays, Manifest(learner="popular"))), arrays
    )


def fetched(location: str, folder: Path) -> Artefact:
    """A stored model, from a copy of it."""
    copy = folder / str(uuid4()) / location.rsplit("/", 1)[-1]
    fetch_artefact(location, copy)
    return load_artefact(copy)


def test_models_live_in_any_store_that_fsspec_knows(tmp_path, arrays, folder):
    for root in (f"memory://{uuid4()}", f"file://{tmp_path}/mounted"):
        version = publish_artefact(root, arrays, MANIFEST, tmp_path / "drafts")
        assert version == folder.name == publish_artefact(root, arrays, MANIFEST, tmp_path / "drafts")
        assert_same(fetched(f"{root}/{version}", tmp_path), arrays)


def test_a_model_is_prepared_where_it_is_found_if_its_writer_is_killed_and_leaves_nothing(
    tmp_path, arrays, monkeypatch
):
    sent, drafts, elsewhere = prepared_in(monkeypatch), tmp_path / "drafts", tmp_path / "of the system"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    root = f"memory://{uuid4()}"
    publish_artefact(root, arrays, MANIFEST, drafts)
    assert {drafts} == {each.parents[2] for each in sent}
    assert all(each.parents[1].name.startswith(".draft-") for each in sent)
    assert not list(drafts.glob(".draft-*"))
    assert not list(elsewhere.iterdir())


def prepared_in(monkeypatch) -> list[Path]:
    """The files that are sent to a store from now on."""
    sent: list[Path] = []
    filesystem = type(fsspec.filesystem("memory"))
    put_file = filesystem.put_file

    def noting(self, here, there, *args, **kwargs):
        sent.append(Path(here))
        return put_file(self, here, there, *args, **kwargs)

    monkeypatch.setattr(filesystem, "put_file", noting)
    return sent


def test_a_model_that_is_not_in_its_store_is_refused(tmp_path):
    with pytest.raises(ArtefactError):
        fetched("memory://empty/model", tmp_path)


def test_a_stored_model_that_was_damaged_is_refused_until_it_is_written_again(tmp_path, arrays):
    root = f"memory://{uuid4()}"
    version = publish_artefact(root, arrays, MANIFEST, tmp_path)
    with fsspec.open(f"{root}/{version}/weights.npy", "wb") as file:
        file.write(b"nonsense")
    with pytest.raises(ArtefactError, match=r"weights\.npy"):
        fetched(f"{root}/{version}", tmp_path)
    publish_artefact(root, arrays, MANIFEST, tmp_path)
    assert_same(fetched(f"{root}/{version}", tmp_path), arrays)


def test_a_model_under_the_name_of_another_is_refused(tmp_path, arrays, folder):
    shutil.copytree(folder, tmp_path / "store" / ("0" * 64))
    with pytest.raises(ArtefactError, match="another model than its name says"):
        fetched(f"file://{tmp_path}/store/{'0' * 64}", tmp_path)


def test_what_an_interrupted_writer_left_in_a_store_is_removed(tmp_path, arrays):
    root = f"memory://{uuid4()}"
    version = publish_artefact(root, arrays, MANIFEST, tmp_path)
    for file in (f"{'f' * 64}/weights.npy", "else/weights.npy"):
        with fsspec.open(f"{root}/{file}", "wb") as left:
            left.write(b"half")
    erase_unnamed(root, {version})
    filesystem, there = fsspec.core.url_to_fs(root)
    assert {each.rsplit("/", 1)[-1] for each in filesystem.ls(there, detail=False)} == {version, "else"}
    erase_artefact(f"{root}/{version}")
    assert stored_manifest(f"{root}/{version}") is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path, arrays):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArtefactError, match="file"):
        write_artefact(tmp_path / "file", arrays, MANIFEST)


def test_a_moved_model_is_still_the_same_model(tmp_path, folder, arrays):
    moved = tmp_path / "moved"
    shutil.move(folder, moved)
    assert load_artefact(moved).version == folder.name


def test_the_verifier_of_logs_gives_a_model_the_version_that_it_has(folder):
    document = parse_json((folder / "manifest.json").read_bytes(), decimals=True)
    assert _is_model(document, folder.name)
    assert not _is_model(document, "0" * 64)
