"""Where models and catalogues are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.errors import SettingsError
from api.settings import Settings


def set_to(url: str) -> Settings:
    return Settings.from_env({"TACTFUL_ARTEFACTS_URL": url, "TACTFUL_DATA_DIR": "/srv/tactful"})


def test_without_a_store_they_are_in_the_data_folder():
    settings = Settings.from_env({"TACTFUL_DATA_DIR": "/srv/tactful"})
    assert settings.models_root == Path("/srv/tactful/models").resolve()
    assert settings.catalogues_root == Path("/srv/tactful/catalogues")


@pytest.mark.parametrize("url", ["s3://bucket/tactful", "file:///mnt/shared", "memory://shop"])
def test_in_a_store_they_are_side_by_side_and_copies_stay_on_this_machine(url):
    settings = set_to(f"{url}/")
    assert settings.models_root == f"{url}/models"
    assert settings.catalogues_root == f"{url}/catalogues"
    assert settings.model_copies_dir == Path("/srv/tactful/model-copies")
    assert settings.artefacts_dir == Path("/srv/tactful/models")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/mnt/shared", "is not the address of a store"),
        ("s3://", "is not the address of a store"),
        ("s3://key:secret@bucket/tactful", "holds what proves who asks"),
        ("s3://bucket/tactful?key=secret", "holds what proves who asks"),
        ("carrier-pigeon://loft/tactful", "kind of store that is not known"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_being_repeated(url, said):
    with pytest.raises(SettingsError, match=said) as refused:
        set_to(url)
    assert "secret" not in str(refused.value)


def test_s3_says_which_extra_it_needs(monkeypatch):
    monkeypatch.setattr("api.settings.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"tactful\[s3\]"):
        set_to("s3://bucket/tactful")


@pytest.mark.parametrize("size", ["0", "much", "-1"])
def test_copies_take_a_whole_number_of_megabytes(size):
    with pytest.raises(SettingsError, match="TACTFUL_MODEL_COPIES_MB"):
        Settings.from_env({"TACTFUL_MODEL_COPIES_MB": size})
