"""A record is enough to make its decision again, byte for byte: the answer (L1), what was considered (L2)."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import shops
from support.policies import policies
from support.replaying import HOUSE_RULES, Recorded, governed, mixed_scenes, recorded
from support.scenes import Scene, agreeing, any_scenes, scenes, watchful_scenes
from support.tries import tries

from engine.artefact import load_artefact, write_artefact
from engine.catalogue import Catalogue
from engine.serving.recommender import Recommender
from engine.vocabulary import Source
from guardrails.log.replay import Finding, first_difference, shadow_of
from guardrails.policy.fields import FIELDS
from guardrails.policy.limits import Limits, SupportLimits

N_MIXED = int(os.environ.get("N_MIXED", "2000"))
"""So many mixed decisions are made again; ten thousand take a minute more."""


def check(scene: Scene) -> Recorded:
    found = recorded(scene)
    assert found.rules().finding is Finding.EXACT, found.rules()
    assert found.candidates().finding is Finding.EXACT, found.candidates()
    return found


@given(any_scenes() | watchful_scenes())
def test_any_decision_is_made_again_to_the_same_bytes(scene: Scene):
    check(scene)


@tries(60)
@given(
    any_scenes() | watchful_scenes() | scenes(),
    policies(tuple(FIELDS)),
    st.none() | policies(tuple(FIELDS), max_rules=2),
)
def test_rules_of_the_shop_are_asked_again_and_so_is_what_stood_in_shadow(scene, policy, shadow):
    check(replace(scene, house=governed(scene.house, policy, shadow)))


def seen_among(n: int, seed: int) -> Counter[str]:
    """Replay many decisions; count what occurred in them."""
    counted: Counter[str] = Counter()
    for scene in mixed_scenes(n, seed):
        found = check(scene)
        cand, out, rules = found.read("cand"), found.read("out"), found.read("rules")
        counted["decisions"] += 1
        counted[out["basis"]] += 1
        counted[f"in {scene.request.language}"] += 1
        counted["more asked for"] += any(
            each["n_asked"] > scene.house.n_considered for each in cand["rounds"]
        )
        counted["in shadow"] += rules["shadow"] is not None
        counted["degraded"] += bool(out["degraded"])
        for each in out["list"]:
            counted["stands for"] += each["stands_for"] is not None
            counted["obliges"] += bool(each["obligations"])
            counted["warns"] += bool(each["warnings"])
            counted[each["code"]] += 1
    return +counted


EVERYTHING = {
    *("profile", "session", "contextual", "popular", "none"),
    *("in shadow", "degraded", "stands for", "obliges", "warns", "more asked for"),
    *("bought_before", "this_visit", "goes_with_page", "popular_in_category", "your_choices"),
    *("in en", "in da", "in de", "in sv", "in nb"),
}


def test_some_hundred_mixed_decisions_are_all_exact_on_both_levels():
    assert seen_among(300, seed=1).keys() >= EVERYTHING


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(2, 6))
def test_thousands_of_mixed_decisions_are_all_exact_on_both_levels(seed):
    counted = seen_among(N_MIXED // 4, seed)
    assert counted["decisions"] == N_MIXED // 4
    assert counted.keys() >= EVERYTHING


SCENE = Scene(
    shops.a_request("home", count=6),
    agreeing(),
    shops.knowing(shops.REGULAR, shops.STROLLING, [shops.was_shown("milk-2", dismissed=True)]),
    governed(shops.a_house(), HOUSE_RULES),
)
ON_PAGE = replace(SCENE, request=shops.a_request("product_page", context=shops.on_page("lamp-0", "milk-3")))
SHOWN = recorded(SCENE)


def differs(found: Any, *pointers: str) -> None:
    assert found.finding is Finding.DIFFERS
    assert found.pointer.startswith(pointers), found.pointer


class TestTheAnswerDiffers:
    """What would make L1 worthless: that it says "exact" whatever the record says."""

    @pytest.mark.parametrize(
        ("section", "change", "pointer"),
        [
            ("out", lambda out: out["list"][0].update(text="Because we say so"), "/out/list/0/text"),
            ("out", lambda out: out["list"][0].update(obligations=["hand_off"]), "/out/list/0/obligations"),
            ("out", lambda out: out["list"][0].update(warnings=["x"]), "/out/list/0/warnings"),
            ("out", lambda out: out["list"][0].update(lawful_basis="contract"), "/out/list/0/lawful_basis"),
            ("out", lambda out: out["list"][0].update(score=1), "/out/list/0/score"),
            ("out", lambda out: out["list"].pop(), "/out/list/"),
            ("out", lambda out: out["list"].reverse(), "/out/list/0"),
            ("out", lambda out: out["withheld"].pop(), "/out/withheld/"),
            ("out", lambda out: out.update(for_a_human=True), "/out/for_a_human"),
            ("out", lambda out: out.update(degraded=["rule_failed"]), "/out/degraded"),
            ("out", lambda out: out.update(added=1), "/out/added"),
            (
                "rules",
                lambda rules: rules["rounds"][0]["rank_score"].reverse(),
                "/rules/rounds/0/rank_score/0",
            ),
            ("rules", lambda rules: rules["rounds"][0]["asked"].pop(), "/rules/rounds/0/asked/"),
            ("rules", lambda rules: rules["rounds"][0]["fired"]["limit"].append(1), "/rules/rounds/0/fired"),
            ("cand", lambda cand: cand["rounds"][0]["score"].reverse(), "/rules/rounds/0/rank_score"),
            ("cand", lambda cand: cand["titles"].clear(), "/out/list/"),
            ("cand", lambda cand: cand.update(model=None), "/out/degraded"),
            ("req", lambda req: req.update(language="sv"), "/out/list/0/text"),
            ("req", lambda req: req.update(count=1), "/out/list/1"),
            ("req", lambda req: req.update(ts=60_000), "/header/t_min"),
            ("consent", lambda consent: consent.update(shared_audience=True), "/"),
        ],
    )
    def test_at_the_first_thing_that_was_changed(self, section, change, pointer):
        differs(SHOWN.tampered(section, change).rules(), pointer)

    def test_at_a_fact_that_a_rule_looked_at(self):
        def change(cand):
            seen = cand["rounds"][0]["seen"]
            seen["muted"] = [True] * len(seen["muted"])

        differs(SHOWN.tampered("cand", change).rules(), "/rules/", "/out/")

    def test_under_another_policy(self):
        differs(SHOWN.rules(limits=Limits(support=SupportLimits(edge=10_000))), "/rules/", "/out/")
        differs(SHOWN.rules(rules=shops.a_house().rules), "/rules/", "/out/")
        differs(SHOWN.rules(version="0" * 64), "/header/policy")

    def test_where_the_header_says_otherwise(self):
        for name in ("placement", "outcome", "n_shown", "n_cand", "n_withheld", "model", "basis"):
            told = replace(SHOWN, header={**SHOWN.header, name: "other"})
            differs(told.rules(), f"/header/{name}")

    def test_where_bytes_are_not_canonical(self):
        found = replace(SHOWN, sections={**SHOWN.sections, "out": SHOWN.sections["out"] + b" "})
        differs(found.rules(), "/out")


class TestWhatWasConsideredDiffers:
    @pytest.mark.parametrize(
        ("section", "change", "pointer"),
        [
            (
                "cand",
                lambda cand: cand["rounds"][0]["evidence"]["weight"].__setitem__(0, 1),
                "/cand/rounds/0",
            ),
            ("cand", lambda cand: cand["rounds"][0]["score"].reverse(), "/cand/rounds/0/score/0"),
            ("cand", lambda cand: cand["rounds"][0].update(n_asked=3), "/cand/rounds/0"),
            ("cand", lambda cand: cand["titles"][0].update(title="Another"), "/cand/titles/0/title"),
            ("cand", lambda cand: cand.update(catalogue="0" * 64), "/cand/catalogue"),
            ("cand", lambda cand: cand.update(model="0" * 64), "/cand/model"),
            (
                "cand",
                lambda cand: cand["rounds"][0]["seen"]["price_minor"].__setitem__(2, 7),
                "/cand/rounds/0/seen/price_minor/2",
            ),
            ("req", lambda req: req.update(basket=["soap-1"]), "/cand/rounds/0"),
            ("req", lambda req: req.update(item="nobody-sells-it"), ""),
            (
                "consent",
                lambda consent: consent["muted"].update(brands=["Acme"]),
                "/cand/rounds/0/seen/muted",
            ),
        ],
    )
    def test_at_the_first_thing_that_was_changed(self, section, change, pointer):
        differs(SHOWN.tampered(section, change).candidates(), pointer)

    def test_where_a_step_was_left_out(self):
        found = next(
            each for each in map(recorded, mixed_scenes(100, seed=5)) if len(each.read("cand")["rounds"]) > 1
        )
        n_rounds = len(found.read("cand")["rounds"])
        differs(
            found.tampered("cand", lambda cand: cand["rounds"].pop()).candidates(),
            f"/cand/rounds/{n_rounds - 1}",
        )

    def test_with_one_price_of_the_catalogue_changed(self):
        item = shops.idx(SHOWN.read("cand")["rounds"][0]["items"][1])
        price_minor = shops.a_catalogue().price_minor.copy()
        price_minor[item] += 1
        other: Catalogue = replace(shops.a_catalogue(), price_minor=price_minor)
        differs(SHOWN.candidates(catalogue=other), "/cand/rounds/0/seen/price_minor/1")

    def test_with_one_weight_of_the_model_changed(self, tmp_path):
        artefact = shops.a_recommender()._artefact
        piece = shops.idx(SHOWN.read("cand")["rounds"][0]["evidence"]["items"][0])
        weights = np.array(artefact.weights)
        weights[artefact.indptr[piece]] += 1 << 24
        version = write_artefact(tmp_path, replace(artefact, weights=weights), artefact.manifest)
        altered = replace(load_artefact(tmp_path / version), version=artefact.version)
        found = SHOWN.candidates(recommender=Recommender(altered, shops.a_catalogue()))
        differs(found, "/cand/rounds/0/")


def test_stand_ins_are_found_again():
    found = check(
        next(
            scene
            for scene in mixed_scenes(400, seed=7)
            if any(each.stands_for for each in scene.decide().suggestions)
        )
    )
    assert any(
        source in {Source.CATEGORY, Source.BRAND}
        for each in found.read("cand")["rounds"]
        for source in each["source"]
    )


class TestWhatCannotBeSaid:
    def test_a_difference_is_not_held_against_another_build(self):
        found = replace(
            SHOWN.tampered("out", lambda out: out.update(for_a_human=True)),
            header={**SHOWN.header, "engine": "a" * 64},
        )
        assert (found.rules().finding, found.rules().pointer) == (Finding.OTHER_BUILD, "/out/for_a_human")

    def test_another_build_that_says_the_same_is_exact(self):
        found = replace(SHOWN, header={**SHOWN.header, "engine": "a" * 64})
        assert found.rules().finding is found.candidates().finding is Finding.EXACT

    def test_an_older_format_that_lacks_something_is_named_as_that(self):
        found = replace(
            SHOWN.tampered("cand", lambda cand: cand.pop("titles")), header={**SHOWN.header, "v": 0}
        )
        assert found.rules().finding is found.candidates().finding is Finding.OLDER_FORMAT

    @pytest.mark.parametrize(
        "change",
        [
            lambda cand: cand.pop("titles"),
            lambda cand: cand["rounds"].clear(),
            lambda cand: cand["rounds"][0].pop("score"),
            lambda cand: cand["rounds"][0]["seen"].pop("wanted"),
            lambda cand: cand["rounds"][0]["evidence"].pop("tier"),
        ],
    )
    def test_what_cannot_be_read_back_differs(self, change):
        found = SHOWN.tampered("cand", change)
        differs(found.rules(), "")
        differs(found.candidates(), "")

    def test_evidence_that_the_catalogue_does_not_hold_differs(self):
        def change(cand):
            cand["rounds"][0]["evidence"]["items"][0] = "nobody-sells-it"

        differs(SHOWN.tampered("cand", change).candidates(), "")


@pytest.mark.parametrize(
    ("one", "other", "pointer"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"a": 1}, {"a": True}, "/a"),
        ({"a": None}, {}, "/a"),
        ({"b": 1, "a": [1, 2]}, {"b": 2, "a": [1]}, "/a/1"),
        ([], {}, ""),
        ([{"x": "y"}], [{"x": "z"}], "/0/x"),
    ],
)
def test_the_first_difference_is_found(one, other, pointer):
    assert first_difference(one, other) == pointer
    assert first_difference(other, one) == pointer


def test_what_stood_in_shadow_is_told():
    assert shadow_of(SHOWN.sections) is None
    beside = governed(shops.a_house(), HOUSE_RULES, HOUSE_RULES)
    assert shadow_of(recorded(replace(SCENE, house=beside)).sections) == beside.policy_version


def test_the_page_of_which_a_reason_speaks_is_named_again():
    found = check(ON_PAGE)
    assert {"goes_with_page", "often_together"} & {each["code"] for each in found.read("out")["list"]}
