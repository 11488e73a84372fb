"""A model is swapped under load without a failed request; a broken one changes nothing."""

import logging
import shutil
import threading

import httpx
from support.http import store_model
from support.waiting import until

from api.logging import JsonLines
from api.storage.api_keys import Role
from api.storage.connection import writing
from api.storage.versions import MODEL, activate, mark_erased
from engine.artefact import erase_artefact


def activated(shop, version):
    return shop.ask("POST", f"/v1/models/{version}/activate", Role.ADMIN)


def test_a_model_is_listed_and_activated(shop):
    before = shop.recommend().json()["model_version"]
    other = store_model(shop.settings, seed=21, active=False)
    listed = {
        model["version"]: model["active"]
        for model in shop.ask("GET", "/v1/models", Role.MARKETER).json()["models"]
    }
    assert listed == {before: True, other: False}
    answer = activated(shop, other)
    assert (answer.status_code, answer.json()) == (200, {"version": other, "in_force": True})
    assert shop.recommend().json()["model_version"] == other


def test_no_request_fails_while_models_are_swapped(shop):
    versions = [shop.recommend().json()["model_version"], store_model(shop.settings, seed=21, active=False)]
    over, statuses, served = threading.Event(), set(), set()

    def hammer():
        with httpx.Client(base_url=shop.url, headers=shop.auth(Role.SITE), timeout=30) as client:
            while not over.is_set():
                answer = client.post("/v1/recommendations", json={"placement": "home"})
                statuses.add(answer.status_code)
                served.add(answer.json()["model_version"])

    clients = [threading.Thread(target=hammer) for _ in range(4)]
    for client in clients:
        client.start()
    for swap in range(6):
        assert activated(shop, versions[(swap + 1) % 2]).status_code == 200
    over.set()
    for client in clients:
        client.join()
    assert statuses == {200}
    assert served == set(versions)


def test_a_broken_model_is_not_activated(shop):
    before = shop.recommend().json()["model_version"]
    broken = store_model(shop.settings, seed=21, active=False)
    (shop.settings.artefacts_dir / broken / "weights.npy").write_bytes(b"nonsense")
    answer = activated(shop, broken)
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/broken-model"
    assert shop.recommend().json()["model_version"] == before


def test_a_model_that_breaks_beside_us_leaves_the_one_before_and_is_told(shop):
    before = shop.recommend().json()["model_version"]
    broken = store_model(shop.settings, seed=21, active=False)
    whole = (shop.settings.artefacts_dir / broken / "weights.npy").read_bytes()
    (shop.settings.artefacts_dir / broken / "weights.npy").write_bytes(b"nonsense")
    with writing(shop.wiring.engine) as conn:
        activate(conn, MODEL, broken, 1)
    assert shop.recommend().status_code == 200
    until(lambda: shop.client.get("/readyz").json().get("fault") == "ArtefactError")
    assert shop.recommend().json()["model_version"] == before
    assert shop.client.get("/readyz").json()["ready"] is True
    assert 'tactful_house_builds_total{result="failed"}' in shop.ask("GET", "/metrics", Role.ADMIN).text
    (shop.settings.artefacts_dir / broken / "weights.npy").write_bytes(whole)

    def repaired():
        return shop.recommend().json()["model_version"] == broken

    until(repaired)
    assert shop.client.get("/readyz").json()["fault"] is None


def test_another_model_in_the_place_of_one_is_not_served_however_sound_it_is(shop):
    before = shop.recommend().json()["model_version"]
    place = shop.settings.artefacts_dir
    wanted, other = (store_model(shop.settings, seed=seed, active=False) for seed in (21, 22))
    shutil.rmtree(place / wanted)
    shutil.copytree(place / other, place / wanted)
    assert activated(shop, wanted).status_code == 409
    with writing(shop.wiring.engine) as conn:
        activate(conn, MODEL, wanted, 1)
    assert shop.recommend().status_code == 200
    until(lambda: shop.client.get("/readyz").json().get("fault") == "ArtefactError")
    assert shop.recommend().json()["model_version"] == before


def test_a_model_that_was_removed_to_forget_somebody_cannot_be_activated(shop):
    before = shop.recommend().json()["model_version"]
    erased = store_model(shop.settings, seed=21, active=False)
    with writing(shop.wiring.engine) as conn:
        mark_erased(conn, before, 1_750_000_000_000)
    answer = activated(shop, erased)
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/broken-model"
    assert "to forget customers" in answer.json()["detail"]
    listed = {
        model["version"]: model["erased_at_ms"]
        for model in shop.ask("GET", "/v1/models", Role.MARKETER).json()["models"]
    }
    assert listed == {before: None, erased: 1_750_000_000_000}


def test_a_process_goes_on_with_a_model_whose_folder_is_gone_until_it_loads_the_next(shop):
    before = shop.recommend().json()["model_version"]
    erase_artefact(shop.settings.artefacts_dir / before)
    assert shop.recommend().json()["model_version"] == before
    other = store_model(shop.settings, seed=21)
    until(lambda: shop.recommend().json()["model_version"] == other)


def test_a_model_of_an_older_format_is_refused_and_the_log_says_what_to_do(shop, caplog):
    before = shop.recommend().json()["model_version"]
    older = store_model(shop.settings, seed=21, active=False)
    manifest = shop.settings.artefacts_dir / older / "manifest.json"
    manifest.chmod(0o600)
    manifest.write_bytes(manifest.read_bytes().replace(b'"format": 4', b'"format": 1'))
    caplog.handler.setFormatter(JsonLines())
    with writing(shop.wiring.engine) as conn:
        activate(conn, MODEL, older, 1)
    logger = logging.getLogger("tactful")
    logger.addHandler(caplog.handler)
    until(lambda: shop.recommend().status_code == 200 and "model:load:failed" in caplog.text)
    logger.removeHandler(caplog.handler)
    assert "train a new model" in caplog.text
    assert shop.recommend().json()["model_version"] == before
    newer = store_model(shop.settings, seed=22)
    until(lambda: shop.recommend().json()["model_version"] == newer)


def test_a_removed_model_is_not_served_any_longer_even_if_the_next_cannot_be_loaded(shop):
    before = shop.recommend().json()["model_version"]
    broken = store_model(shop.settings, seed=21, active=False)
    (shop.settings.artefacts_dir / broken / "weights.npy").unlink()
    with writing(shop.wiring.engine) as conn:
        activate(conn, MODEL, broken, 1)
        mark_erased(conn, broken, 1)
    erase_artefact(shop.settings.artefacts_dir / before)
    until(lambda: shop.recommend().json()["model_version"] is None)
    assert shop.recommend().status_code == 200


def test_an_unknown_model_is_not_activated(shop):
    assert activated(shop, "0" * 64).json()["type"] == "/problems/unknown-model"
