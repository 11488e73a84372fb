"""What was judged can be judged again from ``req``, ``consent`` and ``cand`` of its record and the policy."""

from __future__ import annotations

import base64
from typing import Any, get_type_hints

import numpy as np
import orjson
import pytest
from hypothesis import given
from support import shops
from support.scenes import Scene, agreeing, any_scenes
from support.shops import a_request, an_event, did, just_did, knowing, on_page

from engine.catalogue import NO_CODE, UNKNOWN_PRICE, Catalogue
from engine.serving.candidates import Candidates, Evidence
from engine.vocabulary import Basis, Channel, Intent, from_word, word
from guardrails.admit import Admission, Muted
from guardrails.compose import compose
from guardrails.consent.permission import Denial, LawfulBasis, Permission
from guardrails.consent.purposes import KEY_OF, Purpose, communications_key, sensitive_key
from guardrails.decide import Action, Decision, Round
from guardrails.holding import Holding
from guardrails.judge import judge
from guardrails.log.canonical import canonical
from guardrails.log.record import _rules
from guardrails.policy.limits import Limits, SupportLimits
from guardrails.request import (
    AgeAssurance,
    Context,
    Entry,
    Pattern,
    Placement,
    Presentation,
    Request,
    SubjectKind,
    Visit,
)
from guardrails.rules import CATALOGUE
from guardrails.rules.base import View
from guardrails.sensitive.occasions import names_of

Json = dict[str, Any]
OF_THE_CATALOGUE = {
    "tier",
    "sensitive_class",
    "price_minor",
    "category",
    "age_restricted",
    "muted",
    "occasion_muted",
    "sponsored",
    "pressing",
    "unclassified",
}


def recorded_sections(scene: Scene) -> dict[str, Json]:
    record = shops.recorded(scene.decide(), scene.request, scene.known, scene.house)
    return {name: orjson.loads(content) for name, content in shops.sections_of(record).items()}


def a_request_again(req: Json, has_page: bool) -> Request:
    placement = req["placement"] | {
        "intents": frozenset(Intent(code) for code in req["placement"]["intents"])
    }
    return Request(
        subject_kind=SubjectKind(req["subject_kind"]),
        placement=Placement(**placement),
        channel=from_word(Channel, req["channel"]),
        count=req["count"],
        now_ms=req["ts"],
        seed=base64.b64decode(req["seed"]),
        context=Context(item_idx=0 if has_page else None, occasion=req["occasion"]),
        non_profiled=req["non_profiled"],
        gpc=req["gpc"],
        shared_device=req["shared_device"],
        recognised_only=req["recognised_only"],
        language=req["language"],
        visit=Visit(**req["visit"] | {"entry": req["visit"]["entry"] and Entry(req["visit"]["entry"])}),
        presentation=Presentation(
            **req["presentation"] | {"patterns": frozenset(map(Pattern, req["presentation"]["patterns"]))}
        ),
        local_minute=req["local_minute"],
    )


def a_permission_again(entry: Json) -> Permission:
    return Permission(
        purpose=entry["purpose"],
        permitted=entry["permitted"],
        because=None if entry["because"] is None else Denial(entry["because"]),
        basis=LawfulBasis(entry["basis"]),
        notice_version=entry["notice_version"],
    )


def an_optional_again(entry: Json | None) -> Permission | None:
    return None if entry is None else a_permission_again(entry)


def an_admission_again(consent: Json, request: Request, muted: set[str]) -> Admission:
    permissions = {entry["purpose"]: a_permission_again(entry) for entry in consent["permissions"]}
    return Admission(
        permissions=tuple(permissions.values()),
        history=permissions[consent["history_by"]],
        covering=(),
        may_read_history=consent["history"],
        may_read_session=consent["session"],
        may_use_context=consent["context"],
        offers=permissions[KEY_OF[Purpose.TARGETED_OFFERS]],
        outreach=permissions.get(communications_key(request.channel)),
        sensitive_granted=frozenset(consent["sensitive_granted"]),
        muted=Muted(items=frozenset(muted), occasions=frozenset(names_of(1))),
        holding=Holding(**consent["holding"] | {"excluded": frozenset(consent["holding"]["excluded"])}),
        non_profiled=consent["non_profiled"],
        enrichment=an_optional_again(consent["enrichment"]),
        pricing=an_optional_again(consent["pricing"]),
        age_assurance=AgeAssurance(consent["age_assurance"]),
        shared_audience=consent["shared_audience"],
        degraded=tuple(consent["degraded"]),
    )


def a_catalogue_again(considered: Json, page: Json | None) -> Catalogue:
    """What the rules could read: row 0 stands for the item on the page, the candidates follow."""
    seen = considered["seen"]
    page = page or {"category": NO_CODE, "sensitive_class": None}
    of_items = [page["sensitive_class"], *seen["sensitive_class"]]
    classes = sorted({name for name in of_items if name is not None})
    n_items = len(of_items)
    item_ids = ("(the page)", *considered["items"])
    return Catalogue(
        version="",
        item_ids=item_ids,
        titles=item_ids,
        item_no=np.arange(n_items),
        category=np.array([page["category"], *seen["category"]], np.int32),
        categories=("",) * (max([page["category"], *seen["category"]]) + 1),
        brand=np.full(n_items, NO_CODE, np.int32),
        brands=(),
        price_minor=np.array([UNKNOWN_PRICE, *seen["price_minor"]], np.int64),
        currency="",
        available=np.ones(n_items, np.bool_),
        tier=np.array([0, *seen["tier"]], np.int8),
        sensitive_class=np.array(
            [NO_CODE if name is None else classes.index(name) for name in of_items], np.int16
        ),
        sensitive_classes=tuple(classes),
        age_restricted=np.array([False, *seen["age_restricted"]], np.bool_),
        occasions=np.array([False, *seen["occasion_muted"]], np.int32),
        unclassified=np.array([False, *seen["unclassified"]], np.bool_),
        sponsored=np.array([False, *seen["sponsored"]], np.bool_),
        pressing=np.array([False, *seen["pressing"]], np.bool_),
    )


def a_view_again(considered: Json, sections: dict[str, Json]) -> View:
    page, seen = sections["cand"]["page"], considered["seen"]
    request = a_request_again(sections["req"], page is not None)
    muted = {item for item, is_muted in zip(considered["items"], seen["muted"], strict=True) if is_muted}
    columns = {name: of_type(name, seen[name]) for name in seen if name not in OF_THE_CATALOGUE}
    return View(
        request=request,
        admission=an_admission_again(sections["consent"], request, muted),
        catalogue=a_catalogue_again(considered, page),
        basis=from_word(Basis, considered["basis"]),
        item_idx=np.arange(1, len(considered["items"]) + 1, dtype=np.int32),
        intent=of_type("intent", considered["intent"]),
        source=of_type("source", considered["source"]),
        **columns,
    )


HINTS = get_type_hints(View)


def of_type(name: str, value: Any) -> Any:
    """Give a recorded column the type that the view declares for it."""
    if isinstance(value, list):
        return np.array(value, HINTS[name].__args__[1].__args__[0])
    return HINTS[name](value)


def judged_again(sections: dict[str, Json], limits: Limits) -> Decision:
    rounds = []
    for considered in sections["cand"]["rounds"]:
        view = a_view_again(considered, sections)
        judged = judge(view, np.array(considered["score"], np.int64), CATALOGUE, limits)
        slate = compose(judged, view, limits)
        basis = from_word(Basis, considered["basis"])
        rounds.append(Round(basis, Evidence.empty(), Candidates.empty(), view, judged, slate))
    basis = rounds[-1].basis if rounds[-1].slate.shown else Basis.NONE
    return Decision(basis, (), tuple(rounds), rounds[-1].view.admission, (), ())


def check(scene: Scene) -> None:
    sections = recorded_sections(scene)
    again = judged_again(sections, scene.house.limits)
    assert canonical(_rules(again)) == canonical(sections["rules"])
    items = [considered["items"] for considered in sections["cand"]["rounds"]]
    last, out = again.rounds[-1], sections["out"]
    assert [items[-1][row] for row in last.slate.shown] == [each["item"] for each in out["list"]]
    needs_reason = last.judged.needs_reason[list(last.slate.shown)].tolist()
    assert needs_reason == [each["action"] == Action.SHOW_WITH_REASON for each in out["list"]]
    assert word(again.basis) == out["basis"]
    held_back = [
        {"item": names[row], "rule": rule_id}
        for names, taken in zip(items, again.rounds, strict=True)
        for row, rule_id in taken.slate.held_back
    ]
    assert held_back == out["withheld"]


@given(any_scenes())
def test_any_decision_is_judged_again_from_its_record_to_the_same_bytes(scene: Scene):
    check(scene)


EVERYTHING_KNOWN = knowing(
    [did("bread-0"), did("lamp-0", age_days=90), did("milk-1"), did("cream-1"), did("beer-0")],
    [just_did("soap-0")],
    [shops.was_shown(item, decision=1, same_session=True) for item in shops.a_catalogue().item_ids],
)
SENSITIVE_PAGE = on_page("beer-1", "lamp-0")
GRANTED = agreeing(*(an_event(sensitive_key(name)) for name in shops.CLASSES))


MANY_NEEDED = shops.a_house(Limits(support=SupportLimits(edge=100)))


@pytest.mark.parametrize(
    ("rule_id", "request_", "choices", "house"),
    [
        ("G01", a_request("email", channel=Channel.EMAIL), agreeing(), shops.a_house()),
        ("G05", a_request(), agreeing(), shops.a_house()),
        ("G12", a_request(), agreeing(), shops.a_house()),
        ("G17", a_request("cart", context=on_page("lamp-0")), agreeing(), shops.a_house()),
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
    assert canonical(_rules(judged_again(sections, scene.house.limits))) != canonical(sections["rules"])
