"""``tactful guardrails``: the reports on rules and on collected data, on a small shop."""

import json
import uuid

import pytest
from click.testing import CliRunner
from support.http import BUYER, fill
from support.shops import a_request, decided, did, knowing, recorded

from api.cli import main
from api.logbook import keyring_of
from api.policies.shipped import shipped_policy
from api.settings import Settings
from api.storage.connection import open_engine, writing
from api.storage.customers import customer_numbers, set_facts
from api.storage.decisions import StoredDecision, append_decisions
from api.storage.subjects import open_subjects
from api.wiring import now_ms
from engine.vocabulary import Channel
from guardrails.log.record import SALT_BYTES
from guardrails.policy.charter import charter

DAY_MINUTES = 1_440


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command on a shop with one customer, who bought four things on the web."""
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))

    def invoke(*arguments):
        return CliRunner().invoke(main, [str(each) for each in arguments])

    assert invoke("db", "upgrade").exit_code == 0
    invoke.settings = Settings.from_env({"TACTFUL_DATA_DIR": str(tmp_path / "shop")})
    fill(invoke.settings, model=False)
    return invoke


def decide_some(settings, n=1, *, days_ago=0, channel=Channel.WEB):
    """Record decisions about somebody who bought bread through a channel."""
    request, known = a_request(), knowing([did("bread-0", channel=channel)])
    record = recorded(
        decided(request, known=known),
        request,
        known,
        secret=bytes(SALT_BYTES),
    )
    stored = [
        StoredDecision(
            decision_id=str(uuid.uuid4()),
            minute=now_ms() // 60_000 - days_ago * DAY_MINUTES,
            placement="home",
            basis="profile",
            outcome="shown",
            policy="p",
            model=None,
            header=record.header,
            body=record.body,
            subject_key=None,
            exposure=None,
        )
        for _ in range(n)
    ]
    engine = open_engine(settings)
    with keyring_of(settings) as keyring, writing(engine) as conn:
        append_decisions(conn, keyring, stored)
    engine.dispose()


def reviewed(run):
    result = run("guardrails", "review", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def unused(run, *arguments):
    result = run("guardrails", "unused", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_review_names_what_stands_behind_every_rule_also_without_a_decision(run):
    report = reviewed(run)
    own = [rule.id for rule in shipped_policy().rules]
    assert [rule["id"] for rule in report["rules"]] == [*charter(), *own]
    late = next(rule for rule in report["rules"] if rule["id"] == "nothing-to-sell-while-late")
    assert {each["of"] for each in late["assumes"]} == {"upsell", "cross_sell"}
    assert report["n_decisions"] == 0
    assert {row["flaw"] for row in report["overdue"]} <= {"past_review"}


def test_rules_are_measured_on_the_decisions_of_twice_the_grace_period(run):
    decide_some(run.settings, 3)
    decide_some(run.settings, 2, days_ago=45)
    decide_some(run.settings, 1, days_ago=61)
    report = reviewed(run)
    assert report["n_decisions"] == 5
    by_id = {rule["id"]: rule["assumes"][0]["measured"] for rule in report["rules"]}
    lately, before = by_id["G01"]["lately"], by_id["G01"]["before"]
    assert lately["n"] > 0
    assert lately["n"] * 2 == before["n"] * 3
    assert lately["share_micro"] == before["share_micro"]
    assert by_id["L1"] is None


def test_a_rule_that_acts_more_than_assumed_is_named_and_blocks_when_it_did_before(run):
    decide_some(run.settings, 120)
    decide_some(run.settings, 120, days_ago=45)
    rules = {rule["id"]: rule for rule in reviewed(run)["rules"]}
    outside = {
        rule_id
        for rule_id, rule in rules.items()
        for each in rule["assumes"]
        if each["measured"]
        and each["measured"]["lately"]["n"] >= 1000
        and not each["low_micro"] <= each["measured"]["lately"]["share_micro"] <= each["high_micro"]
    }
    flawed = [row for row in reviewed(run)["overdue"] if row["flaw"] != "past_review"]
    assert {row["rule_id"] for row in flawed} == outside
    assert all(row["blocks_approval"] for row in flawed)


def test_the_table_names_owner_and_day(run):
    decide_some(run.settings)
    shown = run("guardrails", "review")
    assert shown.exit_code == 0
    assert "customer-care" in shown.stdout
    assert charter()["G17"].review_by.isoformat() in shown.stdout
    assert "upsell" in shown.stdout
    assert "measured on 1 decisions" in shown.stderr


def test_what_no_decision_took_up_is_listed_with_its_purpose(run):
    decide_some(run.settings, channel=Channel.APP)
    report = unused(run)
    assert report == {
        "days": 90,
        "n_decisions": 1,
        "unused": [
            {
                "data": "purchase",
                "purpose": "personalize.content.profiling",
                "channel": "web",
                "provenance": "own",
                "n": 4,
                "learned_from": True,
            }
        ],
    }


def test_what_a_decision_took_up_is_not_until_that_is_too_long_ago(run):
    decide_some(run.settings, days_ago=40)
    assert unused(run)["unused"] == []
    assert [row["data"] for row in unused(run, "--days", 30)["unused"]] == ["purchase"]


def test_facts_of_customers_are_counted_and_customers_are_not_named(run):
    engine = open_engine(run.settings)
    with writing(engine) as conn:
        number = customer_numbers(conn, [BUYER], open_subjects(run.settings), now_ms())[BUYER]
        set_facts(conn, number, None, "DK")
    engine.dispose()
    decide_some(run.settings)
    result = run("guardrails", "unused", "--json")
    assert [(row["data"], row["n"], row["channel"]) for row in json.loads(result.stdout)["unused"]] == [
        ("jurisdiction", 1, None)
    ]
    assert BUYER not in result.output
    shown = run("guardrails", "unused")
    assert "jurisdiction" in shown.stdout
    assert "stop asking" in shown.stderr


def test_a_number_of_days_that_cannot_be_is_refused(run):
    assert run("guardrails", "unused", "--days", "0").exit_code == 2


def test_of_few_decisions_it_is_said_that_they_are_few(run):
    decide_some(run.settings)
    shown = run("guardrails", "review")
    assert "too few" in shown.stdout
    assert "a matter of chance" in shown.stderr


def test_where_nothing_was_decided_nothing_is_called_unused(run):
    shown = run("guardrails", "unused")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "nothing can be said" in shown.stderr


def test_the_purpose_of_what_is_unused_can_be_read_in_full(run):
    decide_some(run.settings, channel=Channel.APP)
    shown = run("guardrails", "unused")
    assert "…" not in shown.stdout
    assert "purchase" in shown.stdout


def test_where_all_is_used_it_is_not_asked_to_stop(run):
    decide_some(run.settings)
    shown = run("guardrails", "unused")
    assert shown.stdout == ""
    assert "was used by some of 1 decisions" in shown.stderr
