"""``tactful log``: records that are opened, made again and explained, each look logged before it is told."""

import csv
import io
import json

import pytest
from support.log_shop import N_DECISIONS as N
from support.log_shop import LogShop, copy_of, fill_a_shop

from api.storage.api_keys import Role
from guardrails.log.views import COLUMNS


class Shop(LogShop):
    """Commands are run by an auditor unless told otherwise."""

    def log(self, *arguments, role=Role.AUDITOR):
        return super().log(*arguments, role=role)

    def data(self, *arguments, exit_code=0):
        result = self.log(*arguments, "--json")
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)

    def looks(self):
        """Kind and number of records of every look that was logged."""
        return [(said["kind"], said["n"]) for said in self.disclosures()]


@pytest.fixture(scope="module")
def filled(sqlite_template, tmp_path_factory):
    return fill_a_shop(sqlite_template, tmp_path_factory.mktemp("filled") / "shop")


@pytest.fixture
def shop(filled, tmp_path, monkeypatch):
    settings = copy_of(filled, tmp_path / "shop", monkeypatch)
    return Shop(settings, filled[1], tmp_path, filled[2])


def test_every_decision_is_made_again_exactly(shop):
    told = shop.data("replay", "--all")
    assert told["levels"] == {"1": {"exact": N}, "2": {"exact": N}}
    assert (told["n"], told["n_failed"], told["differing"]) == (N, 0, [])
    assert shop.looks() == [("replay", N)]
    words = shop.log("replay", "--all")
    assert (words.exit_code, "EXACT" in words.stdout) == (0, True)


def test_some_decisions_are_made_again_and_only_the_level_asked_for(shop):
    assert shop.data("replay", "--sample", "2", "--level", "1")["levels"] == {"1": {"exact": 2}}
    assert shop.data("replay", "--sample", "100")["n"] == N
    two = ("--decision", shop.ids[0], "--decision", shop.ids[3])
    assert shop.data("replay", *two)["levels"]["2"] == {"exact": 2}
    assert shop.log("replay", "--decision", "no-such-decision").exit_code == 1
    assert shop.looks() == [("replay", 2), ("replay", N), ("replay", 2)]


def test_a_body_that_was_changed_is_named_and_the_others_are_made_again(shop):
    last = shop.sql("SELECT max(log_index) FROM decisions")[0][0]
    shop.sql(f"UPDATE decision_bodies SET sealed = zeroblob(300) WHERE log_index = {last}")  # noqa: S608  ours
    told = shop.data("replay", "--all", exit_code=1)
    assert told["levels"]["1"] == {"body_changed": 1, "exact": N - 1}
    assert told["differing"][0]["decision_id"] == shop.ids[-1]
    assert shop.ids[-1] in shop.log("replay", "--all").stdout


def test_what_was_erased_is_counted_and_nothing_else_is_said(shop):
    shop.sql("DELETE FROM decision_bodies WHERE log_index = (SELECT max(log_index) FROM decisions)")
    assert shop.data("replay", "--all")["levels"]["2"] == {"erased": 1, "exact": N - 1}
    erased = shop.log("verify", "--decision", shop.ids[-1], "--allow-unwitnessed")
    assert erased.exit_code == 0
    assert "L1     ERASED" in erased.stdout
    assert shop.log("why", shop.ids[-1]).exit_code == 1
    told = shop.data("export", shop.folder / "x.csv", "--view", "csv")
    assert (told["n_opened"], told["n_erased"]) == (N - 1, 1)


def test_one_decision_is_proven_and_made_again(shop):
    said = shop.data("verify", "--decision", shop.ids[1], "--allow-unwitnessed")
    assert {name: said[name].split()[0] for name in ("leaf", "proof", "sig", "l1", "l2")} == {
        "leaf": "OK",
        "proof": "OK",
        "sig": "OK",
        "l1": "EXACT",
        "l2": "EXACT",
    }
    assert shop.log("verify", "--decision", shop.ids[1]).exit_code == 3
    assert shop.looks() == [("replay", 1), ("replay", 1)]
    assert shop.log("verify", "--decision", "no-such-decision").exit_code == 1


def test_a_decision_whose_entry_was_changed_is_not_opened(shop):
    shop.sql("DROP TRIGGER log_entries_refuse_update")
    at = "(SELECT log_index FROM decisions ORDER BY log_index DESC LIMIT 1)"
    shop.sql(f"UPDATE log_entries SET entry = CAST(entry || ' ' AS BLOB) WHERE log_index = {at}")  # noqa: S608  a test's own words
    result = shop.log("verify", "--decision", shop.ids[-1])
    assert result.exit_code == 1
    assert "LEAF   TAMPERED" in result.stdout
    assert "L1" not in result.stdout
    assert shop.looks() == []


def test_a_model_that_is_gone_is_said_to_be(shop):
    shop.sql("DELETE FROM models")
    assert shop.data("replay", "--all")["levels"]["2"].get("artefact_pruned", 0) >= N - 1
    assert "ARTEFACT PRUNED" in shop.log("verify", "--decision", shop.ids[1]).stdout


def test_why_says_of_each_item_what_would_have_been_enough(shop):
    told = shop.data("why", shop.ids[1])
    shown = {each["item_id"] for each in shop.answers[1]["items"]}
    assert shown <= {each["item"] for each in told["counterfactuals"]}
    item = min(shown)
    words = shop.log("why", shop.ids[1], "--item", item)
    assert words.exit_code == 0
    assert all(line.startswith(f"{item} was shown") for line in words.stdout.splitlines())
    danish = shop.data("why", shop.ids[1], "--item", item, "--language", "da")
    assert danish["counterfactuals"][0]["sentence"] not in words.stdout
    assert shop.looks() == [("counterfactuals", 1)] * 3
    assert shop.log("why", shop.ids[1], "--item", "no-such-item").exit_code == 2
    assert shop.log("why", "no-such-decision").exit_code == 1


def test_the_table_of_reasons_has_what_was_answered(shop):
    file = shop.folder / "reasons.csv"
    told = shop.data("export", file, "--view", "csv")
    assert (told["n_opened"], told["view"]) == (N, "csv")
    rows = list(csv.DictReader(io.StringIO(file.read_text(), newline="")))
    assert tuple(rows[0]) == COLUMNS
    shown = [row["item"] for row in rows if row["outcome"] == "shown"]
    assert shown == [each["item_id"] for answer in shop.answers for each in answer["items"]]
    assert shop.looks() == [("export", N)]
    assert file.stat().st_mode & 0o777 == 0o600


def test_statements_of_reasons_are_of_what_was_withheld(shop):
    file = shop.folder / "statements.json"
    told = shop.data("export", file, "--view", "dsa", "--decision", shop.ids[2], "--sections", "rules,out")
    assert told["n_opened"] == 1
    said = json.loads(file.read_text())["statements"]
    assert len(said) == shop.answers[2]["withheld"]["count"]
    assert all(each["puid"].startswith(shop.ids[2]) for each in said)


def test_provenance_takes_no_key_unless_records_are_opened_for_it(shop):
    file = shop.folder / "prov.json"
    assert shop.data("export", file, "--view", "prov")["n_opened"] == 0
    text = file.read_text()
    assert len(json.loads(text)["bundle"]) == N
    assert not any(each["item_id"] in text for answer in shop.answers for each in answer["items"])
    assert shop.looks() == []
    shop.data("export", file, "--view", "prov", "--sections", "cand,out")
    assert all(each["item_id"] in file.read_text() for each in shop.answers[1]["items"])
    assert shop.looks() == [("export", N)]


def test_the_details_of_a_look_at_several_peoples_decisions_name_none(shop):
    """Such details stay when one of them is erased; those of one customer go with that customer."""
    for_nobody, *of_the_buyer = shop.ids
    for which in ([for_nobody, *of_the_buyer], of_the_buyer):
        options = [part for each in which for part in ("--decision", each)]
        assert shop.data("replay", *options)
        assert (
            shop.log("export", shop.folder / f"{len(which)}.zip", "--sections", "out", *options).exit_code
            == 0
        )
    rows = shop.sql("SELECT subject_key, details FROM disclosures ORDER BY log_index")
    told = [(key is None, json.loads(details)) for key, details in rows]
    assert [(is_nobodys, each["n_named"], "decisions" in each) for is_nobodys, each in told] == [
        *[(True, N, False)] * 2,
        *[(False, N - 1, True)] * 2,
    ]
    assert all(set(each["decisions"]) == set(of_the_buyer) for _, each in told if "decisions" in each)
