"""What a rehearsal finds, says, and does not know, on decisions that were made for it."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from datetime import UTC

import numpy as np
import pytest
from support import shops
from support.policies import a_policy, a_rule
from support.retained import as_before_house_rules, bodies_of, body_of, kept_of, rewritten, told
from support.scenes import Scene, agreeing
from support.shops import a_request, did, just_did, knowing, on_page
from support.views import a_mixed_view

from engine.vocabulary import Channel, Intent
from guardrails.holding import Hold, HoldKind
from guardrails.log.canonical import canonical
from guardrails.policy.again import SLATE_LIMITS, changed_limits, readers
from guardrails.policy.columns import columns_of
from guardrails.policy.compiled import house_rules
from guardrails.policy.directions import DIRECTIONS
from guardrails.policy.fields import FIELDS
from guardrails.policy.language import All, Atom, Op, Policy, RuleEffect
from guardrails.policy.limits import FrequencyLimits, Limits, PriceLimits, RepeatLimits, VarietyLimits
from guardrails.policy.merged import ask, ask_one_by_one
from guardrails.policy.rehearsal import (
    Change,
    ChangeKind,
    Concern,
    Rehearsed,
    Tally,
    concern_of,
    rehearse_run,
)
from guardrails.policy.rehearsal_report import (
    AS_RECORDED,
    NEVER_OBSERVED,
    NOT_AT_ALL,
    ONLY_IN_PART,
    SENTENCES,
    LeftOut,
    Reach,
    Words,
    report_of,
    sentences_of,
    share,
)
from guardrails.policy.retained_fields import RetainedColumns
from guardrails.request import Context, Visit
from guardrails.rules import CATALOGUE
from guardrails.rules.base import MICRO, Effect, Judgement, Rule, flagged, silent
from guardrails.rules.slate import SLATE_CATALOGUE
from guardrails.rules.slate.base import Draft

WORDS = Words(
    acted_on=frozenset({"clicked", "purchased"}),
    unwanted=frozenset({"too_personal", "not_interested"}),
    waved_off=frozenset({"too_personal", "not_interested", "irrelevant", "dismissed"}),
)
PAST = knowing([did("bread-0"), did("milk-1"), did("soap-0"), did("lamp-0", age_days=20)])
SHIPS = Policy()
VERSION = shops.a_house().policy_version
NO_BREAD = a_policy(a_rule("no-bread", when=Atom("item.categories", Op.CONTAINS_ANY, ("Food > Bread",))))
NO_ACME = a_policy(a_rule("no-acme", when=Atom("item.brand", Op.EQUAL, "Acme")))
NOTHING = a_policy(a_rule("nothing"))


def scenes() -> list[Scene]:
    house = shops.a_house()
    return [
        Scene(a_request(), agreeing(), PAST, house),
        Scene(a_request(local_minute=100), agreeing(), PAST, house),
        Scene(a_request("cart", context=on_page("lamp-0", "bread-1")), agreeing(), PAST, house),
        Scene(a_request("product_page", context=on_page("milk-0")), agreeing(), knowing(), house),
        Scene(a_request("search", context=Context(categories=(4,))), agreeing(), knowing(), house),
        Scene(a_request("email", channel=Channel.EMAIL), agreeing(), PAST, house),
        Scene(a_request(), agreeing(), knowing((), [just_did("bread-0")]), house),
        Scene(
            a_request(visit=Visit(n_pages=2, basket_after_s=30)),
            agreeing(holds=(Hold(HoldKind.DELIVERY, "", 0, None),)),
            PAST,
            house,
        ),
    ]


KEPT = kept_of(bodies_of(scenes()))


def rehearsed(draft: Policy, base: Policy = SHIPS) -> Rehearsed:
    return rehearse_run(KEPT, {VERSION: SHIPS}, base, draft)


def reported(draft: Policy, found: Rehearsed, **more):
    given = {"left_out": LeftOut(), "reach": Reach(), "said": {}, **more}
    return report_of(("b" * 64, SHIPS), ("d" * 64, draft), found.tally, found.changes, words=WORDS, **given)


def test_a_draft_that_changes_nothing_touches_nothing():
    found = rehearsed(SHIPS)
    assert found.changes == found.touched == ()
    assert found.tally.n_composed == 0
    assert found.tally.n_shown > 0


def test_what_a_rule_of_the_shop_blocks_is_newly_withheld_by_it():
    found = rehearsed(NO_BREAD)
    withheld = [each for each in found.changes if each.kind is ChangeKind.WITHHELD]
    assert withheld
    assert {each.rule_id for each in withheld} == {"no-bread"}
    assert all(each.item_id.startswith("bread") and each.was_shown for each in withheld)
    assert not any(each.was_shown for each in found.changes if each.kind is ChangeKind.MOVED_UP)


def test_taking_a_rule_back_allows_what_it_withheld():
    there_and_back = [rehearsed(NO_BREAD), rehearsed(SHIPS, base=NO_BREAD)]
    gone, new = (
        {(each.decision_id, each.item_id) for each in found.changes if each.kind is kind}
        for found, kind in zip(there_and_back, (ChangeKind.WITHHELD, ChangeKind.ALLOWED), strict=True)
    )
    assert gone == new


def test_what_is_shown_is_counted_as_the_base_shows_it():
    tally = rehearsed(SHIPS, base=NOTHING).tally
    assert tally.n_shown == 0
    assert set(tally.shown.values()) == {0}


def test_where_a_draft_empties_what_was_recorded_the_next_step_is_not_known():
    found = rehearsed(NOTHING)
    document = reported(NOTHING, found).document
    assert document["suggestions"]["n_withheld"] == found.tally.n_shown
    assert 0 < document["decisions"]["n_beyond_record"] < len(KEPT)


def test_a_rule_that_only_reorders_is_counted_apart():
    paid = a_policy(a_rule("later", when=None, effect=RuleEffect.DEMOTE, share_micro=500_000))
    some = a_policy(
        a_rule("milk-later", when=Atom("item.id", Op.IN, ("milk-0", "milk-1", "milk-2")), share_micro=1)
    )
    demoting = replace(some, rules=(replace(some.rules[0], effect=RuleEffect.DEMOTE),))
    assert rehearsed(paid).tally.n_touched == 0
    found = rehearsed(demoting)
    assert {each.kind for each in found.changes} <= set(ChangeKind)
    assert found.tally.n_composed >= found.tally.n_touched + found.tally.n_reordered > 0


@pytest.mark.parametrize(
    "limits",
    [
        Limits(frequency=FrequencyLimits(inline_page=0)),
        Limits(variety=VarietyLimits(selling_share_micro=0)),
        Limits(variety=VarietyLimits(min_categories=4, from_count=1)),
        Limits(price=PriceLimits(upsell_steps_session=0)),
    ],
)
def test_limits_of_a_whole_list_are_composed_again(limits):
    assert rehearsed(Policy(limits=limits)).tally.n_composed > 0


def test_decisions_of_before_rules_of_the_shop_are_counted_where_a_rule_cannot_be_asked():
    older = kept_of([as_before_house_rules(body) for body in bodies_of(scenes())])
    for draft, n_unasked in ((NO_BREAD, len(older)), (NO_ACME, len(older)), (NOTHING, 0)):
        found = rehearse_run(older, {VERSION: SHIPS}, SHIPS, draft)
        assert found.tally.n_unasked == n_unasked
        assert bool(found.changes) is (n_unasked == 0)


def test_a_rule_that_the_policy_of_then_had_as_well_stands_as_it_was_recorded():
    recorded = {VERSION: NO_BREAD}
    bodies = [as_asked(body, "no-bread") for body in bodies_of(scenes())]
    found = rehearse_run(kept_of(bodies), recorded, SHIPS, NO_BREAD)
    assert found.changes == ()  # nothing was recorded as said by it, and that stands
    another = replace(NO_BREAD, time_zone="Pacific/Auckland")
    assert rehearse_run(kept_of(bodies), recorded, SHIPS, another).changes


def as_asked(body, rule_id):
    def change(sections):
        for said in sections["rules"]["rounds"]:
            said["asked"].append({"reason": "HOUSE_RULE", "rule": rule_id})

    return rewritten(body, change)


def test_a_rule_that_was_not_there_yet_is_asked():
    def change(sections):
        for said in sections["rules"]["rounds"]:
            place = [each["rule"] for each in said["asked"]].index("G20")
            fired = said["fired"]
            left = [each for each, rule in enumerate(fired["rule"]) if rule != place]
            for name, column in fired.items():
                fired[name] = [column[each] for each in left]
            fired["rule"] = [rule - (rule > place) for rule in fired["rule"]]
            del said["asked"][place]

    request = a_request("modal", count=2)
    body = body_of(Scene(request, agreeing(), knowing(), shops.a_house()))
    found = rehearse_run(kept_of([rewritten(body, change)]), {VERSION: SHIPS}, SHIPS, SHIPS)
    assert found.tally.n_decisions == 1


# Merging


class Picky(Rule):
    """Answers as it is told, for tests of what is done with an answer."""

    id, name, locked, reason_code, sentence, ground, unit = "T1", "PICKY", True, "MUTED", "", "", "flag"

    def __init__(self, judge):
        self._judge = judge

    def judge(self, view, limits):
        return self._judge(view)


def answer(view, holds) -> Judgement:
    effect = np.full(len(view), Effect.BLOCK if holds else Effect.ALLOW, np.int8)
    return Judgement.of(effect, effect, 0)


READS = {
    "a number compared with each number": lambda view: answer(
        view, view.request.count > 3 or view.n_supported < 2
    ),
    "a number compared in every way": lambda view: answer(
        view,
        (view.n_supported <= 1) + (view.n_supported >= 3) + (view.n_supported == 2) + (view.top_score != 0),
    ),
    "whether a number is none": lambda view: answer(view, bool(view.n_inline_upsells_session)),
    "a number that may be unknown": lambda view: answer(
        view, view.request.local_minute is None or view.request.local_minute < 300
    ),
    "a number that is reckoned with": lambda view: answer(view, view.request.count % 2),
    "two numbers compared": lambda view: answer(view, view.n_supported < view.request.count),
    "the moment": lambda view: answer(view, view.request.now_ms % 7 == 1),
    "a number in an array": lambda view: answer(view, (view.min_support > view.n_supported).any()),
    "a column as a number": lambda view: answer(view, max(view.basket_minor, 0) > 300),
    "the seed": lambda view: answer(view, view.request.seed == b""),
    "the page": lambda view: answer(view, view.request.context.item_idx is None),
    "what is muted": lambda view: answer(view, view.admission.muted.items),
    "what the request works out": lambda view: answer(view, view.request.overheard),
    "something within": lambda view: answer(view, view.admission.holding.delivery_late),
    "the basis": lambda view: answer(view, view.basis > 2),
    "a flag": lambda view: answer(view, view.noticed),
    "the catalogue": lambda view: answer(view, view.catalogue.n_items < 0),
    "what there is not": lambda view: answer(view, view.nonsense),
    "an effect that there is not": lambda view: Judgement.of(
        np.full(len(view), 9, np.int8), np.zeros(len(view)), 0
    ),
    "too few answers": lambda view: Judgement.of(np.zeros(1, np.int8), np.zeros(1), 0),
    "a promotion": lambda view: Judgement.of(
        np.zeros(len(view), np.int8), np.zeros(len(view)), 0, np.full(len(view), 2 * MICRO)
    ),
    "a method": lambda view: flagged(view.admission.tier_of(view.catalogue, view.item_idx) > 0),
    "more rows than it can take": lambda view: answer(view, 1 // (len(view) < 40)),
    "always too much": lambda view: answer(view, 1 // (len(view) < 0)),
    "another thing of some": lambda view: answer(
        view, view.request.local_minute is not None and view.request.gpc is False and view.n_supported > 1
    ),
}


@pytest.mark.parametrize("reads", READS)
def test_whatever_a_rule_reads_it_is_answered_as_if_it_were_asked_alone(reads):
    rounds, rule = np.arange(KEPT.n_rounds), Picky(READS[reads])
    together, alone = (each(KEPT, rounds, rule, Limits()) for each in (ask, ask_one_by_one))
    assert together.effect.tolist() == alone.effect.tolist()
    assert together.factor_micro.tolist() == alone.factor_micro.tolist()


def test_rounds_are_parted_where_a_rule_reads_more_than_the_first_of_them_made_it_read():
    def judge(view):
        offered = (view.intent == Intent.CROSS_SELL.value) | (view.intent == Intent.UPSELL.value)
        if not offered.any():
            return silent(len(view))
        return flagged(offered & (view.request.placement.name == "cart"))

    rounds, rule = np.arange(KEPT.n_rounds), Picky(judge)
    first, *_ = ask_one_by_one(KEPT, rounds[:1], rule, Limits())
    together, alone = (each(KEPT, rounds, rule, Limits()).effect for each in (ask, ask_one_by_one))
    assert not first.any()
    assert alone.any()
    assert together.tolist() == alone.tolist()


def test_rules_are_asked_about_rounds_together_and_not_one_by_one():
    n_asked = 0

    def judge(view):
        nonlocal n_asked
        n_asked += 1
        return answer(view, view.min_support.min() < 0)

    ask(KEPT, np.arange(KEPT.n_rounds), Picky(judge), Limits())
    assert n_asked == 2  # one to see what it reads, and all


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_of_many_rounds_is_that_of_each(name):
    together = RetainedColumns(KEPT, np.arange(KEPT.n_rounds), UTC).column(name)
    alone = [columns_of(KEPT.view_at(number), UTC) for number in range(KEPT.n_rounds)]
    assert told(together, KEPT.n_candidates) == [
        value for each in alone for value in told(each.column(name), each.n)
    ]


def test_a_rule_of_the_shop_about_one_item_is_answered_as_if_it_were_asked_alone():
    ((rule,), _) = house_rules(a_policy(a_rule("no-such-milk", when=Atom("item.id", Op.EQUAL, "milk-0"))))
    rounds = np.arange(KEPT.n_rounds)
    together, alone = (each(KEPT, rounds, rule, Limits()).effect for each in (ask, ask_one_by_one))
    assert together.any()
    assert together.tolist() == alone.tolist()


def test_no_rounds_are_asked_about_at_all():
    kept = kept_of([])
    assert ask(kept, np.arange(0), CATALOGUE[0], Limits()).effect.size == 0
    assert rehearse_run(kept, {}, SHIPS, NOTHING) == Rehearsed(Tally(), (), ())


def test_under_a_policy_that_is_not_known_any_more_everything_is_asked_again():
    for draft in (SHIPS, NO_BREAD):
        assert rehearse_run(KEPT, {VERSION: None}, SHIPS, draft).changes == rehearsed(draft).changes


def test_a_field_that_there_is_not_is_refused():
    columns = RetainedColumns(KEPT, np.arange(KEPT.n_rounds), UTC)
    with pytest.raises(KeyError):
        columns.column("customer.mood")


# Limits and what reads them


class Noted:
    """Notes which limits are read."""

    def __init__(self, of, path, read):
        self._of, self._path, self._read = of, path, read

    def __getattr__(self, name):
        value = getattr(self._of, name)
        if self._path is None:
            return Noted(value, name, self._read)
        self._read.add((self._path, name))
        return value


@pytest.mark.parametrize("seed", range(12))
def test_a_rule_reads_no_limits_but_those_that_it_is_known_to_read(seed):
    for rule in CATALOGUE:
        read = set()
        rule.judge(a_mixed_view(seed), Noted(Limits(), None, read))
        assert {limit for limit in read if limit in DIRECTIONS} <= {
            limit for limit in DIRECTIONS if rule.id in readers(limit)
        }, rule.id


def test_the_rules_of_a_list_read_no_limits_but_those_that_they_are_known_to_read():
    read = set()
    for seed in range(12):
        view = a_mixed_view(seed)
        draft = Draft(view, list(range(len(view))))
        for rule in SLATE_CATALOGUE:
            for place in range(len(view)):
                draft.place = place
                rule.judge(draft, Noted(Limits(), None, read))
    assert read == SLATE_LIMITS


def test_limits_that_differ_are_named_in_their_order():
    other = Limits(repeat=RepeatLimits(hard_at=2), price=PriceLimits(upsell_hard_micro=1))
    assert changed_limits(Limits(), Limits()) == ()
    assert changed_limits(Limits(), other) == (("repeat", "hard_at"), ("price", "upsell_hard_micro"))
    assert readers(("repeat", "hard_at")) == {"G19", "G31"}
    assert readers(("repeat", "window_days")) == {"G19"}


def test_what_cannot_be_rehearsed_is_named_of_limits_that_exist():
    assert not NOT_AT_ALL.keys() & ONLY_IN_PART.keys()
    assert NOT_AT_ALL.keys() | ONLY_IN_PART.keys() <= DIRECTIONS.keys()
    assert {name for section, name in NOT_AT_ALL if section == "evidence"} == {
        each.name for each in fields(Limits().evidence)
    }


def test_a_report_names_changed_limits_that_were_not_rehearsed():
    evidence = replace(Limits().evidence, view_days=10)
    numbers = replace(Limits(), evidence=evidence, repeat=RepeatLimits(window_days=7, hard_at=4))
    document = reported(Policy(limits=numbers), rehearsed(Policy(limits=numbers))).document
    named = {each["limit"]: each for each in document["not_rehearsed"]}
    assert named.keys() == {"G21.view_days", "G19.window_days"}
    assert named["G21.view_days"]["from"], named["G21.view_days"]["to"] == (30, 10)
    assert (named["G21.view_days"]["in_part"], named["G19.window_days"]["in_part"]) == (False, True)
    reasons = {each["because"] for each in named.values()}
    assert set(sentences_of(document)) == {NEVER_OBSERVED, *AS_RECORDED, *reasons} < set(SENTENCES)


# The report


def a_change(number: int = 0, kind: ChangeKind = ChangeKind.WITHHELD, rule_id: str = "G17") -> Change:
    where = {"placement": "home", "channel": "web", "subject_kind": "account", "basis": "profile"}
    return Change(f"decision-{number}", "milk-0", kind, rule_id, True, "similar", where)


def a_report(*changes: Change, said=None, draft: Policy = SHIPS):
    return report_of(
        ("b" * 64, SHIPS),
        ("d" * 64, draft),
        Tally(n_decisions=9, n_shown=200),
        changes,
        LeftOut(n_erased=2, n_unreadable=1),
        Reach(n_customers=4, n_touched=1),
        said or {},
        WORDS,
    )


@pytest.mark.parametrize(
    ("rule_id", "words", "counted_as"),
    [
        ("G01", (), "consent"),
        ("G05", ("clicked",), "sensitive"),
        ("G20", (), "cap"),
        ("G17", ("too_personal", "clicked"), "unwanted"),
        ("G17", ("not_interested",), "unwanted"),
        ("G17", ("clicked",), "collateral"),
        ("G17", ("purchased", "helpful"), "collateral"),
        ("G17", ("clicked", "dismissed"), "unknown"),
        ("G17", ("helpful",), "unknown"),
        ("G17", (), "unknown"),
    ],
)
def test_what_is_newly_withheld_is_split_by_what_it_is_there_for(rule_id, words, counted_as):
    found = a_report(a_change(rule_id=rule_id), said={("decision-0", "milk-0"): words}).document[
        "newly_withheld"
    ]
    counts = {**found["intended_because"], "collateral": found["n_collateral"], "unknown": found["n_unknown"]}
    assert counts == {name: int(name == counted_as) for name in counts}
    assert found["n_intended"] + found["n_collateral"] + found["n_unknown"] == found["n"] == 1


def test_it_says_that_what_is_newly_allowed_was_never_observed():
    document = a_report(a_change(kind=ChangeKind.ALLOWED)).document
    assert document["newly_allowed"]["n"] == 1
    assert "never observed" in document["newly_allowed"]["observed"]


@pytest.mark.parametrize(
    ("field", "concern"),
    [
        ("customer.non_profiled", Concern.CONSENT),
        ("item.tier", Concern.SENSITIVE),
        ("visit.n_offers", Concern.CAP),
        ("item.sponsored", Concern.OTHER),
    ],
)
def test_the_fields_of_a_rule_of_the_shop_tell_what_it_is_about(field, concern):
    rule = a_rule("ours", when=All((Atom(field, Op.HAS, value=True),)))
    assert concern_of("ours", {"ours": rule}) is concern
    assert concern_of("ours", {}) is concern_of("", {}) is Concern.OTHER


def test_what_was_left_out_is_counted_and_said_why():
    decisions = a_report().document["decisions"]
    assert (decisions["n_retained"], decisions["n_rehearsed"]) == (12, 9)
    assert (decisions["n_erased"], decisions["n_unreadable"]) == (2, 1)


def test_twenty_examples_are_drawn_by_the_two_versions():
    changes = [a_change(number) for number in range(100)]
    first, again = (a_report(*changes).document["examples"] for _ in range(2))
    assert first == again
    assert len(first) == 20
    numbers = [int(each["decision_id"].removeprefix("decision-")) for each in first]
    assert numbers == sorted(set(numbers)) != list(range(20))


def test_a_report_is_known_by_its_canonical_bytes():
    report = reported(NO_BREAD, rehearsed(NO_BREAD))
    assert report.sha256 == hashlib.sha256(canonical(report.document)).hexdigest()
    assert reported(NO_BREAD, rehearsed(NO_BREAD)) == report
    assert reported(NO_ACME, rehearsed(NO_ACME)).sha256 != report.sha256


def test_effects_are_counted_by_every_dimension():
    document = reported(NO_BREAD, rehearsed(NO_BREAD)).document
    for dimension in ("placement", "channel", "subject_kind", "basis"):
        rows = document["effect"][dimension]
        assert sum(each["n_decisions"] for each in rows) == len(KEPT)
        assert sum(each["n_touched"] for each in rows) == document["decisions"]["n_touched"]
    for rows in document["effect"].values():
        assert sum(each["n_shown"] for each in rows) == document["suggestions"]["n_shown"]
        assert sum(each["n_withheld"] for each in rows) == document["suggestions"]["n_withheld"] > 0


def test_tallies_of_runs_add_up_to_that_of_all():
    bodies = bodies_of(scenes())
    parts = [
        rehearse_run(kept_of(some), {VERSION: SHIPS}, SHIPS, NO_BREAD)
        for some in (bodies[3:], bodies[:3], [])
    ]
    total = Tally()
    for part in parts:
        total.add(part.tally)
    assert total == rehearsed(NO_BREAD).tally


def test_an_interval_of_nothing_says_nothing_and_one_of_all_reaches_the_end():
    assert share(0, 0) == {"micro": 0, "low_micro": 0, "high_micro": MICRO}
    assert share(0, 50)["low_micro"] == 0
    assert share(50, 50)["high_micro"] == MICRO
