"""Views of decisions: the same facts in the words of PROV, of a table and of statements of reasons."""

import csv
import io
import json
from collections import Counter

import pytest
from support.replaying import mixed_scenes, recorded

from engine.vocabulary import Kind, word
from guardrails.log.codes import REGISTRY, ReasonCode
from guardrails.log.views import (
    COLUMNS,
    NEEDED,
    NOT_IN_STATEMENTS,
    Verdict,
    Viewed,
    provenance,
    reasons,
    statements,
    verdicts,
)

ORIGIN = "shop.example/log"
SCHEMA_FIELDS = {
    "decision_visibility",
    "decision_visibility_other",
    "decision_monetary",
    "decision_provision",
    "decision_account",
    "account_type",
    "decision_ground",
    "decision_ground_reference_url",
    "illegal_content_legal_ground",
    "illegal_content_explanation",
    "incompatible_content_ground",
    "incompatible_content_explanation",
    "incompatible_content_illegal",
    "content_type",
    "category",
    "category_addition",
    "category_specification",
    "content_id",
    "content_language",
    "content_date",
    "territorial_scope",
    "application_date",
    "end_date_visibility_restriction",
    "end_date_monetary_restriction",
    "end_date_account_restriction",
    "end_date_service_restriction",
    "decision_facts",
    "source_type",
    "source_identity",
    "automated_detection",
    "automated_decision",
    "puid",
}


@pytest.fixture(scope="module")
def decisions():
    """Different decisions with everything disclosed."""
    found = []
    for index, scene in enumerate(mixed_scenes(25, seed=6)):
        record = recorded(scene)
        sections = {name: json.loads(content) for name, content in record.sections.items()}
        found.append(Viewed(index, record.header | {"id": f"decision-{index}"}, sections))
    assert {each.entry["model"] for each in found} > {None}
    return found


def made_up(rule="G1", reason="MINOR", item="lamp-1", **more):
    """A decision that withheld one item for a reason and showed another."""
    entry = {"id": "d", "t_min": 29_000_000, "placement": "home", "policy": "p" * 64, **more}
    asked = {"asked": [{"rule": rule, "reason": reason}], "slate": []}
    out = {"withheld": [{"item": item, "rule": rule}], "list": [{"item": "bread-1", "code": "POPULAR"}]}
    return Viewed(7, entry, {"rules": {"rounds": [asked]}, "out": out})


def whole(pieces):
    return b"".join(pieces)


def rows_of(decisions):
    return list(csv.reader(io.StringIO(whole(reasons(decisions)).decode(), newline="")))


def test_every_item_that_was_withheld_or_shown_has_its_verdict_with_a_code_of_the_registry(decisions):
    for viewed in decisions:
        found = list(verdicts(viewed))
        out = viewed.sections["out"]
        assert len(found) == len(out["withheld"]) + len(out["list"])
        assert len(out["list"]) == viewed.entry["n_shown"]
        assert len(out["withheld"]) == viewed.entry["n_withheld"]
        assert all(ReasonCode(each.reason) for each in found if each.outcome == "withheld")


def test_rules_of_the_whole_list_have_their_reason_as_well():
    viewed = made_up()
    viewed.sections["rules"]["rounds"][0]["slate"].append({"rule_id": "S2", "reason_code": "TUNNEL"})
    viewed.sections["out"]["withheld"].append({"item": "milk-1", "rule": "S2"})
    assert Verdict("withheld", "milk-1", "S2", "TUNNEL") in list(verdicts(viewed))


def test_the_table_has_a_row_for_each_verdict(decisions):
    heading, *rows = rows_of(decisions)
    assert tuple(heading) == COLUMNS
    assert len(rows) == sum(len(list(verdicts(viewed))) for viewed in decisions)
    assert rows_of([made_up()])[1:] == [
        ["7", "2025-02-19T21:20:00Z", "home", "withheld", "G1", "MINOR", "lamp-1"],
        ["7", "2025-02-19T21:20:00Z", "home", "shown", "", "POPULAR", "bread-1"],
    ]


@pytest.mark.parametrize("item", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_spreadsheet_finds_no_formula_in_the_table(item):
    assert rows_of([made_up(item=item)])[1][-1] == f"'{item}"


def test_statements_say_for_each_field_of_the_schema_what_it_is_or_why_it_does_not_apply(decisions):
    document = json.loads(whole(statements(decisions)))
    assert document["not_applicable"] == dict(NOT_IN_STATEMENTS)
    assert len(document["statements"]) == sum(viewed.entry["n_withheld"] for viewed in decisions) > 0
    for each in document["statements"]:
        assert set(each) | set(NOT_IN_STATEMENTS) == SCHEMA_FIELDS
        assert not set(each) & set(NOT_IN_STATEMENTS)
        assert len(each["incompatible_content_ground"]) <= 500
        assert len(each["incompatible_content_explanation"]) <= 2000
    assert len({each["puid"] for each in document["statements"]}) == len(document["statements"])


@pytest.mark.parametrize("code", ReasonCode)
def test_a_statement_gives_the_meaning_of_its_code_and_the_law_where_there_is_one(code):
    (said,) = json.loads(whole(statements([made_up(reason=code.value)])))["statements"]
    explanation = said["incompatible_content_explanation"]
    assert REGISTRY[code].meaning in explanation
    assert explanation.endswith(f"({REGISTRY[code].law})") == bool(REGISTRY[code].law)
    assert said["category"].startswith("STATEMENT_CATEGORY_")
    assert (said["category"] == "STATEMENT_CATEGORY_PROTECTION_OF_MINORS") == (
        code in {ReasonCode.MINOR, ReasonCode.AGE_RESTRICTED}
    )


def test_relations_of_provenance_are_between_things_that_are_there(decisions):
    document = json.loads(whole(provenance(decisions, ORIGIN)))
    assert len(document["bundle"]) == len(decisions)
    for viewed, bundle in zip(decisions, document["bundle"].values(), strict=True):
        entities, activities, agents = bundle["entity"], bundle["activity"], bundle["agent"]
        for each in bundle["used"].values():
            assert each["prov:entity"] in entities
            assert each["prov:activity"] in activities
        (generated,) = bundle["wasGeneratedBy"].values()
        assert entities[generated["prov:entity"]]["tactful:n_shown"] == viewed.entry["n_shown"]
        for each in bundle["wasAssociatedWith"].values():
            assert each["prov:agent"] in agents
            assert each.get("prov:plan", generated["prov:entity"]) in entities
        (responsible,) = bundle["actedOnBehalfOf"].values()
        assert set(responsible.values()) <= set(agents)
        assert any(agent.get("prov:label") == ORIGIN for agent in agents.values())


def test_provenance_counts_the_evidence_that_is_disclosed_by_its_kind(decisions):
    document = json.loads(whole(provenance(decisions, ORIGIN)))
    kinds_seen = set()
    for viewed, bundle in zip(decisions, document["bundle"].values(), strict=True):
        evidence = viewed.sections["cand"]["rounds"][-1]["evidence"]["kind"]
        found = {
            each["tactful:kind"]: each["tactful:n"]
            for each in bundle["entity"].values()
            if "tactful:kind" in each
        }
        assert found == Counter(word(Kind(kind)) for kind in evidence)
        kinds_seen |= set(found)
    assert kinds_seen


def test_without_disclosure_provenance_names_no_item_and_no_evidence(decisions):
    bare = [viewed._replace(sections={}) for viewed in decisions]
    text = whole(provenance(bare, ORIGIN)).decode()
    assert not any(item in text for viewed in decisions for item in _items(viewed))
    assert "tactful:kind" not in text
    assert "tactful:catalogue" not in text
    assert text.count("tactful:Slate") == len(bare)


def test_views_of_nothing_are_whole_documents():
    assert json.loads(whole(provenance([], ORIGIN)))["bundle"] == {}
    assert json.loads(whole(statements([])))["statements"] == []
    assert rows_of([]) == [list(COLUMNS)]


def test_each_view_says_what_it_takes():
    assert dict(NEEDED) == {"prov": set(), "csv": {"rules", "out"}, "dsa": {"rules", "out"}}


def test_views_come_piece_by_piece(decisions):
    taken = []
    pieces = reasons(taken.append(each) or each for each in decisions)
    next(pieces)
    assert taken == []
    next(pieces)
    assert len(taken) <= 1 + next(at for at, each in enumerate(decisions) if any(verdicts(each)))


def _items(viewed):
    return {each["item"] for each in (*viewed.sections["out"]["list"], *viewed.sections["out"]["withheld"])}
