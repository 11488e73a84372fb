"""``tactful models`` on a small shop: listed, shown, compared, put in force, gone back from, retired."""

from __future__ import annotations

import json
from collections import Counter

import orjson
import pytest
from click.testing import CliRunner
from support.http import a_model, fill

from api.cli import main
from api.models.shadowing import Counts, Side
from api.settings import Settings
from api.storage.connection import open_engine, writing
from api.storage.model_shadows import ShadowRow, claim_shadow, note_shadow
from api.storage.versions import ModelRow, put_model
from api.wiring import now_ms
from engine.artefact import Manifest, write_artefact

CURVE = [
    {"min_support": 2, "ndcg": 0.2, "ndcg_low": 0.19, "ndcg_high": 0.21, "chosen": False},
    {"min_support": 5, "ndcg": 0.19, "ndcg_low": 0.18, "ndcg_high": 0.2, "chosen": True},
]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))

    def go(*words, exit_code=0):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == exit_code, result.output
        return result

    go("db", "upgrade")
    return go


@pytest.fixture
def versions(run, tmp_path):
    """Two models that nobody has put in force, the second without a curve."""
    settings = Settings.from_env({"TACTFUL_DATA_DIR": str(tmp_path / "shop")})
    fill(settings, model=False)
    engine, found = open_engine(settings), []
    for seed in (1, 2):
        manifest = Manifest(
            learner="walk",
            n_customers=500,
            min_support=5,
            metrics=[{"learner": "walk", "ndcg": 0.19, "ndcg_low": 0.18, "ndcg_high": 0.2, "recall": 0.3}],
            floor_curve=CURVE if seed == 1 else [],
            notes=["a note"],
        )
        version = write_artefact(settings.artefacts_dir, a_model(seed), manifest)
        row = ModelRow(
            version,
            str(settings.artefacts_dir / version),
            orjson.dumps(manifest).decode(),
            now_ms() - 1000 * seed,
        )
        with writing(engine) as conn:
            put_model(conn, row)
        found.append(version)
    engine.dispose()
    return found


def states(run):
    return [each["state"] for each in json.loads(run("models", "list", "--json").stdout)]


def test_models_are_listed_with_what_they_are(run, versions):
    listed = run("models", "list").stdout
    assert versions[0][:12] in listed
    assert "0.1900" in listed
    assert states(run) == ["kept", "kept"]


def test_a_card_is_shown_and_written(run, versions, tmp_path):
    html, png = tmp_path / "card.html", tmp_path / "card.png"
    shown = run("models", "show", versions[0][:8], "--html", str(html), "--png", str(png)).stdout
    assert "500 customers" in shown
    assert "Not for:" in shown
    assert "Note: a note" in shown
    assert "may not be used for" in html.read_text("utf-8")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert json.loads(run("models", "show", versions[0], "--json").stdout)["version"] == versions[0]
    refused = run("models", "show", versions[1], "--png", str(png), exit_code=1)
    assert "there is no curve" in refused.output


def test_models_are_compared(run, versions):
    compared = run("models", "compare", *versions)
    assert "0.1900 (0.1800 to 0.2000)" in compared.stdout
    assert "16 items both know" in compared.stderr
    assert "not measured on the same customers" in compared.stderr
    assert json.loads(run("models", "compare", *versions, "--json").stdout)["items"]["n_both"] == 16


def test_a_model_is_put_in_force_and_gone_back_from(run, versions):
    assert "no model is in force" in run("models", "rollback", exit_code=1).output
    run("models", "activate", versions[0])
    assert json.loads(run("models", "activate", versions[1], "--json").stdout) == {"version": versions[1]}
    assert states(run) == ["kept", "active"]
    assert "is in force again" in run("models", "rollback").output
    assert states(run) == ["active", "kept"]


def test_a_model_is_watched_until_that_is_ended(run, versions):
    run("models", "activate", versions[0])
    assert "is in shadow" in run("models", "shadow", versions[1], "--share", "0.1").output
    assert states(run) == ["active", "shadow"]
    told = json.loads(run("models", "shadow", versions[1], "--json").stdout)
    assert told == {"version": versions[1], "watched": True, "against": []}
    assert "not in shadow any more" in run("models", "shadow", versions[1], "--end").output
    assert states(run) == ["active", "kept"]
    assert "in force" in run("models", "shadow", versions[0], exit_code=1).output


@pytest.mark.parametrize("n", [3, 40])
def test_what_was_counted_is_told_once_it_is_of_enough_decisions(run, versions, tmp_path, n):
    run("models", "activate", versions[0])
    run("models", "shadow", versions[1])
    side = Side(n_answered=n, n_shown=4 * n, n_withheld=Counter({"G19": 7}), us=100 * n)
    counts = Counts(n=n, n_equal=n // 2, n_both=3 * n, n_longest=4 * n, active=side, shadow=side)
    engine = open_engine(Settings.from_env({"TACTFUL_DATA_DIR": str(tmp_path / "shop")}))
    with writing(engine) as conn:
        claimed = claim_shadow(
            conn, ShadowRow(versions[1], versions[0], 1, 1_000_000, 0, 10, counts.to_json()), 5
        )
        assert claim_shadow(conn, claimed, 9) is None  # somebody works on it
        assert note_shadow(conn, claimed, 1, counts.to_json())
        assert not note_shadow(conn, claimed, 2, counts.to_json())
    engine.dispose()
    told = run("models", "shadow", versions[1]).stderr
    assert f"{n} decisions made again" in told
    assert ("too few" in told) is (n == 3)
    assert ("75.0 % of suggestions in both" in told) is (n == 40)
    assert ("G19 7" in told) is (n == 40)


def test_a_model_is_retired(run, versions):
    run("models", "activate", versions[0])
    assert "in use" in run("models", "retire", versions[0], exit_code=1).output
    assert "is retired" in run("models", "retire", versions[1]).output
    assert states(run) == ["active", "retired"]
    assert "nothing needed it" in run("models", "activate", versions[1], exit_code=1).output


def test_a_version_is_named_by_enough_of_its_digits(run, versions):
    assert "8 digits" in run("models", "show", versions[0][:7], exit_code=2).output
    assert "no model begins" in run("models", "show", "0" * 12, exit_code=1).output
