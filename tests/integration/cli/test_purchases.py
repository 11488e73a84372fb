"""``tactful evaluate --purchases`` on a small shop of two tastes and one habit."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from api.cli import main

NOW = datetime.now(UTC)
N_CUSTOMERS = 40
WAYS = {
    "repeat": [
        "own frequency alone",
        "popularity alone",
        "without guardrails",
        "with guardrails and consents",
    ],
    "new to customer": ["popularity alone", "without guardrails", "with guardrails and consents"],
}


def invoke(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def ago(days):
    return (NOW - timedelta(days=days)).isoformat(timespec="seconds")


def purchase(number, step, item_id, days):
    return {
        "event_id": f"{number}-{step}",
        "customer_id": f"somebody-{number}",
        "item_id": item_id,
        "kind": "purchase",
        "at": ago(days),
        "purpose": "personalize.content.profiling",
    }


def purchases_of(number):
    """Six of ten of a kind, and one milk every week; in the last week that milk and one more of the kind."""
    kind = ("bread", "nuts")[number % 2]
    yield from (
        purchase(number, step, f"{kind}-{(number // 2 + step) % 10:02}", 20 + step) for step in range(6)
    )
    yield from (purchase(number, 10 + week, f"milk-{number % 4:02}", 10 + 7 * week) for week in range(4))
    yield purchase(number, 20, f"milk-{number % 4:02}", 2)
    yield purchase(number, 21, f"{kind}-{(number // 2 + 6) % 10:02}", 2)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("purchases")
    items = [
        {"item_id": f"{kind}-{n:02}", "title": f"{kind} {n}", "category": f"Food > {kind}"}
        for kind in ("bread", "nuts", "milk")
        for n in range(10)
    ]
    consents = [
        {"customer_id": f"somebody-{number}", "purpose": purpose, "status": "given", "at": ago(100)}
        for number in range(N_CUSTOMERS)
        for purpose in ("personalize.content.profiling", "personalize.content.profiled")
    ]
    events = [event for number in range(N_CUSTOMERS) for event in purchases_of(number)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TACTFUL_DATA_DIR", str(folder / "shop"))
        assert invoke("db", "upgrade").exit_code == 0
        for name, records in (("items", items), ("consents", consents), ("events", events)):
            (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)))
            assert invoke("import", name, folder / f"{name}.jsonl").exit_code == 0
        yield folder


def test_repeat_and_new_purchases_are_measured_in_every_way_with_intervals(shop):
    result = invoke("evaluate", "--purchases", "--days", 7, "--k", 10, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert set(report) == {"k", "placement", "questions"}
    assert (report["k"], report["placement"]) == (10, "home")
    assert {
        asked["purchases"]: [row["ranked_by"] for row in asked["found"]] for asked in report["questions"]
    } == WAYS
    for asked in report["questions"]:
        assert asked["n_customers"] == asked["n_items"] == N_CUSTOMERS
        for row in asked["found"]:
            assert 0 <= row["recall_from"] <= row["recall"] <= row["recall_to"] <= 1
            assert 0 <= row["ndcg_from"] <= row["ndcg"] <= row["ndcg_to"] <= 1
    by_way = {row["ranked_by"]: row["recall"] for row in report["questions"][0]["found"]}
    assert by_way["own frequency alone"] == by_way["without guardrails"] == 1.0


def test_table_and_picture_say_the_same_and_name_nobody(shop):
    plot = shop / "found.png"
    result = invoke("evaluate", "--purchases", "--days", 7, "--plot", plot)
    assert result.exit_code == 0, result.output
    assert all(name in result.stdout for name in [*WAYS, *WAYS["repeat"], "recall@20", "ndcg@20"])
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert f"{N_CUSTOMERS} customers bought {N_CUSTOMERS} such items" in result.stderr
    assert "somebody" not in result.output


def test_what_cannot_be_measured_is_said(shop):
    refused = invoke("evaluate", "--purchases", "--placement", "attic")
    assert refused.exit_code == 1
    assert "unknown placement `attic`" in refused.stderr


@pytest.mark.parametrize("arguments", [(".",), ("--guardrails",)])
def test_purchases_are_measured_by_themselves(arguments):
    assert invoke("evaluate", "--purchases", *arguments).exit_code == 2
