"""The charter, and the reports G34 and G35: examples in ``tests/cases/policy``, and real records."""

from collections import Counter
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.policies import a_rule
from support.shops import a_house, a_request, decided, did, just_did, knowing, on_page, recorded, sections_of

from engine.vocabulary import Channel, Intent, Kind, Origin, Provenance, from_word, word
from guardrails.consent.purposes import Purpose
from guardrails.errors import PolicyError
from guardrails.judge import WITHHOLDING
from guardrails.policy.charter import MICRO, Measure, charter, charter_of
from guardrails.policy.language import HouseAssumption
from guardrails.policy.measured import RuleCounts, measured, narrowed
from guardrails.policy.review import Flaw, Measured, Share, day_of, entry_of, overdue
from guardrails.policy.unused import Collected, Fact, Uses, unused
from guardrails.rules import CATALOGUE
from guardrails.rules.base import NEVER_DAYS, Effect
from guardrails.rules.slate import SLATE_CATALOGUE

FOLDER = Path(__file__).parents[2] / "cases" / "policy"
REVIEWS, UNUSED = (
    yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))["cases"] for name in ("g34", "g35")
)
TODAY = date(2027, 6, 30)
WRITTEN = date(2026, 11, 22)
ROW = {
    "owner": "customer-care",
    "rationale": "Because.",
    "review_by": date(2027, 6, 30),
    "locked": False,
    "assumes": {"measure": "withheld", "low_micro": 100_000, "high_micro": 500_000},
}
RULE_IDS = [*(f"G{number:02}" for number in range(1, 39)), *(f"L{number}" for number in range(1, 5))]


def test_every_shipped_rule_and_lint_has_a_charter_in_order():
    assert list(charter()) == RULE_IDS


@pytest.mark.parametrize("rule", [*CATALOGUE, *SLATE_CATALOGUE], ids=lambda rule: rule.id)
def test_the_charter_says_of_each_rule_what_the_rule_says(rule):
    assert charter()[rule.id].locked is rule.locked
    assert [each.measure for each in charter()[rule.id].assumes] != [Measure.REPORTED]


@pytest.mark.parametrize("entry", charter().values(), ids=lambda entry: entry.id)
def test_every_rule_is_looked_at_within_a_year_and_assumes_something_that_can_fail(entry):
    assert WRITTEN < entry.review_by <= WRITTEN + timedelta(days=365)
    (assumption,) = entry.assumes
    assert 0 < assumption.high_micro < MICRO
    assert entry.rationale.endswith(".")
    assert entry.rationale.count(". ") == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (3, "`X1` is not a table"),
        ({}, "lacks or misnames `assumes`"),
        (ROW | {"title": "x"}, "lacks or misnames `title`"),
        (ROW | {"owner": "Ann Smith"}, "`owner` must be a role"),
        (ROW | {"owner": 3}, "`owner` must be a role"),
        (ROW | {"rationale": " "}, "`rationale` must be a text"),
        (ROW | {"rationale": None}, "`rationale` must be a text"),
        (ROW | {"review_by": "2027-06-30"}, "`review_by` must be a day"),
        (ROW | {"locked": 1}, "`locked` must be true or false"),
        (ROW | {"assumes": "much"}, "`X1` is not a table"),
        (ROW | {"assumes": {}}, "lacks or misnames `high_micro`"),
        (ROW | {"assumes": ROW["assumes"] | {"measure": "clicks"}}, "`measure` must be one of withheld"),
        (ROW | {"assumes": ROW["assumes"] | {"low_micro": 500_001}}, "`assumes` must be a range"),
        (ROW | {"assumes": ROW["assumes"] | {"low_micro": -1}}, "`assumes` must be a range"),
        (ROW | {"assumes": ROW["assumes"] | {"low_micro": 0.1}}, "`assumes` must be a range"),
        (ROW | {"assumes": ROW["assumes"] | {"high_micro": MICRO + 1}}, "`assumes` must be a range"),
        (ROW | {"assumes": ROW["assumes"] | {"high_micro": "all"}}, "`assumes` must be a range"),
    ],
)
def test_a_charter_that_cannot_be_is_refused(row, message):
    with pytest.raises(PolicyError, match=message):
        charter_of({"X1": row})


@pytest.mark.parametrize("case", REVIEWS, ids=[case["note"] for case in REVIEWS])
def test_a_review_says_what_the_example_says(case):
    given_ = case["given"]
    entries = charter_of({"X1": ROW | {"review_by": given_.get("review_by", TODAY)}})
    shares = {name: Share(*given_[name]) for name in ("lately", "before") if name in given_}
    found = overdue(entries, TODAY, {"X1": (Measured(**shares),)} if shares else {})
    assert len(found) == len(case["then"])
    pairs = zip(found, case["then"], strict=True)
    said = [{name: getattr(row, name) for name in expected} for row, expected in pairs]
    assert said == [expected | {"flaw": Flaw(expected["flaw"])} for expected in case["then"]]
    assert all((row.rule_id, row.owner) == ("X1", "customer-care") for row in found)


@given(st.integers(0, 1000), st.integers(0, 60))
def test_what_is_overdue_stays_overdue_and_a_longer_grace_blocks_no_more(days, grace):
    entries, day = charter_of({"X1": ROW}), TODAY + timedelta(days=days)
    now, later = overdue(entries, day, {}, grace), overdue(entries, day + timedelta(days=1), {}, grace)
    assert len(now) <= len(later)
    patient = overdue(entries, day, {}, grace + 1)
    assert [row.blocks_approval for row in patient] <= [row.blocks_approval for row in now]


def test_a_day_is_counted_in_utc():
    assert day_of(0) == date(1970, 1, 1)
    assert day_of(86_400_000 - 1) == date(1970, 1, 1)
    assert day_of(86_400_000) == date(1970, 1, 2)


def some_decisions():
    """Real decisions with their records' sections: a page, the home page with a history, a message."""
    history = knowing([did("bread-0"), did("beer-0"), did("milk-1", Kind.VIEW, channel=Channel.APP)])
    visit = knowing(session=[just_did("milk-0")])
    asked = [
        (a_request("product_page", context=on_page("bread-0")), history),
        (a_request("home"), visit),
        (a_request("email", channel=Channel.EMAIL), history),
    ]
    for request, known in asked:
        decision = decided(request, known=known)
        yield decision, sections_of(recorded(decision, request, known))


def of(rule_id, measure):
    """What is assumed of a rule that ships, as if it rested on this measure."""
    (assumption,) = charter()[rule_id].assumes
    return rule_id, replace(assumption, measure=measure)


def test_rules_are_measured_as_they_judged():
    counts, decisions = RuleCounts(), list(some_decisions())
    for _, sections in decisions:
        counts.add(sections)
    assert counts.n_decisions == len(decisions)
    rounds = [taken for decision, _ in decisions for taken in decision.rounds]
    withheld, touched = Counter(), Counter()
    for taken in rounds:
        refused = {(refusal.rule_id, refusal.row) for refusal in taken.slate.refused}
        for rule, judgement in zip(taken.judged.rules, taken.judged.judgements, strict=True):
            withheld[rule.id] += int((judgement.effect >= WITHHOLDING).sum())
            refused |= {(rule.id, row) for row in np.flatnonzero(judgement.effect).tolist()}
        withheld.update(refusal.rule_id for refusal in taken.slate.refused)
        touched.update(rule_id for rule_id, _ in refused)
    n = sum(len(taken.candidates) for taken in rounds)
    assert withheld.total()
    for rule in (*CATALOGUE, *SLATE_CATALOGUE):
        assert counts.share(*of(rule.id, Measure.WITHHELD)) == Share(withheld[rule.id], n)
        assert counts.share(*of(rule.id, Measure.TOUCHED)) == Share(touched[rule.id], n)
        kept_out = sum(rule.id in dict(decision.kept_out) for decision, _ in decisions)
        assert counts.share(*of(rule.id, Measure.KEPT_OUT)) == Share(kept_out, len(decisions))
    assert any(decision.kept_out for decision, _ in decisions)


def test_what_a_rule_of_the_list_refuses_is_touched_once_whatever_it_said_of_it_before():
    fired = {"rule": [0, 0], "row": [1, 2], "effect": [int(Effect.DEMOTE), int(Effect.BLOCK)]}
    refused = [{"rule_id": "G17", "row": 1}, {"rule_id": "G37", "row": 3}]
    said = {"asked": [{"rule": "G17"}], "rank_score": [9, 8, 7, 6], "fired": fired, "slate": refused}
    counts = RuleCounts()
    counts.add({"consent": b'{"kept_out":[]}', "rules": orjson.dumps({"rounds": [said]})})
    assert counts.share(*of("G17", Measure.TOUCHED)) == Share(2, 4)
    assert counts.share(*of("G17", Measure.WITHHELD)) == Share(2, 4)
    assert counts.share(*of("G37", Measure.WITHHELD)) == Share(1, 4)
    assert counts.share(*of("G38", Measure.WITHHELD)) == Share(0, 4)


OWN = {
    "block-it": [
        (Measure.WITHHELD, None),
        (Measure.WITHHELD, Intent.UPSELL),
        (Measure.TOUCHED, Intent.SIMILAR),
    ],
    "demote-it": [(Measure.TOUCHED, None), (Measure.WITHHELD, Intent.UPSELL)],
    "watched-it": [(Measure.WITHHELD, None), (Measure.WITHHELD, Intent.UPSELL)],
    "never-asked": [(Measure.WITHHELD, None), (Measure.TOUCHED, Intent.UPSELL)],
    "without-any": [],
}
"""Rules of a shop, and what they assume something of."""


def entries_of_own():
    return {
        rule_id: entry_of(
            a_rule(rule_id, assumes=tuple(HouseAssumption(measure, 0, 500_000, of) for measure, of in about))
        )
        for rule_id, about in OWN.items()
    }


def counted_of_own(n_times=1):
    """Four candidates, two of them upsells, as three rules of a shop judged them."""
    said = {
        "asked": [{"rule": "block-it"}, {"rule": "demote-it"}],
        "rank_score": [9, 8, 7, 6],
        "fired": {
            "rule": [0, 0, 1],
            "row": [0, 2, 1],
            "effect": [int(Effect.BLOCK), int(Effect.BLOCK), int(Effect.DEMOTE)],
        },
        "watched": {
            "asked": [{"rule": "watched-it"}],
            "fired": {"rule": [0], "row": [1], "effect": [int(Effect.GENERALISE)]},
        },
    }
    intents = [Intent.UPSELL, Intent.UPSELL, Intent.SIMILAR, Intent.POPULAR]
    counts = RuleCounts(narrowed(entries_of_own()))
    for _ in range(n_times):
        counts.add(
            {
                "consent": b'{"kept_out":[]}',
                "rules": orjson.dumps({"rounds": [said]}),
                "cand": orjson.dumps({"rounds": [{"intent": [int(intent) for intent in intents]}]}),
            }
        )
    return counts


def test_rules_of_a_shop_are_measured_by_what_they_assume_also_where_they_only_watch():
    assert narrowed(entries_of_own()) == OWN.keys() - {"without-any"}
    known = measured(entries_of_own(), counted_of_own(), RuleCounts())
    assert {rule_id: [each.lately for each in shares] for rule_id, shares in known.items()} == {
        "block-it": [Share(2, 4), Share(1, 2), Share(1, 1)],
        "demote-it": [Share(1, 4), Share(0, 2)],
        "watched-it": [
            Share(int(Effect.GENERALISE >= WITHHOLDING), 4),
            Share(int(Effect.GENERALISE >= WITHHOLDING), 2),
        ],
        "never-asked": [Share(0, 0), Share(0, 0)],
        "without-any": [],
    }


def test_each_assumption_of_a_rule_is_held_against_its_own_share():
    entries = entries_of_own()
    known = measured(entries, counted_of_own(1000), counted_of_own(1000))
    found = overdue(entries, WRITTEN, known)
    assert [(row.rule_id, row.assumes, row.flaw, row.blocks_approval) for row in found] == [
        ("block-it", entries["block-it"].assumes[2], Flaw.ACTS_TOO_MUCH, True)
    ]


def test_what_stands_behind_a_rule_of_a_shop_is_what_it_says_of_itself():
    rule = a_rule()
    entry = entry_of(rule)
    assert (entry.id, entry.owner, entry.review_by) == (rule.id, rule.owner, rule.review_by)
    assert not entry.locked


def test_of_reports_and_lints_nothing_is_measured():
    known = measured(charter(), RuleCounts(), RuleCounts())
    assert set(RULE_IDS) - set(known) == {"G34", "G35", "L1", "L2", "L3", "L4"}
    assert [each.lately.micro for each in known["G01"]] == [None]


def test_what_real_decisions_took_up_counts_as_used():
    uses = Uses()
    for _, sections in some_decisions():
        uses.add(sections)
    taken_up = Collected.interaction(Kind.PURCHASE, Purpose.PROFILING, Channel.WEB)
    in_visit = Collected.interaction(Kind.VIEW, Purpose.LIMITED_CONTENT, Channel.WEB)
    never = Collected.interaction(Kind.PURCHASE, Purpose.PROFILING, Channel.PHONE)
    assert [uses.has(each) for each in (taken_up, in_visit, never)] == [True, True, False]
    assert not uses.has(Collected.interaction(Kind.RETURN, Purpose.PROFILING, Channel.WEB))
    (row,) = unused({taken_up: 3, in_visit: 2, never: 1}, uses)
    assert (row.collected, row.n) == (never, 1)


def test_a_real_return_that_holds_something_back_counts_as_used():
    request, known = a_request("home"), knowing([did("bread-0"), did("milk-0", Kind.RETURN)])
    uses = Uses()
    uses.add(sections_of(recorded(decided(request, known=known), request, known)))
    assert uses.has(Collected.interaction(Kind.RETURN, Purpose.PROFILING, Channel.WEB))


def collected_of(row):
    if "channel" not in row:
        return Collected.fact(Fact(row["data"]))
    provenance = Provenance[row.get("provenance", "OWN")]
    kind, channel = from_word(Kind, row["data"]), Channel[row["channel"]]
    return Collected.interaction(kind, Purpose[row["purpose"]], channel, provenance)


def sections_with(evidence=(), consent=None, *, returned=False):
    """The parts of a record that are looked at; a record from before provenance has none of that."""
    pieces = {
        "kind": [Kind[piece["kind"]] for piece in evidence],
        "channel": [Channel[piece["channel"]] for piece in evidence],
        "origin": [Origin[piece["origin"]] for piece in evidence],
    }
    days = [NEVER_DAYS, 3 if returned else NEVER_DAYS]
    seen = {"returned_days": [NEVER_DAYS] * 2, "category_returned_days": days}
    said = {"permissions": [], "age_assurance": "unknown", "raised_classes": [], "shared_audience": False}
    return {
        "cand": orjson.dumps({"rounds": [{"evidence": pieces, "seen": seen}]}),
        "consent": orjson.dumps(said | (consent or {})),
    }


@pytest.mark.parametrize("case", UNUSED, ids=[case["note"] for case in UNUSED])
def test_what_is_unused_is_what_the_example_says(case):
    uses = Uses()
    for decision in case["decided"]:
        uses.add(sections_with(**decision))
    assert uses.n_decisions == len(case["decided"])
    found = unused({collected_of(row): row["n"] for row in case["collected"]}, uses)
    said = [(row.collected.name, row.collected.channel, row.n, row.learned_from) for row in found]
    assert said == [
        (row["data"], Channel[row["channel"]] if "channel" in row else None, row["n"], row["learned_from"])
        for row in case["then"]
    ]


def test_a_report_holds_nobody():
    assert set(asdict(Collected.fact(Fact.AGE_BAND))) == {"name", "purpose", "channel", "provenance"}
    assert word(Kind.VIEW) == Collected.interaction(Kind.VIEW, Purpose.PROFILING, Channel.WEB).name


def test_the_usual_house_is_reviewed_under_the_usual_charter():
    assert {rule.id for rule in a_house().rules} <= set(charter())
