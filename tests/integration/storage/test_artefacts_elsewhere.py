"""Models and catalogues on shared and on object storage: all hosts have the same, and forget the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import s3fs
from moto.server import ThreadedMotoServer
from support.learning import LATER_MS, TRAINED_MS, numbers_of, open_shop, takes_back, unseen
from support.stores import Store

from api.forgetting.models import ModelForgetting, forget_customers
from api.log_exporting import _manifests
from api.metrics import Metrics
from api.models.registry import put_in_force
from api.models.retirement import retire_catalogues
from api.models.stored import copies_of, remove_idle_copies
from api.runtime import Runtime
from api.settings import Settings
from api.storage.connection import reading
from api.storage.versions import get_model
from api.training import train
from engine.artefact import erase_artefact, stored_manifest
from engine.drafts import draft_in
from engine.errors import ArtefactError, SnapshotError
from engine.snapshots import Snapshots
from engine.stores import opened
from guardrails.consent.events import Status

N_CUSTOMERS = 16
BUCKET = "models-of-a-shop"


@pytest.fixture(scope="module")
def object_store():
    """S3 over HTTP."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environ.setenv("AWS_ACCESS_KEY_ID", "planted")
        environ.setenv("AWS_SECRET_ACCESS_KEY", "planted")
        environ.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem.clear_instance_cache()
        yield s3fs.S3FileSystem(use_listings_cache=False)
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(params=["mounted", "s3"])
def shop(request, sqlite_store, tmp_path) -> Store:
    """A shop of two hosts that keep their models in one place."""
    if request.param == "mounted":
        url = f"file://{tmp_path / 'mounted'}"
    else:
        buckets = request.getfixturevalue("object_store")
        if not buckets.exists(BUCKET):
            buckets.mkdir(BUCKET)
        url = f"s3://{BUCKET}/{tmp_path.name}"
    open_shop(sqlite_store, N_CUSTOMERS)
    return replace(sqlite_store, settings=replace(sqlite_store.settings, artefacts_url=url))


def another_host(shop: Store, tmp_path: Path) -> Settings:
    return replace(shop.settings, data_dir=tmp_path / "another-host")


def trained(shop: Store) -> str:
    return train(shop.engine, shop.settings, TRAINED_MS, unseen).version


def forgotten(shop: Store, customer_id: str) -> ModelForgetting:
    takes_back(shop, customer_id, LATER_MS - 1, Status.RESTRICTED)
    gone = numbers_of(shop, customer_id).values()
    return forget_customers(shop.engine, shop.settings, gone, LATER_MS, unseen)


def served(shop: Store, settings: Settings) -> Runtime:
    runtime = Runtime(shop.engine, settings, Metrics())
    runtime.load()
    return runtime


def location_of(shop: Store, version: str) -> str:
    with reading(shop.engine) as conn:
        return get_model(conn, version).location


def stored(shop: Store) -> set[str]:
    """Names of the models in the store, whole or not."""
    filesystem, folder = opened(shop.settings.models_root)
    return {each.rsplit("/", 1)[-1] for each in filesystem.ls(folder, detail=False)}


def test_what_one_host_has_learned_another_serves_from_a_copy_of_its_own(shop, tmp_path):
    version, there = trained(shop), another_host(shop, tmp_path)
    assert location_of(shop, version) == f"{shop.settings.artefacts_url}/models/{version}"
    runtime = served(shop, there)
    assert runtime.current().house.recommender.version == version
    assert copies_of(there).versions() == [version]
    assert not copies_of(shop.settings).versions()


def test_who_is_forgotten_on_one_host_is_gone_from_the_store_and_from_every_host(shop, tmp_path):
    before, there = trained(shop), another_host(shop, tmp_path)
    runtime = served(shop, there)
    with reading(shop.engine) as conn:
        before_location = get_model(conn, before).location
    report = forgotten(shop, "c03")
    assert report.path == "incremental"
    assert stored(shop) == {report.after}
    assert before not in copies_of(shop.settings).versions()

    assert copies_of(there).versions() == [before]  # mapped, and not looked at yet
    runtime.load()
    assert runtime.current().house.recommender.version == report.after
    assert copies_of(there).versions() == [report.after]
    for settings in (shop.settings, there):
        with pytest.raises(ArtefactError):
            copies_of(settings).load(before_location)


def test_a_copy_of_an_erased_model_is_not_used_before_it_is_removed_either(shop, tmp_path):
    before, there = trained(shop), another_host(shop, tmp_path)
    copies_of(there).load(location_of(shop, before))
    after = forgotten(shop, "c03").after
    assert copies_of(there).versions() == [before]
    with pytest.raises(ArtefactError, match="removed to forget"):
        put_in_force(shop.engine, there, before, LATER_MS)
    assert served(shop, there).current().house.recommender.version == after
    assert copies_of(there).versions() == [after]


def test_a_host_that_nobody_asks_anything_removes_its_copies_as_well(shop, tmp_path):
    before, there = trained(shop), another_host(shop, tmp_path)
    copies_of(there).load(location_of(shop, before))
    assert remove_idle_copies(shop.engine, copies_of(there)) == 0
    forgotten(shop, "c03")
    assert remove_idle_copies(shop.engine, copies_of(there)) == 1
    assert not copies_of(there).versions()


def test_a_host_that_has_no_copies_removes_what_a_killed_training_has_left_of_its_model(shop):
    folder = shop.settings.model_copies_dir
    with draft_in(folder) as in_use:
        (folder / ".draft-left").mkdir()
        (folder / ".draft-left" / "weights.npy").write_bytes(b"somebody")
        assert remove_idle_copies(shop.engine, copies_of(shop.settings)) == 0
        assert list(folder.glob(".draft-*")) == [in_use]


def test_catalogues_are_kept_where_every_host_finds_them_and_pruned_there(shop, tmp_path):
    catalogue = served(shop, shop.settings).current().house.catalogue
    kept = Snapshots(another_host(shop, tmp_path).catalogues_root)
    assert kept.load(catalogue.version).item_ids == catalogue.item_ids
    former = replace(catalogue, version="0" * 64)
    with pytest.raises(SnapshotError, match="not what its version says"):
        kept.keep(former)
    assert retire_catalogues(shop.engine, shop.settings) == 0
    assert kept.versions() == [catalogue.version]
    assert kept.prune(()) == 1
    assert not kept.versions()


def test_an_exported_log_holds_the_manifests_of_models_that_are_elsewhere(shop):
    version = trained(shop)
    with reading(shop.engine) as conn:
        found = _manifests(conn, [version, "0" * 64])
    assert set(found) == {version}
    assert version.encode() in found[version]


def test_a_model_is_published_whole_or_not_at_all(shop, monkeypatch):
    version = trained(shop)
    location = location_of(shop, version)
    filesystem, folder = opened(location)
    filesystem.rm(f"{folder}/manifest.json")  # as if its writer had been killed just before the end
    with pytest.raises(ArtefactError):
        copies_of(shop.settings).load(location)
    assert not copies_of(shop.settings).versions()
    assert trained(shop) == version
    assert copies_of(shop.settings).load(location).version == version


def set_versioning(buckets, bucket: str, *statuses: str) -> None:
    for each in statuses:
        buckets.call_s3("put_bucket_versioning", Bucket=bucket, VersioningConfiguration={"Status": each})


KEPT = [("Enabled",), ("Enabled", "Suspended")]
"""What was done with a bucket that has former versions of what is in it."""


@pytest.mark.parametrize("statuses", KEPT, ids=lambda each: each[-1])
def test_a_bucket_that_keeps_what_is_removed_or_did_once_is_refused(object_store, sqlite_store, statuses):
    bucket = f"keeps-everything-{statuses[-1].lower()}"
    object_store.mkdir(bucket)
    set_versioning(object_store, bucket, *statuses)
    open_shop(sqlite_store, N_CUSTOMERS)
    settings = replace(sqlite_store.settings, artefacts_url=f"s3://{bucket}/shop")
    with pytest.raises(ArtefactError, match="keeps versions of what is removed"):
        train(sqlite_store.engine, settings, TRAINED_MS, unseen)
    assert not object_store.exists(f"{bucket}/shop/models")


@pytest.mark.parametrize("statuses", KEPT, ids=lambda each: each[-1])
def test_from_a_bucket_that_has_come_to_keep_versions_nothing_is_removed_in_appearance_only(
    object_store, sqlite_store, statuses
):
    bucket = f"came-to-keep-{statuses[-1].lower()}"
    object_store.mkdir(bucket)
    open_shop(sqlite_store, N_CUSTOMERS)
    settings = replace(sqlite_store.settings, artefacts_url=f"s3://{bucket}/shop")
    location = f"{settings.models_root}/{train(sqlite_store.engine, settings, TRAINED_MS, unseen).version}"
    set_versioning(object_store, bucket, *statuses)
    for _ in range(2):
        with pytest.raises(ArtefactError, match="keeps versions of what is removed"):
            erase_artefact(location)
    assert stored_manifest(location) is not None
    listed = object_store.call_s3("list_object_versions", Bucket=bucket)
    assert "DeleteMarkers" not in listed


def test_a_store_that_does_not_answer_is_an_error_that_names_it(object_store, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    settings: Any = Settings("sqlite:///unused.db", data_dir=tmp_path, artefacts_url="s3://nowhere")
    with pytest.raises(ArtefactError, match="s3://nowhere"):
        copies_of(settings).load(f"{settings.models_root}/{'0' * 64}")
    with pytest.raises(SnapshotError, match="s3://nowhere"):
        Snapshots(settings.catalogues_root).versions()
    s3fs.S3FileSystem.clear_instance_cache()
