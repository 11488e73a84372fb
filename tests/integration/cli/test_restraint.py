"""``tactful evaluate --guardrails`` on a small shop of two tastes."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from api.cli import main

NOW = datetime.now(UTC)
N_CUSTOMERS = 60
SETTINGS = [
    "all rules on",
    *(
        f"without {group}"
        for group in ("sensitive", "wishes", "moment", "pressure", "grounds", "closeness", "variety")
    ),
    "all but consent off",
]


def invoke(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def lines(records):
    return "\n".join(json.dumps(record) for record in records)


def ago(days):
    return (NOW - timedelta(days=days)).isoformat(timespec="seconds")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Half buy bread, half buy nuts, eight of twelve each; in the last week one more of their own."""
    folder = tmp_path_factory.mktemp("restraint")
    items = [
        {"item_id": f"{kind}-{n:02}", "title": f"{kind} {n}", "category": f"Food > {kind}"}
        for kind in ("bread", "nuts")
        for n in range(12)
    ]
    consents = [
        {"customer_id": f"somebody-{number}", "purpose": purpose, "status": "given", "at": ago(100)}
        for number in range(N_CUSTOMERS)
        for purpose in ("personalize.content.profiling", "personalize.content.profiled")
    ]
    events = [
        {
            "event_id": f"{number}-{step}",
            "customer_id": f"somebody-{number}",
            "item_id": f"{('bread', 'nuts')[number % 2]}-{(number // 2 + step) % 12:02}",
            "kind": "purchase",
            "at": ago(2 if step == 8 else 20 + step),
            "purpose": "personalize.content.profiling",
        }
        for number in range(N_CUSTOMERS)
        for step in range(9)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TACTFUL_DATA_DIR", str(folder / "shop"))
        assert invoke("db", "upgrade").exit_code == 0
        for name, records in (("items", items), ("consents", consents), ("events", events)):
            (folder / f"{name}.jsonl").write_text(lines(records))
            assert invoke("import", name, folder / f"{name}.jsonl").exit_code == 0
        yield folder


def measured(*arguments):
    result = invoke("evaluate", "--guardrails", "--days", 7, *arguments)
    assert result.exit_code == 0, result.output
    return result


def test_every_group_but_consent_is_switched_off_and_its_cost_has_an_interval(shop):
    report = json.loads(measured("--json").stdout)
    assert set(report) == {"k", "placement", "n_customers", "costs"}
    assert (report["placement"], report["n_customers"]) == ("home", N_CUSTOMERS)
    assert [row["setting"] for row in report["costs"]] == SETTINGS
    assert all(row["cost_from"] <= row["cost"] <= row["cost_to"] for row in report["costs"])
    assert report["costs"][0]["ndcg"] > 0


def test_table_and_picture_say_the_same_and_name_nobody(shop):
    plot = shop / "cost.png"
    result = measured("--plot", plot)
    assert all(setting in result.stdout for setting in SETTINGS)
    assert f"wrote `{plot}`" in result.stderr
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "somebody" not in result.output


def test_what_was_measured_is_not_lost_where_a_picture_cannot_be_written(shop):
    result = invoke("evaluate", "--guardrails", "--days", 7, "--json", "--plot", shop / "no" / "cost.png")
    assert result.exit_code == 1
    assert [row["setting"] for row in json.loads(result.stdout)["costs"]] == SETTINGS


@pytest.mark.parametrize("folder", [(), (".",)], ids=["neither", "both"])
def test_either_a_folder_or_the_shop_is_measured(folder):
    assert invoke("evaluate", *folder, *(["--guardrails"] if folder else [])).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--guardrails", "--k", 5),
        (".", "--placement", "cart"),
        (".", "--days", 7),
        (".", "--plot", "cost.png"),
    ],
)
def test_an_option_that_would_be_without_effect_is_refused(arguments):
    result = invoke("evaluate", *arguments)
    assert result.exit_code == 2
    assert "goes with" in result.stderr or "go with" in result.stderr


def test_what_cannot_be_measured_is_said(shop):
    refused = invoke("evaluate", "--guardrails", "--placement", "attic")
    assert refused.exit_code == 1
    assert "unknown placement `attic`" in refused.stderr
    assert invoke("evaluate", "--guardrails", "--days", 365).exit_code == 1
