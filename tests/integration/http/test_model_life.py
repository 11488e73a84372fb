"""The life of a model over HTTP: trained, described, compared, watched, gone back from."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from support.http import BUYER, EVERYTHING, a_model, serving, store_model
from support.learning import keys_of_a_shop_to_learn_from
from support.waiting import until

from api.models import shadowing
from api.models.runs import CLAIM_MS
from api.storage.api_keys import Role
from api.storage.connection import reading, writing
from api.storage.training_runs import RunState, TrainingRun, get_run, insert_run
from api.storage.versions import Came, ModelRow, activate_model, mark_erased, mark_retired, put_model
from api.wiring import now_ms
from engine.artefact import Manifest, write_artefact

CURVE = [
    {"min_support": 2, "ndcg": 0.2, "ndcg_low": 0.19, "ndcg_high": 0.21, "chosen": False},
    {"min_support": 5, "ndcg": 0.19, "ndcg_low": 0.18, "ndcg_high": 0.2, "chosen": True},
]


def store_described(shop, seed, **more):
    """Store a model with a manifest that is worth reading; return its version."""
    manifest = Manifest(
        learner="walk",
        n_customers=500,
        floor_curve=CURVE,
        metrics=[{"learner": "walk", "ndcg": 0.19, "recall": 0.3, "ndcg_low": 0.18, "ndcg_high": 0.2}],
        validation={"kind": "time", "n_customers": 50, "k": 20},
    )
    manifest = replace(manifest, **more)
    version = write_artefact(shop.settings.artefacts_dir, a_model(seed), manifest)
    row = ModelRow(
        version, str(shop.settings.artefacts_dir / version), orjson.dumps(manifest).decode(), now_ms()
    )
    with writing(shop.wiring.engine) as conn:
        put_model(conn, row)
    return version


def in_force(shop, version):
    assert shop.ask("POST", f"/v1/models/{version}/activate", Role.ADMIN).status_code == 200


def state_of(shop, version):
    return shop.ask("GET", f"/v1/models/{version}", Role.AUDITOR).json()["state"]


def roll_back(shop):
    return shop.ask("POST", "/v1/models/rollback", Role.ADMIN)


def watched(shop, version, role=Role.ADMIN, **body):
    return shop.ask("POST", f"/v1/models/{version}/shadow", role, json=body)


@pytest.fixture
def learning_shop(sqlite_store):
    """A shop that can be learned from."""
    keys = keys_of_a_shop_to_learn_from(sqlite_store)
    with serving(sqlite_store.settings, keys) as served:
        yield served


def test_a_training_runs_beside_the_requests_and_ends_with_a_model_in_force(learning_shop):
    shop = learning_shop
    begun = shop.ask("POST", "/v1/models/train", Role.ADMIN, json={})
    assert begun.status_code == 202
    assert begun.json()["state"] == "queued"
    where = begun.headers["Location"]
    again = shop.ask("POST", "/v1/models/train", Role.ADMIN, json={})
    assert (again.status_code, again.headers["Location"]) == (200, where)

    def ended():
        run = shop.ask("GET", where, Role.MARKETER).json()
        return run if run["finished_at_ms"] else None

    run = until(ended)
    assert run["state"] == "succeeded", run
    assert run["activated"] is True
    assert run["because"] == "there was no model in force"
    assert run["requested_at_ms"] <= run["started_at_ms"] <= run["finished_at_ms"]
    until(lambda: shop.recommend().json()["model_version"] == run["version"])
    (listed,) = shop.ask("GET", "/v1/models", Role.AUDITOR).json()["models"]
    assert (listed["version"], listed["state"]) == (run["version"], "active")
    assert shop.ask("POST", "/v1/models/train", Role.ADMIN, json={"activate": False}).status_code == 202


def test_a_training_that_cannot_learn_says_why(shop_on_sqlite):
    shop = shop_on_sqlite
    where = shop.ask("POST", "/v1/models/train", Role.ADMIN, json={"budget_s": 5}).headers["Location"]
    run = until(lambda: _ended(shop, where))
    assert (run["state"], run["version"], run["budget_s"]) == ("failed", None, 5)
    assert run["because"] == "there are no interactions to learn from"


def _ended(shop, where):
    run = shop.ask("GET", where, Role.ADMIN).json()
    return run if run["finished_at_ms"] else None


def test_a_server_that_is_stopped_interrupts_its_training(sqlite_store):
    keys = keys_of_a_shop_to_learn_from(sqlite_store, 1)
    with serving(sqlite_store.settings, keys) as shop:
        run_id = shop.ask("POST", "/v1/models/train", Role.ADMIN, json={}).json()["run_id"]
    with reading(sqlite_store.engine) as conn:
        run = get_run(conn, run_id)
    assert (run.state, run.because) == (RunState.INTERRUPTED, "the server was stopped")


def test_a_training_whose_server_died_is_interrupted_and_another_can_begin(learning_shop):
    shop = learning_shop
    clock = Late()
    with serving(shop.settings, shop.keys) as dying:
        dying.wiring.trainings._closed.set()  # nobody watches over it
        run, _ = _only_stored(dying)
    assert shop.ask("GET", f"/v1/models/runs/{run}", Role.ADMIN).json()["state"] == "queued"
    shop.wiring.trainings._clock = clock
    found = shop.ask("GET", f"/v1/models/runs/{run}", Role.ADMIN).json()
    assert found["state"] == "interrupted"
    assert found["finished_at_ms"]
    begun = shop.ask("POST", "/v1/models/train", Role.ADMIN, json={})
    assert begun.status_code == 202
    assert begun.json()["run_id"] != run


class Late:
    """A clock that is ahead."""

    def __call__(self):
        return now_ms() + 2 * CLAIM_MS


def _only_stored(served):
    at_ms = now_ms()
    run = TrainingRun(
        "left", RunState.QUEUED, "", 0, None, 60, True, "k", at_ms, None, at_ms + CLAIM_MS, *[None] * 4
    )
    with writing(served.wiring.engine) as conn:
        return run.run_id, insert_run(conn, run)


def test_an_unknown_training_is_a_problem(shop_on_sqlite):
    shop = shop_on_sqlite
    answer = shop.ask("GET", "/v1/models/runs/unknown", Role.AUDITOR)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-run")


@pytest.mark.parametrize(
    "body", [{"budget_s": 0}, {"budget_s": 86_401}, {"budget_s": "ten"}, {"activate": "later"}, {"x": 1}]
)
def test_a_training_asks_for_nothing_else(shop_on_sqlite, body):
    assert shop_on_sqlite.ask("POST", "/v1/models/train", Role.ADMIN, json=body).status_code == 422


def test_a_card_is_data_a_page_or_a_picture(shop_on_sqlite):
    shop = shop_on_sqlite
    version = store_described(shop, 21)
    told = shop.ask("GET", f"/v1/models/{version}", Role.MARKETER)
    assert told.headers["Vary"] == "Accept"
    assert told.json()["learner"] == "walk"
    assert told.json()["manifest"]["floor_curve"] == CURVE
    html = shop.ask("GET", f"/v1/models/{version}", Role.MARKETER, headers={"Accept": "text/html"})
    assert html.headers["Content-Type"].startswith("text/html")
    assert html.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "may not be used for" in html.text
    assert BUYER not in html.text
    picture = shop.ask("GET", f"/v1/models/{version}/card.png", Role.AUDITOR)
    assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/png")
    assert picture.content.startswith(b"\x89PNG")
    bare = store_described(shop, 22, floor_curve=[])
    assert shop.ask("GET", f"/v1/models/{bare}/card.png", Role.AUDITOR).status_code == 404
    for path in ("", "/card.png", "/shadow"):
        answer = shop.ask("GET", f"/v1/models/{'0' * 64}{path}", Role.AUDITOR)
        assert answer.json()["type"] == "/problems/unknown-model"


def test_two_models_side_by_side(shop_on_sqlite):
    shop = shop_on_sqlite
    a, b = store_described(shop, 21), store_described(shop, 22, n_customers=400)
    found = shop.ask("GET", f"/v1/models/compare?a={a}&b={b}", Role.MARKETER).json()
    assert (found["a"]["version"], found["b"]["n_customers"], found["same_validation"]) == (a, 400, True)
    assert found["items"] == {"n_both": 16, "n_only_a": 0, "n_only_b": 0}
    assert found["edges"] == {"n_both": 16 * 15, "n_added": 0, "n_removed": 0}
    assert found["slates"] == {"k": 20, "equal_micro": 0, "overlap_micro": 1_000_000}
    (ndcg,) = (row for row in found["metrics"] if row["figure"] == "ndcg")
    assert ndcg["a"] == {"value": 0.19, "low": 0.18, "high": 0.2}
    same = shop.ask("GET", f"/v1/models/compare?a={a}&b={a}", Role.MARKETER).json()
    assert same["slates"]["equal_micro"] == 1_000_000
    unknown = shop.ask("GET", f"/v1/models/compare?a={a}&b={'0' * 64}", Role.MARKETER)
    assert unknown.json()["type"] == "/problems/unknown-model"
    assert shop.ask("GET", f"/v1/models/compare?a={a}", Role.MARKETER).status_code == 422
    with writing(shop.wiring.engine) as conn:
        mark_retired(conn, b, now_ms())
    gone = shop.ask("GET", f"/v1/models/compare?a={a}&b={b}", Role.MARKETER)
    assert gone.json()["type"] == "/problems/broken-model"


def test_it_is_gone_back_one_model_after_the_other(shop):
    first = shop.recommend().json()["model_version"]
    second, third = store_described(shop, 21), store_described(shop, 22)
    in_force(shop, second)
    in_force(shop, third)
    assert state_of(shop, second) == "kept"
    assert roll_back(shop).json() == {"version": second, "in_force": True}
    assert shop.recommend().json()["model_version"] == second
    assert roll_back(shop).json()["version"] == first
    refused = roll_back(shop)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/model-refused")
    assert shop.recommend().json()["model_version"] == first


def test_without_a_model_there_is_nothing_to_go_back_from(shop_without_model):
    assert roll_back(shop_without_model).json()["detail"] == "no model is in force"


def test_a_model_that_was_removed_cannot_come_back(shop):
    first, second = store_described(shop, 21), store_described(shop, 22)
    in_force(shop, first)
    in_force(shop, second)
    with writing(shop.wiring.engine) as conn:
        mark_erased(conn, second, now_ms())
    answer = roll_back(shop)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/broken-model")
    assert "forget" in answer.json()["detail"]
    assert state_of(shop, first) == "erased"
    assert watched(shop, first).status_code == 409


def test_a_model_in_shadow_is_asked_about_what_was_decided_and_only_counted(shop):
    other = store_described(shop, 21)
    assert watched(shop, other).status_code == 200
    assert state_of(shop, other) == "shadow"
    take_over(shop)
    shop.choose("given", *EVERYTHING)
    first = shop.recommend()
    served = first.json()["model_version"]
    assert shop.wiring.shadow_models.work() <= 1  # from here on
    before = report_of(shop, other)["n_decisions"]
    asked = [shop.recommend(customer_id=BUYER) for _ in range(12)]
    asked += [shop.recommend(placement="product_page", context={"item_id": "bread-0"}) for _ in range(12)]
    assert {answer.json()["model_version"] for answer in asked} == {served}
    assert shop.wiring.shadow_models.work() == 24
    told = report_of(shop, other)
    assert told["n_decisions"] - before == 24
    assert (told["against"], told["watched"], told["n_passed_over"]) == (served, True, 0)
    figures = told["figures"]
    assert 0 < figures["overlap_micro"] <= 1_000_000
    assert figures["equal_micro"] < 1_000_000
    answers = [answer.json()["items"] for answer in ([first] if before else []) + asked]
    assert figures["active"]["n_shown"] == sum(map(len, answers))
    assert figures["active"]["answered_micro"] == round(1_000_000 * sum(map(bool, answers)) / len(answers))
    assert figures["shadow"]["n_shown"] > 0
    assert figures["active"]["n_withheld"].keys() | figures["shadow"]["n_withheld"].keys()
    assert min(figures[side]["mean_us"] for side in ("active", "shadow")) > 0
    assert shop.wiring.shadow_models.work() == 0
    assert BUYER not in orjson.dumps(told).decode()
    ended = shop.ask("DELETE", f"/v1/models/{other}/shadow", Role.ADMIN).json()
    assert ended["watched"] is False
    assert ended["against"][0]["n_decisions"] == told["n_decisions"]
    shop.recommend()
    assert shop.wiring.shadow_models.work() == 0


def take_over(shop):
    """Let nobody but the test ask the model in shadow."""
    shop.wiring.shadow_models.close()
    shop.wiring.shadow_models._closed.clear()


def report_of(shop, version):
    against = shop.ask("GET", f"/v1/models/{version}/shadow", Role.MARKETER).json()["against"]
    return against[0] if against else {"n_decisions": 0}


def test_of_a_few_decisions_no_figures_are_told(shop_on_sqlite):
    shop = shop_on_sqlite
    other = store_described(shop, 21)
    watched(shop, other, share_micro=1_000_000)
    shop.wiring.shadow_models.work()
    shop.recommend()
    until(lambda: shop.wiring.shadow_models.work() or report_of(shop, other)["n_decisions"])
    told = report_of(shop, other)
    assert told["n_decisions"] < shadowing.LEAST_TOLD
    assert told["figures"] is None


def test_a_model_that_comes_into_force_is_in_shadow_no_longer(shop_on_sqlite):
    shop = shop_on_sqlite
    other = store_described(shop, 21)
    watched(shop, other)
    in_force(shop, other)
    assert state_of(shop, other) == "active"
    answer = watched(shop, other)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/model-refused")


def test_decisions_that_cannot_be_made_again_as_the_shop_stands_now_are_passed_over(shop_on_sqlite):
    shop = shop_on_sqlite
    other = store_described(shop, 21)
    watched(shop, other)
    take_over(shop)
    shop.wiring.shadow_models.work()
    n_before = report_of(shop, other)["n_decisions"]
    shop.recommend()
    served = store_model(shop.settings, seed=23, active=False)
    with writing(shop.wiring.engine) as conn:
        activate_model(conn, served, now_ms())
    until(lambda: shop.recommend().json()["model_version"] == served)
    shop.wiring.shadow_models.work()
    told = report_of(shop, other)
    assert (told["against"], told["n_passed_over"]) == (served, 0)
    assert told["n_decisions"] <= n_before + 1


def test_updates_of_a_model_count_as_that_model_and_are_gone_back_from_at_once(shop_on_sqlite):
    shop = shop_on_sqlite
    first = shop.recommend().json()["model_version"]
    served, updated, other = (store_described(shop, seed) for seed in (21, 22, 23))
    in_force(shop, served)
    watched(shop, other)
    take_over(shop)
    shop.wiring.shadow_models.work()
    with writing(shop.wiring.engine) as conn:
        activate_model(conn, updated, now_ms(), came=Came.OF)
    until(lambda: shop.recommend().json()["model_version"] == updated)
    shop.wiring.shadow_models.work()
    (told,) = shop.ask("GET", f"/v1/models/{other}/shadow", Role.MARKETER).json()["against"]
    assert (told["against"], told["watched"]) == (served, True)
    assert told["n_decisions"]
    assert roll_back(shop).json()["version"] == first


@pytest.mark.parametrize("share_micro", [0, 1_000_001, "all"])
def test_a_share_of_decisions_lies_above_none_and_up_to_all(shop_on_sqlite, share_micro):
    assert watched(shop_on_sqlite, "0" * 64, share_micro=share_micro).status_code == 422


def test_only_an_admin_leads_a_model_through_its_life(shop_on_sqlite):
    version = store_described(shop_on_sqlite, 21)
    steps = [
        ("POST", "/v1/models/train"),
        ("POST", "/v1/models/rollback"),
        ("POST", f"/v1/models/{version}/activate"),
        ("POST", f"/v1/models/{version}/shadow"),
        ("DELETE", f"/v1/models/{version}/shadow"),
    ]
    for method, path in steps:
        for role in set(Role) - {Role.ADMIN}:
            assert shop_on_sqlite.ask(method, path, role).status_code == 403
    for path in (f"/v1/models/{version}", f"/v1/models/{version}/card.png", "/v1/models/runs/x"):
        assert shop_on_sqlite.ask("GET", path, Role.SITE).status_code == 403
