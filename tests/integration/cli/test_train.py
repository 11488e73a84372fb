"""``tactful train`` on a small shop: what is learned from, what is not, and what comes into force."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from api.cli import main

NOW = datetime.now(UTC)
ITEMS = [
    *({"item_id": f"food-{n}", "title": f"Bread {n}", "category": "Food > Bread"} for n in range(6)),
    {"item_id": "test", "title": "Pregnancy test kits", "category": "Family planning > Pregnancy test kits"},
]


def lines(records):
    return "\n".join(json.dumps(record) for record in records)


def days_ago(days):
    return (NOW - timedelta(days=days)).isoformat(timespec="seconds")


def purchase(customer, item, days=5, **more):
    return {
        "event_id": f"{customer}-{item}-{days}",
        "customer_id": customer,
        "item_id": item,
        "kind": "purchase",
        "at": days_ago(days),
        "purpose": "personalize.content.profiling",
    } | more


def consent(customer, status="given", days=100):
    return {
        "customer_id": customer,
        "purpose": "personalize.content.profiling",
        "status": status,
        "at": days_ago(days),
    }


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Thirty customers who agreed and bought, one who never agreed, one who took it back."""
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))
    agreed = [f"c{number}" for number in range(30)]
    events = [
        purchase(customer, f"food-{(number + step) % 6}", days=40 * step + 3)
        for number, customer in enumerate(agreed)
        for step in range(4)
    ]
    events += [purchase("never", "food-0"), purchase("withdrew", "food-1")]
    events += [
        purchase("c0", "test"),
        purchase("c1", "food-5", is_gift=True),
        purchase("c2", "food-5", days=400),
    ]
    events += [purchase("c3", "food-0", days=1, purpose="essential.service")]
    consents = [consent(customer) for customer in [*agreed, "withdrew"]] + [
        consent("withdrew", "withdrawn", 1)
    ]
    files = {"items": ITEMS, "consents": consents, "events": events}
    run("db", "upgrade")
    for kind, records in files.items():
        (tmp_path / f"{kind}.jsonl").write_text(lines(records))
        run("import", kind, tmp_path / f"{kind}.jsonl")


def run(*arguments):
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    return result


def test_only_what_is_permitted_now_is_learned_from(shop):
    report = json.loads(run("train", "--json").stdout)
    assert report["n_customers"] == 30
    assert report["n_interactions"] == 30 * 4
    assert report["kept_out"] == {"G06": 1, "G11": 1, "G21": 1}


def test_the_first_model_comes_into_force_and_says_why(shop):
    report = json.loads(run("train", "--json").stdout)
    assert (report["activated"], report["because"]) == (True, "there was no model in force")


def test_training_again_on_the_same_data_changes_nothing(shop):
    first = json.loads(run("train", "--json").stdout)
    again = json.loads(run("train", "--json").stdout)
    assert again["version"] == first["version"]
    assert again["because"] == "it is the model in force already: nothing has changed"


def test_a_model_can_be_kept_aside(shop):
    report = json.loads(run("train", "--no-activate", "--json").stdout)
    assert (report["activated"], report["because"]) == (False, "activation was not wanted")
    assert json.loads(run("train", "--json").stdout)["because"] == "there was no model in force"


def test_a_withdrawal_holds_from_the_next_training_on(shop, tmp_path):
    (tmp_path / "later.jsonl").write_text(lines([consent("c0", "withdrawn", 0)]))
    run("import", "consents", tmp_path / "later.jsonl")
    report = json.loads(run("train", "--json").stdout)
    assert (report["n_customers"], report["n_interactions"]) == (29, 29 * 4)


def test_the_table_names_the_chosen_learner(shop):
    result = run("train")
    assert result.stdout.count("chosen") == 1
    assert all(name in result.stdout for name in ("popular", "cosine", "bm25", "walk", "als"))
    assert "is in force: there was no model in force" in result.stderr


def test_a_shop_without_anything_to_learn_from_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path))
    run("db", "upgrade")
    result = CliRunner().invoke(main, ["train"])
    assert (result.exit_code, result.stderr) == (1, "Error: there are no interactions to learn from\n")
