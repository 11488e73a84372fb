from __future__ import annotations

import gc
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import fsspec
import numpy as np
import pytest
from support import models

from engine.artefact import (
    Manifest,
    ModelArrays,
    erase_artefact,
    publish_artefact,
    size_of,
    write_artefact,
)
from engine.copies import Copies
from engine.drafts import draft_in
from engine.errors import ArtefactError

PLENTY = 1 << 40


def arrays(seed: int = 0) -> ModelArrays:
    edges = np.array([[0, 3, 0], [3, 0, 5], [0, 5, 0]], np.int32)
    return replace(models.model(edges), popularity=np.array([seed, 2, 1], np.int64))


@pytest.fixture
def store() -> str:
    return f"memory://{uuid4()}"


@pytest.fixture
def publish(tmp_path_factory):
    drafts = tmp_path_factory.mktemp("drafts")

    def published(store: str, seed: int = 0) -> str:
        version = publish_artefact(store, arrays(seed), Manifest(learner="walk"), drafts)
        return f"{store}/{version}"

    return published


def names(copies: Copies) -> set[str]:
    return set(copies.versions())


def name(location: str) -> str:
    return location.rsplit("/", 1)[-1]


def counted_files(monkeypatch) -> list[str]:
    """What is fetched from now on."""
    fetched: list[str] = []
    filesystem = type(fsspec.filesystem("memory"))
    get_file = filesystem.get_file

    def counting(self, there, here, *args, **kwargs):
        fetched.append(there)
        return get_file(self, there, here, *args, **kwargs)

    monkeypatch.setattr(filesystem, "get_file", counting)
    return fetched


def test_a_model_is_fetched_once_and_mapped_from_then_on(tmp_path, store, monkeypatch, publish):
    fetched, location = counted_files(monkeypatch), publish(store)
    first = Copies(tmp_path, PLENTY).load(location)
    n_files = len(fetched)
    again = Copies(tmp_path, PLENTY).load(location)
    assert n_files > 0
    assert len(fetched) == n_files
    assert first.version == again.version == name(location)
    mapped = again.weights.base
    assert Path(mapped.filename).parent == tmp_path / name(location)


def test_many_who_ask_at_once_fetch_once(tmp_path, store, monkeypatch, publish):
    fetched, location = counted_files(monkeypatch), publish(store)
    loaded = []
    threads = [
        threading.Thread(target=lambda: loaded.append(Copies(tmp_path, PLENTY).load(location)))
        for _ in range(6)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(loaded) == 6
    assert len(fetched) == len(set(fetched))


def test_a_model_of_this_machine_is_mapped_where_it_is(tmp_path):
    version = write_artefact(tmp_path / "models", arrays(), Manifest(learner="walk"))
    copies = Copies(tmp_path / "copies", PLENTY)
    assert copies.load(tmp_path / "models" / version).version == version
    assert not names(copies)


def test_a_mounted_store_is_copied(tmp_path, publish):
    location = publish(f"file://{tmp_path}/mounted")
    copies = Copies(tmp_path / "copies", PLENTY)
    copies.load(location)
    assert names(copies) == {name(location)}


def test_a_damaged_copy_is_fetched_anew(tmp_path, store, publish):
    location, copies = publish(store), Copies(tmp_path, PLENTY)
    copies.load(location)
    (tmp_path / name(location) / "weights.npy").write_bytes(b"nonsense")
    assert copies.load(location).version == name(location)


def test_a_copy_that_is_not_what_its_name_says_is_refused_and_not_kept(tmp_path, store, publish):
    location, copies = publish(store), Copies(tmp_path, PLENTY)
    with fsspec.open(f"{location}/weights.npy", "wb") as file:
        file.write(b"nonsense")
    with pytest.raises(ArtefactError, match=r"weights\.npy"):
        copies.load(location)
    assert not names(copies)


def test_what_was_used_least_lately_makes_room(tmp_path, store, publish):
    locations = [publish(store, seed) for seed in range(3)]
    copies = Copies(tmp_path, 2 * size_of(locations[0]))
    for each in (locations[0], locations[1], locations[0], locations[2]):
        copies.load(each)
        gc.collect()
    assert names(copies) == {name(locations[0]), name(locations[2])}


def test_what_is_mapped_never_makes_room_also_where_another_process_has_it(tmp_path, store, publish):
    locations = [publish(f"file://{tmp_path}/mounted", seed) for seed in range(3)]
    copies = Copies(tmp_path / "copies", size_of(locations[0]))
    mapped = copies.load(locations[0])
    program = (
        "import sys; from pathlib import Path; from engine.copies import Copies\n"
        "model = Copies(Path(sys.argv[1]), 1 << 40).load(sys.argv[2])\n"
        "print(model.version, flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path / "copies"), locations[1]]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == name(locations[1])
        copies.load(locations[2])
        assert names(copies) >= {mapped.version, name(locations[1])}
        other.communicate("")
    copies.keep_only({mapped.version, name(locations[1])})
    copies.load(locations[2])
    assert names(copies) == {mapped.version, name(locations[2])}


@contextmanager
def a_process_that_prepares(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, amid preparing something in a folder."""
    program = (
        "import sys; from pathlib import Path; from engine.drafts import draft_in\n"
        "with draft_in(Path(sys.argv[1])) as draft:\n"
        "    (draft / 'weights.npy').write_text('what somebody bought')\n"
        "    print('there', flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", program, str(root)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "there\n"
        yield other
        other.kill()


@pytest.mark.parametrize(
    "come_next",
    [
        lambda copies, location, _: copies.load(location),
        lambda copies, location, _: copies.keep_only({name(location)}),
        lambda copies, _location, _: copies.remove_left(),
        lambda _copies, _location, root: publish_artefact(
            f"memory://{uuid4()}", arrays(1), Manifest(learner="walk"), root
        ),
    ],
    ids=["fetching", "removing", "looking", "publishing"],
)
def test_what_a_killed_process_was_preparing_is_removed_by_whoever_comes_next_and_not_before(
    tmp_path, store, publish, come_next
):
    location, copies = publish(store), Copies(tmp_path, PLENTY)
    with a_process_that_prepares(tmp_path) as other:
        come_next(copies, location, tmp_path)
        assert len(list(tmp_path.glob(".draft-*/weights.npy"))) == 1
        other.kill()
        other.wait()
        shutil.rmtree(tmp_path / name(location), ignore_errors=True)  # so that there is something to fetch
        come_next(copies, location, tmp_path)
    assert not list(tmp_path.glob(".draft-*"))


def test_what_was_killed_before_it_was_locked_is_removed_too(tmp_path):
    (tmp_path / ".draft-left").mkdir()
    with draft_in(tmp_path) as mine:
        assert list(tmp_path.glob(".draft-*")) == [mine]


def test_nothing_is_made_where_nothing_was_kept(tmp_path):
    Copies(tmp_path / "copies", PLENTY).remove_left()
    assert not list(tmp_path.iterdir())


def test_who_asks_what_there_is_while_it_is_removed_is_answered(tmp_path):
    copies = Copies(tmp_path, PLENTY)
    for _ in range(3):
        for number in range(400):
            (tmp_path / f"{number:064}").mkdir()
        removing = threading.Thread(target=copies.keep_only, args=((),))
        removing.start()
        while removing.is_alive():
            assert len(copies.versions()) <= 400
        removing.join()
        assert not copies.versions()


def test_copies_of_removed_models_go_also_those_that_are_mapped(tmp_path, store, publish):
    erased, kept = publish(store, 1), publish(store, 2)
    copies = Copies(tmp_path, PLENTY)
    mapped = [copies.load(each) for each in (erased, kept)]
    erase_artefact(erased)
    assert copies.keep_only({name(kept)}) == 1
    assert names(copies) == {name(kept)}
    assert mapped[0].popularity[0] == 1  # what is mapped stays readable until it is let go of
    with pytest.raises(ArtefactError):
        copies.load(erased)
    assert Copies(tmp_path / "nowhere", PLENTY).keep_only(()) == 0


def test_a_folder_that_cannot_be_written_is_named(tmp_path, store, publish):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArtefactError, match="file"):
        Copies(tmp_path / "file", PLENTY).load(publish(store))
