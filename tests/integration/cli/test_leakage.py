"""``tactful leakage`` on a small shop where what people drink can be read off what else they buy."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from api.cli import main
from api.cli.leakage import _print
from api.errors import SettingsError
from api.evaluating.leakage import Leakage, Row
from api.evaluating.leakage_report import keep_report, kept_report
from engine.evaluation.attacker import Leak

N_CUSTOMERS = 240
NOW = datetime.now(UTC)
ITEMS = [
    *({"item_id": f"food-{n:02}", "title": f"Bread {n}", "category": "Food > Bread"} for n in range(20)),
    *({"item_id": f"snack-{n:02}", "title": f"Nuts {n}", "category": "Food > Nuts"} for n in range(20)),
    {"item_id": "beer", "title": "Beer", "category": "Drinks > Beer"},
]


def run(*arguments):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result


def lines(records):
    return "\n".join(json.dumps(record) for record in records)


def customer(number):
    return f"somebody-{number:03}"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Two in five drink; who drinks buys nuts, and who does not buys bread."""
    folder = tmp_path_factory.mktemp("leak")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TACTFUL_DATA_DIR", str(folder / "shop"))
        random = np.random.default_rng(2)
        events, consents = [], []
        for number in range(N_CUSTOMERS):
            drinks = number % 5 < 2
            shelf = "snack" if drinks else "food"
            items = [f"{shelf}-{n:02}" for n in random.choice(20, 8, replace=False)]
            for step, item in enumerate([*items, *(["beer"] if drinks else [])]):
                at = (NOW - timedelta(days=4 + 9 * step)).isoformat(timespec="seconds")
                events.append(
                    {
                        "event_id": f"{number}-{step}",
                        "customer_id": customer(number),
                        "item_id": item,
                        "kind": "purchase",
                        "at": at,
                        "purpose": "personalize.content.profiling",
                    }
                )
            agreed = {
                "customer_id": customer(number),
                "purpose": "personalize.content.profiling",
                "status": "given",
                "at": (NOW - timedelta(days=100)).isoformat(timespec="seconds"),
            }
            consents.append(agreed)
        for name, records in (("items", ITEMS), ("events", events), ("consents", consents)):
            (folder / f"{name}.jsonl").write_text(lines(records))
        run("db", "upgrade")
        for name in ("items", "consents", "events"):
            run("import", name, folder / f"{name}.jsonl")
        run("train")
        yield folder


def leakage(*arguments):
    return run("leakage", *arguments)


def test_the_leak_is_found_and_a_limit_below_one_closes_it(shop):
    open_, closed = (json.loads(leakage("--json", "--lift-max", limit).stdout) for limit in (2, 0))
    for report in (open_, closed):
        assert set(report) == {
            *("n_customers", "placement", "lift_max", "n_lifts", "rows"),
            *("model", "policy"),
        }
        assert report["n_customers"] == N_CUSTOMERS
        assert [row["name"] for row in report["rows"]] == ["alcohol", "Drinks > Beer"]
        assert [row["n_positive"] for row in report["rows"]] == [96, 96]
        assert all(set(row["off"]) == {"auc", "low", "high"} for row in report["rows"])
        assert all(row["off"]["auc"] > 0.95 for row in report["rows"])
        assert all(row["popular"]["low"] <= 0.5 <= row["popular"]["high"] for row in report["rows"])
    assert open_["rows"][0]["on"]["auc"] > 0.9  # nobody agreed to the class, so nothing is known to tell
    assert open_["rows"][0]["evidence"]["auc"] > 0.9
    assert not open_["rows"][0]["reached"]
    assert closed["rows"][0]["on"]["low"] <= 0.5 <= closed["rows"][0]["on"]["high"]
    assert closed["rows"][0]["evidence"]["low"] <= 0.5
    assert closed["rows"][0]["reached"]
    assert not (shop / "shop" / "leakage.json").exists()  # another limit than the one in force was tried


def test_the_table_says_the_same_and_names_nobody(shop):
    plot = shop / "leak.png"
    result = leakage("--customers", 200, "--plot", plot)
    assert "beer" in result.stdout
    assert "…" not in result.stdout
    assert "200 customers" in result.stderr
    assert "no lift is known" in result.stderr
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert not re.search("somebody", result.stdout + result.stderr)
    assert not any(b"somebody" in file.read_bytes() for file in shop.glob("leak.png"))
    kept = kept_report(shop / "shop" / "leakage.json")
    assert kept["n_customers"] == 200
    assert len(kept["model"]) == len(kept["policy"]) == 64
    assert kept["rows"][0]["name"] == "alcohol"
    assert b"somebody" not in (shop / "shop" / "leakage.json").read_bytes()


def test_what_was_measured_is_not_lost_where_a_picture_cannot_be_written(shop):
    arguments = ["leakage", "--json", "--customers", "200", "--plot", str(shop / "no" / "leak.png")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["n_customers"] == 200


def test_what_cannot_be_measured_is_said(shop):
    refused = CliRunner().invoke(main, ["leakage", "--placement", "attic"])
    assert refused.exit_code == 1
    assert "unknown placement `attic`" in refused.stderr
    few = CliRunner().invoke(main, ["leakage", "--customers", "60"])
    assert few.exit_code == 1
    assert "of no sensitive class" in few.stderr


def test_once_private_purchases_are_facts_of_orders_alone_they_count_only_where_a_shop_says_so(
    shop, tmp_path, monkeypatch
):
    shutil.copytree(shop / "shop", tmp_path / "later")
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "later"))
    run("purge")
    few = CliRunner().invoke(main, ["leakage"])
    assert few.exit_code == 1
    assert "`--with-orders`" in few.stderr
    rows = json.loads(leakage("--with-orders", "--json").stdout)["rows"]
    assert {row["name"]: row["n_positive"] for row in rows} == {"alcohol": 96, "Drinks > Beer": 96}
    assert rows[0]["off"]["auc"] > 0.95


def test_the_table_can_be_read_in_full_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    leak = Leak(0.6204, 0.5771, 0.6732)
    leaks = {"off": leak, "on": leak, "evidence": leak, "popular": Leak(0.5, 0.5, 0.5)}
    rows = (Row("Drug store > tobacco_nicotine", 3, True, 1_234, leaks),)
    _print(Leakage(1_500, "home", 2_000_000, 1, rows))
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert shown.count("(0.58-0.67)") == 3
    assert shown.split().count("missed") == 1


def a_report():
    leak = Leak(0.6, 0.5, 0.7)
    rows = (Row("alcohol", 2, False, 96, dict.fromkeys(("off", "on", "evidence", "popular"), leak)),)
    return Leakage(240, "home", 2_000_000, 1, rows, "model", "policy")


def test_the_last_report_takes_the_place_of_the_one_before(tmp_path):
    file = tmp_path / "there" / "leakage.json"
    keep_report(file, a_report(), 1)
    keep_report(file, a_report(), 2)
    assert kept_report(file)["at_ms"] == 2
    assert [each.name for each in file.parent.iterdir()] == ["leakage.json"]


@pytest.mark.parametrize("written", [b"{", b"[]", b"{}", None])
def test_what_is_no_report_is_none(tmp_path, written):
    file = tmp_path / "leakage.json"
    if written is not None:
        file.write_bytes(written)
    assert kept_report(file) is None


def test_a_report_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SettingsError, match="cannot be written"):
        keep_report(tmp_path / "file" / "leakage.json", a_report(), 1)
