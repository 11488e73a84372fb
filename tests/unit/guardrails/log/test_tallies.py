"""Tallies: exactly what the record of a decision holds, and nothing that leads to one person."""

from itertools import islice

import orjson
from hypothesis import given
from support.scenes import agreeing, any_scenes
from support.shops import a_house, a_request, decided, did, knowing, recorded, sections_of
from support.tries import tries

from engine.vocabulary import Basis, Intent, word
from guardrails.log.tallies import Part, Tally, tallies_of
from guardrails.no_policy import NoPolicy
from guardrails.placements import DEFAULT_PLACEMENTS
from guardrails.rules import CATALOGUE


def read_from_record(record, placement):
    """What is to be counted, by the record alone: part and name, with all three counts."""
    sections = {name: orjson.loads(content) for name, content in sections_of(record).items()}
    out, considered = sections["out"], sections["cand"]["rounds"]
    found = {}

    def add(at, *parts):
        for part in parts:
            found.setdefault(part, [0, 0, 0])[at] += 1

    add(0, ("placement", placement), ("basis", out["basis"]), ("outcome", out["outcome"]))
    add(0, *(("degraded", why) for why in out["degraded"]))
    for each in out["list"]:
        add(1, ("placement", placement), ("basis", out["basis"]), ("intent", each["intent"]))
    remaining = iter(out["withheld"])
    for number, taken in enumerate(considered, start=1):
        # where nothing may be shown, a further step is taken: everything on this one was withheld
        n = None if number == len(considered) else len(taken["items"])
        intents = {
            item: word(Intent(number)) for item, number in zip(taken["items"], taken["intent"], strict=True)
        }
        for each in islice(remaining, n):
            by = [("rule", each["rule"]), ("intent", intents[each["item"]]), ("basis", taken["basis"])]
            add(2, ("placement", placement), *by)
    return found


def as_counts(tallies):
    return {(part.value, name): counts for part, name, *counts in tallies}


@tries(40)
@given(any_scenes())
def test_what_is_counted_is_what_the_record_says(scene):
    decision = scene.decide()
    placement = scene.request.placement.name
    record = recorded(decision, scene.request, scene.known, scene.house)
    assert as_counts(tallies_of(decision, placement)) == read_from_record(record, placement)


@tries(40)
@given(any_scenes())
def test_every_way_of_counting_comes_to_the_same(scene):
    counted = tallies_of(scene.decide(), scene.request.placement.name)
    n_shown = {part: sum(each.n_shown for each in counted if each.part is part) for part in Part}
    n_withheld = {part: sum(each.n_withheld for each in counted if each.part is part) for part in Part}
    assert n_shown[Part.PLACEMENT] == n_shown[Part.BASIS] == n_shown[Part.INTENT]
    assert len({n_withheld[part] for part in (Part.PLACEMENT, Part.BASIS, Part.INTENT, Part.RULE)}) == 1
    for part in (Part.PLACEMENT, Part.BASIS, Part.OUTCOME):
        assert sum(each.n_decisions for each in counted if each.part is part) == 1
    assert all(each.n_decisions + each.n_shown + each.n_withheld for each in counted)


@tries(40)
@given(any_scenes())
def test_only_words_of_the_shop_and_of_the_software_are_counted(scene):
    words = {
        Part.PLACEMENT: {each.name for each in DEFAULT_PLACEMENTS},
        Part.BASIS: {word(each) for each in Basis},
        Part.INTENT: {word(each) for each in Intent},
        Part.RULE: {rule.id for rule in (*scene.house.rules, *scene.house.slate_rules)},
        Part.OUTCOME: {"personalised", "generic", "empty"},
        Part.DEGRADED: {"model_missing", "consent_unreadable", "rule_failed"},
    }
    for each in tallies_of(scene.decide(), scene.request.placement.name):
        assert each.name in words[each.part]


def test_what_was_shown_and_withheld_is_counted_by_everything():
    known = knowing([did("bread-0"), did("milk-1"), did("beer-0"), did("soap-0")])
    decision = decided(a_request(), agreeing(), known)
    counted = as_counts(tallies_of(decision, "home"))
    n_withheld = sum(len(taken.slate.held_back) for taken in decision.rounds)
    assert n_withheld
    assert counted["placement", "home"] == [1, len(decision.suggestions), n_withheld]


def test_an_answer_that_shows_nothing_because_a_rule_failed_says_so():
    house = a_house(rules=(NoPolicy(), *CATALOGUE))
    decision = decided(a_request(), agreeing(), knowing([did("bread-0")]), house)
    counted = tallies_of(decision, "home")
    assert Tally(Part.OUTCOME, "empty", 1, 0, 0) in counted
    assert {each.name for each in counted if each.part is Part.RULE} == {"NO_POLICY"}
    assert [each.name for each in counted if each.part is Part.DEGRADED] == list(decision.degraded)
