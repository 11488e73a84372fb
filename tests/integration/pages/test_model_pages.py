"""Models on pages: trained, compared, put in force, gone back from; and what they give away."""

import time
from dataclasses import replace

import orjson
from support.http import a_model, fill, serving
from support.pages import send, sign_in, somebody, staff_of, text_of

from api.console.models import STAGE_WORDS
from api.evaluating.leakage import Leakage, Row
from api.evaluating.leakage_report import keep_report, report_file
from api.models.alone import WAITING
from api.storage.connection import reading, writing
from api.storage.training_runs import RunState, TrainingRun, insert_run, note_run
from api.storage.versions import MODEL, ModelRow, active, put_model
from api.wiring import now_ms
from engine.artefact import Manifest, write_artefact
from engine.evaluation.attacker import Leak

MODELS = "/console/models"
MANIFEST = Manifest(
    learner="walk",
    n_customers=500,
    n_interactions=9_000,
    n_edges=240,
    min_support=5,
    min_support_sensitive=20,
    max_items_per_customer=200,
    data_from_ms=1_700_000_000_000,
    data_to_ms=1_750_000_000_000,
    repeat_shift=2,
    repeats={"shift": 2, "n_customers": 300, "ndcg": 0.29, "ndcg_without": 0.28},
    latent=True,
    trend={"half_life_days": 30},
    floor_curve=[
        {"min_support": 2, "ndcg": 0.2, "ndcg_low": 0.19, "ndcg_high": 0.21, "chosen": False},
        {"min_support": 5, "ndcg": 0.19, "ndcg_low": 0.18, "ndcg_high": 0.2, "chosen": True},
    ],
    metrics=[
        {"learner": "walk", "ndcg": 0.19, "recall": 0.3, "ndcg_low": 0.18, "ndcg_high": 0.2, "novelty": 1.5},
        {"learner": "als", "skipped": "<no> time"},
    ],
    segments=[{"by": "item_age", "segment": "new", "learner": "walk", "n": 40, "recall": 0.1, "ndcg": 0.05}],
    validation={"kind": "time", "n_customers": 50, "k": 20},
    notes=["customers were taken out of model 0"],
    libraries={"numpy": "2.2"},
)


def described(served, seed, manifest=MANIFEST):
    """Store a model with a manifest that is worth reading; return its version."""
    version = write_artefact(served.settings.artefacts_dir, a_model(seed), manifest)
    where = str(served.settings.artefacts_dir / version)
    with writing(served.wiring.engine) as conn:
        put_model(conn, ModelRow(version, where, orjson.dumps(manifest).decode(), now_ms()))
    return version


def seen(client, path, status=200, **query):
    return text_of(client.get(path, params=query), status)


def in_force(shop):
    with reading(shop.wiring.engine) as conn:
        return active(conn).get(MODEL)


def act(client, path, **fields):
    return send(client, path, MODELS, **fields)


class TestTheList:
    def test_it_says_what_is_in_force_and_how_each_stands(self, shop, admin):
        version = described(shop, 7)
        page = seen(admin, MODELS)
        assert f"Model {in_force(shop)[:12]} In force since" in page
        assert f"{version[:12]} kept: could be put in force" in page
        assert "19.0% (18.0% - 20.0%) 500 5" in page

    def test_a_shop_without_a_model_is_told_what_is_suggested_meanwhile(self, sqlite_store):
        with serving(sqlite_store.settings, fill(sqlite_store.settings, model=False)) as served:
            staff_of(served)
            with somebody(served) as client:
                sign_in(client, "admin")
                assert "There is no model yet" in seen(client, MODELS)
                assert "there was no model in force before this one" in seen(
                    client, f"{MODELS}/rollback", 409
                )
                assert "train another one" in seen(client, f"{MODELS}/compare")

    def test_only_admins_act(self, shop):
        version = described(shop, 7)
        with somebody(shop) as client:
            sign_in(client, "marketer")
            page = seen(client, MODELS)
            assert "Train now" not in page
            assert "Put in force" not in seen(client, f"{MODELS}/{version}")
            assert client.get(f"{MODELS}/{version}/activate").status_code == 403


class TestTheCard:
    def test_it_tells_in_words_what_is_to_be_known(self, shop, admin):
        page = seen(admin, f"{MODELS}/{described(shop, 7)}")
        assert "Learned from 9,000 interactions of 500 customers, 14 Nov 2023 - 15 Jun 2025." in page
        assert "Behind each of its 240 pairs of items are at least 5 customers, and 20" in page
        assert "Of what customers chose next, 30.0% was among its suggestions." in page
        assert "Its privacy floor costs 5.0% of ranking quality" in page
        assert (
            "What a customer buys again counts 4-fold beside what is new to them: on what 300 customers "
            "bought next that reaches 29.0%, and 28.0% as it is." in page
        )
        assert "What it may not be used for" in page
        assert "5 19.0% (18.0% - 20.0%)" in page  # the table behind the curve
        assert "left out: &lt;no&gt; time" in page

    def test_one_that_nothing_was_written_down_of_has_no_card(self, shop, admin):
        assert "so there is no card" in seen(admin, f"{MODELS}/{in_force(shop)}")

    def test_one_that_is_not_there_is_not_found(self, admin):
        assert admin.get(f"{MODELS}/{'0' * 64}").status_code == 404
        assert admin.get(f"{MODELS}/{'0' * 64}/activate").status_code == 404


class TestPuttingInForce:
    def test_it_is_asked_first_then_done_and_gone_back_from(self, shop, admin):
        before, version = in_force(shop), described(shop, 7)
        asked = seen(admin, f"{MODELS}/{version}/activate")
        assert "Every byte of the model is checked first" in asked
        assert in_force(shop) == before
        assert act(admin, f"{MODELS}/{version}/activate").status_code == 303
        assert f"Model {version[:12]} is in force." in seen(admin, MODELS)
        assert in_force(shop) == version
        assert before[:12] in seen(admin, f"{MODELS}/rollback")
        assert act(admin, f"{MODELS}/rollback").status_code == 303
        assert in_force(shop) == before
        again = text_of(act(admin, f"{MODELS}/rollback"), 409)
        assert "there was no model in force before this one" in again

    def test_a_broken_one_changes_nothing(self, shop, admin):
        before, version = in_force(shop), described(shop, 7)
        (shop.settings.artefacts_dir / version / "weights.npy").write_bytes(b"broken")
        assert "weights.npy" in text_of(act(admin, f"{MODELS}/{version}/activate"), 409)
        assert in_force(shop) == before


class TestComparing:
    def test_two_are_held_side_by_side(self, shop, admin):
        a, b = described(shop, 7), described(shop, 8, replace(MANIFEST, n_customers=501))
        page = seen(admin, f"{MODELS}/compare", a=a, b=b)
        assert "of item pages would show the same 20 suggestions" in page
        assert "Ranking quality (NDCG) 19.0% (18.0% - 20.0%) 19.0% (18.0% - 20.0%)" in page
        assert "Customers 500 501" in page
        assert "not measured on the same customers" not in page
        other = described(shop, 9, replace(MANIFEST, validation={"kind": "other"}))
        assert "not measured on the same customers" in seen(admin, f"{MODELS}/compare", a=a, b=other)

    def test_the_last_two_are_held_side_by_side_unless_told_otherwise(self, shop, admin):
        version = described(shop, 7)
        assert version[:12] in seen(admin, f"{MODELS}/compare")

    def test_one_that_is_not_there_is_said(self, shop, admin):
        assert "not in the store" in seen(admin, f"{MODELS}/compare", 409, a="0" * 64, b=in_force(shop))


class TestInShadow:
    def test_it_is_asked_and_no_longer(self, shop, admin):
        version = described(shop, 7)
        assert act(admin, f"{MODELS}/{version}/shadow", percent="25").status_code == 303
        page = seen(admin, f"{MODELS}/{version}")
        assert "in shadow: asked, never shown" in page
        assert act(admin, f"{MODELS}/{version}/shadow/end").status_code == 303
        assert "It is asked no longer" in seen(admin, f"{MODELS}/{version}")

    def test_the_one_in_force_cannot_be_its_own_shadow(self, shop, admin):
        refused = act(admin, f"{MODELS}/{in_force(shop)}/shadow", percent="25")
        assert "nothing to hold it against" in text_of(refused, 422)
        wrong = act(admin, f"{MODELS}/{described(shop, 7)}/shadow", percent="0")
        assert wrong.status_code == 422


class TestTraining:
    def test_it_is_followed_until_it_has_failed_and_stays_in_the_list(self, shop, admin):
        begun = act(admin, f"{MODELS}/train", budget_s="60", activate="true")
        where = begun.headers["Location"]
        assert act(admin, f"{MODELS}/train", budget_s="60").headers["Location"] == where
        deadline = time.monotonic() + 60
        while "no interactions to learn from" not in seen(admin, where):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        part = admin.get(where, headers={"HX-Request": "true"})
        assert "<html" not in part.text
        assert "hx-trigger" not in part.text  # it has ended: nobody asks again
        assert "failed" in seen(admin, MODELS)

    def test_one_under_way_says_how_far_it_is(self, shop, admin):
        at_ms = now_ms()
        run = TrainingRun(
            *("one", RunState.QUEUED, "", 0, None, 900, True, "somebody", at_ms, None),
            *(at_ms + 60_000, None, None, None, None),
        )
        later = replace(
            run, state=RunState.RUNNING, stage="comparing: walk", n_done=2, n_total=10, started_at_ms=at_ms
        )
        with writing(shop.wiring.engine) as conn:
            insert_run(conn, run)
            note_run(conn, later, run.claimed_until_ms)
        page = seen(admin, f"{MODELS}/runs/one")
        assert "comparing ways to learn: walk 2 / 10" in page
        assert "At most 15 minutes more are given to learning." in page
        assert 'hx-trigger="every 1s"' in admin.get(f"{MODELS}/runs/one").text
        assert "A training is under way." in seen(admin, MODELS)

    def test_a_time_that_cannot_be_given_is_refused_on_the_page(self, admin):
        assert act(admin, f"{MODELS}/train", budget_s="7").status_code == 422

    def test_what_waits_is_said_in_words(self):
        assert WAITING in STAGE_WORDS


class TestLeakage:
    def report(self, model):
        leaks = {
            "off": Leak(0.74, 0.70, 0.78),
            "on": Leak(0.51, 0.47, 0.55),
            "evidence": Leak(0.6, 0.5, 0.7),
            "popular": Leak(0.5, 0.5, 0.5),
        }
        rows = (Row("alcohol", 2, False, 96, leaks), Row("Drinks > Beer", 2, True, 60, leaks))
        return Leakage(240, "home", 2_000_000, 1, rows, model, "policy")

    def test_nothing_measured_is_said_with_the_way_to_measure(self, admin):
        assert "Whoever runs the server can do that with tactful leakage" in seen(admin, f"{MODELS}/leakage")

    def test_the_last_report_is_shown_in_words_and_figures(self, shop, admin):
        keep_report(report_file(shop.settings), self.report(in_force(shop)), now_ms())
        page = seen(admin, f"{MODELS}/leakage")
        assert "2 / 2 kinds of goods with the goal reached" in page
        assert "alcohol tier 2 · 96 buyers" in page
        assert "74.0% (70.0% - 78.0%)" in page
        assert "Beer" in page
        assert "Another model is in force since" not in page
        assert "measure again" not in seen(admin, MODELS)

    def test_one_of_another_model_is_overdue(self, shop, admin):
        keep_report(report_file(shop.settings), self.report("other"), now_ms())
        assert "Another model is in force since" in seen(admin, f"{MODELS}/leakage")
        assert "measure again" in seen(admin, MODELS)
