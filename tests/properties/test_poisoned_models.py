"""A model that somebody has tampered with is refused, or is the one that was written."""

import io
import os
import pickle
import shutil
from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import models

from engine.artefact import Manifest, fetch_artefact, load_artefact, write_artefact
from engine.errors import ArtefactError

EDGES = np.array([[0, 3, 0], [3, 0, 5], [0, 5, 0]], np.int32)
FILES = ("manifest.json", "item_ids.json", "indptr.npy", "indices.npy", "weights.npy", "popularity.npy")

tampering = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture
def model(tmp_path):
    return models.model(EDGES, popularity=[3, 2, 1], repeat=[1, 2, 3], interval_days=[7, 0, 9])


@pytest.fixture
def folder(tmp_path, model):
    return tmp_path / write_artefact(tmp_path, model, Manifest(learner="walk", n_edges=4))


def poisoned(folder, file, content):
    """The same model under the same name, with other bytes in one file."""
    place = folder.parent / "poisoned" / folder.name
    shutil.rmtree(place.parent, ignore_errors=True)
    shutil.copytree(folder, place)
    (place / file).write_bytes(content)
    return place


def is_refused_or_the_same(place, folder, model):
    try:
        loaded = load_artefact(place)
    except ArtefactError:
        return True
    same = all(np.array_equal(getattr(loaded, name), value) for name, value in vars(model).items())
    return same and loaded.version == folder.name


@tampering
@given(data=st.data())
def test_no_flipped_bit_gets_in(folder, model, data):
    file = data.draw(st.sampled_from(FILES))
    content = bytearray((folder / file).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    place = poisoned(folder, file, content)
    assert is_refused_or_the_same(place, folder, model)
    if file != "manifest.json":
        with pytest.raises(ArtefactError):
            load_artefact(place)


@tampering
@given(data=st.data())
def test_nothing_shorter_or_longer_or_else_gets_in(folder, model, data):
    file = data.draw(st.sampled_from(FILES))
    whole = (folder / file).read_bytes()
    cut = st.integers(0, len(whole) - 1).map(lambda n: whole[:n])
    longer = st.binary(min_size=1, max_size=8).map(lambda more: whole + more)
    content = data.draw(cut | longer | st.binary(max_size=64))
    assert is_refused_or_the_same(poisoned(folder, file, content), folder, model)


@pytest.mark.parametrize("verify", [True, False])
def test_nothing_in_a_model_is_unpickled(folder, tmp_path, verify):
    made = tmp_path / "made by a bomb"
    objects = io.BytesIO()
    np.save(objects, np.array([Bomb(made)], dtype=object), allow_pickle=True)
    for content in (pickle.dumps(Bomb(made)), objects.getvalue()):
        with pytest.raises(ArtefactError, match=r"weights\.npy"):
            load_artefact(poisoned(folder, "weights.npy", content), verify=verify)
    assert not made.exists()


@pytest.mark.parametrize("name", ["../weights.npy", "/etc/hostname", "sub/../../weights.npy"])
def test_a_manifest_leads_to_no_file_outside_of_its_folder(folder, model, tmp_path, name):
    document = orjson.loads((folder / "manifest.json").read_bytes())
    document["sha256"] = {name: document["sha256"]["weights.npy"]}
    with pytest.raises(ArtefactError):
        load_artefact(poisoned(folder, "manifest.json", orjson.dumps(document)))
    named_besides = orjson.loads((folder / "manifest.json").read_bytes())
    named_besides["sha256"][name] = "0" * 64
    place = poisoned(folder, "manifest.json", orjson.dumps(named_besides))
    assert is_refused_or_the_same(place, folder, model)
    fetch_artefact(place, tmp_path / "fetched" / folder.name)
    assert {each.name for each in (tmp_path / "fetched").rglob("*")} <= {
        folder.name,
        *(each.name for each in folder.iterdir()),
    }


def test_a_manifest_of_another_model_does_not_fit(folder, model, tmp_path):
    heavier = replace(model, weights=model.weights + 1)
    other = tmp_path / write_artefact(tmp_path, heavier, Manifest(learner="walk", n_edges=4))
    with pytest.raises(ArtefactError, match="hash differs"):
        load_artefact(poisoned(folder, "manifest.json", (other / "manifest.json").read_bytes()))
