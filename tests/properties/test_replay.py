"""What was judged can be judged again from ``req``, ``consent`` and ``cand`` of its record and the policy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from support import shops
from support.scenes import Scene, agreeing, any_scenes, watchful_scenes
from support.shops import a_request, an_event, did, just_did, knowing, on_page

from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Basis, Channel, Source, from_word, word
from guardrails.compose import compose
from guardrails.consent.purposes import communications_key, sensitive_key
from guardrails.decide import Action, Decision, Round
from guardrails.holding import Hold, HoldKind
from guardrails.judge import judge
from guardrails.log.canonical import canonical
from guardrails.log.reading import sections_of, shown, view_of
from guardrails.log.record import rules_section
from guardrails.policy.limits import Limits, SupportLimits
from guardrails.request import AgeAssurance, Context, Mute, MuteScope, Presentation
from guardrails.rules import CATALOGUE

Json = dict[str, Any]


def recorded_sections(scene: Scene) -> dict[str, Json]:
    record = shops.recorded(scene.decide(), scene.request, scene.known, scene.house)
    return sections_of(record.body)


def judged_again(sections: dict[str, Json], limits: Limits) -> Decision:
    rounds = []
    for number, considered in enumerate(sections["cand"]["rounds"]):
        view = view_of(sections, number)
        judged = judge(view, np.array(considered["score"], np.int64), CATALOGUE, limits)
        slate = compose(judged, view, limits)
        basis = from_word(Basis, considered["basis"])
        rounds.append(Round(basis, Evidence.empty(), Candidates.empty(), view, judged, slate))
    basis = rounds[-1].basis if rounds[-1].slate.shown else Basis.NONE
    return Decision(basis, (), tuple(rounds), rounds[-1].view.admission, (), ())


def action_of(last: Round, row: int) -> Action:
    if last.view.source[row] >= Source.CATEGORY:
        return Action.GENERALISE
    return Action.SHOW_WITH_REASON if last.judged.needs_reason[row] else Action.SHOW


def check(scene: Scene) -> None:
    sections = recorded_sections(scene)
    again = judged_again(sections, scene.house.limits)
    assert rules_section(again) == canonical(sections["rules"])
    items = [considered["items"] for considered in sections["cand"]["rounds"]]
    last, out = again.rounds[-1], sections["out"]
    assert [items[-1][row] for row in last.slate.shown] == [each["item"] for each in out["list"]]
    assert [items[number][row] for number, row in shown(sections)] == [each["item"] for each in out["list"]]
    assert [action_of(last, row) for row in last.slate.shown] == [each["action"] for each in out["list"]]
    assert word(again.basis) == out["basis"]
    held_back = [
        {"item": names[row], "rule": rule_id}
        for names, taken in zip(items, again.rounds, strict=True)
        for row, rule_id in taken.slate.held_back
    ]
    assert held_back == out["withheld"]


@given(any_scenes() | watchful_scenes())
def test_any_decision_is_judged_again_from_its_record_to_the_same_bytes(scene: Scene):
    check(scene)


EVERYTHING_KNOWN = knowing(
    [did("bread-0"), did("lamp-0", age_days=90), did("milk-1"), did("cream-1"), did("beer-0")],
    [just_did("soap-0")],
    [shops.was_shown(item, decision=1, same_session=True) for item in shops.a_catalogue().item_ids],
)
SENSITIVE_PAGE = on_page("beer-1", "lamp-0")
GRANTED = agreeing(*(an_event(sensitive_key(name)) for name in shops.CLASSES))
LAPSED = agreeing(an_event(communications_key(Channel.EMAIL), at_ms=0))
MINOR = agreeing(age_assurance=AgeAssurance.MINOR)
RESTING = agreeing(holds=(Hold(HoldKind.OFFERS, "", 0, None),))
COMPLAINING = agreeing(holds=(Hold(HoldKind.COMPLAINT, "", 0, None),))
UNREMINDED = replace(
    agreeing(), mutes=tuple(Mute(MuteScope.OCCASION, each, None) for each in ("mothers_day", "easter"))
)


MANY_NEEDED = shops.a_house(Limits(support=SupportLimits(edge=100)))


@pytest.mark.parametrize(
    ("rule_id", "request_", "choices", "house"),
    [
        ("G01", a_request("email", channel=Channel.EMAIL), agreeing(), shops.a_house()),
        ("G03", a_request("email", channel=Channel.EMAIL), LAPSED, shops.a_house()),
        ("G04", a_request("cart", context=on_page("lamp-0")), MINOR, shops.a_house()),
        ("G05", a_request(), agreeing(), shops.a_house()),
        ("G10", a_request("in_store"), GRANTED, shops.a_house()),
        ("G12", a_request(), agreeing(), shops.a_house()),
        ("G13", a_request(context=Context(occasion="easter")), UNREMINDED, shops.a_house()),
        ("G13", a_request(), UNREMINDED, shops.a_house()),
        ("G14", a_request("cart", context=on_page("lamp-0")), RESTING, shops.a_house()),
        ("G15", a_request("cart", context=on_page("lamp-0")), COMPLAINING, shops.a_house()),
        ("G17", a_request("cart", context=on_page("lamp-0")), agreeing(), shops.a_house()),
        ("G18", a_request(presentation=Presentation(personalised_price=True)), agreeing(), shops.a_house()),
        ("G19", a_request(), agreeing(), shops.a_house()),
        ("G24", a_request(), agreeing(), MANY_NEEDED),
        ("G27", a_request(), GRANTED, shops.a_house()),
        ("G31", a_request("push"), agreeing(), shops.a_house()),
    ],
)
def test_a_decision_in_which_a_rule_fires_is_judged_again_to_the_same_bytes(
    rule_id, request_, choices, house
):
    scene = Scene(request_, choices, EVERYTHING_KNOWN, house)
    said = recorded_sections(scene)["rules"]["rounds"][0]
    assert rule_id in {said["asked"][rule]["rule"] for rule in said["fired"]["rule"]}
    check(scene)


def test_what_a_page_of_a_sensitive_class_allows_is_allowed_again():
    scene = Scene(a_request("product_page", context=SENSITIVE_PAGE), agreeing(), knowing(), shops.a_house())
    considered = recorded_sections(scene)["cand"]["rounds"]
    assert any("beer-0" in each["items"] for each in considered)
    check(scene)


def test_the_rules_section_depends_on_what_is_rebuilt():
    """Shows that the tests above can fail: forget one recorded fact, and the rules say something else."""
    scene = Scene(a_request(), agreeing(), EVERYTHING_KNOWN, shops.a_house())
    sections = recorded_sections(scene)
    seen = sections["cand"]["rounds"][0]["seen"]
    seen["muted"] = [False] * len(seen["muted"])
    assert rules_section(judged_again(sections, scene.house.limits)) != canonical(sections["rules"])
